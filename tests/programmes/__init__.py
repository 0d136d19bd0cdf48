"""Observing programmes of the synthetic detector for the comparison with jwst: chosen, and drawn at random.

Command line, beside the mock's own programmes::

    python tests/programmes PROGRAMME OUTPUT [--seed N]
"""

from dataclasses import replace

from programmes import drawn, drawn_events, drawn_miri, drawn_odd, flicker, operations, parity, stripes
from rampflow import mock
from rampflow.mock import Programme


def _drawn(seed):
    exposures, steps, traps = drawn.draw(seed)
    return Programme(tuple(exposures), traps=traps, steps=steps)


def _drawn_miri(seed, recent=False):
    drawing = drawn_miri.draw(seed, recent)
    return Programme(
        tuple(drawing.exposures),
        whole=drawing.whole,
        recent=recent,
        steps=drawing.steps,
        without=drawing.without,
        options=drawing.options,
    )


def _drawn_odd(draw):
    def make_programme(seed):
        exposures, steps, odd = draw(seed)
        return Programme(tuple(exposures), odd=odd, steps=steps)

    return make_programme


def _drawn_events(seed):
    exposures, steps = drawn_events.draw(seed)
    return Programme(tuple(exposures), steps=steps)


def _drawn_recent(seed):
    found = _drawn(seed)
    more, flagged = drawn.draw_recent(seed)
    steps = {
        root: found.steps.get(root, {})
        | {step: found.steps.get(root, {}).get(step, {}) | values for step, values in chosen.items()}
        for root, chosen in more.items()
    }
    for chosen in steps.values():
        # Flags of that size are the traps', which release 3.0 has no more.
        chosen.get("persistence", {}).pop("flag_pers_cutoff", None)
    return replace(found, recent=True, steps=steps, flagged=flagged)


#: All programmes by name, those of the mock among them: functions of the seed.
PROGRAMMES = mock.PROGRAMMES | {
    "parity": parity.modes,
    "parity-recent": parity.recent,
    "parity-full": parity.full,
    "parity-flicker": flicker.flicker,
    "parity-waves": flicker.waves,
    "parity-series": flicker.series,
    "parity-soss": flicker.soss,
    "parity-regions": flicker.regions,
    "parity-regions-picture-frame": lambda seed: flicker.regions(seed, "picture_frame"),
    "parity-automatic": flicker.automatic,
    "parity-picture-frame": flicker.picture_frame,
    "parity-stripes": stripes.stripes,
    "parity-superstripes": stripes.superstripes,
    "parity-samples": stripes.samples,
    "operations": operations.operations,
    "drawn": _drawn,
    "drawn-recent": _drawn_recent,
    "drawn-miri": _drawn_miri,
    "drawn-miri-recent": lambda seed: _drawn_miri(seed, recent=True),
    "drawn-odd": _drawn_odd(drawn_odd.draw),
    "drawn-events": _drawn_events,
    "drawn-irs2": _drawn_odd(drawn_odd.draw_interleaved),
}


def programme(name, seed=1):
    """Look up one of `PROGRAMMES`, as `rampflow.mock.programme` does."""
    return mock.programme(name, seed, PROGRAMMES)
