"""Products under their final names: copies of those of the last step, or of the one before the fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rampflow.io import files, keywords, layout

if TYPE_CHECKING:
    from rampflow.jobs.job import Job


def run(job: Job) -> None:
    """Copy every input of a job to the output of the same name, with a FILENAME that says so.

    Steps that are left out between the product and the fit are SKIPPED in the ramp.

    Parameters
    ----------
    job : `~rampflow.jobs.job.Job`
        The job.
    """
    for kind, path in job.spec.inputs.items():
        with files.Product(path) as source:
            header = source.header.copy()
            for step in job.spec.skipped:
                keyword, comment = keywords.STATUS_KEYWORDS[step]
                keywords.set_keyword(header, keyword, "SKIPPED", comment)
            layout.copied(source, job.spec.outputs[kind], header).commit()
