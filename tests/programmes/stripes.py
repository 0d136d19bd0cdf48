"""Multistripe exposures and superstripes, for the comparison with jwst."""

from rampflow.mock import Rectangle, StripeReadout
from rampflow.mock.programmes import FIELD, SPECTRUM, TRANSIT, Programme, nominal

_WHOLE = frozenset({"mask", "saturation", "superbias", "linearity", "gain", "readnoise"})


def _dhs(detector, subarray, readpatt, ngroups, nints=1, **more):
    """Spectra of the Dispersed Hartmann Sensor, or what the long-wavelength detector takes beside it."""
    optics = {"pupil": "GRISMR", "filter": "F322W2"} if detector.endswith("LONG") else {"pupil": "GDHS0"}
    series = {"tso": True, "exp_type": "NRC_TSGRISM", "filter": "F150W2"}
    scene = SPECTRUM.but(sky=20.0, trace=4000.0, fwhm=20.0, transit=0.01)
    return nominal(
        detector, readpatt, ngroups, nints, subarray=subarray, **{**series, **optics, "scene": scene, **more}
    )


def stripes(_seed):
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


def superstripes(_seed):
    """Exposures of superstripes, for release 3.0.

    With reference pixels that are the same in all of them: where they are not, jwst 3.0.0 goes by those of the first.
    """
    sound = {"changes": {"sound_border": 1.0}}
    soss = {"exp_type": "NIS_SOSS", "pupil": "GR700XD", "tso": True, "scene": TRANSIT, **sound}
    imaging = {"scene": FIELD.but(stars=300, brightest=2e4, slope=0.5), "filter": "F150W2", **sound}
    series = nominal("NIS", "NISRAPID", 4, 40, subarray="SUB204STRIPE_SOSS", number=2, **soss)
    return Programme(
        (
            nominal("NIS", "NISRAPID", 5, 6, subarray="SUB680STRIPE_SOSS", **soss),
            *series.segments(20, 20),
            nominal("NIS", "NIS", 3, 120, subarray="SUB17STRIPE_SOSS", number=3, **soss),
            nominal("NRCB1", "SHALLOW4", 4, 4, subarray="FULL_SUPSTP510", zero_frame=True, **imaging),
            nominal("NRCA1", "RAPID", 3, 17, subarray="FULL_SUPSTP120", **imaging),
            nominal("NRCA3", "BRIGHT2", 5, 16, subarray="SUB64P_SUPSTP008", zero_frame=True, **imaging),
        ),
        whole=_WHOLE,
    )


def samples(_seed):
    """Superstripes whose frames sample a ramp several times, for release 3.0; two of them are not offered (yet).

    Where light is bright jwst 3.0.0 takes the longer time from one frame to the next for a jump.
    """
    sound = {"changes": {"sound_border": 1.0}}
    bright = FIELD.but(sky=1e5, stars=20, brightest=3e6)
    steady = SPECTRUM.but(sky=400.0)  # no slope is 0 but for rounding
    columns = Rectangle(1, 1793, 42, 256), StripeReadout(4, 0, 17, 0, 1, 0, 17, 120)
    outputs = Rectangle(1, 1, 2048, 248), StripeReadout(4, 0, 120, 0, 1, 0, 120, 17)
    samples = [
        ("NRCB1", "RAPID", 4, 192, "SUB64P_SUPSTP002", None, None, {"scene": bright, "zero_frame": True}),
        ("NRCA3", "BRIGHT1", 3, 128, "SUB64P_SUPSTP002", None, None, {"scene": FIELD}),
        ("NIS", "NISRAPID", 3, 240, "SUB17STRIPE_SOSS", *columns, {"scene": steady, "exp_type": "NIS_SOSS"}),
        ("NRCA1", "RAPID", 3, 17, "FULL_SUPSTP120", *outputs, {"scene": FIELD.but(stars=300)}),
    ]
    return Programme(
        tuple(
            nominal(*kind, subarray=subarray, window=window, stripes=stripes, activity=3, **more, **sound)
            for *kind, subarray, window, stripes, more in samples
        ),
        whole=_WHOLE,
    )
