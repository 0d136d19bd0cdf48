"""Why groups of a pixel were flagged by the jump step: its own jump, a neighbour's, one before, or a large event."""

from functools import cached_property
from typing import NamedTuple

import numpy as np

from rampflow.detector import dq
from rampflow.inspection import pixel_jumps
from rampflow.inspection.pixel_place import in_reference

#: Parameters that the search goes by.
_NEEDED = (
    "only_use_ints",
    "minimum_sigclip_groups",
    "min_diffs_single_pass",
    "rejection_threshold",
    "three_group_rejection_threshold",
    "four_group_rejection_threshold",
    "flag_4_neighbors",
    "min_jump_to_flag_neighbors",
    "max_jump_to_flag_neighbors",
    *(f"after_jump_flag_{what}{number}" for what in ("dn", "time") for number in (1, 2)),
)


class _Searched(NamedTuple):
    """A pixel and what the search makes of it."""

    place: object
    found: pixel_jumps.PixelJumps


class JumpReasons:
    """The jump step around one pixel.

    Parameters
    ----------
    sources : `~rampflow.inspection.pixel_sources.ExposureFiles`
        The exposure.
    place : `~rampflow.inspection.pixel_place.Place`
        The pixel.
    stage : `~rampflow.inspection.pixel_sources.RampPixel`
        The ramp that the step was given.
    even : bool
        Whether groups follow each other evenly.

    Attributes
    ----------
    mode : str
        How the exposure was searched.
    trouble : str
        Why the search is not worked out again; empty where it is.
    """

    def __init__(self, sources, place, stage, *, even):
        self.sources, self.place, self.stage = sources, place, stage
        self.parameters = {name: entry["value"] for name, entry in sources.parameters("jump").items()}
        self.trouble, self.mode = "", "none"
        header = stage.product.header
        self.nframes, self.tgroup = header.get("NFRAMES") or 1, header.get("TGROUP") or 0.0
        if not all(isinstance(self.parameters.get(name), int | float) for name in _NEEDED):
            self.trouble = f"{sources.folder}/parameters/jump.json does not say with which parameters it was searched"
        elif self.parameters.get("algorithm") == "time_domain":
            self.trouble = "found along time, in the same groups of other integrations (algorithm time_domain)"
        elif not even:
            self.trouble = "groups do not follow each other evenly: their search is not worked out again"
        else:
            self.mode = pixel_jumps.mode_of(self._unused(), self.parameters)
            gain, readnoise = (self._value(kind, place) for kind in ("gain", "readnoise"))
            if gain is None or readnoise is None:
                self.trouble = "the gain or readnoise reference is not there any more"

    def _value(self, kind, place):
        return self.sources.reference(kind, place, self.stage.frames).values

    def _unused(self):
        """Find the groups that are DO_NOT_USE in every pixel: only such can be that this pixel has so."""
        product, unused = self.stage.product, np.zeros(self.stage.groupdq.shape, bool)
        for i, g in np.argwhere(self.stage.groupdq & dq.DO_NOT_USE):
            # One row tells of nearly all that they are not.
            rows = (product.read("GROUPDQ", i, g, part) for part in (self.stage.frames.shape[-2] // 2, slice(None)))
            unused[i, g] = all((row & dq.DO_NOT_USE).all() for row in rows)
        return unused

    def _search(self, place):
        frames, product = self.stage.frames, self.stage.product
        sci, groupdq = (frames.ramp(product, name, place) for name in ("SCI", "GROUPDQ"))
        images = [self._value(kind, place) for kind in ("gain", "readnoise")]
        gain, readnoise = (np.nan if value is None else value for value in images)
        return pixel_jumps.find(sci, groupdq, gain, readnoise, self.nframes, self.mode, self.parameters)

    @cached_property
    def found(self):
        """What the search makes of the pixel: `~rampflow.inspection.pixel_jumps.PixelJumps`; None where it cannot."""
        return None if self.trouble else self._search(self.place)

    @cached_property
    def neighbours(self):
        """The four pixels around and what the search makes of them."""
        moves = ((0, -1), (0, 1), (-1, 0), (1, 0))
        places = [self.place.moved(*move, self.stage.frames) for move in moves]
        return [_Searched(place, self._search(place)) for place in places if place is not None]

    def why(self, integration, group):
        """Say why a group is JUMP_DET."""
        if self.trouble:
            return self.trouble
        own = self._jump(integration, group)
        return (
            own
            or self._after(integration, group)
            or self._event()
            or (
                "found along time, in the same groups of other integrations (algorithm both)"
                if self.parameters.get("algorithm") == "both"
                else "not found again by the search of this pixel and its neighbours"
            )
        )

    def _jump(self, i, g):
        """Say that a jump is here, or in a pixel beside it that has it flagged."""
        if g == 0:
            return ""
        if self.found.jump[i, g - 1]:
            return _described(self.found, i, g - 1, self.mode)
        for place, found in self.neighbours:
            if found.spreads[i, g - 1]:
                what = _described(found, i, g - 1, self.mode)
                return f"beside the jump at x {place.x + 1}, y {place.y + 1} (flag_4_neighbors): {what}"
        return ""

    def _after(self, i, g):
        """Say that a large jump was shortly before."""
        for number in (1, 2):
            time = self.parameters[f"after_jump_flag_time{number}"]
            groups = int(time // self.tgroup) if self.tgroup else 0
            for before in range(g - 1, max(g - groups, 1) - 1, -1):
                if not self._jump(i, before):
                    continue
                least = np.float32(self.parameters[f"after_jump_flag_dn{number}"]) * self._median_gain
                if self.found.above[i, before - 1] >= least:
                    return (
                        f"{g - before} after the jump in group {before + 1} of "
                        f"{self.found.above[i, before - 1]:.6g} e-: from {least:.6g} e- on {groups} groups are flagged "
                        f"(after_jump_flag_time{number} {time:g} s)"
                    )
        return ""

    @cached_property
    def _median_gain(self):
        """Median gain of the exposure's pixels, NaN left out."""
        reference = self.sources.reference("gain", self.place, self.stage.frames)
        gain = reference.product.read("SCI").astype(np.float32)
        corner = self.place.moved(-self.place.y, -self.place.x, self.stage.frames)
        frames = self.stage.frames
        if gain.shape != frames.shape[-2:] and not frames.window.pieces:
            y, x = in_reference(reference.product, "SCI", corner, frames)
            gain = gain[y : y + frames.shape[-2], x : x + frames.shape[-1]]
        return np.float32(np.nanmedian(gain))

    def _event(self):
        names = ("expand_large_events", "find_showers")
        on = [name for name in names if self.parameters.get(name)]
        if not on:
            return ""
        events = {"expand_large_events": "snowball", "find_showers": "shower"}
        return f"in a {' or '.join(events[name] for name in on)} ({', '.join(on)}): flagged with its surroundings"


def _described(found, i, d, mode):
    """Say what makes a difference a jump."""
    return (
        f"difference {found.difference[i, d]:.6g} e-, {found.usual[i, d]:.6g} +- {found.sigma[i, d]:.4g} e- is usual "
        f"({mode}): {found.ratio[i, d]:.4g} sigma, above {found.threshold[i, d]:g}"
    )
