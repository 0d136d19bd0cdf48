"""Exposures of every mode that operations treat in a way of its own, with the parameter files that say so."""

from rampflow.mock import Rectangle
from rampflow.mock.programmes import FIELD, MID_INFRARED, SPECTRUM, TRANSIT, Programme, nominal

_SERIES = {"tso": True, "scene": TRANSIT}


def operations(_seed):
    """Plain and time-series exposures of all instruments, in small subarrays where the mode has them."""
    return Programme((*_near_infrared(), *_niriss(), *_nirspec(), *_mid_infrared()), as_operated=True)


def _near_infrared():
    small = {"subarray": "SUB64P", "scene": FIELD}
    grism = {"exp_type": "NRC_TSGRISM", "pupil": "GRISMR", "filter": "F444W", **_SERIES}
    return (
        nominal("NRCB1", "SHALLOW4", 5, 2, zero_frame=True, **small),
        nominal("NRCBLONG", "BRIGHT2", 5, exp_type="NRC_WFSS", pupil="GRISMR", **small),
        nominal("NRCA3", "RAPID", 5, 4, exp_type="NRC_TSIMAGE", tso=True, **small),
        nominal("NRCALONG", "RAPID", 6, 4, subarray="SUBGRISM64", window=Rectangle(1, 1, 2048, 16), **grism),
        nominal("GUIDER1", "FGS", 4, subarray="SUB128LL", scene=FIELD),
    )


def _niriss():
    field = {"subarray": "SUB64", "scene": FIELD.but(stars=3, brightest=2e5)}
    long = {"filter": "F444W", "pupil": "CLEARP"}
    soss = {"exp_type": "NIS_SOSS", "pupil": "GR700XD", **_SERIES}
    return (
        nominal("NIS", "NISRAPID", 6, 2, filter="CLEAR", pupil="F200W", **field),
        nominal("NIS", "NISRAPID", 6, number=2, **long, **field),
        nominal("NIS", "NISRAPID", 6, exp_type="NIS_WFSS", filter="GR150R", pupil="F115W", number=3, **field),
        nominal("NIS", "NISRAPID", 6, exp_type="NIS_EXTCAL", number=4, **field),
        nominal("NIS", "NISRAPID", 6, 3, exp_type="NIS_AMI", filter="F480M", pupil="NRM", number=5, **field),
        nominal("NIS", "NISRAPID", 5, 4, subarray="SUBSTRIP96", number=6, **soss),
    )


def _nirspec():
    aimed = {"aimed": (1024.0, 1024.0)}  # so that jwst can tell where slits and slices are
    series = {"exp_type": "NRS_BRIGHTOBJ", "tso": True, "scene": TRANSIT.but(trace=9000.0, fwhm=2.0, curvature=2.0)}
    return (
        nominal("NRS1", "NRSRAPID", 6, 4, subarray="SUB512", **series, **aimed),
        nominal("NRS2", "NRS", 5, subarray="SUBS200A1", scene=SPECTRUM, **aimed),
        nominal("NRS1", "NRSRAPID", 4, scene=SPECTRUM, number=2, **aimed),
        nominal("NRS2", "NRSRAPID", 4, exp_type="NRS_IFU", grating="G235H", scene=SPECTRUM, number=2, **aimed),
        nominal("NRS1", "NRSIRS2RAPID", 3, exp_type="NRS_MSASPEC", scene=SPECTRUM, number=3, **aimed),
    )


def _mid_infrared():
    imager = {"subarray": "SUB64", "scene": MID_INFRARED, "changes": {"showers": 8e3}}
    prism = {"filter": "P750L", "scene": SPECTRUM.but(trace=4000.0)}
    slitless = prism | {"exp_type": "MIR_LRS-SLITLESS", "tso": True, "subarray": "SLITLESSPRISM"}
    slit = prism | {"exp_type": "MIR_LRS-FIXEDSLIT", "window": Rectangle(1, 300, 48, 40)}
    spectrum = {"scene": SPECTRUM.but(sky=3.0), "changes": {"showers": 8e3}}
    return (
        nominal("MIRIMAGE", "FASTR1", 8, 2, filter="F770W", **imager),
        nominal("MIRIMAGE", "FASTR1", 8, 2, filter="F2100W", number=2, **imager),
        nominal("MIRIMAGE", "FASTR1", 6, 5, tso=True, filter="F1500W", number=3, **imager),
        nominal("MIRIMAGE", "FASTR1", 8, 4, number=4, **slitless),
        nominal("MIRIMAGE", "FASTR1", 7, 2, number=5, **slit),
        nominal("MIRIMAGE", "FASTR1", 6, 2, subarray="MASK1550", window=Rectangle(8, 472, 40, 32), number=6)
        .but(exp_type="MIR_4QPM", filter="F1550C", scene=MID_INFRARED),
        nominal("MIRIFUSHORT", "FASTR1", 8, 2, window=Rectangle(1, 1, 48, 40), **spectrum),
        nominal("MIRIFULONG", "SLOWR1", 6, band="LONG", window=Rectangle(985, 501, 48, 40), **spectrum),
    )  # fmt: skip
