"""Passes over an exposure that take its flicker noise out: a draft of the rates, masks, differences of groups."""

from functools import partial
from pathlib import Path

import numpy as np

from rampflow import files
from rampflow.job import Step, log
from rampflow.steps import NotApplicable, NotUsable, ramp_fit
from rampflow.steps import clean_flicker_noise as flicker


class Flicker(Step):
    """The clean_flicker_noise step of one exposure: a ramp in, a ramp out, and files that parameters ask for."""

    def __init__(self, snakemake):
        super().__init__(snakemake)
        #: Files beside the ramp by their words; the draft of the integrations' rates is one that does not stay.
        self.beside = {}
        self._draft = None

    def choose(self):
        """Choose how the noise is fitted.

        Returns
        -------
        `~rampflow.steps.clean_flicker_noise.Fit`

        Raises
        ------
        NotApplicable
            The exposure is none that the step corrects.
        """
        exposure = self.needed("SLOWAXIS") | {"exp_type": str(self.keyword("EXP_TYPE")).strip()}
        exposure |= {name.lower(): str(self.keyword(name)).strip() for name in ("SUBARRAY", "DETECTOR")}
        exposure["frame"] = self.shape[-2:]
        try:
            return flicker.choose_fit(**exposure, **self.options(*flicker.OPTIONS))
        except NotApplicable as reason:
            self._refuse(reason)

    def _refuse(self, reason):
        """Leave the exposure as it is, with the status that the release has for that."""
        kind = NotUsable if self.parameters["refused_as"] == NotUsable.status else NotApplicable
        raise kind(str(reason)) from None

    def find_flat(self):
        """Read the flat, ready to divide by; None where it is not asked for or CRDS has none."""
        if not self.parameters["apply_flat_field"]:
            return None
        reference = self.optional_reference("flat")
        if reference is None:
            log.warning("CRDS has no flat reference for this exposure (N/A): nothing is divided by a flat")
            return None
        return flicker.fill_flat(reference.read())

    def find_masks(self, flat):
        """Find the background of the exposure, from a draft of its rates or from the user's file.

        Returns
        -------
        callable
            Takes an integration and returns its mask, True for background. It makes the mask of an integration anew
            whenever it is called, so that long time series need no more memory than others.
        """
        if self.parameters["user_mask"]:
            try:
                mask = flicker.user_mask(self.user_image("user_mask"), self.shape)
            except NotApplicable as reason:
                self._refuse(reason)
            self._save_mask(mask)
            return lambda integration: mask if mask.ndim == 2 else mask[integration]
        find = partial(flicker.scene_mask, science=self._science_regions(), **self.options("n_sigma", "fit_histogram"))
        if self.parameters["single_mask"]:
            mask = find(self._divided(self._draft_rate(), flat))
            self._save_mask(mask)
            return lambda _: mask
        self._draft_rateints()

        def masks(integration):
            return find(self._divided(self._draft["SCI"].read(integration), flat))

        self._save_mask(masks)
        return masks

    @staticmethod
    def _divided(rate, flat):
        return rate if flat is None else rate / flat

    def _science_regions(self):
        if not self.parameters["mask_science_regions"]:
            return None
        flicker.check_science_regions(self.instrument, str(self.keyword("EXP_TYPE")).strip())
        if self.instrument != "MIRI":
            return None
        flat = self.optional_reference("flat")
        return None if flat is None else flicker.science_regions(flat.read_dq())

    # --- the draft ------------------------------------------------------------------------------------

    def _fits(self):
        """Fit the ramps as ramp_fit does by itself; yields (rows, rate, rateints) of block after block."""
        rules = {"suppress_one_group": True} | self.options("ignore_persistence")
        limits = {"firstgroup": None, "lastgroup": None}
        planes = self.survey(ramp_fit.survey, reads=("GROUPDQ",), combine=ramp_fit.join, **rules, **limits)
        try:
            rules["groups"] = ramp_fit.choose_groups(planes, trim=self.instrument == "MIRI", **limits)
        except ramp_fit.NoSlopes as reason:
            self._refuse(f"no draft of the count rates to tell background by: {reason}")
        rules |= self.needed("TGROUP", "TFRAME", "NFRAMES") | self.options("slope_weights")
        images = {kind: self.reference(kind).read() for kind in ("gain", "readnoise")}
        images |= {"dark_rate": self.image("AVDRKCUR"), "pixeldq": self.pixeldq}

        def fit(where):
            integrations, block, _ = where
            sci, groupdq, cut = self.read_ramps(integrations, block, images)
            # How slopes are flagged as saturated is of no interest: those that cannot be had are NaN either way.
            rate, rateints = ramp_fit.fit_ramps(sci, groupdq, **cut, **rules, flag_saturated="any")
            return block, rate.slope, rateints.slope

        return self.each(fit, self.row_blocks())

    def _draft_rate(self):
        draft = np.empty(self.shape[-2:], np.float32)
        for block, rate, _ in self._fits():
            draft[block] = rate
        return draft

    def _draft_rateints(self):
        path = Path(self.snakemake.output.ramp).with_name(f"{self.exposure}_{self.name}_draft.fits")
        shape = (self.shape[0], *self.shape[-2:])
        self._draft = files.NewProduct(path, self.header.copy(), [files.image("SCI", shape, np.float32)])
        for block, _, rateints in self._fits():
            self._draft["SCI"].write(rateints, slice(None), block)

    # --- the differences ------------------------------------------------------------------------------

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
        nints, ngroups, *frame = self.shape
        for parameter, word in (("save_background", "flicker_bkg"), ("save_noise", "flicker_noise")):
            if self.parameters[parameter]:
                self._add_beside(word, "RampModel", files.image("SCI", self.shape, np.float32))

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
                log.warning("integration %d, group %d: no background, left as it is", integration + 1, group + 1)
                cleaned = sci
                continue
            cleaned = cleaned + found.difference
            if "flicker_noise" in self.beside:
                self.beside["flicker_noise"]["SCI"].write(cleaned - sci, integration, group)
            self.write("SCI", cleaned.copy(), integration, group)  # which uses its array up
            if "flicker_bkg" in self.beside:
                level = np.broadcast_to(found.background, frame)
                self.beside["flicker_bkg"]["SCI"].write(np.ascontiguousarray(level), integration, group)

    # --- files beside the ramp ------------------------------------------------------------------------

    def _save_mask(self, masks):
        """Write the mask, or those of the integrations, if it is asked for."""
        if not self.parameters["save_mask"]:
            return
        shape = (self.shape[0], *self.shape[-2:]) if callable(masks) or masks.ndim == 3 else self.shape[-2:]
        model = "CubeModel" if len(shape) == 3 else "ImageModel"
        product = self._add_beside("mask", model, files.image("SCI", shape, np.float32))
        if callable(masks):
            for integration in range(self.shape[0]):
                product["SCI"].write(masks(integration).astype(np.float32), integration)
        else:
            product["SCI"].write(masks.astype(np.float32))

    def _add_beside(self, word, model, plan):
        path = Path(self.snakemake.output.ramp).with_name(f"{self.exposure}_{word}.fits")
        self.beside[word] = files.product_beside(path, self.header, model, [plan])
        return self.beside[word]

    def finish(self, skipped=None):
        """Give the products their names; none beside the ramp where the step does not run."""
        if skipped is not None:
            self._discard_beside()
        super().finish(skipped)
        for product in self.beside.values():
            product.commit()
            self.also_written.append(product.path)
        self.beside = {}
        self._discard_beside()

    def discard(self):
        """Remove what was written so far."""
        self._discard_beside()
        super().discard()

    def _discard_beside(self):
        for product in (*self.beside.values(), self._draft):
            if product is not None:
                product.discard()
        self.beside, self._draft = {}, None
