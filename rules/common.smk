"""What the rules share: the run's plan, and where an exposure's files are.

Graph logic is in workflow/rampflow/plan.py; here it is only put in Snakemake's words.
"""

import os
import sys

sys.path.insert(0, workflow.source_path("../workflow") if False else f"{workflow.basedir}/workflow")
os.environ["PYTHONPATH"] = os.pathsep.join(
    [f"{workflow.basedir}/workflow", *filter(None, [os.environ.get("PYTHONPATH")])]
)
