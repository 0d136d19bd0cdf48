"""Numbers in the words in which a report says them."""

import math


def seconds(value):
    """Say a time."""
    if value >= 5400:
        return f"{value / 3600:.1f} h"
    return f"{value / 60:.1f} min" if value >= 90 else f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def megabytes(value):
    """Say an amount of memory; – where it is not known."""
    return "–" if value is None else f"{value:.0f} MB"


def percent(fraction):
    """Say a fraction; – where it could not be counted."""
    if fraction is None:
        return "–"
    value = 100 * fraction
    text = "0" if value == 0 else f"{value:.2g} %" if value < 9.95 else f"{value:.1f} %"
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def short(value):
    """Say a value with three digits."""
    value = float(value)
    if not math.isfinite(value):
        return "–"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}" if abs(value) < 1e5 else f"{value:.2e}"


def told(of_step):
    """Say what a step has done, by what it has counted (`rampflow.inspection.counts`)."""
    parts = [f"{number} {name}" for name, number in of_step.get("events", {}).items() if number]
    for what in ("groups", "pixels"):
        for sign, key in (("+", "set"), ("−", "cleared")):
            found = of_step.get(what, {}).get(key, {})
            parts += [f"{sign}{number} {name} ({what})" for name, number in found.items() if number]
    parts += list(_measured(of_step))
    return ", ".join(parts)


def _measured(of_step):
    """Say what was measured of values; None stands for what could not be."""
    change = of_step.get("change", {})
    if None not in (change.get("median"), change.get("scatter")):
        yield f"subtracted {short(change['median'])} ± {short(change['scatter'])} DN"
    if "factor" in of_step:
        yield f"multiplied with {short(of_step['factor'])}"
    noise = of_step.get("line_noise", {}).get("amplifiers", {})
    both = [(one["before"], one["after"]) for one in noise.values() if None not in one.values()]
    if both:
        before, after = (short(sum(values) / len(both)) for values in zip(*both, strict=True))
        yield f"noise of lines {before} → {after} DN"
    for wave in of_step.get("waves", ()):
        yield f"wave of {short(wave['frequency'])} Hz, amplitude {short(wave['amplitude'])} DN"
