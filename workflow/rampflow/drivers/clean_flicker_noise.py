"""Passes over an exposure that take its flicker noise out: differences of groups, and how they are cleaned."""

import numpy as np

from rampflow.detector import dq
from rampflow.drivers._background import BackgroundStep
from rampflow.io import files
from rampflow.jobs.step import log
from rampflow.steps import NotApplicable, NotUsable
from rampflow.steps import clean_flicker_noise as flicker
from rampflow.steps.clean_flicker_noise import automatic, light


class Flicker(BackgroundStep):
    """The clean_flicker_noise step of one exposure."""

    @property
    def automatic(self):
        """Whether parameters follow from what the exposure looks like."""
        return bool(self.parameters.get("autoparam")) and self.exp_type in automatic.LIMITS

    def choose(self, **chosen):
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
        exposure = self.needed("SLOWAXIS") | {"exp_type": self.exp_type}
        exposure |= {name.lower(): str(self.keyword(name)).strip() for name in ("SUBARRAY", "DETECTOR")}
        exposure["frame"] = self.shape[-2:]
        try:
            return flicker.choose_fit(**exposure, **self.options(*flicker.OPTIONS) | chosen)
        except NotApplicable as reason:
            self.refuse(reason)

    def refuse(self, reason):
        """Leave the exposure as it is, with the status that the release has for that."""
        kind = NotUsable if self.parameters["refused_as"] == NotUsable.status else NotApplicable
        raise kind(str(reason)) from None

    def find_flat(self):
        """Read the flat, ready to divide by; None where it is not asked for or CRDS has none."""
        if not (self.parameters["apply_flat_field"] or self.automatic):
            return None
        reference = self.optional_reference("flat")
        if reference is None:
            log.warning("CRDS has no flat reference for this exposure (N/A): nothing is divided by a flat")
            return None
        return flicker.fill_flat(reference.read())

    def adapt(self, fit, flat):
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
            Ready for `find_masks` and `clean`.
        """
        if not self.automatic:
            return fit
        seen = automatic.look(self._divided(self.draft_rate(), flat), fit.axis, self.exp_type)
        chosen = automatic.choose_parameters(seen, automatic.LIMITS[self.exp_type])
        log.info("autoparam: apply_flat_field %s, %s, by %s", flat is not None, chosen, seen)
        return self.choose(**chosen)

    def find_masks(self, fit, flat):
        """Find the background of the exposure as the parameters have it.

        Parameters
        ----------
        fit : `~rampflow.steps.clean_flicker_noise.Fit`
            From `adapt`.
        flat : 2D float32 `~numpy.ndarray` or None
            From `find_flat`.

        Returns
        -------
        callable
            As that of `~rampflow.drivers._background.BackgroundStep.find_masks`.
        """
        options = self.options("fit_histogram")
        # The median of integrations is scaled by drafts of each of them, and masks are made of the same drafts.
        single = self.parameters["single_mask"] and not fit.median_image
        return super().find_masks(flat=flat, single=single, **options)

    def clean(self, fit, masks, flat):
        """Take the noise out of every group but the first of each integration.

        Parameters
        ----------
        fit : `~rampflow.steps.clean_flicker_noise.Fit`
            How.
        masks : callable
            From `find_masks`.
        flat : 2D float32 `~numpy.ndarray` or None
            From `find_flat`.
        """
        for parameter, word in (("save_background", "flicker_bkg"), ("save_noise", "flicker_noise")):
            if self.parameters[parameter]:
                self.add_beside(word, "RampModel", files.image("SCI", self.shape, np.float32))
        if fit.median_image:
            self._clean_groups(fit, masks, flat)
        else:
            self._clean_differences(fit, masks, flat)

    def _clean_differences(self, fit, masks, flat):
        nints, ngroups, *_ = self.shape

        def differences():
            for integration in range(nints):
                mask = masks(integration)
                for group in range(1, ngroups):
                    yield integration, group, mask

        def clean(where):
            integration, group, mask = where
            before, after = (self.read("SCI", integration, g) for g in (group - 1, group))
            groupdq = self.read("GROUPDQ", integration, group)
            return integration, group, after, flicker.clean_difference(before, after, groupdq, mask, fit, flat)

        for integration, group, sci, found in self.each(clean, differences()):
            if group == 1:
                cleaned = self.read("SCI", integration, 0)
            if found is None:
                self.warn_of(integration, group)
                cleaned = sci
                continue
            cleaned = cleaned + found.difference
            self._save(integration, group, sci, cleaned, found.background)

    def _save(self, integration, group, sci, cleaned, background):
        """Write a cleaned group, and what was found in it where that is asked for."""
        if "flicker_noise" in self.beside:
            self.beside["flicker_noise"]["SCI"].write(cleaned - sci, integration, group)
        self.write("SCI", cleaned.copy(), integration, group)  # which uses its array up
        if "flicker_bkg" in self.beside:
            level = np.broadcast_to(np.asarray(background, np.float32), sci.shape)
            self.beside["flicker_bkg"]["SCI"].write(np.ascontiguousarray(level), integration, group)

    # --- the median of all integrations as background -------------------------------------------------

    def _clean_groups(self, fit, masks, flat):
        """Take the noise out of every group, beside the median of all integrations."""
        nints, ngroups, *_ = self.shape
        if self.parameters["user_mask"]:
            self.draft_rateints()
        try:
            scales = light.scales(self._light(flat))
        except NotApplicable as reason:
            self.refuse(reason)
        median = self._median_groups()

        def groups():
            for integration in range(nints):
                mask = masks(integration)
                for group in range(ngroups):
                    yield integration, group, mask

        def clean(where):
            integration, group, mask = where
            sci = self.read("SCI", integration, group)
            # In double precision where the scale has it, and only then, as jwst does.
            scaled = median.read(group) * scales[integration]
            return integration, group, sci, scaled, flicker.clean_group(sci, scaled, mask, fit, flat)

        for integration, group, sci, scaled, cleaned in self.each(clean, groups()):
            if cleaned is None:
                self.warn_of(integration, group)
            else:
                self._save(integration, group, sci, cleaned, scaled)

    def _median_groups(self):
        """Make the median of all integrations of every group, in a file that does not stay."""
        product = self.add_scratch("median", files.image("SCI", self.shape[1:], np.float32))["SCI"]

        def median(where):
            integrations, block, _ = where
            return block, flicker.median_ramp(self.read_rows("SCI", integrations, block))

        for block, values in self.each(median, self.row_blocks()):
            product.write(values, slice(None), block)
        return product

    def _light(self, flat):
        """Find how bright every integration is."""
        draft = self.draft_rateints()

        def rates():
            return (self._divided(draft.read(integration), flat) for integration in range(self.shape[0]))

        kind = light.kind_of_light(self.exp_type, self.keyword("TSOVISIT") is True)
        if kind == "aperture":
            return self._aperture_light(rates)
        if kind == "median":
            return light.medians(rates())
        middle = np.empty(self.shape[-2:], np.float32)
        for _, block, _ in self.row_blocks():
            middle[block] = flicker.median_ramp(draft.read(slice(None), block))
        return light.summed_spectra(rates(), self._divided(middle, flat))

    def _aperture_light(self, rates):
        place = [self.source["SCI"].header.get(key) for key in ("XREF_SCI", "YREF_SCI")]
        if None in place:
            self.refuse("the SCI header has no XREF_SCI and YREF_SCI, where median_image looks for the source")
        electrons = self.reference("gain").read() * np.float32(self.needed("EFFINTTM")["effinttm"])
        planned = tuple(float(pixel) - 1 for pixel in place)
        # What MIRI's flat flags is not looked at, whether the flat is applied or not.
        reference = self.optional_reference("flat") if self.instrument == "MIRI" else None
        bad = None if reference is None else (reference.read_dq() & np.uint32(dq.DO_NOT_USE)) != 0
        return light.aperture_light(lambda: (rate * electrons for rate in rates()), planned, bad)
