"""Products under their final names: those of the last step, or of the one before the fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rampflow.io import files, keywords, layout

if TYPE_CHECKING:
    from rampflow.jobs.job import Job


def run(job: Job) -> None:
    """Give every input of a job the name of the output of the same word, with a FILENAME that says so.

    The first output of the rule, which are the count rates of integrations, is its input under a second name: the bytes
    are not written once more. It is copied where its FILENAME is to stay, which the rule's parameter ``apart`` says,
    where its checksum is in its record, and where the file system has no second names. The others are copies: with
    two, Snakemake would find the one older than the input that is the other. So is a ramp, since steps that are left
    out between the product and the fit are SKIPPED in it.

    Parameters
    ----------
    job : `~rampflow.jobs.job.Job`
        The job.
    """
    apart = job.spec.more.get("apart", True) or job.spec.checksums_of_all
    first = next(iter(job.spec.outputs))
    for kind, path in job.spec.inputs.items():
        with files.Product(path) as source:
            header = source.header.copy()
            for step in job.spec.skipped:
                keyword, comment = keywords.STATUS_KEYWORDS[step]
                keywords.set_keyword(header, keyword, "SKIPPED", comment)
            for kind_of_reference, name in job.spec.named.items():
                keyword = keywords.REFERENCE_KEYWORDS[kind_of_reference]
                keywords.set_keyword(header, keyword, name, f"{kind_of_reference} reference file name")
            second = kind == first and not apart
            if not (second and layout.shared(source, job.spec.outputs[kind], header)):
                layout.copied(source, job.spec.outputs[kind], header).commit()
