"""Work on some exposures in one job."""

from rampflow.warmstart.client import handoff

handoff()

import sys

from rampflow.planning import portions

told = snakemake.params.inherited
if snakemake.params.on_cluster:
    told = [*told, "--resources", f"mem_mb={snakemake.resources.mem_mb}"]
sys.exit(portions.run(snakemake.params.exposures, snakemake.threads, told, snakemake.config, snakemake.log[0]))
