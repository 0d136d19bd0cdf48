"""clean_flicker_noise: flicker (1/f) noise is taken out of the ramps."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from rampflow.detector import dq
from rampflow.drivers import _soss
from rampflow.drivers._background import Background, auxiliary, divided, scratch, warn_of
from rampflow.steps import NotApplicable, NotUsable
from rampflow.steps import clean_flicker_noise as flicker
from rampflow.steps.clean_flicker_noise import automatic, light

if TYPE_CHECKING:
    from rampflow.io import files
    from rampflow.jobs.step import Step

log = logging.getLogger("rampflow")


def run(step: Step) -> None:
    """Take the noise out of every group, mostly but the first ones."""
    step.product.measure_line_noise()
    cleaning = _Cleaning(step)
    fit = cleaning.choose()
    if cleaning.exp_type == "NIS_SOSS" and "pastasoss" in step.references.pointers:
        step.references.path("pastasoss")  # whatever it serves for, the product names it
    flat = cleaning.find_flat()
    fit = cleaning.adapt(fit, flat)
    # The median of integrations is scaled by drafts of each of them, and masks are made of the same drafts.
    single = step.parameters["single_mask"] and not fit.median_image
    masks = cleaning.background.masks(flat=flat, single=single, **step.options("fit_histogram"))
    cleaning.begin_auxiliary()
    if fit.median_image:
        cleaning.clean_groups(fit, masks, flat)
    else:
        cleaning.clean_differences(fit, masks, flat)


class _Cleaning:
    """The cleaning of one exposure."""

    def __init__(self, step: Step) -> None:
        self.step, self.source = step, step.source
        self.exp_type = step.source.text("EXP_TYPE")
        self.background = Background(step, mask_word="mask", refuse=self.refuse)
        self._noise: files.Array | None = None
        self._levels: files.Array | None = None
        self._brightness = np.empty(0)
        self._sky: files.Array | None = None
        self._times: list[float] = []

    def refuse(self, reason: object) -> NoReturn:
        """Leave the exposure as it is, with the status that the release has for that."""
        kind = NotUsable if self.step.parameters["refused_as"] == NotUsable.status else NotApplicable
        raise kind(str(reason)) from None

    # --- how it is fitted -----------------------------------------------------------------------------

    @property
    def _automatic(self) -> bool:
        """Whether parameters follow from what the exposure looks like."""
        return bool(self.step.parameters.get("autoparam")) and self.exp_type in automatic.LIMITS

    def choose(self, **chosen: Any) -> flicker.Fit:
        """Choose how the noise is fitted.

        Parameters
        ----------
        **chosen
            Values of parameters other than those of the configuration.

        Returns
        -------
        `~rampflow.steps.clean_flicker_noise.Fit`

        Raises
        ------
        NotApplicable
            The exposure is none that the step corrects.
        """
        exposure = self.source.needed("SLOWAXIS") | {"exp_type": self.exp_type}
        exposure |= {name.lower(): self.source.text(name) for name in ("SUBARRAY", "DETECTOR")}
        exposure["frame"] = self.source.shape[-2:]
        try:
            fit = flicker.choose_fit(**exposure, **self.step.options_of(flicker.choose_fit, *exposure) | chosen)
            if fit.median_image and self.exp_type == "NIS_SOSS":
                _soss.check_subarray(self.step)
            return fit
        except NotApplicable as reason:
            self.refuse(reason)

    def find_flat(self) -> np.ndarray | None:
        """Read the flat, ready to divide by; None where it is not asked for or CRDS has none."""
        if not (self.step.parameters["apply_flat_field"] or self._automatic):
            return None
        reference = self.step.references.optional("flat")
        if reference is None:
            log.warning("CRDS has no flat reference for this exposure (N/A): nothing is divided by a flat")
            return None
        return flicker.fill_flat(reference.read())

    def adapt(self, fit: flicker.Fit, flat: np.ndarray | None) -> flicker.Fit:
        """Adapt how the noise is fitted to what the exposure looks like, if that is asked for.

        Parameters
        ----------
        fit : `~rampflow.steps.clean_flicker_noise.Fit`
            From `choose`.
        flat : 2D float32 `~numpy.ndarray` or None
            From `find_flat`.

        Returns
        -------
        `~rampflow.steps.clean_flicker_noise.Fit`
        """
        if not self._automatic:
            return fit
        seen = automatic.look(divided(self.background.rate(), flat), fit.axis, self.exp_type)
        chosen = automatic.choose_parameters(seen, automatic.LIMITS[self.exp_type])
        log.info("autoparam: apply_flat_field %s, %s, by %s", flat is not None, chosen, seen)
        return self.choose(**chosen)

    # --- the groups -----------------------------------------------------------------------------------

    def begin_auxiliary(self) -> None:
        """Begin the files with what is found, where parameters ask for them."""
        if self.step.parameters["save_background"]:
            self._levels = auxiliary(self.step, "flicker_bkg", "RampModel", self.source.shape)
        if self.step.parameters["save_noise"]:
            self._noise = auxiliary(self.step, "flicker_noise", "RampModel", self.source.shape)

    def clean_differences(self, fit: flicker.Fit, masks: Callable[[int], np.ndarray], flat: np.ndarray | None) -> None:
        """Clean the differences of successive groups, and add them up again.

        Parameters
        ----------
        fit : `~rampflow.steps.clean_flicker_noise.Fit`
            How.
        masks : callable
            From `Background.masks`.
        flat : 2D float32 `~numpy.ndarray` or None
            From `find_flat`.
        """
        nints, ngroups, *_ = self.source.shape

        def differences() -> Iterator[tuple[int, int, np.ndarray]]:
            for integration in range(nints):
                mask = masks(integration)
                for group in range(1, ngroups):
                    yield integration, group, mask

        def clean(where: tuple[int, int, np.ndarray]) -> tuple[Any, ...]:
            integration, group, mask = where
            before, after = (self.source.read("SCI", integration, g) for g in (group - 1, group))
            groupdq = self.source.read("GROUPDQ", integration, group)
            return integration, group, after, flicker.clean_difference(before, after, groupdq, mask, fit, flat)

        for integration, group, sci, found in self.step.threads.each(clean, differences()):
            if group == 1:
                cleaned = self.source.read("SCI", integration, 0)
            if found is None:
                warn_of(integration, group)
                cleaned = sci
                continue
            cleaned = cleaned + found.difference
            self._save(integration, group, sci, cleaned, found.background)

    def _save(
        self, integration: int, group: int, sci: np.ndarray, cleaned: np.ndarray, background: np.ndarray | float
    ) -> None:
        """Write a cleaned group, and what was found in it where that is asked for."""
        if self._noise is not None:
            self._noise.write(cleaned - sci, integration, group)
        self.step.product.write("SCI", cleaned.copy(), integration, group)  # which uses its array up
        if self._levels is not None:
            level = np.broadcast_to(np.asarray(background, np.float32), sci.shape)
            self._levels.write(np.ascontiguousarray(level), integration, group)

    def clean_groups(self, fit: flicker.Fit, masks: Callable[[int], np.ndarray], flat: np.ndarray | None) -> None:
        """Clean every group, beside the median of all integrations; parameters as for `clean_differences`."""
        nints, ngroups, *_ = self.source.shape
        if self.step.parameters["user_mask"]:
            self.background.rateints()
        try:
            self._measure_light(flat)
            scales = light.scales(self._brightness)
        except NotApplicable as reason:
            self.refuse(reason)
        median = self._median_groups()

        def groups() -> Iterator[tuple[int, int, np.ndarray]]:
            for integration in range(nints):
                mask = masks(integration)
                for group in range(ngroups):
                    yield integration, group, mask

        def clean(where: tuple[int, int, np.ndarray]) -> tuple[Any, ...]:
            integration, group, mask = where
            sci = self.source.read("SCI", integration, group)
            # In double precision where the scale has it, and only then, as jwst does.
            scaled = median.read(group) * scales[integration]
            if self._sky is not None:
                scaled += self._sky.read(integration) * self._times[group]
            return integration, group, sci, scaled, flicker.clean_group(sci, scaled, mask, fit, flat)

        for integration, group, sci, scaled, cleaned in self.step.threads.each(clean, groups()):
            if cleaned is None:
                warn_of(integration, group)
            else:
                self._save(integration, group, sci, cleaned, scaled)

    def _median_groups(self) -> files.Array:
        """Make the median of all integrations of every group, in a file that does not stay."""
        array = scratch(self.step, "median", self.source.shape[1:])

        def median(where: tuple[Any, slice, slice]) -> tuple[slice, np.ndarray]:
            integrations, block, _ = where
            values = self.step.chunks.read_rows("SCI", integrations, block)
            if self._sky is not None:
                level = self._sky.read(slice(None), block)
                for group, time in enumerate(self._times):
                    values[:, group] -= level * time
            return block, flicker.median_ramp(values)

        for block, values in self.step.threads.each(median, self.step.chunks.row_blocks()):
            array.write(values, slice(None), block)
        return array

    def _measure_light(self, flat: np.ndarray | None) -> None:
        """Find how bright every integration is, and for SOSS the sky that is not to be scaled."""
        if self.exp_type == "NIS_SOSS":
            found = _soss.take_apart(self.step, self.background.rateints(), flat)
            self._brightness, self._sky, self._times = found
        else:
            self._brightness = self._light(flat)

    def _light(self, flat: np.ndarray | None) -> np.ndarray:
        draft = self.background.rateints()

        def rates() -> Iterator[np.ndarray]:
            return (divided(draft.read(integration), flat) for integration in range(self.source.shape[0]))

        kind = light.kind_of_light(self.exp_type, self.source.keyword("TSOVISIT") is True)
        if kind == "aperture":
            return self._aperture_light(rates)
        if kind == "median":
            return light.medians(rates())
        middle = np.empty(self.source.shape[-2:], np.float32)
        for _, block, _ in self.step.chunks.row_blocks():
            middle[block] = flicker.median_ramp(draft.read(slice(None), block))
        return light.summed_spectra(rates(), divided(middle, flat))

    def _aperture_light(self, rates: Callable[[], Iterator[np.ndarray]]) -> np.ndarray:
        place = [self.source["SCI"].header.get(key) for key in ("XREF_SCI", "YREF_SCI")]
        if None in place:
            self.refuse("the SCI header has no XREF_SCI and YREF_SCI, where median_image looks for the source")
        electrons = self.step.references.open("gain").read() * np.float32(self.source.needed("EFFINTTM")["effinttm"])
        planned = tuple(float(pixel) - 1 for pixel in place)
        # What MIRI's flat flags is not looked at, whether the flat is applied or not.
        reference = self.step.references.optional("flat") if self.source.instrument == "MIRI" else None
        bad = None if reference is None else (reference.read_dq() & np.uint32(dq.DO_NOT_USE)) != 0
        return light.aperture_light(lambda: (rate * electrons for rate in rates()), planned, bad)
