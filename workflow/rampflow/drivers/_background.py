"""The background of an exposure, found by a draft of its rates, for the steps that measure something on it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from rampflow.drivers._regions import science_regions
from rampflow.io import layout
from rampflow.steps import NotApplicable, NotUsable, ramp_fit
from rampflow.steps import scene_mask as scene

if TYPE_CHECKING:
    from rampflow.io import files
    from rampflow.jobs.step import Step

log = logging.getLogger("rampflow")


class Background:
    """The background of an exposure, and drafts of its rates.

    Parameters
    ----------
    step : `~rampflow.jobs.step.Step`
        The step that needs it.
    mask_word : str
        Word of the auxiliary product with the mask.
    refuse : callable
        Called with the reason, when the exposure has to be left as it is; raises.
    """

    def __init__(self, step: Step, *, mask_word: str, refuse: Callable[[object], NoReturn]) -> None:
        self._step, self._mask_word, self._refuse = step, mask_word, refuse
        self._rate: np.ndarray | None = None
        self._rateints: files.Array | None = None

    def masks(
        self, *, flat: np.ndarray | None = None, single: bool = True, fit_histogram: bool = False
    ) -> Callable[[int], np.ndarray]:
        """Find the background, by a draft of the rates or in the user's file.

        Parameters
        ----------
        flat : 2D float32 `~numpy.ndarray`, optional
            What to divide the draft by.
        single : bool
            Find one mask for all integrations.
        fit_histogram : bool
            As for `~rampflow.steps.scene_mask.scene_mask`.

        Returns
        -------
        callable
            Takes an integration and returns its mask, True for background. It makes the mask of an integration anew
            whenever it is called, so that long time series need no more memory than others; a single one is the same
            array for all of them.
        """
        step = self._step
        if step.parameters["user_mask"]:
            try:
                mask = scene.user_mask(step.user_image("user_mask"), step.source.shape)
            except NotApplicable as reason:
                self._refuse(reason)
            self._save_mask(mask)
            return lambda integration: mask if mask.ndim == 2 else mask[integration]
        find: Callable[..., np.ndarray] = partial(
            scene.scene_mask,
            science=self._science_regions(),
            fit_histogram=fit_histogram,
            **step.options("n_sigma"),
        )
        if single:
            mask = find(divided(self.rate(), flat))
            self._save_mask(mask)
            return lambda _: mask
        draft = self.rateints()

        def masks(integration: int) -> np.ndarray:
            return find(divided(draft.read(integration), flat))

        self._save_mask(masks)
        return masks

    def _science_regions(self) -> np.ndarray | None:
        if not self._step.parameters["mask_science_regions"]:
            return None
        try:
            return science_regions(self._step)
        except NotUsable:
            raise
        except NotApplicable as reason:
            self._refuse(reason)

    # --- the draft ------------------------------------------------------------------------------------

    def _fits(self) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Fit the ramps as ramp_fit does by itself; yields (rows, rate, rateints) of block after block."""
        step = self._step
        rules: dict[str, Any] = {"suppress_one_group": True} | step.options("ignore_persistence")
        limits: dict[str, Any] = {"firstgroup": None, "lastgroup": None}
        planes = step.chunks.survey(ramp_fit.survey, reads=("GROUPDQ",), combine=ramp_fit.join, **rules, **limits)
        try:
            rules["groups"] = ramp_fit.choose_groups(planes, trim=step.source.instrument == "MIRI", **limits)
        except ramp_fit.NoSlopes as reason:
            self._refuse(f"no draft of the count rates to tell background by: {reason}")
        rules |= step.source.needed("TGROUP", "TFRAME", "NFRAMES") | step.options("slope_weights")
        images = {kind: step.references.open(kind).read() for kind in ("gain", "readnoise")}
        images |= {"dark_rate": step.source.image("AVDRKCUR"), "pixeldq": step.pixeldq}

        def fit(where: tuple[Any, slice, slice]) -> tuple[slice, np.ndarray, np.ndarray]:
            integrations, block, _ = where
            sci, groupdq, cut = step.chunks.read_ramps(integrations, block, images)
            # How slopes are flagged as saturated is of no interest: those that cannot be had are NaN either way.
            rate, rateints = ramp_fit.fit_ramps(sci, groupdq, **cut, **rules, flag_saturated="any")
            return block, rate.slope, rateints.slope

        return step.threads.each(fit, step.chunks.row_blocks())

    def rate(self) -> np.ndarray:
        """Return a draft of the count rate (DN/s), 2D float32."""
        if self._rate is None:
            rate = np.empty(self._step.source.shape[-2:], np.float32)
            for block, values, _ in self._fits():
                rate[block] = values
            self._rate = rate
        return self._rate

    def rateints(self) -> files.Array:
        """Return drafts of the count rates of the integrations, an array in a file that does not stay."""
        if self._rateints is None:
            nints, _, ny, nx = self._step.source.shape
            draft = scratch(self._step, "draft", (nints, ny, nx))
            for block, _, values in self._fits():
                draft.write(values, slice(None), block)
            self._rateints = draft
        return self._rateints

    def _save_mask(self, masks: np.ndarray | Callable[[int], np.ndarray]) -> None:
        """Write the mask, or those of the integrations, if it is asked for."""
        step = self._step
        if not step.parameters["save_mask"]:
            return
        nints, _, *image = step.source.shape
        each = callable(masks) or masks.ndim == 3
        model = "CubeModel" if each else "ImageModel"
        array = auxiliary(step, self._mask_word, model, (nints, *image) if each else tuple(image))
        if callable(masks):
            for integration in range(nints):
                array.write(masks(integration).astype(np.float32), integration)
        else:
            array.write(masks.astype(np.float32))


def divided(rate: np.ndarray, flat: np.ndarray | None) -> np.ndarray:
    """Divide a draft by a flat, where there is one."""
    return rate if flat is None else rate / flat


def auxiliary(step: Step, word: str, model: str, shape: tuple[int, ...]) -> files.Array:
    """Begin ``<exposure>_<word>.fits`` with one float32 array, and return the array."""
    plan = layout.image("SCI", shape, np.float32)
    name = f"{step.exposure}_{word}.fits"
    return step.auxiliary.begin(name, [plan], header=step.product.header, model=model)["SCI"]


def scratch(step: Step, word: str, shape: tuple[int, ...]) -> files.Array:
    """Begin a file with one float32 array that does not stay, and return the array."""
    plan = layout.image("SCI", shape, np.float32)
    return step.auxiliary.scratch(f"{step.exposure}_{step.spec.name}_{word}.fits", plan, header=step.product.header)


def warn_of(integration: int, group: int) -> None:
    """Say that a group is left as it is for want of background."""
    log.warning("integration %d, group %d: no background, left as it is", integration + 1, group + 1)
