"""References that are a frame of values: one or a few for every pixel."""

import numpy as np

from rampflow.detector import irs2
from rampflow.mock import detector as det
from rampflow.mock import traps
from rampflow.mock.configurations import full_frame
from rampflow.mock.references.layout import header_of, image, quality, write

#: Saturation is declared a little below the true full well.
SATURATION_MARGIN = 0.95


def mask(path, exposure, window, broken=0.0):
    """Bad pixels and reference pixels; `broken` is a share of reference pixels that are no use, beside bad ones."""
    bad = det.bad_pixels(exposure.detector, window, exposure.effects)
    reference = det.reference_pixels(exposure.detector, window)
    broken = reference & ((bad > 0) | (det.scatter(exposure.detector, "broken", window, "random") < broken))
    hot = det.is_kind(bad, "hot")
    unusable = det.is_kind(bad, "dead", "open") | broken
    unusable[::2] |= hot[::2]
    flags = {
        "HOT": hot & ~reference,
        "DO_NOT_USE": unusable,
        "DEAD": det.is_kind(bad, "dead") & ~reference,
        "REFERENCE_PIXEL": reference,
        "TELEGRAPH": det.is_kind(bad, "telegraph"),
        "OPEN": det.is_kind(bad, "open"),
        "BAD_REF_PIXEL": broken,
    }
    if exposure.irs2:
        normal = irs2.normal_rows(exposure.detector)
        flags = {name: irs2.interleaved(where, normal, name == "REFERENCE_PIXEL") for name, where in flags.items()}
        # jwst gives up a whole row of the frame for one BAD_REF_PIXEL in it, so none among normal pixels.
        flags["BAD_REF_PIXEL"][:] = False
        if exposure.effects.bad_pixels:
            reads = np.flatnonzero(np.tile(irs2.section_references(), irs2.SECTIONS))
            output = 100 if not normal[100] else irs2.ROWS - 100
            flags["BAD_REF_PIXEL"][[*reads[[70, 71, 302, 500]], output]] = True
    write(
        path,
        header_of(exposure, "mask", "Bad pixels of the synthetic detector", window),
        quality(flags["HOT"].shape, flags, standard=exposure.instrument == "FGS"),
    )


def saturation(path, exposure, window):
    """Raw counts at which a pixel is called saturated."""
    maps = det.maps(exposure.detector, window, exposure.effects)
    threshold = np.minimum(maps.bias + SATURATION_MARGIN * maps.well, 65500)
    threshold[maps.is_bad("nan_saturation")] = np.nan
    flags = {"NO_SAT_CHECK": maps.is_bad("no_saturation"), "AD_FLOOR": maps.is_bad("dead")}
    hdus = [image(threshold), *quality(window.shape, flags)]
    write(path, header_of(exposure, "saturation", "Saturation of the synthetic detector", window), hdus)


def superbias(path, exposure, window):
    """Level of every pixel without signal."""
    maps = det.maps(exposure.detector, window, exposure.effects)
    bias = np.where(maps.is_bad("nan_bias"), np.nan, maps.bias)
    flags = {"UNRELIABLE_BIAS": maps.is_bad("nan_bias", "telegraph"), "HOT": maps.is_bad("hot")}
    if exposure.irs2:
        normal = irs2.normal_rows(exposure.detector)
        bias = irs2.interleaved(bias, normal, 0) + det.interleaved_bias(exposure.detector, exposure.effects)
        flags = {name: irs2.interleaved(where, normal, False) for name, where in flags.items()}
    hdus = [image(bias), image(np.full(bias.shape, 0.5), "ERR"), *quality(bias.shape, flags)]
    write(
        path,
        header_of(exposure, "superbias", "Superbias of the synthetic detector", window, READPATT=exposure.readpatt),
        hdus,
    )


def ipc(path, exposure, window):  # noqa: ARG001 - one kernel holds for the whole detector
    """Kernel that undoes the coupling of neighbours, to first order."""
    kernel = -det.ipc_kernel(exposure.effects.ipc)
    kernel[1, 1] += 2
    whole = full_frame(exposure.detector)
    write(path, header_of(exposure, "ipc", "Interpixel capacitance, synthetic", whole), [image(kernel)])


def linearity(path, exposure, window, inverse=False, terms=5, constant=0.0):
    """Polynomial from measured to linear signal; with `inverse` also the one back, as used since jwst 3.0.

    It has so many `terms`, the first of them `constant` (0 in the synthetic detector).
    """
    maps = det.maps(exposure.detector, window, exposure.effects)
    coefficients = np.zeros((5, *window.shape), np.float32)
    coefficients[1] = 1
    for power, coefficient in enumerate(det.properties(exposure.detector).nonlinearity, start=2):
        coefficients[power] = coefficient * maps.curve
    coefficients[3, maps.is_bad("nan_linearity")] = np.nan
    coefficients[1, maps.is_bad("open")] = 0
    coefficients[0] = constant
    flags = {"NONLINEAR": maps.curve > 1.12, "NO_LIN_CORR": maps.is_bad("no_linearity")}
    hdus = [image(coefficients[:terms], "COEFFS"), *quality(window.shape, flags)]
    if inverse:
        _, one, second, third, fourth = coefficients
        # The series that undoes y = x + a x**2 + b x**3 + c x**4.
        back = [0 * one, one, -second, 2 * second**2 - third, 5 * second * third - fourth - 5 * second**3]
        back.append(14 * second**4 - 21 * second**2 * third + 6 * second * fourth + 3 * third**2)
        hdus.insert(1, image(back, "INV_COEFFS"))
    write(path, header_of(exposure, "linearity", "Linearity of the synthetic detector", window), hdus)


def gain(path, exposure, window):
    """Electrons per DN."""
    maps = det.maps(exposure.detector, window, exposure.effects)
    values = maps.gain.copy()
    unknown = maps.is_bad("no_gain")
    values[unknown] = np.nan
    values[::2][unknown[::2]] = -1.0
    write(path, header_of(exposure, "gain", "Gain of the synthetic detector", window), [image(values)])


def readnoise(path, exposure, window, unknown=False):
    """Noise of the difference of two reads (correlated double sampling); NaN for unstable pixels if `unknown`."""
    effects = exposure.effects.but(read_noise=exposure.effects.read_noise or 1.0)
    maps = det.maps(exposure.detector, window, effects)
    noise = np.sqrt(2) * maps.read_noise
    if unknown:
        noise[maps.is_bad("telegraph")] = np.nan
    header = header_of(
        exposure, "readnoise", "Read noise of the synthetic detector", window, READPATT=exposure.readpatt
    )
    write(path, header, [image(noise)])


def flat(path, exposure, window):
    """Flat field, for the steps that want one to find the scene."""
    values = 1 + 0.02 * det.scatter(exposure.detector, "flat", window)
    dead = det.is_kind(det.bad_pixels(exposure.detector, window, exposure.effects), "dead")
    values[dead] = 0
    flags = {"DO_NOT_USE": dead, "NO_FLAT_FIELD": dead}
    hdus = [image(values), image(np.full(window.shape, 0.01), "ERR"), *quality(window.shape, flags)]
    write(path, header_of(exposure, "flat", "Flat field of the synthetic detector", window), hdus)


def pictureframe(path, exposure, window, level=0.5, scale=0.01):
    """Picture frame on a `level` of its own and at a `scale` (DN/s, both) that says nothing of that in an exposure."""
    frame = level + scale * det.picture_frame(exposure.detector, window)
    header = header_of(exposure, "pictureframe", "Picture frame of the synthetic detector", window)
    write(path, header, [image(frame)])


def trapdensity(path, exposure, window):
    """Density of traps; without the effect persistence low enough to change a ramp by a few DN at most."""
    density = traps.density(exposure.detector, window, exposure.effects.persistence or 1.0)
    bad = det.bad_pixels(exposure.detector, window, exposure.effects)
    unknown = det.is_kind(bad, "nan_dark")
    density[unknown] = np.nan
    flags = {"DO_NOT_USE": det.is_kind(bad, "dead"), "UNRELIABLE_DARK": unknown}
    hdus = [image(density), *quality(window.shape, flags)]
    write(path, header_of(exposure, "trapdensity", "Traps of the synthetic detector", window), hdus)


def persat(path, exposure, window):
    """Signal at which all traps are exposed."""
    maps = det.maps(exposure.detector, window, exposure.effects)
    level = traps.saturation(maps)
    level[maps.is_bad("nan_saturation")] = np.nan
    flags = {"DO_NOT_USE": maps.is_bad("dead"), "NO_SAT_CHECK": maps.is_bad("nan_saturation")}
    hdus = [image(level), *quality(window.shape, flags)]
    write(path, header_of(exposure, "persat", "Persistence saturation, synthetic", window), hdus)
