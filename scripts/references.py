"""Ask CRDS which reference files the exposures need, and write what it answers."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.crds import answers
from rampflow.jobs.job import Job
from rampflow.jobs.spec import JobSpec

Job(JobSpec.from_snakemake(snakemake)).run(answers.run)
