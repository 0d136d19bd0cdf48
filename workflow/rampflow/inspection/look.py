"""A look into the products of an exposure: pictures of rates, flags, jumps and steps, and ramps of three pixels."""

import os
from dataclasses import dataclass, field

import numpy as np

from rampflow.detector import dq
from rampflow.inspection import counts as counting
from rampflow.inspection import pictures, summary
from rampflow.inspection.beside import beside
from rampflow.io import files

#: Bytes that are read for a report (unless all is wanted), shared out among the exposures.
BUDGET = 10e9
#: Steps that set flags and leave values alone: their products need not be opened for pictures of steps.
_FLAGS_ONLY = {"dq_init", "saturation", "firstframe", "lastframe", "rscd", "charge_migration", "jump"}
#: Ramps of more groups are thinned out.
_MOST_GROUPS = 120
#: Bits of a group that a drawing of a ramp tells apart, the first that holds.
MARKS = (("saturated", dq.SATURATED), ("jump", dq.JUMP_DET), ("do not use", dq.DO_NOT_USE))
_ODD = (files.FileProblem, OSError, ValueError, KeyError, IndexError, TypeError, MemoryError)


@dataclass
class Stage:
    """What a step did to a frame."""

    step: str
    after: pictures.Picture
    removed: pictures.Picture | None = None  #: what it subtracted
    mean: float | None = None  #: median of that (DN)


@dataclass
class PixelRamp:
    """The ramp of a pixel."""

    what: str  #: brightest, typical, jump
    x: int  #: column, counted from 1
    y: int  #: row, counted from 1
    integration: int  #: counted from 1
    rate: float  #: DN/s
    times: list  #: of the groups (s), or their numbers where TGROUP is absent
    values: list  #: DN
    marks: list  #: name in `MARKS` of each group, or ""
    timed: bool  #: whether ``times`` are times
    line: tuple | None = None  #: value of the fitted line at the first and the last group
    raw: list | None = None  #: DN, shifted to begin as ``values`` does


@dataclass
class Look:
    """What is shown of an exposure; None where it was not kept."""

    counts: counting.Counts
    rate: pictures.Picture | None = None
    flags: pictures.Picture | None = None
    jumps: pictures.Picture | None = None
    group: int = 0  #: whose frame the stages show, counted from 1
    stages: list = field(default_factory=list)
    ramps: list = field(default_factory=list)
    trouble: list = field(default_factory=list)  #: why something is missing
    beside: list = field(default_factory=list)  #: its variants, as `rampflow.inspection.beside.beside` has them
    variants: list = field(default_factory=list)  #: the summary of each variant (`rampflow.inspection.summary.row`)
    left_out: bool = False  #: whether something is missing for the sake of time


def look(exposure, results, size, share=BUDGET):
    """Count flags and make the pictures of an exposure, as far as its products are there.

    Parameters
    ----------
    exposure : `~rampflow.inspection.exposures.ExposureResults`
        The exposure.
    results : `~rampflow.inspection.results.Results`
        The results.
    size : int
        Largest side of a picture (pixels).
    share : float
        Bytes that may be read; what would take more is left out.

    Returns
    -------
    Look
    """
    seen = Look(counting.recorded(exposure))
    budget = _Budget(share)
    rate = flags = None
    with _noting(seen):
        if name := counting.rate_file(exposure):
            rate, flags = _rates(seen, results.path(exposure.root, name), size, budget)
    with _noting(seen):
        if name := counting.last_ramp(exposure):
            with files.Product(results.path(exposure.root, name)) as ramp:
                _groups(seen, ramp, size, budget)
                if rate is not None and rate.shape == ramp["SCI"].shape[-2:]:
                    seen.ramps = _ramps(exposure, results, ramp, rate, flags)
                seen.group = _typical_group(ramp)
    with _noting(seen):
        _stages(seen, exposure, results, max(48, size // 2), budget)
    with _noting(seen):
        for variant in exposure.variants:
            seen.variants.append(summary.row(variant, results, counting.counted(variant, results)[0]))
        seen.beside = beside(exposure, results, budget.allows)
    seen.left_out = budget.spent
    return seen


class _Budget:
    def __init__(self, share):
        self.left, self.spent = share, False

    def allows(self, number):
        """Whether so many bytes may be read; they are taken if they may."""
        if number > self.left:
            self.spent = True
            return False
        self.left -= number
        return True


class _noting:
    """Keep what is wrong with a product as a line."""

    def __init__(self, seen):
        self.seen = seen

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        if kind is None or not issubclass(kind, _ODD):
            return False
        self.seen.trouble.append(" ".join(str(error).split()) or kind.__name__)
        return True


def _bytes(array):
    return int(np.prod(array.shape, dtype=np.int64)) * array.raw.itemsize


def _rates(seen, path, size, budget):
    with files.Product(path) as product:
        # The least that is shown, whatever it takes.
        budget.left -= _bytes(product["SCI"]) + _bytes(product["DQ"])
        rate, flags = product["SCI"].read(), product["DQ"].read()
    if rate.ndim != 2 or flags.shape != rate.shape:
        raise files.FileProblem(f"{path}: SCI of shape {rate.shape} and DQ of shape {flags.shape}, expected two images")
    if seen.counts.pixels is None:
        seen.counts.pixels = counting.of_rate(rate, flags)
    seen.rate = pictures.grey_picture(rate, size, flags)
    seen.flags = pictures.flag_picture(flags, size)
    return rate, flags


def _groups(seen, ramp, size, budget):
    if not budget.allows(_bytes(ramp["GROUPDQ"])):
        return
    groups, jumps = counting.of_ramp(ramp, jumps=True)
    seen.counts.groups = seen.counts.groups or groups
    seen.jumps = pictures.jump_picture(jumps, size)


def _typical_group(ramp):
    """Find the last group of the first integration that is not flagged as a whole, counted from 1."""
    flags = ramp["GROUPDQ"]
    middle = flags.shape[-2] // 2
    for group in reversed(range(flags.shape[1])):
        if np.mean(flags.read(0, group, middle) & dq.DO_NOT_USE) < 0.5:
            return group + 1
    return flags.shape[1]


# --- steps -----------------------------------------------------------------------------------------------


def _stages(seen, exposure, results, size, budget):
    """Take one frame through the steps that change values: what each subtracted, and what was left."""
    first = exposure.records.get(exposure.chain[0], {}) if exposure.chain else {}
    raw = first.get("inputs", {}).get("ramp", {}).get("file")
    before = _frame(results.path(exposure.root, raw), seen, budget) if raw else None
    if before is not None:
        seen.stages.append(Stage("raw", pictures.grey_picture(before, size)))
    for step in exposure.chain:
        if step == "ramp_fit":
            break
        if step in _FLAGS_ONLY or exposure.records.get(step, {}).get("status", "COMPLETE") != "COMPLETE":
            continue
        name = next((n for n in exposure.products.get(step, ()) if n.endswith(f"_{step}.fits")), None)
        if name is None:
            before = None
            continue
        after = _frame(results.path(exposure.root, name), seen, budget)
        if after is None:
            break
        if before is None or before.shape != after.shape:
            seen.stages.append(Stage(step, pictures.grey_picture(after, size)))
        elif not np.array_equal(before, after, equal_nan=True):
            removed = before - after
            middle = float(np.nanmedian(removed)) if np.isfinite(removed).any() else None
            shown = pictures.grey_picture(removed, size)
            seen.stages.append(Stage(step, pictures.grey_picture(after, size), shown, middle))
        before = after


def _frame(path, seen, budget):
    """Read the frame of the group that is shown; None where it is not there, no ramp, or would take too long."""
    if not os.path.isfile(path):
        return None
    with files.Product(path) as product:
        array = product["SCI"]
        if len(array.shape) != 4 or not budget.allows(4 * array.shape[-1] * array.shape[-2]):
            return None
        return array.read(0, min(max(seen.group, 1), array.shape[1]) - 1).astype(np.float32, copy=False)


# --- ramps -----------------------------------------------------------------------------------------------


def _ramps(exposure, results, ramp, rate, flags):
    """Choose three pixels and read their ramps: the brightest, a typical one, and one with a flag."""
    good = np.isfinite(rate) & ((flags & np.uint32(dq.DO_NOT_USE | dq.REFERENCE_PIXEL)) == 0)
    if not good.any():
        return []
    where = np.flatnonzero(good)
    values = rate.ravel()[where]
    middle = where[np.argpartition(values, where.size // 2)[where.size // 2]]
    chosen = [("brightest", where[np.argmax(values)]), ("typical", middle)]
    for what, bit in (("jump", dq.JUMP_DET), ("saturated", dq.SATURATED)):
        flagged = where[(flags.ravel()[where] & np.uint32(bit)) != 0]
        if flagged.size:
            chosen.append((what, _largest_step(ramp, flagged, bit) if what == "jump" else flagged[flagged.size // 2]))
            break
    raw = exposure.records.get(exposure.chain[0], {}).get("inputs", {}).get("ramp", {}).get("file")
    raw = results.path(exposure.root, raw) if raw else None
    # A rate that was scaled by the gain is no slope of what the ramp shows.
    scaled = exposure.records.get("gain_scale", {}).get("status") == "COMPLETE"
    return [_ramp(ramp, what, divmod(int(at), rate.shape[1]), rate, scaled, raw) for what, at in chosen]


def _largest_step(ramp, flagged, bit, most=24):
    """Choose of some pixels the one that steps up most where it is flagged: a jump that is seen."""
    sizes = []
    for at in flagged[:: -(-flagged.size // most)].tolist():
        y, x = divmod(at, ramp["SCI"].shape[-1])
        steps = np.abs(np.diff(_pixel(ramp["SCI"], y, x), axis=1))
        marked = (_pixel(ramp["GROUPDQ"], y, x)[:, 1:] & (bit | dq.DO_NOT_USE | dq.SATURATED)) == bit
        sizes.append((float(np.max(np.where(marked & np.isfinite(steps), steps, -1.0), initial=-1.0)), at))
    return max(sizes)[1]


def _ramp(ramp, what, place, rate, scaled, raw):
    y, x = place
    flags = _pixel(ramp["GROUPDQ"], y, x)
    integration = _interesting(flags, dict((m[0], m[1]) for m in MARKS).get(what, 0))
    values, flags = _pixel(ramp["SCI"], y, x)[integration], flags[integration]
    step = max(1, -(-values.size // _MOST_GROUPS))
    spacing = ramp.header.get("TGROUP")
    timed = isinstance(spacing, int | float) and spacing > 0
    spacing = float(spacing) if timed else 1.0
    times = (np.arange(values.size) * spacing)[::step]
    marks = [next((name for name, bit in MARKS if flag & bit), "") for flag in flags[::step].tolist()]
    where = (x + 1, y + 1, integration + 1, float(rate[y, x]))
    made = PixelRamp(what, *where, times.tolist(), values[::step].tolist(), marks, timed)
    sound = np.isfinite(values) & (flags & (dq.DO_NOT_USE | dq.SATURATED | dq.JUMP_DET) == 0)
    if sound.any() and not scaled and timed:
        # Where it goes through is not in any product: the middle of what was fitted.
        offset = float(np.mean((values - made.rate * np.arange(values.size) * spacing)[sound]))
        made.line = offset, offset + made.rate * float(times[-1])
    if raw is not None and os.path.isfile(raw):
        with files.Product(raw) as product:
            if product["SCI"].shape == ramp["SCI"].shape:
                before = _pixel(product["SCI"], y, x, integration).astype(float)
                made.raw = (before - before[0] + float(values[0]))[::step].tolist()
    return made


def _pixel(array, y, x, integration=slice(0, 64)):
    """Read the ramps of a pixel, of the first integrations or of one."""
    return array.read(integration, slice(None), y, slice(x, x + 1))[..., 0]


def _interesting(flags, bit):
    """Find the first integration in which a group has the flag that is looked for."""
    return int(np.argmax(((flags & bit) != 0).any(axis=1))) if bit else 0
