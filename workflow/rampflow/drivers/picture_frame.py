"""Passes over an exposure that take the picture frame out, which its detector shows as its temperature drifts."""

import numpy as np

from rampflow.drivers._background import BackgroundStep
from rampflow.io import files
from rampflow.steps import picture_frame


class PictureFrame(BackgroundStep):
    """The picture_frame step of one exposure."""

    mask_word = "pctfrm_mask"

    def find_reference(self):
        """Read how the picture frame looks, 2D float32.

        Raises
        ------
        NotApplicable
            CRDS has none, or the exposure is none that the step corrects.
        """
        picture_frame.check_exposure(self.instrument, str(self.keyword("SUBARRAY")).strip(), self.shape)
        return self.reference("pictureframe").read()

    def correct(self, frame, masks):
        """Take the picture frame out of every group but the first of each integration.

        Parameters
        ----------
        frame : 2D float32 `~numpy.ndarray`
            From `find_reference`.
        masks : callable
            From `find_masks`.
        """
        nints, ngroups, *_ = self.shape
        if self.parameters["save_correction"]:
            self.add_beside("pctfrm_correction", "RampModel", files.image("SCI", self.shape, np.float32))

        def groups():
            mask = None
            for integration in range(nints):
                before, mask = mask, masks(integration)
                if mask is not before:
                    levels = picture_frame.measure_reference(frame, mask)
                first = self.read("SCI", integration, 0)
                for group in range(1, ngroups):
                    yield integration, group, first, levels, mask

        def correct(where):
            integration, group, first, levels, mask = where
            sci = self.read("SCI", integration, group)
            return integration, group, sci, picture_frame.subtract_frame(sci, first, frame, levels, mask)

        for integration, group, sci, corrected in self.each(correct, groups()):
            if corrected is None:
                self.warn_of(integration, group)
                corrected = sci
            if "pctfrm_correction" in self.beside:
                # What was added to the ramp, as in jwst's file of that name.
                self.beside["pctfrm_correction"]["SCI"].write(corrected - sci, integration, group)
            self.write("SCI", corrected, integration, group)
