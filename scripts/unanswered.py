"""Say why CRDS has no answer for an exposure."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.crds import pointers
from rampflow.jobs.job import Job
from rampflow.jobs.spec import JobSpec

Job(JobSpec.from_snakemake(snakemake)).run(pointers.refuse)
