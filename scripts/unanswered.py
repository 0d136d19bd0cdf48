"""Say why CRDS has no answer for an exposure."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.crds.pointers import refuse
from rampflow.jobs.step import Job

with Job(snakemake) as job:
    refuse(snakemake.params.answers, job.exposure)
