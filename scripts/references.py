"""Ask CRDS which reference files the exposures need, and write what it answers."""

from rampflow.warm import handoff

handoff()

from rampflow import references
from rampflow.job import Job, write_json

with Job(snakemake) as job:
    failed = references.resolve_all(
        snakemake.params.requests,
        config=snakemake.params.crds,
        results=snakemake.params.results,
        state=".rampflow",
    )
    write_json(snakemake.output.answers, {"failed": failed})
