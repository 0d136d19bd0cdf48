"""Why groups of a pixel were flagged by the saturation step: its own counts, a neighbour's, or an average of both.

The rules are those of `rampflow.steps.saturation`, for one pixel and what lies around it.
"""

from functools import cached_property
from typing import NamedTuple

import numpy as np

from rampflow.detector import dq

#: Threshold where nothing is checked, as in `rampflow.steps.saturation`: no 16-bit count reaches it [DN].
UNREACHABLE = np.float32(65536)


class _Around(NamedTuple):
    """A pixel within reach."""

    place: object
    sci: np.ndarray  #: (integrations, groups)
    groupdq: np.ndarray
    threshold: np.float32
    checked: bool

    def full(self):
        """Where its own counts have reached the threshold, now or before."""
        with np.errstate(invalid="ignore"):
            return np.logical_or.accumulate(self.sci >= self.threshold, axis=1)

    def saturated(self):
        """Where it counts as saturated, by its counts or by what the step was given."""
        return self.full() | (self.groupdq & dq.SATURATED != 0)


class SaturationReasons:
    """The saturation step around one pixel.

    Parameters
    ----------
    sources : `~rampflow.inspection.pixel_sources.ExposureFiles`
        The exposure.
    place : `~rampflow.inspection.pixel_place.Place`
        The pixel.
    stage, after : `~rampflow.inspection.pixel_sources.RampPixel`
        The ramp that the step was given, and its product.
    """

    def __init__(self, sources, place, stage, after):
        self.sources, self.place, self.stage, self.after = sources, place, stage, after
        self.reach = sources.number("saturation", "n_pix_grow_sat", 1)
        self.nframes = stage.product.header.get("NFRAMES") or 1
        self.own = self._around(place)
        self.interleaved = stage.frames.interleaved

    def _around(self, place):
        product, frames = self.stage.product, self.stage.frames
        sci = frames.ramp(product, "SCI", place).astype(np.float32, copy=False)
        groupdq = frames.ramp(product, "GROUPDQ", place) if "GROUPDQ" in product else np.zeros(sci.shape, np.uint8)
        threshold, checked = self.threshold(place)
        return _Around(place, sci, groupdq, threshold, checked)

    def threshold(self, place):
        """Return the threshold of a pixel [DN], and whether it has one."""
        reference = self.sources.reference("saturation", place, self.stage.frames)
        if reference.values is None or np.isnan(reference.values) or reference.dq & dq.NO_SAT_CHECK:
            return UNREACHABLE, False
        return np.float32(reference.values), True

    @cached_property
    def neighbours(self):
        """Pixels within reach, the nearest first; none of superstripes, whose frames differ."""
        if self.stage.frames.positions:
            return []
        steps = range(-self.reach, self.reach + 1)
        moves = sorted(((dy, dx) for dy in steps for dx in steps if dy or dx), key=lambda m: (m[0] ** 2 + m[1] ** 2, m))
        places = [self.place.moved(dy, dx, self.stage.frames) for dy, dx in moves]
        return [self._around(place) for place in places if place is not None]

    def saturated(self, integration, group):
        """Say why a group is SATURATED."""
        own = self.own
        first = np.flatnonzero(own.full()[integration])
        if first.size and first[0] <= group:
            if first[0] < group:
                return f"full since group {first[0] + 1}"
            return f"{own.sci[integration, group]:.8g} DN, its full well is {own.threshold:.8g} DN"
        if text := self._of_neighbours([n.saturated()[integration] for n in self.neighbours], integration, group):
            return text
        if group == 1 and self.interleaved:
            return "full within this group, as the third one shows (use_readpatt), or a neighbour's is"
        return "grown from a neighbour" if not self.neighbours else "not told by the counts on the disk"

    def _of_neighbours(self, sources, integration, group):
        """Name the nearest neighbour that is a source in this group, or, in IRS2 frames, was one before."""
        seen = [np.logical_or.accumulate(s) if self.interleaved else s for s in sources]
        found = [n for n, s in zip(self.neighbours, seen, strict=True) if group < s.size and s[group]]
        if not found:
            return ""
        near = found[0]
        counts, more = near.sci[integration, group], f" and {len(found) - 1} more" if len(found) > 1 else ""
        which = (
            f"{counts:.8g} DN, its full well is {near.threshold:.8g} DN"
            if counts >= near.threshold
            else "full before this group"
        )
        return (
            f"grown (n_pix_grow_sat {self.reach}) from the neighbour at x {near.place.x + 1}, y {near.place.y + 1}: "
            f"{which}{more}"
        )

    def unusable(self, integration, group):
        """Say why a group is DO_NOT_USE without being at the floor: an average that holds full frames."""
        own, groups = self.own, self.own.sci.shape[1]
        if group + 1 < groups and self.nframes > 1:
            limit = self._share(group) * np.float64(own.threshold)
            if self._partial(own, integration, group):
                counts = own.sci[integration, group]
                return (
                    f"the next group is saturated and {counts:.8g} DN are above {limit:.8g} DN: the average of "
                    f"{self.nframes} frames may hold full ones (use_readpatt)"
                )
        if group == 1 and groups > 2 and self._second(integration):
            return "the third group is saturated and the second rose too fast: it filled within it (use_readpatt)"
        partial = [np.array([self._partial(n, integration, g) for g in range(groups - 1)]) for n in self.neighbours]
        text = self._of_neighbours(partial, integration, group)
        return text.replace("full before this group", "its average may hold full frames (use_readpatt)")

    def _share(self, group):
        return (group * self.nframes + (self.nframes + 1) / 2) / ((group + 1) * self.nframes)

    def _grown(self, around):
        """Where a pixel is saturated with what grows into it; of neighbours only what the product says."""
        product, frames = self.after.product, self.after.frames
        return frames.ramp(product, "GROUPDQ", around.place) & dq.SATURATED != 0

    def _partial(self, around, integration, group):
        saturated = self._grown(around)[integration]
        limit = np.float64(around.threshold) * (self._share(group) if around.checked else 1)
        bad = saturated[group] or around.groupdq[integration, group] & (dq.SATURATED | dq.DO_NOT_USE)
        return bool(np.float64(around.sci[integration, group]) >= limit and not bad and saturated[group + 1])

    def _second(self, integration):
        saturated = self._grown(self.own)[integration]
        if not saturated[2] or saturated[1]:
            return False
        bias = self.sources.reference("superbias", self.place, self.stage.frames).values
        bias, n = np.float32(0 if bias is None or np.isnan(bias) else bias), self.nframes
        first, second = self.own.sci[integration, :2]
        steady = np.float64(first - bias) / ((n + 1) / 2) * (3 * n) + np.float64(bias)
        return bool(steady < self.own.threshold and second - first > (self.own.threshold - first) / np.float32(n))
