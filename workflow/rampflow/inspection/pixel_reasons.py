"""Which step set or cleared which flag of a pixel, and why, as far as what is on the disk tells."""

from functools import cached_property
from typing import NamedTuple

import numpy as np

from rampflow.detector import dq
from rampflow.inspection.pixel_saturation import SaturationReasons
from rampflow.inspection.pixel_search import JumpReasons

#: Reference files whose flags a step adds to PIXELDQ.
_FLAGS_OF = {
    "dq_init": ("mask",),
    "saturation": ("saturation",),
    "superbias": ("superbias",),
    "reset": ("reset",),
    "linearity": ("linearity",),
    "persistence": ("trapdensity", "persat"),
    "dark_current": ("dark",),
}
#: Steps that leave the samples as they are.
_SAMPLES_STAY = ("dq_init", "saturation", "firstframe", "lastframe", "rscd", "charge_migration", "jump")
#: The only steps that can have set a flag of groups, where products between are missing.
_ONLY = {
    "JUMP_DET": ("jump",),
    "AD_FLOOR": ("saturation",),
    "CHARGELOSS": ("charge_migration",),
    "PERSISTENCE": ("persistence",),
}
_PLAIN = {
    "firstframe": "the first group of an integration is left out",
    "lastframe": "the last group of an integration is left out",
    "rscd": "the first groups after a reset are left out (rscd reference: how many)",
    "persistence": "saturated not long ago (algorithm window)",
}


class FlagChange(NamedTuple):
    """A flag that a step has set or cleared.

    Attributes
    ----------
    step : str
        The step; several, with " or " between, where products between are missing.
    array : {"PIXELDQ", "GROUPDQ"}
        Where.
    integration, first, last : int or None
        Integration, first and last group, from 1; None of PIXELDQ.
    flag : str
        Name of the flag.
    set : bool
        False: cleared.
    why : str
        Why, or that it is not known.
    """

    step: str
    array: str
    integration: int | None
    first: int | None
    last: int | None
    flag: str
    set: bool
    why: str


def names_of(flags):
    """Names of the flags of a pixel or group."""
    return [name for name, bit in dq.MNEMONICS.items() if int(flags) & bit]


class Reasons:
    """What happened to the flags of a pixel.

    Parameters
    ----------
    sources : `~rampflow.inspection.pixel_sources.ExposureFiles`
        The exposure.
    place : `~rampflow.inspection.pixel_place.Place`
        The pixel.
    stages : list of `~rampflow.inspection.pixel_sources.RampPixel`
        The pixel in every ramp, the raw one first.
    """

    def __init__(self, sources, place, stages):
        self.sources, self.place, self.stages = sources, place, stages
        self._by_step = {stage.step: stage for stage in stages}

    def changes(self):
        """Return all changes of flags in the order of the chain: list of `FlagChange`."""
        found, before, between = [], None, []
        for stage in self.stages:
            if stage.product is None:
                between.append(stage.step)
                continue
            if before is not None:
                steps = [*between, stage.step]
                found += self._of_pixel(before, stage, steps)
                found += self._of_groups(before, stage, steps)
            before, between = stage, []
        return found

    def _input_of(self, step):
        """Return the ramp that a step was given, or one with the same samples; None where there is none."""
        steps = [stage.step for stage in self.stages]
        for name in steps[: steps.index(step)][::-1]:
            stage = self._by_step[name]
            if stage.product is not None:
                return stage
            if name not in _SAMPLES_STAY and stage.status == "COMPLETE":
                return None
        return None

    # --- PIXELDQ ----------------------------------------------------------------------------------------

    def _of_pixel(self, before, after, steps):
        for flags, was_set in ((after.pixeldq & ~before.pixeldq, True), (before.pixeldq & ~after.pixeldq, False)):
            for name in names_of(flags):
                step, why = self._why_pixel(name, steps) if was_set else (" or ".join(steps), "")
                yield FlagChange(step, "PIXELDQ", None, None, None, name, was_set, why)

    def _why_pixel(self, name, steps):
        for step in steps:
            if why := self._pixel_flag_of(step, name):
                return step, why
        lacking = "products between were not kept" if len(steps) > 1 else "no file on the disk says why"
        return " or ".join(steps), lacking

    def _pixel_flag_of(self, step, name):
        frames = self.frames
        for kind in _FLAGS_OF.get(step, ()):
            reference = self.sources.reference(kind, self.place, frames)
            if reference.dq & dq.MNEMONICS[name]:
                return f"flagged in the {kind} reference"
            if why := _from_values(kind, reference.values, name):
                return why
        if step == "dq_init" and self.sources.value(step, "user_supplied_dq"):
            return "flagged in user_supplied_dq"
        if step == "jump" and name in ("NO_GAIN_VALUE", "DO_NOT_USE"):
            gain = self.sources.reference("gain", self.place, frames).values
            return "" if gain is None or gain > 0 else f"the gain is {gain:.6g}"
        if step == "refpix" and name in ("BAD_REF_PIXEL", "DO_NOT_USE") and frames.interleaved:
            return "interleaved reference pixels beside it are bad"
        return {"FLUX_ESTIMATED": "saturated so early that a group that is left out elsewhere was kept"}.get(name, "")

    @property
    def frames(self):
        """Frames of the first ramp that there is."""
        return next(stage.frames for stage in self.stages if stage.product is not None)

    # --- GROUPDQ ----------------------------------------------------------------------------------------

    def _of_groups(self, before, after, steps):
        for i in range(len(after.groupdq)):
            gained, lost = after.groupdq[i] & ~before.groupdq[i], before.groupdq[i] & ~after.groupdq[i]
            for flags, was_set in ((gained, True), (lost, False)):
                for name in names_of(np.bitwise_or.reduce(flags)):
                    groups = np.flatnonzero(flags & dq.MNEMONICS[name])
                    told = [(int(g), *self._why_group(name, was_set, i, int(g), after, steps)) for g in groups]
                    yield from _runs(told, i, name, was_set)

    def _why_group(self, name, was_set, i, g, after, steps):
        """Return who has changed the flag of a group, and why."""
        only = [step for step in (_ONLY.get(name, steps) if was_set else steps) if step in steps]
        if name == "DO_NOT_USE" and was_set and after.groupdq[i, g] & dq.AD_FLOOR and "saturation" in steps:
            only = ["saturation"]
        if name == "SATURATED" and "saturation" in steps and "jump" not in steps:
            only = ["saturation"]
        if len(only) != 1:
            return " or ".join(steps), "products between were not kept"
        step = only[0]
        given = self._input_of(step)
        if was_set and name == "DO_NOT_USE" and step not in ("dq_init", *_PLAIN):
            samples = given.sci[i, g] if given is not None else 0.0
            if np.isnan(after.sci[i, g]) and not np.isnan(samples):
                return step, "the step has made the sample NaN"
        if not was_set:
            return step, _cleared(step, name)
        if step in _PLAIN:
            return step, _PLAIN[step]
        method = getattr(self, f"_in_{step}", None)
        why = method(name, i, g, given) if method else ""
        return step, why or "no file on the disk says why"

    def _in_dq_init(self, name, i, g, given):  # noqa: ARG002
        mask = self.sources.reference("mask", self.place, self.frames)
        return "the mask says so for the pixel" if mask.dq & dq.DO_NOT_USE else "user_supplied_dq says so"

    def _in_saturation(self, name, i, g, given):
        if given is None:
            return ""
        if (name == "AD_FLOOR" or name == "DO_NOT_USE") and given.sci[i, g] <= 0:
            return f"{given.sci[i, g]:.8g} DN, the floor of the converter is 0"
        if name == "SATURATED":
            return self._saturation.saturated(i, g)
        return self._saturation.unusable(i, g)

    @cached_property
    def _saturation(self):
        return SaturationReasons(self.sources, self.place, self._input_of("saturation"), self._by_step["saturation"])

    def _in_charge_migration(self, name, i, g, given):  # noqa: ARG002
        if given is None:
            return ""
        threshold = self.sources.number("charge_migration", "signal_threshold", np.inf)
        found = []
        for number, place in enumerate((self.place, *_beside(self.place, given.frames))):
            sci, flags = (given.frames.ramp(given.product, array, place)[i] for array in ("SCI", "GROUPDQ"))
            above = np.flatnonzero((sci > threshold) & (flags != dq.DO_NOT_USE))
            found += [(int(above[0]), number, place, sci[above[0]])] if above.size else []
        if not found or (first := min(found, key=lambda each: each[:2]))[0] > g:
            return ""
        onset, number, place, counts = first
        who = f"the neighbour at x {place.x + 1}, y {place.y + 1}: " if number else ""
        return f"{who}{counts:.8g} DN in group {onset + 1} are above {threshold:.8g} DN (signal_threshold)"

    def _in_jump(self, name, i, g, given):
        if given is None:
            return ""
        if name == "SATURATED":
            return "in the core of a snowball, which is grown (sat_expand)"
        return self.jumps.why(i, g)

    @cached_property
    def jumps(self):
        """The search for jumps around the pixel; None where the ramp that it was given is not there."""
        given = self._input_of("jump") if "jump" in self._by_step else None
        return None if given is None else JumpReasons(self.sources, self.place, given, even=self.frames.samples == 1)


def _beside(place, frames):
    """Yield the four pixels around one, as far as there are."""
    for dy, dx in ((0, -1), (0, 1), (-1, 0), (1, 0)):
        if (near := place.moved(dy, dx, frames)) is not None:
            yield near


def _from_values(kind, values, name):
    """Say why a step flags a pixel for the values of a reference."""
    if values is None:
        return ""
    if kind == "saturation" and name == "NO_SAT_CHECK" and np.isnan(values):
        return "the full well of the saturation reference is NaN"
    if kind == "linearity" and name == "NO_LIN_CORR":
        if np.isnan(values).any():
            return "a coefficient of the linearity reference is NaN"
        if values[1] == 0:
            return "the linear coefficient of the linearity reference is 0"
    return ""


def _cleared(step, name):
    if step == "jump" and name == "JUMP_DET":
        return "the group is DO_NOT_USE or SATURATED, which counts alone"
    if step == "jump":
        return "in the core of a snowball, which becomes SATURATED"
    return "no file on the disk says why"


def _runs(told, integration, name, was_set):
    """Join groups that follow each other and have the same reason."""
    runs = []
    for group, step, why in told:
        if runs and runs[-1].last == group and (runs[-1].step, runs[-1].why) == (step, why):
            runs[-1] = runs[-1]._replace(last=group + 1)
        else:
            runs.append(FlagChange(step, "GROUPDQ", integration + 1, group + 1, group + 1, name, was_set, why))
    return runs
