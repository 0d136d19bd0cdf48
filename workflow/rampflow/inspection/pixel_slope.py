"""What was fitted in a pixel, and why its rate is not a number."""

import numpy as np

from rampflow.detector import dq

_BAD = dq.DO_NOT_USE | dq.SATURATED


def segments(groupdq):
    """Find the groups that flags leave for the fit, cut where a cosmic ray hit.

    Parameters
    ----------
    groupdq : 1D uint8 `~numpy.ndarray`
        Flags of one integration before the fit.

    Returns
    -------
    list of (int, int)
        First and last group of each segment, from 1; the group of a jump opens the segment after it.
    """
    found = []
    for group, flags in enumerate(groupdq):
        if flags & _BAD:
            continue
        if found and found[-1][1] == group and not flags & dq.JUMP_DET:
            found[-1] = found[-1][0], group + 1
        else:
            found.append((group + 1, group + 1))
    return found


def why_nan(history):
    """Say in one line why the rate of a pixel is NaN; empty where it is a number, or there is no rate.

    Parameters
    ----------
    history : `~rampflow.inspection.pixel.PixelHistory`
        The pixel.
    """
    step, (image, _) = next(reversed(history.rates.items()), ("", (None, [])))
    if image is None or not np.isnan(image["SCI"]):
        return ""
    why = _because(history) or "the files on the disk do not say why"
    return f"{step}: NaN, because {why}"


def _because(history):
    values = {kind: each.values for kind, each in history.references.items()}
    gain, readnoise = values.get("gain"), values.get("readnoise")
    if gain is not None and not gain > 0:
        return f"its gain is {gain:.6g} electrons/DN in {history.references['gain'].name}"
    if readnoise is not None and np.isnan(readnoise):
        return f"its read noise is NaN in {history.references['readnoise'].name}"
    last = history.stages[-1]
    if last.groupdq is None or last.step == "uncal":
        return _from_references(history)
    told = {}
    for i, flags in enumerate(last.groupdq):
        left = np.flatnonzero(flags & _BAD == 0)
        if left.size == 0:
            why = f"every group is {' or '.join(_culprits(history, i))}"
        elif left.size == 1 and history.sources.value("ramp_fit", "suppress_one_group"):
            why = f"a single group is left (suppress_one_group); the others are {' or '.join(_culprits(history, i))}"
        else:
            why = ""
        told.setdefault(why, []).append(i + 1)
    if "" in told:
        limits = [history.sources.value("ramp_fit", name) for name in ("firstgroup", "lastgroup")]
        return f"the fit leaves out groups (firstgroup, lastgroup: {limits})" if any(limits) else ""
    if len(told) == 1:
        return next(iter(told))
    return "; ".join(f"in integration {_listed(numbers)} {why}" for why, numbers in told.items())


def _culprits(history, integration):
    """Tell which flags make the groups of an integration unusable, by which step and why."""
    found = {}
    for change in history.changes:
        if change.set and change.integration == integration + 1 and change.flag in ("DO_NOT_USE", "SATURATED"):
            found.setdefault((change.flag, change.step), []).append(change)
    lines = []
    for (flag, step), runs in found.items():
        groups = sorted({group for change in runs for group in range(change.first, change.last + 1)})
        because = _mask(history) if step == "dq_init" else runs[0].why
        lines.append(f"{flag} by {step} in group {_spans(groups)} ({because})")
    return lines or ["DO_NOT_USE in the raw file"]


def _spans(groups):
    """Write groups as ranges."""
    cuts = np.flatnonzero(np.diff(groups) != 1) + 1
    return ", ".join(f"{r[0]}-{r[-1]}" if len(r) > 1 else f"{r[0]}" for r in np.split(np.array(groups), cuts))


def _mask(history):
    mask = history.references.get("mask")
    names = [name for name, bit in dq.MNEMONICS.items() if mask and mask.dq & bit]
    return f"{mask.name}: {', '.join(names)}" if names else "user_supplied_dq"


def _from_references(history):
    """Say what the raw file and the references tell where the products between were not kept."""
    mask, well = (history.references.get(kind) for kind in ("mask", "saturation"))
    raw = history.stages[0]
    if mask is not None and mask.dq & dq.DO_NOT_USE:
        return f"the mask forbids it ({_mask(history)})"
    if raw.sci is not None and well is not None and well.values is not None:
        full = raw.sci >= well.values
        if full[:, 0].all():
            counts = f"{raw.sci[0, 0]:.8g} DN, its full well is {well.values:.8g} DN"
            return f"its first group is full in the raw file: {counts}"
    return ""


def _listed(numbers):
    return ", ".join(map(str, numbers[:5])) + (", …" if len(numbers) > 5 else "")
