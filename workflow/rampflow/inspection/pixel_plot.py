"""A picture of a pixel's ramp in every product, and of the flags of its groups."""

import numpy as np

from rampflow.detector import dq
from rampflow.errors import RampflowError

_SIZE = (1000, 620)
_LEFT, _RIGHT, _TOP, _BOTTOM = 90, 250, 46, 60
#: Of steps, in the order of the chain.
COLOURS = (
    "#777777", "#1b6ca8", "#c8553d", "#588157", "#8e5ea2", "#b8860b", "#2a9d8f", "#d1495b", "#33658a", "#6a4c93",
    "#7f5539", "#468faf", "#9c6644", "#386641", "#bc4749", "#5f0f40",
)  # fmt: skip
_FLAGS = (("JUMP_DET", "#286edc"), ("SATURATED", "#dc3c1e"), ("DO_NOT_USE", "#282828"))


def draw(history, path, integration):
    """Draw the ramps of a pixel.

    Parameters
    ----------
    history : `~rampflow.inspection.pixel.PixelHistory`
        The pixel.
    path : path-like
        A PNG file to write.
    integration : int
        Which one, from 1.

    Raises
    ------
    RampflowError
        There is no ramp to draw, or nothing to draw with.
    """
    try:
        from PIL import Image, ImageDraw
    except ImportError:
        raise RampflowError("--plot draws with Pillow, which is not installed: pip install pillow") from None
    ramps = [stage for stage in history.stages if stage.sci is not None and np.isfinite(stage.sci).any()]
    if not ramps:
        raise RampflowError(f"{history.exposure}: no ramp of the pixel is on the disk, so there is none to draw")
    image = Image.new("RGB", _SIZE, "white")
    canvas = ImageDraw.Draw(image)
    place = history.place
    title = f"{history.exposure}   x {place.x + 1}, y {place.y + 1} (from 1)   integration {integration}"
    canvas.text((_LEFT, 14), title, "black")
    # The bias would leave of the rest a line at the bottom: ramps are drawn from their first group on.
    lines = [(stage.step, stage.sci[integration - 1] - first_number(stage.sci[integration - 1])) for stage in ramps]
    axes = _Axes(canvas, [values for _, values in lines])
    axes.frame()
    shown = []
    for (step, values), colour in zip(lines, COLOURS * len(lines), strict=False):
        # What a step leaves as it is would hide what was there before.
        if not shown or not np.array_equal(values, shown[-1], equal_nan=True):
            axes.line(values, colour)
            canvas.text((_SIZE[0] - _RIGHT + 20, _TOP + 16 * len(shown)), step, colour)
            shown.append(values)
    _flags(canvas, axes, ramps[-1], lines[-1][1], integration)
    image.save(path, "PNG")


def first_number(values):
    """Return the first sample that is a number; 0 without one."""
    finite = values[np.isfinite(values)]
    return finite[0] if finite.size else np.float32(0)


def _flags(canvas, axes, stage, values, integration):
    """Mark the flagged groups of the last ramp, and say what the marks are."""
    for number, (name, colour) in enumerate(_FLAGS):
        groups = np.flatnonzero(stage.groupdq[integration - 1] & dq.MNEMONICS[name])
        for group in groups:
            x, y = axes.point(group, values[group] if np.isfinite(values[group]) else 0)
            reach = 5 + 3 * number
            canvas.ellipse((x - reach, y - reach, x + reach, y + reach), outline=colour, width=2)
        y = _SIZE[1] - _BOTTOM - 16 * (len(_FLAGS) - number)
        x = _SIZE[0] - _RIGHT + 20
        canvas.ellipse((x, y + 1, x + 10, y + 11), outline=colour, width=2)
        canvas.text((x + 18, y), f"{name} in {stage.step}", colour)


class _Axes:
    """The plane of groups and counts."""

    def __init__(self, canvas, lines):
        finite = np.concatenate([values[np.isfinite(values)] for values in lines])
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        room = 0.05 * (high - low) or 1.0
        self.canvas, self.low, self.high = canvas, low - room, high + room
        self.groups = max(map(len, lines))

    def point(self, group, value):
        """Return the place of a sample in the picture."""
        wide, high = _SIZE[0] - _LEFT - _RIGHT, _SIZE[1] - _TOP - _BOTTOM
        x = _LEFT + wide * (group + 0.5) / self.groups
        return x, _SIZE[1] - _BOTTOM - high * (float(value) - self.low) / (self.high - self.low)

    def frame(self):
        """Draw the axes with some numbers."""
        box = (_LEFT, _TOP, _SIZE[0] - _RIGHT, _SIZE[1] - _BOTTOM)
        self.canvas.rectangle(box, outline="#999999")
        for value in _ticks(self.low, self.high) + 0.0:
            y = self.point(0, value)[1]
            self.canvas.line((_LEFT, y, box[2], y), "#e6e6e6")
            self.canvas.text((_LEFT - 8, y), f"{value:g}", "black", anchor="rm")
        step = max(1, -(-self.groups // 12))
        for group in range(0, self.groups, step):
            x = self.point(group, 0)[0]
            self.canvas.line((x, box[3], x, box[3] + 5), "#999999")
            self.canvas.text((x, box[3] + 8), str(group + 1), "black", anchor="mt")
        self.canvas.text(((box[0] + box[2]) / 2, box[3] + 34), "group", "black", anchor="mm")
        self.canvas.text((_LEFT, _TOP - 8), "DN above the first group of each product", "black", anchor="ls")

    def line(self, values, colour):
        """Draw a ramp, broken where it is not a number."""
        points = [self.point(group, value) if np.isfinite(value) else None for group, value in enumerate(values)]
        for start, stop in zip(points, points[1:], strict=False):
            if start and stop:
                self.canvas.line((*start, *stop), colour, width=2)
        for point in filter(None, points):
            x, y = point
            self.canvas.ellipse((x - 2, y - 2, x + 2, y + 2), fill=colour)


def _ticks(low, high):
    """Return round numbers between two."""
    unit = 10.0 ** np.floor(np.log10((high - low) / 4))
    unit *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (factor * unit) <= 8)
    return np.arange(np.ceil(low / unit), np.floor(high / unit) + 1) * unit
