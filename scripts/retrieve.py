"""Fetch a raw exposure from its store."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.jobs.job import Job
from rampflow.jobs.spec import JobSpec
from rampflow.stores import retrieving

Job(JobSpec.from_snakemake(snakemake)).run(retrieving.run)
