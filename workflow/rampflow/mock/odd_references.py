"""Reference files that are legal and unusual: what a file is changed to after it was written as usual.

Reference files come from many hands and many years. Some have no flags, or flags in standard bits without a table
of definitions; some are in double precision; older ones do not say where on the detector they lie; and values can be
NaN, zero or negative anywhere.
"""

import zlib

import numpy as np
from astropy.io import fits

#: Part of the pixels that get an odd value.
SHARE = 0.02
_PLACE = ("SUBSTRT1", "SUBSTRT2", "SUBSIZE1", "SUBSIZE2")


def make_odd(path, names):
    """Change a reference file.

    Parameters
    ----------
    path : path
        The file, as `references` has written it.
    names : iterable of str
        Of `ODDITIES`, done in this order. `WHOLE` is for those who write the file.

    Raises
    ------
    ValueError
        There is no oddity of that name.
    """
    names = [name for name in names if name != WHOLE]
    unknown = set(names) - set(ODDITIES)
    if unknown:
        raise ValueError(f"no such oddity: {sorted(unknown)}; known: {sorted(ODDITIES)}")
    with fits.open(path) as file:
        hdus = fits.HDUList([hdu.copy() for hdu in file])
    for name in names:
        rng = np.random.default_rng([zlib.crc32(str(path.name).encode()), zlib.crc32(name.encode())])
        ODDITIES[name](hdus, rng)
    hdus.writeto(path, overwrite=True)


def _drop(*names):
    def change(hdus, *_):
        for name in names:
            if name in hdus:
                del hdus[name]

    return change


def _values(hdus):
    """Extensions with values, the main one first."""
    return [hdu for hdu in hdus[1:] if isinstance(hdu, fits.ImageHDU) and hdu.name != "DQ"]


def _standard_bits(hdus, rng):
    _drop("DQ_DEF")(hdus, rng)
    # Any bits will do: they mean what the standard says.
    flags = hdus["DQ"].data
    bits = np.array([0, 0, 0, 1, 1 << 11, 1 << 20, 1 << 21, 1 << 30, 1 << 31], np.uint32)
    hdus["DQ"].data = np.where(flags != 0, rng.choice(bits, flags.shape), 0).astype(np.uint32)


def _no_definitions(hdus, *_):
    if "DQ_DEF" in hdus:
        hdus["DQ_DEF"].data = hdus["DQ_DEF"].data[:0]


def _in_doubles(hdus, *_):
    for hdu in _values(hdus):
        hdu.data = hdu.data.astype(np.float64)


def _in_integers(hdus, *_):
    hdus["SCI"].data = np.rint(np.nan_to_num(hdus["SCI"].data)).astype(np.int32)


def _sprinkled(value):
    def change(hdus, rng):
        data = _values(hdus)[0].data
        chosen = rng.random(data.shape) < SHARE
        data[chosen] = value(data[chosen]) if callable(value) else value

    return change


def _nowhere(hdus, *_):
    for key in _PLACE:
        hdus[0].header.remove(key, ignore_missing=True)


def _wrong_size(hdus, *_):
    """Let SUBSIZE1 and SUBSIZE2 be other than the size of the array."""
    for key in _PLACE[2:]:
        hdus[0].header[key] = hdus[0].header[key] + 7


def _with_gain_factor(hdus, *_):
    hdus[0].header["GAINFACT"] = 1.5


def _wide_kernel(hdus, rng):
    """Widen the kernel to 5 x 5, not symmetrical."""
    kernel = rng.normal(0, 1e-4, (5, 5))
    kernel[1:-1, 1:-1] += hdus["SCI"].data
    hdus["SCI"].data = kernel.astype(np.float32)


def _kernel_per_pixel(hdus, rng):
    """Give every pixel of the detector a kernel of its own."""
    shape = tuple(hdus[0].header[key] for key in reversed(_PLACE[2:]))
    kernel = hdus["SCI"].data[..., np.newaxis, np.newaxis]
    hdus["SCI"].data = (kernel * rng.normal(1, 0.1, shape)).astype(np.float32)


#: What can be done to a file.
ODDITIES = {
    "no_flags": _drop("DQ", "DQ_DEF"),
    "standard_bits": _standard_bits,
    "no_definitions": _no_definitions,
    "doubles": _in_doubles,
    "integers": _in_integers,
    "nan": _sprinkled(np.nan),
    "zero": _sprinkled(0),
    "negative": _sprinkled(np.negative),
    "nowhere": _nowhere,
    "wrong_size": _wrong_size,
    "gain_factor": _with_gain_factor,
    "wide_kernel": _wide_kernel,
    "kernel_per_pixel": _kernel_per_pixel,
}
#: Instead of an oddity: there is no such reference for the exposure, CRDS says N/A; it covers the whole detector.
MISSING, WHOLE = "missing", "whole"
