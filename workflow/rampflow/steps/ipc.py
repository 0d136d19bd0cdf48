"""Undo inter-pixel capacitance: the crosstalk that shows part of a pixel's signal in its neighbours.

Neighbouring pixels of a hybrid detector are coupled by stray capacitance, so a charge in one pixel also lifts
the voltage of those around it. The image that is read out is the true one, convolved with a small kernel. The
IPC reference file holds the inverse kernel, one for the detector (2-D) or one per pixel (4-D); the step
convolves every group with it (DN in, DN out). Reference pixels see no light: they are neither changed nor do
they contribute, and outside the light-sensitive area counts are taken as 0. The zero frame is left alone. Off
by default for all instruments.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/ipc/description.html and
Moore, Ninkov & Forrest 2004, Proc. SPIE 5167, 204.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import int64, void

from rampflow.errors import StepError
from rampflow.kernels import F32_2, F32_2R, F32_4R, kernel


class Margins(NamedTuple):
    """Rows and columns of reference pixels on each side of the frame."""

    bottom: int
    top: int
    left: int
    right: int


def reference_pixel_margins(instrument, *, xstart, ystart, xsize, ysize):
    """Count the reference pixels on each side of a subarray.

    Near-infrared detectors have 4 rows and columns of them on each side of 2048 x 2048 pixels, MIRI 4 columns
    on the left and right of 1032.

    Parameters
    ----------
    instrument : str
        INSTRUME.
    xstart, ystart : int
        First column and row of the subarray on the detector, from 1 (SUBSTRT1, SUBSTRT2).
    xsize, ysize : int
        Columns and rows (SUBSIZE1, SUBSIZE2). For IRS2 frames 2048 rows, without the interleaved ones.

    Returns
    -------
    Margins
        Reference pixels at the bottom, top, left and right of the subarray.
    """
    width = 1032 if instrument.upper() == "MIRI" else 2048
    left, right = _margin(xstart, xsize, width)
    bottom, top = (0, 0) if width == 1032 else _margin(ystart, ysize, width)
    return Margins(bottom, top, left, right)


def _margin(start, size, detector_size):
    return max(0, 5 - start), max(0, start - 1 + size - (detector_size - 4))


def with_margins(blocks: Sequence[tuple], instrument: str) -> list[tuple]:
    """Tell of each rectangle of the detector that a frame is made of where its reference pixels are.

    Parameters
    ----------
    blocks : list of tuple
        `rampflow.detector.subarray.Window.blocks` of a frame: (rows, columns, window).
    instrument : str
        INSTRUME.

    Returns
    -------
    list of tuple
        (rows, columns, margins), for `convolve_parts`.
    """
    return [(rows, columns, reference_pixel_margins(instrument, **w.keywords())) for rows, columns, w in blocks]


def convolve_parts(
    sci: np.ndarray, kernel: np.ndarray, *, parts: Sequence[tuple], normal: np.ndarray | None = None
) -> np.ndarray:
    """Convolve every group with the kernel, in place: `convolve_ipc` of each rectangle of a frame.

    The stripes of multistripe frames are not neighbours on the detector; each is taken on its own, as if nothing
    were beside it.

    Parameters
    ----------
    sci, kernel, normal : `~numpy.ndarray`
        As for `convolve_ipc`.
    parts : list of tuple
        From `with_margins`. Frames of one rectangle have one.

    Returns
    -------
    3D float32 `~numpy.ndarray`
        ``sci``.
    """
    if len(parts) == 1:
        return convolve_ipc(sci, kernel, margins=parts[0][2], normal=normal)
    for rows, columns, margins in parts:
        own = kernel if kernel.ndim == 2 else np.ascontiguousarray(kernel[..., rows, columns])
        part = np.ascontiguousarray(sci[:, rows, columns])
        sci[:, rows, columns] = convolve_ipc(part, own, margins=margins)
    return sci


def convolve_ipc(sci, kernel, *, margins, normal=None):
    """Convolve every group with the kernel, in place.

    Frames must be whole in both directions.

    Parameters
    ----------
    sci : 3D float32 `~numpy.ndarray`
        Counts (DN), shape (n, ny, nx): groups of any integrations. NaN spreads over the kernel's footprint.
    kernel : 2D or 4D float32 `~numpy.ndarray`
        Inverse kernel, shape (kh, kw); or (kh, kw, ny, nx), the kernel of each pixel that is computed, cut to
        the exposure's subarray.
    margins : Margins
        From `reference_pixel_margins`. These rows and columns are neither changed nor used.
    normal : 1D bool `~numpy.ndarray` or None
        IRS2: which rows hold normal pixels. The others are neither changed nor used, and the kernel per pixel and
        the margins do not count them.

    Returns
    -------
    3D float32 `~numpy.ndarray`
        ``sci``.

    Raises
    ------
    StepError
        If the kernel has another number of axes, an even number of rows or columns (then no pixel is its
        centre; jwst counts one weight twice and drops another), or does not fit the frames.
    """
    if normal is not None:
        sci[:, normal] = convolve_ipc(np.compress(normal, sci, axis=1), kernel, margins=margins)
        return sci
    if kernel.ndim < 2 or kernel.shape[2:] not in ((), sci.shape[1:]) or not all(n % 2 for n in kernel.shape[:2]):
        raise StepError(
            f"The IPC kernel has shape {kernel.shape}; expected odd numbers of rows and columns, alone or "
            f"followed by the frame's {sci.shape[1:]}. Cut the reference to the exposure's subarray, or use "
            "another one."
        )
    convolve = _convolve_common if kernel.ndim == 2 else _convolve_per_pixel
    ny, nx = sci.shape[1:]
    source = np.empty((ny, nx), np.float32)
    for frame in sci:
        source[:] = frame
        convolve(source, kernel, margins.bottom, ny - margins.top, margins.left, nx - margins.right, frame)
    return sci


_span = (int64, int64, int64, int64)


# In both kernels a row is summed term by term over all its columns, in jwst's order: the centre of the
# kernel last. The order matters in single precision.
@kernel(void(F32_2R, F32_2R, *_span, F32_2))
def _convolve_common(source, kernel, y0, y1, x0, x1, result):
    kh, kw = kernel.shape
    jc, ic = kh // 2, kw // 2
    for y in range(y0, y1):
        result[y, x0:x1] = 0
        for j in range(kh):
            v = y + jc - j
            if v < y0 or v >= y1:
                continue
            for i in range(kw):
                if i == ic and j == jc:
                    continue
                shift, weight = ic - i, kernel[j, i]
                first = max(x0, x0 - shift)
                stop = max(first, min(x1, x1 - shift))
                term, total = source[v, first + shift : stop + shift], result[y, first:stop]
                for x in range(len(total)):
                    total[x] += weight * term[x]
        term, total, weight = source[y, x0:x1], result[y, x0:x1], kernel[jc, ic]
        for x in range(len(total)):
            total[x] += weight * term[x]


@kernel(void(F32_2R, F32_4R, *_span, F32_2))
def _convolve_per_pixel(source, kernel, y0, y1, x0, x1, result):
    kh, kw = kernel.shape[:2]
    jc, ic = kh // 2, kw // 2
    for y in range(y0, y1):
        result[y, x0:x1] = 0
        for j in range(kh):
            v = y + jc - j
            if v < y0 or v >= y1:
                continue
            for i in range(kw):
                if i == ic and j == jc:
                    continue
                shift = ic - i
                first = max(x0, x0 - shift)
                stop = max(first, min(x1, x1 - shift))
                term, total = source[v, first + shift : stop + shift], result[y, first:stop]
                weight = kernel[j, i, y, first:stop]
                for x in range(len(total)):
                    total[x] += weight[x] * term[x]
        term, total, weight = source[y, x0:x1], result[y, x0:x1], kernel[jc, ic, y, x0:x1]
        for x in range(len(total)):
            total[x] += weight[x] * term[x]
