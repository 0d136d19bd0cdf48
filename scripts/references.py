"""Ask CRDS which reference files the exposures need, and write what it answers."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.crds import answers
from rampflow.jobs.step import Job

with Job(snakemake):
    asked = {name: snakemake.params[name] for name in ("requests", "crds", "locked", "results")}
    answers.answer_all(**asked, state=".rampflow")
