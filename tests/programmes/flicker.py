"""Exposures whose flicker noise or picture frame is taken out, for the comparison with jwst."""

from rampflow.mock.programmes import FIELD, MID_INFRARED, SPECTRUM, TRANSIT, Programme, nominal


def flicker(_seed):
    """Exposures of every orientation, whose flicker noise is taken out in different ways."""
    on = {"skip": False}
    steps = {
        "NIRCAM": {**on, "apply_flat_field": True, "fit_histogram": True},
        "NIRISS": {**on, "single_mask": False, "n_sigma": 1.5},
        "NIRSPEC": {**on, "background_method": None},
        "MIRI": {**on, "background_method": "model", "background_box_size": [16, 16]},
        "FGS": on,
    }
    strong = {"row_noise": 3.0}
    return Programme(
        (
            nominal("NRCB1", "SHALLOW4", 5, 2, subarray="SUB160", zero_frame=True, scene=FIELD, changes=strong),
            nominal("NRCALONG", "RAPID", 4, 1, subarray="SUB320", scene=FIELD, changes=strong),
            nominal("NIS", "NISRAPID", 6, 3, subarray="SUB128", scene=FIELD, changes=strong),
            nominal("NRS1", "NRS", 5, subarray="SUBS200A1", scene=SPECTRUM, changes=strong),
            nominal("NRS2", "NRSRAPID", 4, 2, subarray="SUBS200A1", scene=SPECTRUM, changes=strong),
            nominal("MIRIMAGE", "FASTR1", 8, 2, subarray="SUB256", scene=MID_INFRARED),
            nominal("MIRIMAGE", "FASTR1", 5, subarray="SUB64", exp_type="MIR_LYOT", scene=MID_INFRARED, number=2),
            nominal("GUIDER1", "FGS", 5, subarray="SUB128LL", scene=FIELD, changes=strong),
        ),
        whole=frozenset({"flat"}),
        steps={selector: {"clean_flicker_noise": values} for selector, values in steps.items()},
    )


def waves(_seed):
    """Frames and subarrays of NIRSpec, whose flicker noise is taken out in Fourier space."""
    spectra = {"exp_type": "NRS_MSASPEC", "scene": SPECTRUM, "changes": {"row_noise": 3.0}}
    slits = spectra | {"exp_type": "NRS_FIXEDSLIT"}
    series = spectra | {"exp_type": "NRS_BRIGHTOBJ", "tso": True, "scene": TRANSIT}
    return Programme(
        (
            nominal("NRS1", "NRSRAPID", 3, 2, **spectra, number=11),
            nominal("NRS2", "NRSRAPID", 3, 2, **spectra, number=11),
            nominal("NRS1", "NRSRAPID", 3, 2, subarray="SUBS200A1", **slits, number=12),
            nominal("NRS2", "NRS", 4, subarray="SUBS200A1", **slits, number=12),
            nominal("NRS2", "NRSRAPID", 3, subarray="ALLSLITS", **slits, number=13),
            nominal("NRS1", "NRSRAPID", 5, 4, subarray="SUB512", **series, number=14),
            nominal("NRS2", "NRSRAPID", 4, 3, subarray="SUB2048", **series, number=14),
        ),
        steps={"NIRSPEC": {"clean_flicker_noise": {"skip": False, "fit_method": "fft"}}},
    )


def series(_seed):
    """Exposures whose background is the median of their integrations, for release 3.0.

    Of spectra NIRSpec's are among them; for those of grisms the mock does not have what jwst cuts them out by.
    """
    strong = {"row_noise": 3.0}
    images = {"scene": FIELD.but(stars=3, brightest=3e3, transit=0.03), "changes": strong, "aimed": (31.0, 34.0)}
    bright = {"scene": MID_INFRARED.but(stars=2, brightest=2e4, transit=0.02), "aimed": (34.5, 30.0)}
    stars = {"scene": FIELD.but(sky=20.0), "changes": strong, "aimed": (40.0, 40.0)}
    spectrum = {"exp_type": "NRS_BRIGHTOBJ", "scene": TRANSIT, "changes": strong, "aimed": (1024.0, 16.0)}
    return Programme(
        (
            nominal("NRCA3", "RAPID", 5, 8, subarray="SUB64P", exp_type="NRC_TSIMAGE", tso=True, **images),
            nominal("NRCBLONG", "RAPID", 4, 5, subarray="SUB64P", exp_type="NRC_TSIMAGE", tso=True, **images),
            nominal("NRCB1", "RAPID", 4, 3, subarray="SUB160", **stars),
            nominal("NIS", "NISRAPID", 5, 4, subarray="SUB80", exp_type="NIS_AMI", pupil="NRM", **stars),
            nominal("MIRIMAGE", "FASTR1", 6, 6, subarray="SUB64", tso=True, **bright),
            nominal("MIRIMAGE", "FASTR1", 9, 3, subarray="SUB128", number=2, **bright),
            nominal("NRCA1", "RAPID", 4, 1, subarray="SUB160", **stars),
            nominal("NRS1", "NRSRAPID", 5, 8, subarray="SUB2048", tso=True, **spectrum),
        ),
        whole=frozenset({"flat"}),
        steps={"clean_flicker_noise": {"skip": False, "background_method": "median_image"}}
        | {"NIRISS": {"clean_flicker_noise": {"apply_flat_field": True}}},
    )


def soss(_seed):
    """Exposures of NIRISS SOSS whose traces are masked, from 00003 on with the median of integrations: release 3.0."""
    series = {"exp_type": "NIS_SOSS", "pupil": "GR700XD", "tso": True}
    series["changes"] = {"row_noise": 3.0}
    series["scene"] = TRANSIT.but(sky=6.0, fwhm=12.0)
    exposures = (
        nominal("NIS", "NISRAPID", 3, 2, subarray="SUBSTRIP256", **series),
        nominal("NIS", "NISRAPID", 4, 3, subarray="SUBSTRIP96", number=2, **series),
        nominal("NIS", "NISRAPID", 3, 4, subarray="SUBSTRIP256", number=3, **series),
        nominal("NIS", "NISRAPID", 4, 3, subarray="SUBSTRIP96", number=4, **series),
    )
    masked, median = {"mask_science_regions": True}, {"background_method": "median_image"}
    steps = (masked, masked | {"single_mask": False}, masked | median | {"n_sigma": 0.0}, median)
    return Programme(
        exposures,
        steps={
            exposure.root: {"clean_flicker_noise": {"skip": False, **values}}
            for exposure, values in zip(exposures, steps, strict=True)
        },
    )


def regions(_seed, step="clean_flicker_noise"):
    """Exposures of NIRSpec whose slits and slices are masked, by a rule that has jwst; picture_frame: release 3.0."""
    aimed = {"aimed": (1024.0, 1024.0), "scene": SPECTRUM, "changes": {"row_noise": 3.0, "picture_frame": 2.0}}
    kinds = (("NRS_FIXEDSLIT", "NRS1"), ("NRS_IFU", "NRS1"), ("NRS_MSASPEC", "NRS1"), ("NRS_MSASPEC", "NRS2"))
    series = aimed | {"exp_type": "NRS_BRIGHTOBJ", "tso": True, "scene": TRANSIT, "aimed": (1024.0, 16.0)}
    masked = {"skip": False, "mask_science_regions": True}
    return Programme(
        (
            *(
                nominal(detector, "NRSRAPID", 3, exp_type=exp_type, number=number, **aimed)
                for number, (exp_type, detector) in enumerate(kinds, start=1)
            ),
            nominal("NRS1", "NRSRAPID", 4, 3, subarray="SUB2048", number=5, **series),
            nominal("NRS2", "NRSRAPID", 3, exp_type="NRS_IFU", grating="G235H", number=6, **aimed),
            nominal("NRS2", "NRSRAPID", 3, exp_type="NRS_IFU", number=7, **aimed),
        ),
        steps={"NIRSPEC": {step: masked}},
    )


def automatic(_seed):
    """Images whose background and outputs decide how their flicker noise is taken out, for release 3.0."""
    strong = {"changes": {"row_noise": 3.0}}
    crowded = FIELD.but(stars=3000, brightest=3e4, slope=0.7, fwhm=4.0)
    return Programme(
        (
            nominal("NRCB1", "RAPID", 3, scene=FIELD, **strong),
            nominal("NRCALONG", "BRIGHT2", 3, scene=crowded, **strong),
            nominal("NRCB2", "RAPID", 4, 2, subarray="SUB160", scene=FIELD, **strong),
            nominal("NRCA1", "RAPID", 4, subarray="SUB160", scene=FIELD, exp_type="NRC_CORON", **strong),
            nominal("NIS", "NISRAPID", 3, scene=FIELD, **strong),
            nominal("NIS", "NISRAPID", 3, scene=crowded, number=2, **strong),
            nominal("NIS", "NISRAPID", 4, 2, subarray="SUB128", scene=crowded, number=3, **strong),
        ),
        whole=frozenset({"flat"}),
        steps={name: {"clean_flicker_noise": {"skip": False, "autoparam": True}} for name in ("NIRCAM", "NIRISS")},
    )


def picture_frame(_seed):
    """Full frames of NIRSpec with a drifting picture frame, which is taken out, and exposures that are left alone."""
    msa = {"exp_type": "NRS_MSASPEC", "scene": SPECTRUM.but(saturated_patch=5e3), "changes": {"picture_frame": 2.0}}
    ifu = msa | {"exp_type": "NRS_IFU", "scene": SPECTRUM.but(stars=40, brightest=3e4, fwhm=4.0)}
    return Programme(
        (
            nominal("NRS1", "NRSRAPID", 4, **msa),
            nominal("NRS2", "NRSRAPID", 3, 2, **ifu),
            nominal("NRS2", "NRSIRS2RAPID", 2, **ifu, number=21),
            nominal("NRS1", "NRSRAPID", 1, **msa, number=3),
            nominal("NRS1", "NRS", 3, subarray="SUBS200A1", scene=SPECTRUM, number=4),
        ),
        odd={"NRS2": {"pictureframe": ("nan", "nowhere", "doubles")}},
        steps={"NIRSPEC": {"picture_frame": {"skip": False, "mask_science_regions": False}}},
    )
