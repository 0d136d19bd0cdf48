"""Named lists of exposures: for the demonstration, the comparison with jwst, and the benchmarks."""

import json
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from rampflow.mock import crds_cache, drawn, drawn_events, drawn_miri, drawn_odd
from rampflow.mock.configurations import Window, instrument_of
from rampflow.mock.configurations import subarray as subarray_of
from rampflow.mock.effects import Effects
from rampflow.mock.exposure import Exposure
from rampflow.mock.multistripe import Stripes
from rampflow.mock.scene import Scene
from rampflow.mock.uncal import write_exposure, write_user_flags

FIELD = Scene(sky=0.6, stars=25, brightest=1500.0)
SPECTRUM = Scene(sky=0.4, trace=250.0, fwhm=3.0, curvature=6.0)
TRANSIT = SPECTRUM.but(transit=0.01, trace=600.0)
MID_INFRARED = Scene(sky=12.0, stars=15, brightest=2500.0, fwhm=2.8)


@dataclass(frozen=True)
class Programme:
    """Exposures that share a cache.

    Attributes
    ----------
    exposures : tuple of Exposure
        Their seeds count up from the seed of the programme.
    whole : frozenset of str
        Types of reference to make full frame.
    traps : frozenset of str
        Detectors with references for the persistence step.
    recent : bool
        Whether references hold what came after jwst 1.19, which then cannot read all of them.
    odd : dict
        Unusual references, as `crds_cache.build` takes them.
    steps : dict
        Parameters to run the exposures with: the key ``steps`` of a configuration.
    without : frozenset
        Types of reference, or (detector, type), that the context answers N/A for.
    options : dict
        Arguments for the writers of references, as `crds_cache.build` takes them.
    flagged : frozenset of str
        Names of exposures that get a file with flags of the user's, and the parameter of dq_init that names it.
    """

    exposures: tuple[Exposure, ...]
    whole: frozenset[str] = frozenset()
    traps: frozenset[str] = frozenset()
    recent: bool = False
    odd: dict = field(default_factory=dict)
    steps: dict = field(default_factory=dict)
    without: frozenset = frozenset()
    options: dict = field(default_factory=dict)
    flagged: frozenset[str] = frozenset()


def _exposure(detector, readpatt, ngroups, nints=1, changes=None, **more):
    effects = Effects.nominal(instrument_of(detector), **(changes or {}))
    return Exposure(detector, readpatt, ngroups, nints, effects=effects, **more)


def _demo(_seed):
    return Programme(
        (
            _exposure("NRCB1", "SHALLOW4", 5, subarray="SUB160", zero_frame=True, scene=FIELD),
            _exposure(
                "NRCALONG",
                "RAPID",
                5,
                4,
                subarray="SUBGRISM64",
                exp_type="NRC_TSGRISM",
                pupil="GRISMR",
                filter="F444W",
                tso=True,
                scene=TRANSIT,
            ),
            _exposure(
                "NIS",
                "NISRAPID",
                6,
                3,
                subarray="SUB80",
                exp_type="NIS_AMI",
                filter="F480M",
                pupil="NRM",
                scene=FIELD.but(stars=1, brightest=9e4),
            ),
            _exposure("NRS1", "NRS", 5, subarray="SUBS200A1", scene=SPECTRUM),
            _exposure("MIRIMAGE", "FASTR1", 10, 2, subarray="SUB256", scene=MID_INFRARED),
            _exposure("GUIDER1", "FGS", 5, subarray="SUB128CNTR", scene=FIELD.but(brightest=1e5)),
        ),
        whole=frozenset({"mask"}),
        traps=frozenset({"NRCB1"}),
    )


def _parity(_seed):
    heavy_rays = {"cosmic_rays": 400.0, "snowballs": 2e4}
    soss = _exposure(
        "NIS",
        "NISRAPID",
        4,
        6,
        subarray="SUBSTRIP96",
        window=Window(1, 1803, 400, 96),
        exp_type="NIS_SOSS",
        pupil="GR700XD",
        tso=True,
        scene=TRANSIT,
        number=5,
    )
    return Programme(
        (
            _exposure("NRCB1", "SHALLOW4", 5, 2, subarray="SUB64P", zero_frame=True, scene=FIELD),
            _exposure(
                "NRCALONG",
                "RAPID",
                6,
                5,
                subarray="SUBGRISM64",
                window=Window(1, 1, 2048, 16),
                tso=True,
                exp_type="NRC_TSGRISM",
                pupil="GRISMR",
                filter="F444W",
                scene=TRANSIT,
                number=2,
            ),
            _exposure(
                "NRCB2",
                "RAPID",
                10,
                2,
                subarray="SUB160",
                exp_type="NRC_WFSS",
                scene=FIELD,
                changes=heavy_rays,
            ),
            _exposure(
                "NRCA1",
                "MEDIUM8",
                3,
                1,
                subarray="SUB160",
                zero_frame=True,
                window=Window(1889, 1969, 160, 80),
                scene=FIELD.but(stars=60, brightest=2e5, slope=1.0, fwhm=7.0, saturated_patch=3e5),
            ),
            _exposure(
                "NRCA3",
                "RAPID",
                4,
                110,
                subarray="SUB64P",
                window=Window(1, 101, 24, 20),
                tso=True,
                exp_type="NRC_TSIMAGE",
                scene=FIELD.but(transit=0.02),
            ),
            _exposure(
                "NRCA2",
                "BRIGHT2",
                5,
                1,
                subarray="SUB640A210R",
                window=Window(424, 1158, 64, 48),
                nframes=3,
                frame_divisor=4,
                exp_type="NRC_CORON",
                pupil="MASKRND",
                filter="F210M",
                scene=FIELD,
            ),
            _exposure(
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
            _exposure("NIS", "NIS", 1, 2, subarray="SUB64", scene=FIELD, number=3),
            _exposure(
                "NRS1",
                "NRSRAPID",
                8,
                4,
                subarray="SUB512",
                exp_type="NRS_BRIGHTOBJ",
                tso=True,
                scene=TRANSIT.but(trace=9000.0, fwhm=2.0, curvature=2.0),
            ),
            _exposure("NRS2", "NRS", 5, subarray="SUBS200A1", scene=SPECTRUM, changes={"cosmic_rays": 20.0}),
            _exposure(
                "NRS1",
                "NRSRAPID",
                2,
                2,
                subarray="ALLSLITS",
                window=Window(1, 897, 1024, 64),
                scene=SPECTRUM,
                number=2,
            ),
            _exposure("NRS1", "NRSIRS2RAPID", 4, exp_type="NRS_IFU", scene=SPECTRUM.but(saturated_patch=5e3), number=3),
            _exposure("NRS2", "NRSIRS2", 3, 2, exp_type="NRS_MSASPEC", scene=SPECTRUM, number=2),
            _exposure(
                "MIRIMAGE",
                "FASTR1",
                10,
                2,
                subarray="SUB128",
                scene=MID_INFRARED,
                changes={"showers": 8e3},
            ),
            _exposure(
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
            _exposure(
                "MIRIMAGE",
                "FAST",
                5,
                3,
                subarray="SUB64",
                scene=MID_INFRARED.but(stars=3, brightest=3e4),
                number=3,
            ),
            _exposure(
                "MIRIMAGE",
                "FASTR1",
                3,
                2,
                subarray="SUB64",
                scene=MID_INFRARED,
                number=4,
            ),
            *_mid_infrared(),
            _exposure("GUIDER1", "FGS", 4, subarray="SUB128LL", scene=FIELD.but(brightest=2e5)),
            _exposure("GUIDER2", "FGSRAPID", 2, 2, subarray="SUB32CNTR", scene=FIELD.but(sky=50.0)),
        ),
        traps=frozenset({"NRCB1", "GUIDER1"}),
    )


def _parity_flicker(_seed):
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
            _exposure("NRCB1", "SHALLOW4", 5, 2, subarray="SUB160", zero_frame=True, scene=FIELD, changes=strong),
            _exposure("NRCALONG", "RAPID", 4, 1, subarray="SUB320", scene=FIELD, changes=strong),
            _exposure("NIS", "NISRAPID", 6, 3, subarray="SUB128", scene=FIELD, changes=strong),
            _exposure("NRS1", "NRS", 5, subarray="SUBS200A1", scene=SPECTRUM, changes=strong),
            _exposure("NRS2", "NRSRAPID", 4, 2, subarray="SUBS200A1", scene=SPECTRUM, changes=strong),
            _exposure("MIRIMAGE", "FASTR1", 8, 2, subarray="SUB256", scene=MID_INFRARED),
            _exposure("MIRIMAGE", "FASTR1", 5, subarray="SUB64", exp_type="MIR_LYOT", scene=MID_INFRARED, number=2),
            _exposure("GUIDER1", "FGS", 5, subarray="SUB128LL", scene=FIELD, changes=strong),
        ),
        whole=frozenset({"flat"}),
        steps={selector: {"clean_flicker_noise": values} for selector, values in steps.items()},
    )


def _parity_waves(_seed):
    """Frames and subarrays of NIRSpec, whose flicker noise is taken out in Fourier space."""
    spectra = {"exp_type": "NRS_MSASPEC", "scene": SPECTRUM, "changes": {"row_noise": 3.0}}
    slits = spectra | {"exp_type": "NRS_FIXEDSLIT"}
    series = spectra | {"exp_type": "NRS_BRIGHTOBJ", "tso": True, "scene": TRANSIT}
    return Programme(
        (
            _exposure("NRS1", "NRSRAPID", 3, 2, **spectra, number=11),
            _exposure("NRS2", "NRSRAPID", 3, 2, **spectra, number=11),
            _exposure("NRS1", "NRSRAPID", 3, 2, subarray="SUBS200A1", **slits, number=12),
            _exposure("NRS2", "NRS", 4, subarray="SUBS200A1", **slits, number=12),
            _exposure("NRS2", "NRSRAPID", 3, subarray="ALLSLITS", **slits, number=13),
            _exposure("NRS1", "NRSRAPID", 5, 4, subarray="SUB512", **series, number=14),
            _exposure("NRS2", "NRSRAPID", 4, 3, subarray="SUB2048", **series, number=14),
        ),
        steps={"NIRSPEC": {"clean_flicker_noise": {"skip": False, "fit_method": "fft"}}},
    )


def _parity_series(_seed):
    """Exposures whose background is the median of their integrations, for release 3.0.

    Spectra are not among them: jwst cuts their source out by a model of the optics, which the mock does not have.
    """
    strong = {"row_noise": 3.0}
    images = {"scene": FIELD.but(stars=3, brightest=3e3, transit=0.03), "changes": strong, "aimed": (31.0, 34.0)}
    bright = {"scene": MID_INFRARED.but(stars=2, brightest=2e4, transit=0.02), "aimed": (34.5, 30.0)}
    stars = {"scene": FIELD.but(sky=20.0), "changes": strong, "aimed": (40.0, 40.0)}
    return Programme(
        (
            _exposure("NRCA3", "RAPID", 5, 8, subarray="SUB64P", exp_type="NRC_TSIMAGE", tso=True, **images),
            _exposure("NRCBLONG", "RAPID", 4, 5, subarray="SUB64P", exp_type="NRC_TSIMAGE", tso=True, **images),
            _exposure("NRCB1", "RAPID", 4, 3, subarray="SUB160", **stars),
            _exposure("NIS", "NISRAPID", 5, 4, subarray="SUB80", exp_type="NIS_AMI", pupil="NRM", **stars),
            _exposure("MIRIMAGE", "FASTR1", 6, 6, subarray="SUB64", tso=True, **bright),
            _exposure("MIRIMAGE", "FASTR1", 9, 3, subarray="SUB128", number=2, **bright),
            _exposure("NRCA1", "RAPID", 4, 1, subarray="SUB160", **stars),
        ),
        whole=frozenset({"flat"}),
        steps={"clean_flicker_noise": {"skip": False, "background_method": "median_image"}}
        | {"NIRISS": {"clean_flicker_noise": {"apply_flat_field": True}}},
    )


def _parity_automatic(_seed):
    """Images whose background and outputs decide how their flicker noise is taken out, for release 3.0."""
    strong = {"changes": {"row_noise": 3.0}}
    crowded = FIELD.but(stars=3000, brightest=3e4, slope=0.7, fwhm=4.0)
    return Programme(
        (
            _exposure("NRCB1", "RAPID", 3, scene=FIELD, **strong),
            _exposure("NRCALONG", "BRIGHT2", 3, scene=crowded, **strong),
            _exposure("NRCB2", "RAPID", 4, 2, subarray="SUB160", scene=FIELD, **strong),
            _exposure("NRCA1", "RAPID", 4, subarray="SUB160", scene=FIELD, exp_type="NRC_CORON", **strong),
            _exposure("NIS", "NISRAPID", 3, scene=FIELD, **strong),
            _exposure("NIS", "NISRAPID", 3, scene=crowded, number=2, **strong),
            _exposure("NIS", "NISRAPID", 4, 2, subarray="SUB128", scene=crowded, number=3, **strong),
        ),
        whole=frozenset({"flat"}),
        steps={name: {"clean_flicker_noise": {"skip": False, "autoparam": True}} for name in ("NIRCAM", "NIRISS")},
    )


def _parity_picture_frame(_seed):
    """Full frames of NIRSpec with a drifting picture frame, which is taken out, and exposures that are left alone."""
    msa = {"exp_type": "NRS_MSASPEC", "scene": SPECTRUM.but(saturated_patch=5e3), "changes": {"picture_frame": 2.0}}
    ifu = msa | {"exp_type": "NRS_IFU", "scene": SPECTRUM.but(stars=40, brightest=3e4, fwhm=4.0)}
    return Programme(
        (
            _exposure("NRS1", "NRSRAPID", 4, **msa),
            _exposure("NRS2", "NRSRAPID", 3, 2, **ifu),
            _exposure("NRS2", "NRSIRS2RAPID", 2, **ifu, number=21),
            _exposure("NRS1", "NRSRAPID", 1, **msa, number=3),
            _exposure("NRS1", "NRS", 3, subarray="SUBS200A1", scene=SPECTRUM, number=4),
        ),
        odd={"NRS2": {"pictureframe": ("nan", "nowhere", "doubles")}},
        steps={"NIRSPEC": {"picture_frame": {"skip": False, "mask_science_regions": False}}},
    )


def _mid_infrared():
    """MIRI's other modes, and ramps of every small number of groups, on small windows of its subarrays."""
    bright = MID_INFRARED.but(stars=12, brightest=5e6, slope=0.5)
    long = _exposure(
        "MIRIMAGE", "FASTR1", 27, 5, subarray="SUB256", window=Window(413, 51, 32, 24), scene=MID_INFRARED, number=9
    )
    prism = {"filter": "P750L", "scene": SPECTRUM.but(trace=9e5)}
    return (
        _exposure(
            "MIRIMAGE", "SLOWR1", 4, 2, subarray="BRIGHTSKY", window=Window(457, 51, 40, 32), scene=bright, number=5
        ),
        _coronagraph("MASK1140", "FASTR1", 1, 2, "F1140C", number=6),
        _coronagraph("MASKLYOT", "FASTR1", 2, 2, "F2300C", number=7),
        _coronagraph("MASK1550", "FAST", 5, 1, "F1550C", number=8),
        *long.segments(2, 3),
        _exposure(
            "MIRIMAGE",
            "SLOWR1",
            7,
            3,
            exp_type="MIR_LRS-FIXEDSLIT",
            window=Window(1, 300, 48, 40),
            number=10,
            **prism,
        ),
        _exposure(
            "MIRIMAGE",
            "FAST",
            6,
            3,
            subarray="SLITLESSPRISM",
            exp_type="MIR_LRS-SLITLESS",
            window=Window(1, 529, 72, 40),
            number=11,
            **prism,
        ),
        _exposure("MIRIFUSHORT", "SLOWR1", 4, 1, window=Window(1, 1, 48, 40), scene=SPECTRUM.but(sky=3.0)),
        _exposure(
            "MIRIFULONG", "FASTR1", 6, 2, band="LONG", window=Window(985, 501, 48, 40), scene=SPECTRUM.but(sky=30.0)
        ),
    )


def _coronagraph(subarray, readpatt, ngroups, nints, name, number):
    known = subarray_of("MIRIMAGE", subarray).window
    return _exposure(
        "MIRIMAGE",
        readpatt,
        ngroups,
        nints,
        subarray=subarray,
        window=Window(known.xstart, known.ystart, 40, 32),
        exp_type="MIR_LYOT" if subarray == "MASKLYOT" else "MIR_4QPM",
        filter=name,
        scene=MID_INFRARED.but(stars=2, brightest=3e4),
        number=number,
    )


def _parity_recent(_seed):
    """Exposures for which references have more since jwst 2.0 than jwst 1.19 reads: for release 3.0."""
    bright = FIELD.but(stars=30, brightest=2e5, slope=1.0, fwhm=5.0)
    small = {"subarray": "SUB160", "scene": bright}
    return Programme(
        (
            _exposure("NRCB1", "SHALLOW4", 5, 2, window=Window(1, 101, 40, 32), zero_frame=True, **small),
            _exposure("NRCA1", "MEDIUM8", 3, window=Window(1889, 1969, 40, 32), **small),
            _exposure("NRCA3", "BRIGHT2", 2, 2, window=Window(1, 101, 40, 32), **small),
            _exposure("NRCB2", "DEEP8", 7, window=Window(1, 101, 40, 32), **small),
            _exposure("NIS", "NIS", 6, 2, subarray="SUB64", window=Window(1001, 1001, 40, 32), scene=bright),
            _exposure("NRS1", "NRS", 6, subarray="SUBS200A1", window=Window(1, 1064, 64, 32), scene=SPECTRUM),
            _exposure(
                "MIRIMAGE", "FASTR1", 10, 2, subarray="SUB128", window=Window(1, 889, 48, 40), scene=MID_INFRARED
            ),
            *_mid_infrared(),
        ),
        recent=True,
    )


_WHOLE = frozenset({"mask", "saturation", "superbias", "linearity", "gain", "readnoise"})


def _dhs(detector, subarray, readpatt, ngroups, nints=1, **more):
    """Spectra of the Dispersed Hartmann Sensor, or what the long-wavelength detector takes beside it."""
    optics = {"pupil": "GRISMR", "filter": "F322W2"} if detector.endswith("LONG") else {"pupil": "GDHS0"}
    series = {"tso": True, "exp_type": "NRC_TSGRISM", "filter": "F150W2"}
    scene = SPECTRUM.but(sky=20.0, trace=4000.0, fwhm=20.0, transit=0.01)
    return _exposure(
        detector, readpatt, ngroups, nints, subarray=subarray, **{**series, **optics, "scene": scene, **more}
    )


def _parity_stripes(_seed):
    """Multistripe exposures; jwst 1.19 takes no others."""
    field = {"tso": False, "exp_type": "NRC_IMAGE", "pupil": "CLEAR"}
    return Programme(
        (
            _dhs("NRCA1", "SUB41STRIPE1_DHS", "RAPID", 6, 3),
            _dhs("NRCA1", "SUB164STRIPE4_DHS", "SHALLOW4", 5, 2, zero_frame=True, number=2),
            _dhs("NRCA1", "SUB260STRIPE4_DHS", "BRIGHT1", 3, noutputs=1, number=3, **field),
            _dhs("NRCA2", "SUB82STRIPE2_DHS", "BRIGHT2", 8, 2, noutputs=1),
            _dhs("NRCA2", "SUB164STRIPE4_DHS", "RAPID", 4, 2, number=2, zero_frame=True),
            _dhs("NRCALONG", "SUB164STRIPE4_DHS", "BRIGHT2", 5, 2),
        ),
        whole=_WHOLE,
    )


def _parity_superstripes(_seed):
    """Exposures of superstripes, for release 3.0.

    With reference pixels that are the same in all of them: where they are not, jwst 3.0.0 goes by those of the first.
    """
    sound = {"changes": {"sound_border": 1.0}}
    soss = {"exp_type": "NIS_SOSS", "pupil": "GR700XD", "tso": True, "scene": TRANSIT, **sound}
    imaging = {"scene": FIELD.but(stars=300, brightest=2e4, slope=0.5), "filter": "F150W2", **sound}
    series = _exposure("NIS", "NISRAPID", 4, 40, subarray="SUB204STRIPE_SOSS", number=2, **soss)
    return Programme(
        (
            _exposure("NIS", "NISRAPID", 5, 6, subarray="SUB680STRIPE_SOSS", **soss),
            *series.segments(20, 20),
            _exposure("NIS", "NIS", 3, 120, subarray="SUB17STRIPE_SOSS", number=3, **soss),
            _exposure("NRCB1", "SHALLOW4", 4, 4, subarray="FULL_SUPSTP510", zero_frame=True, **imaging),
            _exposure("NRCA1", "RAPID", 3, 17, subarray="FULL_SUPSTP120", **imaging),
            _exposure("NRCA3", "BRIGHT2", 5, 16, subarray="SUB64P_SUPSTP008", zero_frame=True, **imaging),
        ),
        whole=_WHOLE,
    )


def _parity_samples(_seed):
    """Superstripes whose frames sample a ramp several times, for release 3.0; two of them are not offered (yet).

    Where light is bright jwst 3.0.0 takes the longer time from one frame to the next for a jump.
    """
    sound = {"changes": {"sound_border": 1.0}}
    bright = FIELD.but(sky=1e5, stars=20, brightest=3e6)
    steady = SPECTRUM.but(sky=400.0)  # no slope is 0 but for rounding
    columns = Window(1, 1793, 42, 256), Stripes(4, 0, 17, 0, 1, 0, 17, 120)
    outputs = Window(1, 1, 2048, 248), Stripes(4, 0, 120, 0, 1, 0, 120, 17)
    samples = [
        ("NRCB1", "RAPID", 4, 192, "SUB64P_SUPSTP002", None, None, {"scene": bright, "zero_frame": True}),
        ("NRCA3", "BRIGHT1", 3, 128, "SUB64P_SUPSTP002", None, None, {"scene": FIELD}),
        ("NIS", "NISRAPID", 3, 240, "SUB17STRIPE_SOSS", *columns, {"scene": steady, "exp_type": "NIS_SOSS"}),
        ("NRCA1", "RAPID", 3, 17, "FULL_SUPSTP120", *outputs, {"scene": FIELD.but(stars=300)}),
    ]
    return Programme(
        tuple(
            _exposure(*kind, subarray=subarray, window=window, stripes=stripes, activity=3, **more, **sound)
            for *kind, subarray, window, stripes, more in samples
        ),
        whole=_WHOLE,
    )


def _parity_full(_seed):
    return Programme(
        (
            _exposure("NRCB3", "BRIGHT2", 4, zero_frame=True, scene=FIELD.but(stars=300, brightest=5e3)),
            _exposure("NRS2", "NRSRAPID", 4, exp_type="NRS_IFU", scene=SPECTRUM),
            _exposure("MIRIFUSHORT", "FASTR1", 6, 2, scene=SPECTRUM.but(sky=3.0)),
            _exposure("MIRIFULONG", "SLOWR1", 4, scene=SPECTRUM.but(sky=0.3)),
        ),
        whole=frozenset({"mask", "saturation", "gain"}),
    )


def _bench_full(_seed):
    field = FIELD.but(stars=3000, brightest=20000.0, slope=0.8)
    return Programme((_exposure("NRCB1", "BRIGHT2", 10, 2, zero_frame=True, scene=field),))


def _grism(number=1, **more):
    return _exposure(
        "NRCALONG",
        "RAPID",
        more.pop("ngroups", 6),
        more.pop("nints", 7),
        exp_type="NRC_TSGRISM",
        pupil="GRISMR",
        filter="F444W",
        tso=True,
        scene=TRANSIT,
        number=number,
        **{"subarray": "SUBGRISM64", **more},
    )


def _bench_tso(_seed):
    return Programme((_grism(),))


def _bench_twenty(_seed):
    return Programme(tuple(_grism(number) for number in range(1, 21)))


def _bench_long(_seed):
    return Programme((_grism(subarray="SUBGRISM256", ngroups=5, nints=120),))


def _bench_prism(_seed):
    return Programme(
        (
            _exposure(
                "MIRIMAGE",
                "FASTR1",
                100,
                100,
                subarray="SLITLESSPRISM",
                exp_type="MIR_LRS-SLITLESS",
                tso=True,
                filter="P750L",
                scene=TRANSIT.but(trace=900.0),
            ),
        )
    )


def _drawn(seed):
    exposures, steps, traps = drawn.draw(seed)
    return Programme(tuple(exposures), traps=traps, steps=steps)


def _drawn_miri(seed, recent=False):
    drawing = drawn_miri.draw(seed, recent)
    return Programme(
        tuple(drawing.exposures),
        whole=drawing.whole,
        recent=recent,
        steps=drawing.steps,
        without=drawing.without,
        options=drawing.options,
    )


def _drawn_odd(draw):
    def make_programme(seed):
        exposures, steps, odd = draw(seed)
        return Programme(tuple(exposures), odd=odd, steps=steps)

    return make_programme


def _drawn_events(seed):
    exposures, steps = drawn_events.draw(seed)
    return Programme(tuple(exposures), steps=steps)


def _drawn_recent(seed):
    found = _drawn(seed)
    more, flagged = drawn.draw_recent(seed)
    steps = {
        root: found.steps.get(root, {})
        | {step: found.steps.get(root, {}).get(step, {}) | values for step, values in chosen.items()}
        for root, chosen in more.items()
    }
    for chosen in steps.values():
        # Flags of that size are the traps', which release 3.0 has no more.
        chosen.get("persistence", {}).pop("flag_pers_cutoff", None)
    return replace(found, recent=True, steps=steps, flagged=flagged)


PROGRAMMES = {
    "demo": _demo,
    "parity": _parity,
    "parity-recent": _parity_recent,
    "parity-full": _parity_full,
    "parity-flicker": _parity_flicker,
    "parity-waves": _parity_waves,
    "parity-series": _parity_series,
    "parity-automatic": _parity_automatic,
    "parity-picture-frame": _parity_picture_frame,
    "parity-stripes": _parity_stripes,
    "parity-superstripes": _parity_superstripes,
    "parity-samples": _parity_samples,
    "drawn": _drawn,
    "drawn-recent": _drawn_recent,
    "drawn-miri": _drawn_miri,
    "drawn-miri-recent": lambda seed: _drawn_miri(seed, recent=True),
    "drawn-odd": _drawn_odd(drawn_odd.draw),
    "drawn-events": _drawn_events,
    "drawn-irs2": _drawn_odd(drawn_odd.draw_interleaved),
    "bench-full": _bench_full,
    "bench-tso": _bench_tso,
    "bench-twenty": _bench_twenty,
    "bench-long": _bench_long,
    "bench-prism": _bench_prism,
}


def programme(name, seed=1):
    """Look up a programme.

    Parameters
    ----------
    name : str
        One of `PROGRAMMES`.
    seed : int
        Seed of its first exposure; the others count up from it. Segments of one exposure share theirs. The
        programmes that are drawn follow from it altogether.

    Returns
    -------
    Programme
        The programme.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if name not in PROGRAMMES:
        raise ValueError(f"no programme {name}; known: {', '.join(PROGRAMMES)}")
    found = PROGRAMMES[name](seed)
    seeds = {}
    seeded = []
    for exposure in found.exposures:
        whole = exposure.root.replace(f"-seg{exposure.segment or 0:03d}", "")
        seeded.append(exposure.but(seed=seeds.setdefault(whole, seed + len(seeds))))
    return replace(found, exposures=tuple(seeded))


def make(name, output, seed=1, report=print):
    """Write a programme: ``data``, ``truth``, ``crds`` and ``programme.json`` in a folder.

    Parameters
    ----------
    name : str or Programme
        Which programme.
    output : path
        Folder to write to; made if need be.
    seed : int
        Seed, unless a Programme is given.
    report : callable
        Called with lines that tell how far it is.

    Returns
    -------
    dict
        What is in ``programme.json``.
    """
    chosen = name if isinstance(name, Programme) else programme(name, seed)
    output = Path(output)
    folders = {part: output / part for part in ("data", "truth", "crds")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    listing = []
    for exposure in chosen.exposures:
        path = write_exposure(exposure, folders["data"], folders["truth"])
        report(f"[{time.monotonic() - began:6.1f} s] {path.name}  {exposure.shape}  {exposure.subarray}")
        listing.append(
            {
                "exposure": exposure.root,
                "uncal": f"data/{path.name}",
                "truth": f"truth/{exposure.root}_truth.fits",
                "instrument": exposure.instrument,
                "detector": exposure.detector,
                "exp_type": exposure.exp_type,
                "tso": exposure.tso,
                "shape": list(exposure.shape),
                "seed": exposure.seed,
            }
        )
    context = crds_cache.build(
        folders["crds"],
        chosen.exposures,
        whole=chosen.whole,
        traps=chosen.traps,
        without=chosen.without,
        recent=chosen.recent,
        options=chosen.options,
        odd=chosen.odd,
        report=lambda line: report(f"[{time.monotonic() - began:6.1f} s] {line}"),
    )
    record = {
        "programme": name if isinstance(name, str) else "custom",
        "seed": seed,
        "context": context,
        "crds_path": "crds",
        "crds_server_url": crds_cache.SERVERLESS,
        "steps": _with_flags(chosen, output),
        "exposures": listing,
    }
    (output / "programme.json").write_text(json.dumps(record, indent=2) + "\n")
    return record


def _with_flags(chosen, output):
    """Write files with flags of the user's, and add them to the parameters."""
    steps = dict(chosen.steps)
    for exposure in chosen.exposures:
        if exposure.root in chosen.flagged:
            path = write_user_flags(exposure, output)
            own = steps.get(exposure.root, {})
            steps[exposure.root] = own | {"dq_init": own.get("dq_init", {}) | {"user_supplied_dq": str(path)}}
    return steps
