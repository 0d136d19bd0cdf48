"""Work on some exposures in one job of a cluster."""

from rampflow.warmstart.client import handoff

handoff()

import sys

from rampflow.planning import portions

memory = snakemake.resources.mem_mb
sys.exit(portions.run(snakemake.params.exposures, snakemake.threads, memory, snakemake.config, snakemake.log[0]))
