"""Ask CRDS which reference files the exposure needs, and write what it answers."""

from rampflow.warm import handoff

handoff()

from rampflow import exposures, references
from rampflow.job import Job

with Job(snakemake) as job:
    references.resolve(
        job.exposure,
        exposures.read_header(snakemake.input.uncal),
        snakemake.params.types,
        config=snakemake.params.crds,
        overrides=snakemake.params.overrides,
        folder=snakemake.params.folder,
        state=".rampflow",
    )
