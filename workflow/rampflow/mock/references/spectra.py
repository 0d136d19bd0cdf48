"""References of NIRISS SOSS: where its spectra are, their wavelengths, and the sky beside them."""

import asdf
import numpy as np
from astropy.io import fits

from rampflow.mock import detector as det
from rampflow.mock.configurations import full_frame
from rampflow.mock.header import PUPIL_COMMANDED, PUPIL_POSITION
from rampflow.mock.references import bench
from rampflow.mock.references.layout import header_of, image, meta_of, write
from rampflow.mock.scene import ridge_of

#: First row of SUBSTRIP256, from 0, and its rows.
_FIRST_ROW, _ROWS = 1792, 256
#: Of each order: rows above the first, slope (row per column), and wavelengths (um) at the first and last column.
_ORDERS = {1: (0.0, 0.0, (2.85, 0.83)), 2: (36.3, 0.008, (1.42, 0.58)), 3: (71.7, 0.03, (0.95, 0.55))}
#: By how much the level of the sky jumps, the column where it does, and the widths of the jump of each template.
_JUMP, _COLUMN, _WIDTHS = 1.6, 704, (2.0, 6.0, 15.0)


def pastasoss(path, exposure, window):  # noqa: ARG001 - curves
    """Traces of three orders, the first where the scene of the exposure has its spectrum, and their wavelengths."""
    columns = np.arange(4.0, full_frame(exposure.detector).xsize - 4)
    picture = exposure.picture
    along = (columns - (picture.xstart - 1)) / (picture.xsize - 1) * 2 - 1
    ridge = ridge_of(exposure.scene, np.clip(along, -1, 1), picture.ysize) + (picture.ystart - 1 - _FIRST_ROW) - 0.5
    pivot = (1024.0, float(np.median(ridge)))
    # Turned by what the wheel is off, it is where the exposure sees it.
    ridge -= np.tan(np.radians(PUPIL_POSITION - PUPIL_COMMANDED)) * (columns - pivot[0])
    traces, models = [], []
    for order, (above, slope, (longest, shortest)) in _ORDERS.items():
        rows = ridge + above + slope * columns
        traces.append(
            {"spectral_order": order, "pivot_x": pivot[0], "pivot_y": pivot[1], "trace": np.stack([columns, rows], 1)}
            | {"oversampling": 1}
        )
        # Of 1, x, y, x^2, xy, y^2, where x is the column and y what the wheel is off.
        coefficients = np.array([longest, 1.1 * (shortest - longest), 2e-3, 0.1 * (longest - shortest), -1e-3, 5e-4])
        extents = np.array([[columns[0], -0.25], [columns[-1], 0.25]])
        models.append(
            {"spectral_order": order, "polynomial_degree": 2, "coefficients": coefficients, "scale_extents": extents}
        )
    meta = meta_of("pastasoss", exposure.instrument) | {"exposure": {"type": exposure.exp_type}}
    meta["instrument"] |= {"detector": exposure.detector, "filter": exposure.filter}
    meta |= {"pwcpos_cmd": PUPIL_COMMANDED, "pwcpos_bounds": [PUPIL_COMMANDED - 0.25, PUPIL_COMMANDED + 0.25]}
    meta |= {"wavemap_wlmin": 0.5, "wavemap_wlmax": 5.5, "wavemap_nwl": 5001}
    meta |= {"subarray_ymin": _FIRST_ROW, "soss_xdim": 2048, "soss_ydim": 300}
    asdf.AsdfFile({"meta": meta, "traces": traces, "wavecal_models": models}).write_to(path)


def wavelengthrange(path, exposure, window):
    """Wavelengths (um) of the orders; of NIRSpec those of `bench`."""
    if exposure.instrument == "NIRSPEC":
        return bench.wavelengthrange(path, exposure, window)
    meta = meta_of("wavelengthrange", exposure.instrument) | {"exposure": {"type": exposure.exp_type}}
    meta["wavelength_units"] = "micron"
    rows = [[order, exposure.filter, low, high] for order, low, high in ((1, 0.9, 2.8), (2, 0.6, 1.4), (3, 0.6, 0.9))]
    tree = {"meta": meta, "order": [1, 2, 3], "waverange_selector": [exposure.filter], "wavelengthrange": rows}
    return asdf.AsdfFile(tree).write_to(path)


def bkg(path, exposure, window):  # noqa: ARG001 - always of SUBSTRIP256
    """Templates of the sky: a level that jumps at a column, more or less abruptly."""
    columns = np.arange(full_frame(exposure.detector).xsize)
    steps = [1 + _JUMP * 0.5 * (1 + np.tanh((columns - _COLUMN) / width)) for width in _WIDTHS]
    rows = 1 + 0.05 * np.linspace(-1, 1, _ROWS)[:, np.newaxis]
    templates = np.stack([step * rows for step in steps])
    whole = full_frame(exposure.detector)
    area = type(whole)(1, _FIRST_ROW + 1, whole.xsize, _ROWS)
    dead = det.is_kind(det.bad_pixels(exposure.detector, area, exposure.effects), "dead")
    templates[:, dead] = np.nan
    header = header_of(exposure, "bkg", "Sky of SOSS, synthetic", area, EXP_TYPE=exposure.exp_type)
    flags = [fits.ImageHDU(np.zeros(templates.shape, np.uint32), name="DQ")]
    write(path, header, [image(templates), image(0 * np.nan_to_num(templates), "ERR"), *flags])
