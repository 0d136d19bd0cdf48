"""Drawings of a report: where the points and lines of a ramp and of a spectrum are."""

import math
import statistics

from rampflow.inspection.words import short

#: Points of a spectrum that are drawn.
_MOST = 1024


def _at(x, y):
    """Place what is so far along both axes, 0 to 1, in a drawing of 260 by 150, whose axes meet at (44, 126)."""
    return round(44 + 210 * x, 1), round(126 - 114 * y, 1)


def _path(places):
    return "M" + "L".join(f"{x} {y}" for x, y in places)


def ramp(of):
    """Place a ramp in a drawing of 260 by 150, whose axes meet at (44, 126)."""
    known = [v for v in (*of.values, *(of.raw or ()), *(of.line or ())) if math.isfinite(v)] or [0.0]
    low, high = min(known), max(known)
    last = of.times[-1] or 1.0

    def place(time_, value):
        return _at(time_ / last, (value - low) / ((high - low) or 1.0))

    def path(pairs):
        return _path(place(*pair) for pair in pairs if math.isfinite(pair[1]))

    points = []
    for number, (time_, value, mark) in enumerate(zip(of.times, of.values, of.marks, strict=True), start=1):
        if math.isfinite(value):
            said = f"{short(value)} DN at {short(time_)} s" + (f", {mark}" if mark else "")
            points.append((*place(time_, value), mark, f"{number}: {said}"))
    what = {"jump": "with a jump", "saturated": "saturated"}.get(of.what, of.what)
    where = f"x {of.x}, y {of.y}, integration {of.integration}"
    return {
        "title": f"{what}: {where}; {short(of.rate)} DN/s",
        "hint": f"The ramp of a pixel before the fit ({what}), {where}; pixels and integrations are counted from 1",
        "low": low,
        "high": high,
        "last": last,
        "unit": "s" if of.timed else "groups",
        "line": path([(0, of.line[0]), (of.times[-1], of.line[1])]) if of.line else "",
        "raw": path(list(zip(of.times, of.raw, strict=True))) if of.raw else "",
        "points": points,
    }


def spectra(by_step):
    """Place the spectra of the noise of lines, before and after a step, in drawings like that of a ramp.

    Parameters
    ----------
    by_step : dict
        Step to what it has counted.

    Yields
    ------
    dict
        For each step that has measured them; both axes are logarithmic.
    """
    for step, counts in by_step.items():
        noise = counts.get("line_noise")
        if noise is None:
            continue
        spectrum = noise["spectrum"]
        curves = {
            when: [(k / max(spectrum["lines"], 1), power) for k, power in enumerate(spectrum[when][:_MOST], start=1)]
            for when in ("before", "after")
        }
        curves = {when: [pair for pair in curve if pair[1] > 0] for when, curve in curves.items()}
        known = [pair for curve in curves.values() for pair in curve]
        if not known:
            continue
        (left, right), (low, high) = ((min(axis), max(axis)) for axis in zip(*known, strict=True))

        def place(frequency, power, left=left, right=right, low=low, high=high):
            x = math.log(frequency / left) / (math.log(right / left) or 1.0)
            # The quotient of powers may be larger than any number.
            y = (math.log(power) - math.log(low)) / ((math.log(high) - math.log(low)) or 1.0)
            return _at(x, y)

        sides = noise["amplifiers"].items()
        said = [
            f"amplifier {name}: {short(one['before'])} → {short(one['after'])} DN"
            for name, one in sides
            if None not in one.values()
        ]
        yield {
            "title": f"{step}: noise of lines",
            "hint": "The power of the levels of lines, before and after the step, over cycles per line"
            + "".join(f"; {part}" for part in said),
            "low": low,
            "high": high,
            "left": left,
            "right": right,
        } | {when: _path(place(*pair) for pair in curve) for when, curve in curves.items()}


def light(beside):
    """Place light curves in a drawing like that of a ramp; None where there are none.

    Each is a part of its own mean, so that variants that differ in level can be compared.

    Parameters
    ----------
    beside : list of `~rampflow.inspection.beside.Beside`
        An exposure and its variants.
    """
    scaled = []
    for one in beside:
        mean = statistics.fmean(one.light) if len(one.light) > 2 else 0.0
        if mean and all(map(math.isfinite, one.light)):
            scaled.append((one, [value / mean for value in one.light]))
    if not scaled:
        return None
    low, high = (pick(value for _, curve in scaled for value in curve) for pick in (min, max))
    lines = [
        {
            "name": one.row["variant"] or "without",
            "path": _path(
                _at(at / (len(curve) - 1), (value - low) / ((high - low) or 1.0)) for at, value in enumerate(curve)
            ),
        }
        for one, curve in scaled
    ]
    return {"lines": lines, "low": low, "high": high, "last": max(len(curve) for _, curve in scaled)}
