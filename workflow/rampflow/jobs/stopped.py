"""Jobs that fail for exposures which the run goes on without, so that Snakemake knows and the run's status says so."""

from pathlib import Path
from typing import TYPE_CHECKING

from rampflow.crds.asked import failures
from rampflow.errors import Stopped, said_together, some_of

if TYPE_CHECKING:
    from rampflow.jobs.job import Job


def unusable(job: "Job") -> None:
    """Raise `Stopped` for the exposures that cannot be used; what is wrong with each was said at the start.

    Parameters
    ----------
    job : `~rampflow.jobs.job.Job`
        Its rule gives ``unusable``, the names.
    """
    names = job.spec.more["unusable"]
    raise Stopped([f"cannot be used, as was said at the start: {len(names)}: {some_of(names)}"])


def unanswered(job: "Job") -> None:
    """Raise `Stopped` with what the references job has found wrong with exposures, each kind of failure once.

    Parameters
    ----------
    job : `~rampflow.jobs.job.Job`
        Its rule gives ``answers``.
    """
    answers = job.spec.more["answers"]
    failed = failures(answers) or {"references": f"no answer is kept in {answers}; run again"}
    log = Path(answers).parent / "logs" / "references.log"
    lines = said_together((exposure, f"references: {why}") for exposure, why in failed.items())
    raise Stopped(f"{line} (traceback: {log})" for line in lines)
