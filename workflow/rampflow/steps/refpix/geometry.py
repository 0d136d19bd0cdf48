"""Where the reference pixels of a frame are, and which pixels each of their levels serves: the plans of `refpix`.

A plan depends on PIXELDQ and the header, not on the frames, so it is made once for an exposure.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/refpix/description.html
"""

from dataclasses import dataclass

import numpy as np

from rampflow.detector.orientation import Orientation
from rampflow.detector.subarray import MIRI_FRAME
from rampflow.steps import NotApplicable

#: Rows and columns of a near-infrared detector, and the width of its border of reference pixels.
NIR_SIZE = 2048
BORDER = 4
#: Amplifiers of a detector that share its columns.
AMPLIFIERS = 4

_AMPLIFIER_COLUMNS = NIR_SIZE // AMPLIFIERS


@dataclass(frozen=True, eq=False)
class LevelPlan:
    """What to measure and where to subtract it: all that PIXELDQ and the header decide.

    A *set* is a list of reference pixels that are averaged together. A *level* is what is subtracted from
    some pixels, the mean of one or two sets; a level that no set contributes to is zero. All indices are of
    the science frame.
    """

    shape: tuple
    #: Flat pixel index of the members of all sets; set s is ``pixels[bounds[s]:bounds[s + 1]]``.
    pixels: np.ndarray
    bounds: np.ndarray
    #: Level that each set contributes to, and its weight there.
    set_level: np.ndarray
    set_weight: np.ndarray
    #: Level of pixel (y, x): ``level_of[row_kind[y], column_kind[x]]``.
    level_of: np.ndarray
    row_kind: np.ndarray
    column_kind: np.ndarray
    #: Flat pixel index of the side pixels, shape (2 sides, detector rows + window - 1, 4); -1 is "none".
    #: Empty if the side pixels are not used.
    sides: np.ndarray
    #: Level of the columns of the side pixels, shape (2, 4).
    side_levels: np.ndarray
    window: int
    side_gain: float
    #: The rows of the detector are columns of the science frame.
    transpose: bool
    siglimit: float
    #: Kernels of `sirs` for the side pixels, instead of the running median; None: not used.
    kernels: np.ndarray | None
    sigreject: float
    orientation: Orientation | None
    #: The correction is of the change since the first group of the integration (MIRI).
    from_first_group: bool
    #: All frames are worked on in single precision, not only the first one of an exposure.
    single: bool = False

    @property
    def acts(self):
        """Whether there are good reference pixels at all; if not, data stay as they are."""
        return self.set_level.size + self.sides.size > 0 or self.kernels is not None

    @property
    def sets(self):
        """What `levels.measure_levels` needs."""
        return self.pixels, self.bounds, self.set_level, self.set_weight, self.siglimit

    @property
    def layout(self):
        """Where the levels are to be subtracted."""
        return self.level_of, self.row_kind, self.column_kind

    @property
    def side_pixels(self):
        """What is to be done with the side pixels."""
        return self.sides, self.side_levels, self.window, self.side_gain, self.transpose


class Levels:
    """Collects sets and levels while a plan is being made."""

    def __init__(self):
        self.sets = []
        self.set_level = []
        self.set_weight = []
        self.count = 0

    def add(self, sets):
        """Add a level that is the mean of these sets, and return its number."""
        self.sets += sets
        self.set_level += [self.count] * len(sets)
        self.set_weight += [1 / len(sets)] * len(sets)
        self.count += 1
        return self.count - 1

    def arrays(self):
        """Return the sets as the fields of a plan."""
        return {
            "pixels": np.concatenate(self.sets or [np.empty(0)]).astype(np.int32),
            "bounds": np.cumsum([0] + [s.size for s in self.sets], dtype=np.int64),
            "set_level": np.array(self.set_level, np.int64),
            "set_weight": np.array(self.set_weight, np.float64),
        }


#: Level number of pixels from which nothing is subtracted, until the count of levels is known.
NO_LEVEL = -1


def _no_sides():
    return {
        "sides": np.empty((2, 0, BORDER), np.int32),
        "side_levels": np.zeros((2, BORDER), np.int64),
        "window": 0,
        "side_gain": 0.0,
    }


def _flat_indices(shape):
    return np.arange(shape[0] * shape[1], dtype=np.int32).reshape(shape)


def plan_columns(levels, level_of_column, shape, orientation, siglimit, sides=None):
    """Turn levels per detector column into a plan in the science frame."""
    level_of_column[level_of_column == NO_LEVEL] = levels.count
    flipped = orientation.flip_rows if orientation.transpose else orientation.flip_columns
    kinds = np.arange(level_of_column.size)[:: -1 if flipped else 1].copy()
    same = np.zeros(shape[1 if orientation.transpose else 0], np.int64)
    if orientation.transpose:
        layout = {"row_kind": kinds, "column_kind": same, "level_of": level_of_column[:, np.newaxis]}
    else:
        layout = {"row_kind": same, "column_kind": kinds, "level_of": level_of_column[np.newaxis]}
    return LevelPlan(
        shape=shape,
        **levels.arrays(),
        **layout,
        **(sides or _no_sides()),
        transpose=orientation.transpose,
        siglimit=siglimit,
        kernels=None,
        sigreject=0.0,
        orientation=orientation,
        from_first_group=False,
    )


def _parities(column, odd_even_columns):
    """Masks of the columns that share a level: even and odd ones, or all."""
    if odd_even_columns:
        return [column % 2 == 0, column % 2 == 1]
    return [np.ones(column.size, bool)]


def plan_single_amplifier(good, orientation, odd_even_columns, siglimit):
    """Plan one level for odd and one for even columns, from all good reference pixels of the frame."""
    index = orientation.to_detector(_flat_indices(good.shape))
    good_here = orientation.to_detector(good)
    levels = Levels()
    level_of_column = np.full(index.shape[1], NO_LEVEL)
    if good.any():
        # Which parity is called odd makes no difference here, so columns count from the subarray's first.
        for columns in _parities(np.arange(index.shape[1]), odd_even_columns):
            pixels = index[:, columns][good_here[:, columns]]
            if pixels.size == 0:
                raise NotApplicable(
                    f"the {np.count_nonzero(good)} good reference pixels of the subarray are in every "
                    "other column of the detector only, so that there is no level for the columns between; "
                    "odd_even_columns=False would subtract one level from all columns"
                )
            level_of_column[columns] = levels.add([pixels])
    return plan_columns(levels, level_of_column, good.shape, orientation, siglimit)


def plan_stripes(good, orientation, first_column, odd_even_columns, side_columns, siglimit):
    """Plan levels for odd and even columns of each amplifier, from all its good reference pixels."""
    index = orientation.to_detector(_flat_indices(good.shape))
    good_here = orientation.to_detector(good)
    column = first_column + np.arange(index.shape[1])
    used = side_columns | ((column >= BORDER) & (column < NIR_SIZE - BORDER))
    levels = Levels()
    level_of_column = np.full(column.size, NO_LEVEL)
    for amp in range(AMPLIFIERS):
        here = used & (column // _AMPLIFIER_COLUMNS == amp)
        owned = [here & columns for columns in _parities(column, odd_even_columns)]
        measured = [index[:, columns][good_here[:, columns]] for columns in owned]
        # As below: a level for one parity only is none.
        if all(pixels.size for pixels in measured):
            for columns, pixels in zip(owned, measured, strict=True):
                level_of_column[columns] = levels.add([pixels])
    return plan_columns(levels, level_of_column, good.shape, orientation, siglimit)


def plan_four_amplifiers(usable, orientation, corner, odd_even_columns, window, side_gain, siglimit):
    """Plan levels for odd and even columns of each amplifier, from rows at both ends, and a window for the sides."""
    index = orientation.to_detector(_flat_indices(usable.shape))
    good = orientation.to_detector(usable)
    row, column = (first + np.arange(size) for first, size in zip(corner, index.shape, strict=True))
    ends = (row < BORDER, row >= NIR_SIZE - BORDER)

    levels = Levels()
    level_of_column = np.full(column.size, NO_LEVEL)
    for amp in range(AMPLIFIERS):
        owned = [columns & (column // _AMPLIFIER_COLUMNS == amp) for columns in _parities(column, odd_even_columns)]
        measured = []
        for columns in owned:
            both_ends = (np.ix_(end, columns) for end in ends)
            sets = [index[pixels][good[pixels]] for pixels in both_ends]
            measured.append([pixels for pixels in sets if pixels.size])
        # An amplifier with a level for one parity only is left alone: half a correction would be a pattern.
        if all(measured):
            for columns, sets in zip(owned, measured, strict=True):
                level_of_column[columns] = levels.add(sets)

    sides = _no_sides()
    if window:
        # The running median sees the rows mirrored at the ends of the detector. The window of an even
        # number of rows has its extra row below (the detector row that is read first).
        below = window // 2
        seen = np.abs(np.arange(row[0] - below, row[-1] + window - below))
        seen = np.where(seen >= NIR_SIZE, 2 * (NIR_SIZE - 1) - seen, seen) - row[0]
        present = np.flatnonzero((seen >= 0) & (seen < row.size))
        tables = np.full((2, seen.size, BORDER), -1, np.int32)
        side_levels = np.full((2, BORDER), levels.count)
        for side, outermost in enumerate((0, NIR_SIZE - BORDER)):
            for k in range(BORDER):
                x = outermost + k - column[0]
                if 0 <= x < column.size:
                    here = seen[present]
                    tables[side, present, k] = np.where(good[here, x], index[here, x], -1)
                    if level_of_column[x] != NO_LEVEL:
                        side_levels[side, k] = level_of_column[x]
        if (tables >= 0).any():
            flipped = orientation.flip_columns if orientation.transpose else orientation.flip_rows
            sides = {
                "sides": np.ascontiguousarray(tables[:, :: -1 if flipped else 1]),
                "side_levels": side_levels,
                "window": window,
                "side_gain": float(side_gain),
            }
    return plan_columns(levels, level_of_column, usable.shape, orientation, siglimit, sides)


def plan_miri(usable, odd_even_rows, siglimit):
    """Plan levels for odd and even rows of each of the four outputs, from both ends of the rows."""
    if usable.shape != MIRI_FRAME:
        raise NotApplicable(
            f"MIRI frames of {usable.shape[0]} x {usable.shape[1]} pixels are a subarray; "
            f"only the full frame of {MIRI_FRAME[0]} x {MIRI_FRAME[1]} is corrected"
        )
    index = _flat_indices(usable.shape)
    levels = Levels()
    nparities = 2 if odd_even_rows else 1
    measured = [
        [index[rows, column][usable[rows, column]] for column in (output, MIRI_FRAME[1] - BORDER + output)]
        for rows in (slice(p, None, nparities) for p in range(nparities))
        for output in range(AMPLIFIERS)
    ]
    # jwst stops for good at the first group without a level for one end of one output. That only
    # PIXELDQ can bring about, so it is the first group of all, and the exposure stays as it is.
    if all(pixels.size for sets in measured for pixels in sets):
        level_of = np.array([levels.add(sets) for sets in measured]).reshape(nparities, AMPLIFIERS)
    else:
        level_of = np.zeros((nparities, AMPLIFIERS), np.int64)
    return LevelPlan(
        shape=usable.shape,
        **levels.arrays(),
        level_of=level_of,
        row_kind=np.arange(MIRI_FRAME[0]) % nparities,
        column_kind=np.arange(MIRI_FRAME[1]) % AMPLIFIERS,
        **_no_sides(),
        transpose=False,
        siglimit=siglimit,
        kernels=None,
        sigreject=0.0,
        orientation=None,
        from_first_group=True,
        single=True,
    )
