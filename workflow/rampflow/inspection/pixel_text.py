"""A pixel's history as text for a terminal of 100 columns."""

import textwrap

import numpy as np

from rampflow.detector import dq
from rampflow.inspection.pixel_reasons import names_of
from rampflow.inspection.pixel_sources import IMAGES
from rampflow.settings.branches import branch_of, told

WIDTH = 100
#: Letters of the flags of groups beside the samples.
LETTERS = {
    "D": "DO_NOT_USE",
    "S": "SATURATED",
    "J": "JUMP_DET",
    "O": "DROPOUT",
    "U": "OUTLIER",
    "P": "PERSISTENCE",
    "A": "AD_FLOOR",
    "C": "CHARGELOSS",
}
#: Parameters that decide about flags and slopes: shown whatever their source.
_DECIDING = {
    "saturation": ("n_pix_grow_sat", "use_readpatt"),
    "charge_migration": ("signal_threshold",),
    "jump": (
        "algorithm",
        "rejection_threshold",
        "three_group_rejection_threshold",
        "four_group_rejection_threshold",
        "flag_4_neighbors",
        "min_jump_to_flag_neighbors",
        "max_jump_to_flag_neighbors",
        "after_jump_flag_time1",
        "after_jump_flag_time2",
        "expand_large_events",
        "find_showers",
    ),
    "ramp_fit": ("algorithm", "suppress_one_group", "firstgroup", "lastgroup"),
}
#: Values of a reference that are shown: of darks there may be hundreds.
_SHOWN = 6


def written(history, integration=None):
    """Write a `~rampflow.inspection.pixel.PixelHistory`; of one integration, from 1, or of all."""
    numbers = range(history.integrations) if integration is None else [integration - 1]
    parts = [_head(history)]
    parts += [_ramp(history, i) for i in numbers if any(stage.sci is not None for stage in history.stages)]
    parts += [_changes(history, numbers), _references(history), _parameters(history), _rates(history, numbers)]
    lines = [line for part in parts if part for line in ("", *part)][1:]
    if history.nan:
        lines += ["", *_wrapped("", f"Why NaN: {history.nan}", "         ")]
    return "\n".join(lines)


def _wrapped(first, text, later):
    """Break a text into lines, the first of them after what it begins with."""
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=later, break_long_words=False, break_on_hyphens=False
    )


def _head(history):
    place, there = history.place, [stage for stage in history.stages if stage.product]
    lines = [told(branch_of(history.exposure, history.sources.variant))]
    if there:
        header, shape = there[0].product.header, there[-1].sci.shape
        words = [str(header[key]) for key in ("INSTRUME", "DETECTOR", "SUBARRAY", "READPATT") if header.get(key)]
        many = "" if shape[0] == 1 else "s"
        lines[0] += f"   {' '.join(words)}, {shape[0]} integration{many} of {shape[1]} groups"
    lines.append(
        f"x {place.x + 1}, y {place.y + 1} in the frame of {place.shape[1]} x {place.shape[0]} (as in DS9); "
        f"x {place.column + 1}, y {place.row + 1} on the detector; numpy [{place.y}, {place.x}]"
    )
    lines += [line for note in place.notes for line in _wrapped("", note, "  ")]
    missing = {}
    for stage in history.stages:
        if stage.missing:
            missing.setdefault(stage.missing, []).append(stage.step)
    lines += [line for why, steps in missing.items() for line in _wrapped("", f"{why}: {', '.join(steps)}", "  ")]
    lines += [line for each in history.sources.damaged for line in _wrapped("", f"not used: {each}", "  ")]
    left = [f"{stage.step} ({stage.reason})" for stage in history.stages if stage.status not in ("COMPLETE", "")]
    return lines + [line for each in left for line in _wrapped("", f"did nothing: {each}", "  ")]


def _ramp(history, i):
    """Write the ramps of an integration, as many groups beside each other as there is room for."""
    stages = [stage for stage in history.stages if stage.sci is not None]
    cells = [[(_number(v), _letters(f)) for v, f in zip(s.sci[i], s.groupdq[i], strict=True)] for s in stages]
    names = [stage.step for stage in stages]
    if history.sigmas is not None and not np.isnan(history.sigmas[i]).all():
        names.append("two-point sigma")
        cells.append([("", "")] + [("" if np.isnan(each) else f"{each:.2f}", "") for each in history.sigmas[i]])
    digits = max(len(number) for line in cells for number, _ in line)
    letters = max(len(flags) for line in cells for _, flags in line)
    first, wide = max(map(len, names)) + 2, digits + letters + 2
    used = sorted({each for line in cells for _, flags in line for each in flags})
    legend = f"; {', '.join(f'{letter} {LETTERS[letter]}' for letter in used)}" if used else ""
    lines = _wrapped("", f"Ramp, integration {i + 1} [DN]{legend}", "  ")
    at_once = max(1, (WIDTH - first - 2) // wide)
    groups = len(cells[0])
    for start in range(0, groups, at_once):
        block = range(start, min(start + at_once, groups))
        lines.append(
            ("  " + "group".ljust(first) + "".join(f"{g + 1:>{digits}}{'':{letters + 2}}" for g in block)).rstrip()
        )
        for name, line in zip(names, cells, strict=True):
            row = "".join(f"{line[g][0]:>{digits}}{line[g][1]:{letters}}  " for g in block)
            lines.append(("  " + name.ljust(first) + row).rstrip())
    return lines


def _number(value):
    return "NaN" if np.isnan(value) else f"{value:.2f}"


def _letters(flags):
    return "".join(letter for letter, name in LETTERS.items() if flags & dq.MNEMONICS[name])


def _changes(history, numbers):
    """Write the changes of flags, those of integrations that are shown."""
    shown = [c for c in history.changes if c.integration is None or c.integration - 1 in numbers]
    if not shown:
        there = sum(stage.product is not None for stage in history.stages)
        return ["Flags: no step has set or cleared any"] if there > 1 else []
    lines = ["Flags, set (+) and cleared (-)"]
    for change in shown:
        groups = f"{change.first}" if change.first == change.last else f"{change.first}-{change.last}"
        where = "pixel" if change.integration is None else f"int {change.integration} group {groups}"
        begin = f"  {change.step:17} {where:17} {'+' if change.set else '-'} {change.flag:14} "
        lines += _wrapped(begin, change.why or " ", " " * 42)
    return [line.rstrip() for line in lines]


def _references(history):
    if not history.references:
        return []
    lines = ["References"]
    for kind, found in history.references.items():
        said = [found.trouble] if found.trouble else []
        if found.values is not None:
            values = [f"{value:.6g}" for value in np.ravel(found.values)]
            more = f" … ({len(values)})" if len(values) > _SHOWN else ""
            unit = f" {IMAGES[kind][1]}" if IMAGES[kind][1] else ""
            said.append(" ".join(values[:_SHOWN]) + more + unit)
        if found.dq:
            said.append(", ".join(names_of(found.dq)))
        elif found.product is not None and not found.trouble and kind == "mask":
            said.append("no flag")
        lines += _wrapped(
            f"  {kind:12} ", f"{'; '.join(said)}  [{found.name}]" if said else f"[{found.name}]", " " * 15
        )
    return lines


def _parameters(history):
    lines = []
    for step in history.sources.chain:
        known = history.sources.parameters(step)
        shown = {
            name: entry
            for name, entry in known.items()
            if name in _DECIDING.get(step, ()) or not entry["source"].startswith("release")
        }
        by_source = {}
        for name, entry in shown.items():
            by_source.setdefault(entry["source"], []).append(f"{name} {entry['value']}")
        for source, values in by_source.items():
            lines += _wrapped(f"  {step:20} ", f"{', '.join(values)}  [{source}]", " " * 23)
    return (
        ["Parameters (those that decide about flags and slopes, and those that are no defaults)", *lines]
        if lines
        else []
    )


def _same(rates, others):
    """Whether two steps have made the same of the pixel, NaN where the other has NaN."""
    return repr(rates) == repr(others)


def _rates(history, numbers):
    if not history.rates:
        return ["Rates: none are there"]
    columns = ("SCI", "ERR", "VAR_POISSON", "VAR_RNOISE")
    last = next(reversed(history.rates))
    lines = ["Rates [DN/s]" + " " * 12 + "".join(f"{name:>13}" for name in columns) + "  DQ"]
    for step, (image, cube) in history.rates.items():
        if step != last and _same((image, cube), history.rates[last]):
            continue
        rows = [(step, image)] if image else []
        rows += [(f"{step} int {i + 1}", cube[i]) for i in numbers if i < len(cube)]
        for name, values in rows:
            numbers_ = "".join(f"{values[key]:13.6g}" if key in values else f"{'':13}" for key in columns)
            flags = ", ".join(names_of(values.get("DQ", 0)))
            lines += _wrapped(f"  {name:22}{numbers_}  ", flags or "good", " " * 30)
    if (segments := history.segments()) is not None:
        told = {i: ", ".join(f"{a}-{b}" if a != b else f"{a}" for a, b in segments[i]) or "none" for i in numbers}
        lines += [f"  groups left by flags, integration {i + 1}: {each}" for i, each in told.items()]
    return lines
