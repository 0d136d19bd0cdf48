"""Ask CRDS which reference files the exposures need, and write what it answers."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.crds import resolve
from rampflow.jobs.step import Job, write_json

with Job(snakemake) as job:
    failed = resolve.resolve_all(
        snakemake.params.requests,
        terms=snakemake.params.terms,
        config=snakemake.params.crds,
        results=snakemake.params.results,
        state=".rampflow",
    )
    write_json(snakemake.output.answers, {"failed": failed})
