"""Products under their final names: copies of those of the last step, or of the one before the fit."""

from rampflow.io import files, layout


def run(job):
    """Copy every input of a job to the output of the same name, with a FILENAME that says so.

    Parameters
    ----------
    job : `~rampflow.jobs.job.Job`
        The job.
    """
    for kind, path in job.spec.inputs.items():
        with files.Product(path) as source:
            layout.copied(source, job.spec.outputs[kind], source.header.copy()).commit()
