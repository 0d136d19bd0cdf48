"""Flicker noise as one level per line: the median of the line's background.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/clean_flicker_noise/description.html
"""

import numpy as np

#: Columns of the detector that an output reads, where a full frame is read by four.
_CHANNEL = 512


def line_medians(image, mask):
    """Return the median of the masked-in values of every row, float32; 0 for rows that have none.

    Parameters
    ----------
    image : 2D float32 `~numpy.ndarray`
        Without NaN under the mask.
    mask : 2D bool `~numpy.ndarray`
        True for the values that count.
    """
    # What does not count is sorted to the end.
    values = np.where(mask, image, np.float32(np.inf))
    values.sort(axis=1)
    count = np.count_nonzero(mask, axis=1)
    rows, last = np.arange(len(values)), values.shape[1] - 1
    low = values[rows, np.clip((count - 1) // 2, 0, last)]
    high = values[rows, np.clip(count // 2, 0, last)]
    middle = ((low.astype(np.float64) + high) / 2).astype(np.float32)
    middle[count == 0] = 0
    return middle


def fit_lines(image, mask, *, axis, by_channel):
    """Fit the noise by medians along an axis of the image.

    Parameters
    ----------
    image, mask
        As for `line_medians`.
    axis : {0, 1}
        Axis along which the noise is the same: 1, a level for every row, or 0, one for every column.
    by_channel : bool
        Fit the four outputs of a full frame on their own.

    Returns
    -------
    2D float32 `~numpy.ndarray`
        The noise, of the image's shape.
    """
    if axis == 0:
        return fit_lines(image.T, mask.T, axis=1, by_channel=by_channel).T
    noise = np.empty(image.shape, np.float32)
    width = _CHANNEL if by_channel else image.shape[1]
    for start in range(0, image.shape[1], width):
        part = slice(start, start + width)
        noise[:, part] = line_medians(image[:, part], mask[:, part])[:, np.newaxis]
    return noise
