"""What a run says when it ends without all of its products."""

import sys
from collections import defaultdict

from rampflow.errors import said_together
from rampflow.inspection.exposures import ENDED, FETCH, START, STOPPED, gather
from rampflow.inspection.results import Results
from rampflow.jobs.provenance import HOME
from rampflow.settings.branches import exposure_of, told, variant_of

#: Exposures whose failure is said, and names of exposures in one line.
_LINES, _NAMES = 20, 8


def unfinished(results, exposures, interrupted=None, finished=0):
    """Say in few lines what would have to be looked for further up: which exposures are not finished, and why.

    Parameters
    ----------
    results : str
        Folder of the results.
    exposures : collection of str
        The exposures of the run, and the branches of their variants.
    interrupted : str, optional
        Name of the signal that has ended the run.
    finished : int, optional
        How many more exposures the run had, of which it is known that they are complete.

    Returns
    -------
    list of str
        The lines.
    """
    wanted = frozenset(exposures)
    looked_at = gather(Results(results, map(exposure_of, wanted)))
    found = [each for one in looked_at for each in one.branches]
    left = [one for one in found if one.state != "complete" and one.root in wanted]
    said, states = [], defaultdict(list)
    for one in left:
        step, _, why = one.why.partition(": ")
        if one.state == "failed" or (why == ENDED and not interrupted):
            said.append((told(one.root), one.why + _traceback(one, results)))
        elif why in (ENDED, STOPPED):
            states[f"interrupted at {step}"].append(told(one.root))
        else:
            states[f"stopped before {step}" if one.records else "not begun"].append(told(one.root))
    if not left and not interrupted:
        # What failed has said so, and concerns no exposure: its products are there from an earlier run.
        return []
    what = "exposures and variants" if any(map(variant_of, exposures)) else "exposures"
    lines = [f"{len(left)} of {len(exposures) + finished} {what} are not finished"]
    if interrupted:
        lines = [f"interrupted ({interrupted}): {lines[0]}; the same command goes on from there"]
    said = said_together(said)
    lines += said[:_LINES]
    for state, roots in states.items():
        more = f" and {len(roots) - _NAMES} more" if len(roots) > _NAMES else ""
        lines.append(f"{len(roots)} {state}: {', '.join(roots[:_NAMES])}{more}")
    if len(said) > _LINES or any(len(roots) > _NAMES for roots in states.values()):
        command = f"PYTHONPATH={HOME}/workflow {sys.executable} -m rampflow.inspection.report {results}"
        lines.append(f"exposures: {results}/summary.tsv, which the report writes, is a run on these alone")
        lines.append(f"not all are listed here; for a report with all: {command}")
    return lines


def _traceback(exposure, results):
    """Say where the traceback of a failure is, if it has one."""
    step = exposure.why.partition(":")[0]
    if exposure.state != "failed" or exposure.why.endswith(ENDED) or step == START:
        return ""
    place = f"{results}/logs" if step == "references" else f"{results}/{exposure.root}/logs"
    # Its log lies deeper, in a folder of the object's.
    place += "/*" if step == FETCH else ""
    return f" (traceback: {place}/{step}.log)"
