"""Exposures of every instrument and mode that somebody chose, for the comparison with jwst."""

from rampflow.mock import Rectangle
from rampflow.mock.configurations import subarray as subarray_of
from rampflow.mock.programmes import FIELD, MID_INFRARED, SPECTRUM, TRANSIT, Programme, nominal


def modes(_seed):
    """Exposures of all instruments: every mode, read pattern and number of groups that a step treats in its own way."""
    return Programme(
        (*_nircam(), *_niriss(), *_nirspec(), *_mid_infrared_imager(), *_mid_infrared(), *_guiders()),
        traps=frozenset({"NRCB1", "GUIDER1"}),
    )


def _nircam():
    heavy_rays = {"cosmic_rays": 400.0, "snowballs": 2e4}
    return (
        nominal("NRCB1", "SHALLOW4", 5, 2, subarray="SUB64P", zero_frame=True, scene=FIELD),
        nominal(
            "NRCALONG",
            "RAPID",
            6,
            5,
            subarray="SUBGRISM64",
            window=Rectangle(1, 1, 2048, 16),
            tso=True,
            exp_type="NRC_TSGRISM",
            pupil="GRISMR",
            filter="F444W",
            scene=TRANSIT,
            number=2,
        ),
        nominal(
            "NRCB2",
            "RAPID",
            10,
            2,
            subarray="SUB160",
            exp_type="NRC_WFSS",
            scene=FIELD,
            changes=heavy_rays,
        ),
        nominal(
            "NRCA1",
            "MEDIUM8",
            3,
            1,
            subarray="SUB160",
            zero_frame=True,
            window=Rectangle(1889, 1969, 160, 80),
            scene=FIELD.but(stars=60, brightest=2e5, slope=1.0, fwhm=7.0, saturated_patch=3e5),
        ),
        nominal(
            "NRCA3",
            "RAPID",
            4,
            110,
            subarray="SUB64P",
            window=Rectangle(1, 101, 24, 20),
            tso=True,
            exp_type="NRC_TSIMAGE",
            scene=FIELD.but(transit=0.02),
        ),
        nominal(
            "NRCA2",
            "BRIGHT2",
            5,
            1,
            subarray="SUB640A210R",
            window=Rectangle(424, 1158, 64, 48),
            nframes=3,
            frame_divisor=4,
            exp_type="NRC_CORON",
            pupil="MASKRND",
            filter="F210M",
            scene=FIELD,
        ),
    )


def _niriss():
    soss = nominal(
        "NIS",
        "NISRAPID",
        4,
        6,
        subarray="SUBSTRIP96",
        window=Rectangle(1, 1803, 400, 96),
        exp_type="NIS_SOSS",
        pupil="GR700XD",
        tso=True,
        scene=TRANSIT,
        number=5,
    )
    return (
        nominal(
            "NIS",
            "NISRAPID",
            5,
            3,
            subarray="SUB80",
            exp_type="NIS_AMI",
            filter="F480M",
            pupil="NRM",
            scene=FIELD.but(stars=1, brightest=2e5),
        ),
        *soss.segments(3, 3),
        nominal("NIS", "NIS", 1, 2, subarray="SUB64", scene=FIELD, number=3),
    )


def _nirspec():
    return (
        nominal(
            "NRS1",
            "NRSRAPID",
            8,
            4,
            subarray="SUB512",
            exp_type="NRS_BRIGHTOBJ",
            tso=True,
            scene=TRANSIT.but(trace=9000.0, fwhm=2.0, curvature=2.0),
        ),
        nominal("NRS2", "NRS", 5, subarray="SUBS200A1", scene=SPECTRUM, changes={"cosmic_rays": 20.0}),
        nominal(
            "NRS1",
            "NRSRAPID",
            2,
            2,
            subarray="ALLSLITS",
            window=Rectangle(1, 897, 1024, 64),
            scene=SPECTRUM,
            number=2,
        ),
        nominal("NRS1", "NRSIRS2RAPID", 4, exp_type="NRS_IFU", scene=SPECTRUM.but(saturated_patch=5e3), number=3),
        nominal("NRS2", "NRSIRS2", 3, 2, exp_type="NRS_MSASPEC", scene=SPECTRUM, number=2),
    )


def _mid_infrared_imager():
    return (
        nominal(
            "MIRIMAGE",
            "FASTR1",
            10,
            2,
            subarray="SUB128",
            scene=MID_INFRARED,
            changes={"showers": 8e3},
        ),
        nominal(
            "MIRIMAGE",
            "FASTR1",
            8,
            4,
            subarray="SLITLESSPRISM",
            exp_type="MIR_LRS-SLITLESS",
            tso=True,
            filter="P750L",
            scene=TRANSIT.but(trace=4000.0),
            number=2,
        ),
        nominal(
            "MIRIMAGE",
            "FAST",
            5,
            3,
            subarray="SUB64",
            scene=MID_INFRARED.but(stars=3, brightest=3e4),
            number=3,
        ),
        nominal(
            "MIRIMAGE",
            "FASTR1",
            3,
            2,
            subarray="SUB64",
            scene=MID_INFRARED,
            number=4,
        ),
    )


def _guiders():
    return (
        nominal("GUIDER1", "FGS", 4, subarray="SUB128LL", scene=FIELD.but(brightest=2e5)),
        nominal("GUIDER2", "FGSRAPID", 2, 2, subarray="SUB32CNTR", scene=FIELD.but(sky=50.0)),
    )


def _mid_infrared():
    """MIRI's other modes, and ramps of every small number of groups, on small windows of its subarrays."""
    bright = MID_INFRARED.but(stars=12, brightest=5e6, slope=0.5)
    long = nominal(
        "MIRIMAGE", "FASTR1", 27, 5, subarray="SUB256", window=Rectangle(413, 51, 32, 24), scene=MID_INFRARED, number=9
    )
    prism = {"filter": "P750L", "scene": SPECTRUM.but(trace=9e5)}
    return (
        nominal(
            "MIRIMAGE", "SLOWR1", 4, 2, subarray="BRIGHTSKY", window=Rectangle(457, 51, 40, 32), scene=bright, number=5
        ),
        _coronagraph("MASK1140", "FASTR1", 1, 2, "F1140C", number=6),
        _coronagraph("MASKLYOT", "FASTR1", 2, 2, "F2300C", number=7),
        _coronagraph("MASK1550", "FAST", 5, 1, "F1550C", number=8),
        *long.segments(2, 3),
        nominal(
            "MIRIMAGE",
            "SLOWR1",
            7,
            3,
            exp_type="MIR_LRS-FIXEDSLIT",
            window=Rectangle(1, 300, 48, 40),
            number=10,
            **prism,
        ),
        nominal(
            "MIRIMAGE",
            "FAST",
            6,
            3,
            subarray="SLITLESSPRISM",
            exp_type="MIR_LRS-SLITLESS",
            window=Rectangle(1, 529, 72, 40),
            number=11,
            **prism,
        ),
        nominal("MIRIFUSHORT", "SLOWR1", 4, 1, window=Rectangle(1, 1, 48, 40), scene=SPECTRUM.but(sky=3.0)),
        nominal(
            "MIRIFULONG", "FASTR1", 6, 2, band="LONG", window=Rectangle(985, 501, 48, 40), scene=SPECTRUM.but(sky=30.0)
        ),
    )


def _coronagraph(subarray, readpatt, ngroups, nints, name, number):
    known = subarray_of("MIRIMAGE", subarray).window
    return nominal(
        "MIRIMAGE",
        readpatt,
        ngroups,
        nints,
        subarray=subarray,
        window=Rectangle(known.xstart, known.ystart, 40, 32),
        exp_type="MIR_LYOT" if subarray == "MASKLYOT" else "MIR_4QPM",
        filter=name,
        scene=MID_INFRARED.but(stars=2, brightest=3e4),
        number=number,
    )


def recent(_seed):
    """Exposures for which references have more since jwst 2.0 than jwst 1.19 reads: for release 3.0."""
    bright = FIELD.but(stars=30, brightest=2e5, slope=1.0, fwhm=5.0)
    small = {"subarray": "SUB160", "scene": bright}
    return Programme(
        (
            nominal("NRCB1", "SHALLOW4", 5, 2, window=Rectangle(1, 101, 40, 32), zero_frame=True, **small),
            nominal("NRCA1", "MEDIUM8", 3, window=Rectangle(1889, 1969, 40, 32), **small),
            nominal("NRCA3", "BRIGHT2", 2, 2, window=Rectangle(1, 101, 40, 32), **small),
            nominal("NRCB2", "DEEP8", 7, window=Rectangle(1, 101, 40, 32), **small),
            nominal("NIS", "NIS", 6, 2, subarray="SUB64", window=Rectangle(1001, 1001, 40, 32), scene=bright),
            nominal("NRS1", "NRS", 6, subarray="SUBS200A1", window=Rectangle(1, 1064, 64, 32), scene=SPECTRUM),
            nominal(
                "MIRIMAGE", "FASTR1", 10, 2, subarray="SUB128", window=Rectangle(1, 889, 48, 40), scene=MID_INFRARED
            ),
            *_mid_infrared(),
        ),
        recent=True,
    )


def full(_seed):
    return Programme(
        (
            nominal("NRCB3", "BRIGHT2", 4, zero_frame=True, scene=FIELD.but(stars=300, brightest=5e3)),
            nominal("NRS2", "NRSRAPID", 4, exp_type="NRS_IFU", scene=SPECTRUM),
            nominal("MIRIFUSHORT", "FASTR1", 6, 2, scene=SPECTRUM.but(sky=3.0)),
            nominal("MIRIFULONG", "SLOWR1", 4, scene=SPECTRUM.but(sky=0.3)),
        ),
        whole=frozenset({"mask", "saturation", "gain"}),
    )
