"""The same bits however the rows are cut into chunks: for any exposure, cuts and options that hypothesis draws."""

import functools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from rampflow.detector import dq
from rampflow.steps import ramp_fit
from rampflow.steps.charge_migration import HALO, flag_charge_migration
from rampflow.steps.linearity import linearize, usable_coefficients
from rampflow.steps.saturation import flag_saturation, halo, prepare_threshold


@st.composite
def exposures(draw):
    """Ramps with noise, steep ones and flags, all from a seed: SCI, GROUPDQ and the generator."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = tuple(draw(st.integers(low, high)) for low, high in ((1, 3), (3, 7), (1, 18), (1, 9)))
    rate = rng.choice([1.0, 100.0, 9000.0], shape[-2:])
    sci = np.cumsum(rng.poisson(rate, shape) + rng.normal(0, 3, shape), axis=1).astype(np.float32)
    sci[rng.random(shape) < 0.01] = np.nan
    flags = np.array([0, dq.DO_NOT_USE, dq.SATURATED, dq.JUMP_DET], np.uint8)
    return sci, rng.choice(flags, shape, p=[0.91, 0.03, 0.03, 0.03]), rng


@st.composite
def cuts(draw, rows):
    """Where chunks begin and end: (start, stop) of each, one after the other."""
    inner = draw(st.sets(st.integers(1, rows - 1), max_size=5)) if rows > 1 else set()
    ends = [0, *sorted(inner), rows]
    return list(zip(ends[:-1], ends[1:], strict=True))


def around(start, stop, rows, more):
    """Rows of a chunk with so many more on each side, where there are any; and where its own rows are in them."""
    low, high = max(start - more, 0), min(stop + more, rows)
    return slice(low, high), slice(start - low, stop - low)


@given(exposures(), st.data())
def test_saturation(exposure, data):
    sci, groupdq, rng = exposure
    rows = sci.shape[-2]
    levels = rng.choice(np.array([400.0, 20000.0, np.nan], np.float32), sci.shape[-2:])
    threshold, _, unchecked = prepare_threshold(levels, np.zeros(levels.shape, np.uint32))
    bias = rng.uniform(0, 500, sci.shape[-2:]).astype(np.float32)
    grown = data.draw(st.integers(0, 3))
    options = {"use_readpatt": data.draw(st.booleans()), "nframes": data.draw(st.integers(1, 8))}
    options["n_pix_grow_sat"] = grown
    whole = flag_saturation(sci[0], groupdq[0].copy(), threshold, bias, unchecked, **options)
    for start, stop in data.draw(cuts(rows)):
        taken, own = around(start, stop, rows, halo(grown))
        images = (threshold[taken], bias[taken], unchecked[taken])
        part = flag_saturation(sci[0, :, taken].copy(), groupdq[0, :, taken].copy(), *images, **options)
        assert_array_equal(part[:, own], whole[:, start:stop])


@given(exposures(), st.data())
def test_charge_migration(exposure, data):
    sci, groupdq, _ = exposure
    rows = sci.shape[-2]
    whole = flag_charge_migration(sci[0], groupdq[0].copy(), signal_threshold=300.0)
    for start, stop in data.draw(cuts(rows)):
        taken, own = around(start, stop, rows, HALO)
        part = flag_charge_migration(sci[0, :, taken].copy(), groupdq[0, :, taken].copy(), signal_threshold=300.0)
        assert_array_equal(part[:, own], whole[:, start:stop])


@given(exposures(), st.data())
def test_linearity(exposure, data):
    sci, groupdq, rng = exposure
    rows = sci.shape[-2]
    coefficients = rng.normal(0, 1e-6, (data.draw(st.integers(2, 6)), *sci.shape[-2:])).astype(np.float32)
    coefficients[1] += 1
    coefficients, _ = usable_coefficients(coefficients, np.zeros(sci.shape[-2:], np.uint32))
    whole = linearize(sci[0].copy(), groupdq[0], coefficients)
    for start, stop in data.draw(cuts(rows)):
        own = np.s_[:, start:stop]
        part = linearize(sci[0][own].copy(), groupdq[0][own].copy(), coefficients[own].copy())
        assert_array_equal(part, whole[own])


@given(exposures(), st.data())
def test_ramp_fit(exposure, data):
    sci, groupdq, rng = exposure
    rows = sci.shape[-2]
    images = [rng.uniform(low, high, sci.shape[-2:]).astype(np.float32) for low, high in ((0.8, 2.0), (3.0, 9.0))]
    pixeldq = np.zeros(sci.shape[-2:], np.uint32)
    chosen = {"suppress_one_group": data.draw(st.booleans()), "ignore_persistence": data.draw(st.booleans())}
    limits = {"firstgroup": None, "lastgroup": data.draw(st.none() | st.integers(1, sci.shape[1]))}
    options = {"tgroup": 10.0, "tframe": 10.0, "nframes": 1, **chosen}
    options["slope_weights"] = data.draw(st.sampled_from(["total", "read_noise"]))
    options["flag_saturated"] = data.draw(st.sampled_from(["all", "any"]))

    def planes(*own):
        return ramp_fit.survey(groupdq[own].copy(), **chosen, **limits)

    def fit(*own):
        return ramp_fit.fit_ramps(
            sci[own].copy(), groupdq[own].copy(), *(image[own[2:]].copy() for image in (pixeldq, *images)), **options
        )

    chunks = data.draw(cuts(rows))
    everything = np.s_[:, :, :]
    whole = planes(*everything)
    parts = [planes(*np.s_[:, :, start:stop]) for start, stop in chunks]
    assert_array_equal(functools.reduce(ramp_fit.join, parts), whole)
    try:
        options["groups"] = ramp_fit.choose_groups(whole, trim=False, **limits)
    except ramp_fit.NoSlopes:
        assert whole.saturated[0]
        return
    complete = fit(*everything)
    for start, stop in chunks:
        for slopes, wanted in zip(fit(*np.s_[:, :, start:stop]), complete, strict=True):
            for name, array in slopes._asdict().items():
                assert_array_equal(array, getattr(wanted, name)[..., start:stop, :], err_msg=name)
