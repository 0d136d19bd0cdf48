"""Passes over an exposure that take its flicker noise out: differences of groups, and how they are cleaned."""

import numpy as np

from rampflow import files
from rampflow.background import BackgroundStep
from rampflow.job import log
from rampflow.steps import NotApplicable, NotUsable
from rampflow.steps import clean_flicker_noise as flicker


class Flicker(BackgroundStep):
    """The clean_flicker_noise step of one exposure."""

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
            self.refuse(reason)

    def refuse(self, reason):
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
        """Find the background of the exposure as the parameters have it.

        Parameters
        ----------
        flat : 2D float32 `~numpy.ndarray` or None
            From `find_flat`.

        Returns
        -------
        callable
            As that of `~rampflow.background.BackgroundStep.find_masks`.
        """
        single, options = self.parameters["single_mask"], self.options("fit_histogram")
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
        nints, ngroups, *frame = self.shape
        for parameter, word in (("save_background", "flicker_bkg"), ("save_noise", "flicker_noise")):
            if self.parameters[parameter]:
                self.add_beside(word, "RampModel", files.image("SCI", self.shape, np.float32))

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
