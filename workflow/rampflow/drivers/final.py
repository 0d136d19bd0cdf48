"""Products under their final names: copies of those of the last step, or of the one before the fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rampflow.io import files, layout

if TYPE_CHECKING:
    from rampflow.jobs.job import Job


def run(job: Job) -> None:
    """Copy every input of a job to the output of the same name, with a FILENAME that says so.

    Parameters
    ----------
    job : `~rampflow.jobs.job.Job`
        The job.
    """
    for kind, path in job.spec.inputs.items():
        with files.Product(path) as source:
            layout.copied(source, job.spec.outputs[kind], source.header.copy()).commit()
