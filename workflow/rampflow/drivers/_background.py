"""Passes over an exposure that find its background, for the steps that measure something on it."""

from functools import partial
from pathlib import Path

import numpy as np

from rampflow.io import files
from rampflow.jobs.step import Step, log
from rampflow.steps import NotApplicable, ramp_fit
from rampflow.steps import scene_mask as scene


class BackgroundStep(Step):
    """A step that goes by the background of an exposure: a ramp in, a ramp out, and files that parameters ask for."""

    #: Word of the file with the mask.
    mask_word = "mask"

    def __init__(self, snakemake):
        super().__init__(snakemake)
        #: Files beside the ramp by their words, and those that do not stay.
        self.beside, self._scratch = {}, {}
        self._rate = None

    @property
    def exp_type(self):
        """EXP_TYPE of the exposure."""
        return str(self.keyword("EXP_TYPE")).strip()

    def refuse(self, reason):
        """Leave the exposure as it is."""
        raise NotApplicable(str(reason)) from None

    def find_masks(self, *, flat=None, single=True, fit_histogram=False):
        """Find the background of the exposure, from a draft of its rates or from the user's file.

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
        if self.parameters["user_mask"]:
            try:
                mask = scene.user_mask(self.user_image("user_mask"), self.shape)
            except NotApplicable as reason:
                self.refuse(reason)
            self._save_mask(mask)
            return lambda integration: mask if mask.ndim == 2 else mask[integration]
        find = partial(
            scene.scene_mask,
            science=self._science_regions(),
            fit_histogram=fit_histogram,
            **self.options("n_sigma"),
        )
        if single:
            mask = find(self._divided(self.draft_rate(), flat))
            self._save_mask(mask)
            return lambda _: mask
        draft = self.draft_rateints()

        def masks(integration):
            return find(self._divided(draft.read(integration), flat))

        self._save_mask(masks)
        return masks

    @staticmethod
    def _divided(rate, flat):
        return rate if flat is None else rate / flat

    def _science_regions(self):
        if not self.parameters["mask_science_regions"]:
            return None
        scene.check_science_regions(self.instrument, self.exp_type)
        if self.instrument != "MIRI":
            return None
        flat = self.optional_reference("flat")
        return None if flat is None else scene.science_regions(flat.read_dq())

    @staticmethod
    def warn_of(integration, group):
        """Say that a group is left as it is for want of background."""
        log.warning("integration %d, group %d: no background, left as it is", integration + 1, group + 1)

    # --- the draft ------------------------------------------------------------------------------------

    def _fits(self):
        """Fit the ramps as ramp_fit does by itself; yields (rows, rate, rateints) of block after block."""
        rules = {"suppress_one_group": True} | self.options("ignore_persistence")
        limits = {"firstgroup": None, "lastgroup": None}
        planes = self.survey(ramp_fit.survey, reads=("GROUPDQ",), combine=ramp_fit.join, **rules, **limits)
        try:
            rules["groups"] = ramp_fit.choose_groups(planes, trim=self.instrument == "MIRI", **limits)
        except ramp_fit.NoSlopes as reason:
            self.refuse(f"no draft of the count rates to tell background by: {reason}")
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

    def draft_rate(self):
        """Return a draft of the count rate (DN/s), 2D float32."""
        if self._rate is None:
            rate = np.empty(self.shape[-2:], np.float32)
            for block, values, _ in self._fits():
                rate[block] = values
            self._rate = rate
        return self._rate

    def draft_rateints(self):
        """Return drafts of the count rates of the integrations, an array in a file that does not stay."""
        if "draft" not in self._scratch:
            plan = files.image("SCI", (self.shape[0], *self.shape[-2:]), np.float32)
            draft = self.add_scratch("draft", plan)["SCI"]
            for block, _, values in self._fits():
                draft.write(values, slice(None), block)
        return self._scratch["draft"]["SCI"]

    # --- files beside the ramp ------------------------------------------------------------------------

    def add_scratch(self, word, plan):
        """Begin a file with one image that does not stay."""
        path = Path(self.snakemake.output.ramp).with_name(f"{self.exposure}_{self.name}_{word}.fits")
        self._scratch[word] = files.NewProduct(path, self.header.copy(), [plan])
        return self._scratch[word]

    def add_beside(self, word, model, plan):
        """Begin a file ``<exposure>_<word>.fits`` with one image; it gets its name with the ramp."""
        path = Path(self.snakemake.output.ramp).with_name(f"{self.exposure}_{word}.fits")
        self.beside[word] = files.product_beside(path, self.header, model, [plan])
        return self.beside[word]

    def _save_mask(self, masks):
        """Write the mask, or those of the integrations, if it is asked for."""
        if not self.parameters["save_mask"]:
            return
        shape = (self.shape[0], *self.shape[-2:]) if callable(masks) or masks.ndim == 3 else self.shape[-2:]
        model = "CubeModel" if len(shape) == 3 else "ImageModel"
        product = self.add_beside(self.mask_word, model, files.image("SCI", shape, np.float32))
        if callable(masks):
            for integration in range(self.shape[0]):
                product["SCI"].write(masks(integration).astype(np.float32), integration)
        else:
            product["SCI"].write(masks.astype(np.float32))

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
        for product in (*self.beside.values(), *self._scratch.values()):
            product.discard()
        self.beside, self._scratch = {}, {}
