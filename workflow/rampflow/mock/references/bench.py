"""References of NIRSpec's optics: a plain bench of lenses without distortion, with which jwst can lay out slits.

Pixels of 18 um; a row of the detector is as wide as the angle `_STEP` behind the grating. From column 0 to the last one
the wavelength rises through the range of the filter. Fixed slits are near the middle rows, shutters of the quadrants of
the MSA above and below.
"""

import json

import asdf
import numpy as np

from rampflow.mock.references.layout import meta_of

#: Size of a pixel (m), and the angle that it is wide seen from the grating.
_PIXEL, _STEP = 18e-6, 7.8e-5
#: Focal length of the collimator (m), grooves per m, and wavelengths (m).
_COLLIMATOR, _GROOVES, _WAVELENGTHS = 0.64, 95000.0, (1.66e-6, 3.17e-6)
#: Rows of the fixed slits from the middle of the detector, and how many they have.
_SLITS = ((-60, 26), (-20, 26), (20, 30), (70, 32), (-85, 20))
#: Slices of the IFU, the rows of one, and rows from one to the next.
_SLICES, _SLICE, _APART = 30, 36.0, 45.0
#: Shutters of a quadrant: in a row, and rows of them.
_ROW, _ROWS = 365, 171
#: Rows of the detector of a shutter, and from the middle to the first shutter of each quadrant.
_SHUTTER, _QUADRANTS = 5.0, (120.0, 120.0, -975.0, -975.0)


def _write(path, reftype, exposure, tree):
    from astropy import units

    meta = meta_of(reftype, exposure.instrument) | {"exposure": {"type": exposure.exp_type}}
    meta |= {"input_units": units.m, "output_units": units.m}
    asdf.AsdfFile({"meta": meta} | tree).write_to(path)


def fpa(path, exposure, window):  # noqa: ARG001 - optics
    """Detectors: pixels to m, from their middle."""
    from astropy.modeling.models import Scale, Shift

    side = Shift(-1023.5) | Scale(_PIXEL)
    _write(path, "fpa", exposure, {"nrs1_model": side & side, "nrs2_model": side & side})


def camera(path, exposure, window):  # noqa: ARG001 - optics
    """Camera: m to the tangents of angles; along columns those that disperse the wavelengths."""
    from astropy.modeling.models import Scale, Shift

    across = Scale(_STEP / _PIXEL)
    middle = _GROOVES * np.mean(_WAVELENGTHS)
    _write(path, "camera", exposure, {"model": (across | Shift(-middle)) & across})


def collimator(path, exposure, window):  # noqa: ARG001 - optics
    """Collimator: tangents of angles to m in the plane of the slits."""
    from astropy.modeling.models import Scale

    _write(path, "collimator", exposure, {"model": Scale(_COLLIMATOR) & Scale(_COLLIMATOR)})


def disperser(path, exposure, window):  # noqa: ARG001 - optics
    """Grating that is not tilted."""
    angles = dict.fromkeys(("theta_x", "theta_y", "theta_z", "tilt_x", "tilt_y"), 0.0)
    _write(path, "disperser", exposure, {"groovedensity": _GROOVES, **angles})


def msa(path, exposure, window):  # noqa: ARG001 - optics
    """Where slits and shutters are: number, centre and size in m."""
    from astropy.modeling.models import Identity, Shift

    row = _STEP * _COLLIMATOR
    columns = [("NO", "i4"), ("XC", "f8"), ("YC", "f8"), ("SIZEX", "f8"), ("SIZEY", "f8")]
    shutters = np.zeros(_ROW * _ROWS, columns)
    number = np.arange(shutters.size)
    shutters["NO"] = number + 1
    shutters["XC"] = (number % _ROW - _ROW / 2) * 1e-6
    shutters["YC"] = number // _ROW * _SHUTTER * row
    shutters["SIZEX"], shutters["SIZEY"] = 2e-6, _SHUTTER * row
    tree = {
        f"Q{quadrant}": {"model": Identity(1) & Shift(first * row), "data": shutters}
        for quadrant, first in enumerate(_QUADRANTS, start=1)
    }
    slits = [(number, 0.0, middle * row, 2e-4, rows * row) for number, (middle, rows) in enumerate(_SLITS)]
    tree["Q5"] = {"model": Identity(2), "data": np.array(slits, columns)}
    _write(path, "msa", exposure, tree)


def fore(path, exposure, window):  # noqa: ARG001 - optics
    """Fore optics: m and the wavelength to degrees."""
    from astropy.modeling.models import Identity, Mapping, Scale

    model = Mapping((0, 1), n_inputs=3) | Scale(0.1) & Scale(0.1)
    model.inverse = Mapping((0, 1), n_inputs=3) | Scale(10.0) & Scale(10.0) | Identity(2)
    _write(path, "fore", exposure, {"model": model})


def ote(path, exposure, window):  # noqa: ARG001 - optics
    """Telescope: degrees to arcsec."""
    from astropy.modeling.models import Scale

    _write(path, "ote", exposure, {"model": Scale(3600.0) & Scale(3600.0)})


def ifuslicer(path, exposure, window):  # noqa: ARG001 - optics
    """Where slices are: number, centre and size in m, fifteen on either side of the fixed slits."""
    from astropy.modeling.models import Identity

    row = _STEP * _COLLIMATOR
    number = np.arange(_SLICES)
    across = (number - (_SLICES - 1) / 2) * _APART + np.where(number < _SLICES // 2, -110, 110)
    size = np.ones((_SLICES, 2)) * (2e-4, _SLICE * row)
    data = np.column_stack([number, 0.0 * number, across * row, size])
    _write(path, "ifuslicer", exposure, {"model": Identity(2), "data": data})


def ifupost(path, exposure, window):  # noqa: ARG001 - optics
    """From slices to the plane of the MSA: they stay where they are."""
    from astropy.modeling.models import Identity, Polynomial2D

    zero = {name: Polynomial2D(1) for name in ("xpoly_distortion", "ypoly_distortion")}
    slice_ = {"linear": Identity(2), "xpoly": Polynomial2D(1, c1_0=1.0), "ypoly": Polynomial2D(1, c0_1=1.0), **zero}
    _write(path, "ifupost", exposure, {f"slice_{number}": dict(slice_) for number in range(_SLICES)})


def ifufore(path, exposure, window):  # noqa: ARG001 - optics
    """From slices to the entrance of the IFU."""
    from astropy.modeling.models import Identity, Mapping

    model = Mapping((0, 1), n_inputs=3) | Identity(2)
    model.inverse = Mapping((0, 1), n_inputs=3)
    _write(path, "ifufore", exposure, {"model": model})


def chromcorr(path, exposure, window):  # noqa: ARG001 - optics
    """No shift with the wavelength."""
    from astropy.modeling.models import Identity

    _write(path, "chromcorr", exposure, {"model": Identity(3)})


def wavelengthrange(path, exposure, window):  # noqa: ARG001 - a table
    """Wavelengths (m) and the order of the grating."""
    gratings = [f"{exposure.filter}_G{number}{letter}" for number in (140, 235, 395) for letter in "MH"]
    tree = {"waverange_selector": gratings, "order": [1] * 6, "wavelengthrange": [list(_WAVELENGTHS)] * 6}
    _write(path, "wavelengthrange", exposure, tree)


def msaoper(path, exposure, window):  # noqa: ARG001 - a list
    """Shutters that do not work; one of them stays open."""
    states = {"Internal state": "normal", "TA state": "normal", "state": "open"}
    shutters = [{"Q": 1, "x": 40, "y": 30, **states}, {"Q": 3, "x": 10, "y": 9, **states, "state": "closed"}]
    path.write_text(json.dumps({"title": "MSA Operability", "msaoper": shutters}))
