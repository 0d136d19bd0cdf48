"""Say for which exposures CRDS has no answer, and why."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.jobs import stopped
from rampflow.jobs.job import Job
from rampflow.jobs.spec import JobSpec

Job(JobSpec.from_snakemake(snakemake)).run(stopped.unanswered)
