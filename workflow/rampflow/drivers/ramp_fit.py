"""ramp_fit: slopes are fitted to the ramps, count rates of the exposure and of each integration with their errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rampflow.io import layout
from rampflow.steps import ramp_fit

if TYPE_CHECKING:
    from rampflow.jobs.step import Step


def run(step: Step) -> None:
    """Fit the ramps of an exposure."""
    gain, readnoise = step.references.open("gain"), step.references.open("readnoise")
    if gain.header.get("GAINFACT") is not None:
        # For gain_scale.
        step.stamp.set("GAINFACT", gain.header["GAINFACT"], "Gain factor of the exposure")
    images = {"gain": gain.read(), "readnoise": readnoise.read(), "dark_rate": step.source.image("AVDRKCUR")}
    times = step.source.read_times
    if ramp_fit.takes_likely(step.parameters["algorithm"], step.source.shape[1], times):
        _fit_likely(step, images, times)
    else:
        _fit_lines(step, images)


def _fit_likely(step: Step, images: dict[str, Any], read_times: list[Any] | None) -> None:
    """Fit by maximum likelihood; ``save_opt`` asks for the image of chi-squared."""
    # Few runs fit so; each job that has the kernels in memory pays for them. Likewise those of the optional product.
    from rampflow.steps.ramp_fit.likely import fit_likely

    step.product.lay_out()
    chisq = None
    if step.parameters["save_opt"]:
        plan = layout.image("SCI", step.source.shape[-2:], np.float32)
        name = f"{step.exposure}_likely_chisq.fits"
        chisq = step.auxiliary.begin(name, [plan], header=step.product.header, model="ImageModel")
    options = step.source.needed("TFRAME", "NFRAMES", "GROUPGAP") | {"read_times": read_times}
    options |= step.options("firstgroup", "lastgroup", "flag_saturated", "flag_chisq_pvalue")
    _fit(step, fit_likely, images | {"pixeldq": step.pixeldq}, options, chisq)


def _fit_lines(step: Step, images: dict[str, Any]) -> None:
    """Fit straight lines (OLS_C), and write the optional product where it is asked for.

    Parameters
    ----------
    step : `~rampflow.jobs.step.Step`
        The step.
    images : dict of 2D `~numpy.ndarray`
        ``gain`` [electrons/DN], ``readnoise`` [DN], and ``dark_rate`` [electrons/s] or None.
    """
    limits = step.options("firstgroup", "lastgroup")
    rules = step.options("suppress_one_group", "ignore_persistence")
    planes = step.chunks.survey(ramp_fit.survey, reads=("GROUPDQ",), combine=ramp_fit.join, **rules, **limits)
    rules["groups"] = ramp_fit.choose_groups(planes, trim=step.source.instrument == "MIRI", **limits)
    common = step.source.needed("TFRAME", "NFRAMES", "TGROUP") | step.options("slope_weights")
    options = common | rules | step.options("flag_saturated")
    step.product.lay_out()
    _fit(step, ramp_fit.fit_ramps, images | {"pixeldq": step.pixeldq}, options)
    if step.parameters["save_opt"]:
        common |= {"groupgap": step.source.keyword("GROUPGAP"), "dropped": step.source.keyword("DRPFRMS1", 0)}
        _fit_optional(step, images, rules, common)


def _fit(
    step: Step,
    function: Callable[..., Any],
    images: dict[str, Any],
    options: Mapping[str, Any],
    chisq: layout.NewProduct | None = None,
) -> None:
    """Run a fit over blocks of rows and write what it returns.

    Parameters
    ----------
    step : `~rampflow.jobs.step.Step`
        The step.
    function : callable
        Called as ``function(sci, groupdq, **images, **options)``, arrays of shape (integrations, groups, rows,
        columns); returns ``(rate, rateints)``, each with the arrays of `rampflow.jobs.rates.ARRAYS` under the names
        given there, and maybe an image of chi-squared.
    images : dict of arrays
        Arrays whose last two axes are rows and columns, handed over cut to the block.
    options : dict
        What else the function takes.
    chisq : `~rampflow.io.layout.NewProduct`, optional
        Where chi-squared goes.
    """

    def fit(where: tuple[Any, slice, slice]) -> None:
        integrations, block, _ = where
        sci, groupdq, cut = step.chunks.read_ramps(integrations, block, images)
        rate, rateints, *more = function(sci, groupdq, **cut, **options)
        if chisq is not None:
            chisq["SCI"].write(more[0], block)
        step.product.write(rate, rateints, block)

    step.chunks.over_rows(fit)


def _fit_optional(step: Step, images: dict[str, Any], rules: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Write the optional product, ``<exposure>_fitopt.fits`` beside the rates, which are there already.

    Parameters
    ----------
    step : `~rampflow.jobs.step.Step`
        The step.
    images : dict of arrays
        As for `_fit`.
    rules, options : dict
        What `~rampflow.steps.ramp_fit.optional.count_segments` needs to know, and what ``fit_optional`` does beside.
    """
    from rampflow.steps.ramp_fit.optional import count_segments, fit_optional

    def most(where: tuple[Any, slice, slice]) -> tuple[int, ...]:
        integrations, block, _ = where
        _, groupdq, cut = step.chunks.read_ramps(integrations, block, {})
        return count_segments(groupdq, **cut, **rules)

    counts = tuple(map(max, zip(*step.chunks.over_rows(most), strict=True)))
    new = None
    for integrations, block, _ in step.chunks.row_blocks():
        sci, groupdq, cut = step.chunks.read_ramps(integrations, block, images)
        cut["slope"] = step.product.read_slopes(integrations, block)
        found = fit_optional(sci, groupdq, **cut, counts=counts, **rules, **options)._asdict()
        if new is None:
            shapes = {key: (*array.shape[:-2], *step.source.shape[-2:]) for key, array in found.items()}
            plans = [layout.image(key.upper(), shape, np.float32) for key, shape in shapes.items()]
            name = f"{step.exposure}_fitopt.fits"
            new = step.auxiliary.begin(name, plans, header=step.product.header, model="RampFitOutputModel")
        for key, array in found.items():
            new[key.upper()].write(array, *[slice(None)] * (array.ndim - 2), block)
