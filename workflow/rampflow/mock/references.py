"""Reference files that describe the synthetic detector, one function per type.

They are made as the field's files are, with what makes those awkward: DQ values of their own numbering
(DQ_DEF), names that no standard knows, NaN, arrays larger than the exposure, darks in another pattern.
"""

import warnings
from pathlib import Path

import asdf
import numpy as np
from astropy.io import fits

from rampflow.detector import dq, irs2
from rampflow.mock import detector as det
from rampflow.mock import drifts, traps
from rampflow.mock.configurations import DETECTORS, full_frame, instrument_of, orientation, row_clocks

#: Saturation is declared a little below the true full well.
SATURATION_MARGIN = 0.95
#: Frequencies in the kernels of the side pixels.
SIRS_FREQUENCIES = 513
#: A dark is not taken with more frames than this; longer exposures make the pipeline extrapolate it.
LONGEST_DARK = 60
#: A reset reference has no more groups than this: later ones show nothing of the reset.
LONGEST_RESET = 24


def _header(exposure, reftype, description, window=None, **more):
    header = fits.Header()
    header["TELESCOP"] = "JWST"
    header["INSTRUME"] = exposure.instrument
    header["DETECTOR"] = exposure.detector
    header["REFTYPE"] = reftype.upper()
    header["DESCRIP"] = description
    header["AUTHOR"] = "rampflow.mock"
    header["PEDIGREE"] = "SIMULATION"
    header["USEAFTER"] = "2022-01-01T00:00:00"
    if window is not None:
        whole = window == full_frame(exposure.detector)
        same = window == exposure.window
        header["SUBARRAY"] = "FULL" if whole else exposure.subarray if same else "GENERIC"
        header["SUBSTRT1"], header["SUBSTRT2"] = window.xstart, window.ystart
        header["SUBSIZE1"], header["SUBSIZE2"] = window.xsize, window.ysize
        header["FASTAXIS"], header["SLOWAXIS"] = orientation(exposure.detector)
    for key, value in more.items():
        header[key] = value
    return header


def _quality(shape, flags, standard=False):
    """HDUs of a DQ array; `flags` maps names to masks.

    Unless `standard`, bits are numbered in the order of `flags`, and a name that no one knows is added.
    """
    if standard:
        array = np.zeros(shape, np.uint32)
        for name, mask in flags.items():
            array[..., mask] |= np.uint32(dq.MNEMONICS[name])
        return [fits.ImageHDU(array, name="DQ")]
    flags = dict(flags)
    row = np.zeros(shape[-2:], bool)
    row[:: max(1, shape[-2] // 5), ::7] = True
    flags["ONLY_KNOWN_HERE"] = row
    array = np.zeros(shape, np.uint8)
    definition = []
    for bit, (name, mask) in enumerate(flags.items()):
        array[..., mask] |= np.uint8(1 << bit)
        definition.append((bit, 1 << bit, name, name.replace("_", " ").lower()))
    columns = [("BIT", "i4"), ("VALUE", "i4"), ("NAME", "S40"), ("DESCRIPTION", "S80")]
    table = np.array(definition, dtype=columns)
    return [fits.ImageHDU(array, name="DQ"), fits.BinTableHDU(table, name="DQ_DEF")]


def _write(path, header, hdus):
    fits.HDUList([fits.PrimaryHDU(header=header), *hdus]).writeto(path, overwrite=True, checksum=False)


def _image(array, name="SCI"):
    return fits.ImageHDU(np.ascontiguousarray(array, np.float32), name=name)


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
        # The oracle gives up a whole row of the frame for one BAD_REF_PIXEL in it, so none among normal pixels.
        flags["BAD_REF_PIXEL"][:] = False
        if exposure.effects.bad_pixels:
            reads = np.flatnonzero(np.tile(irs2.section_references(), irs2.SECTIONS))
            output = 100 if not normal[100] else irs2.ROWS - 100
            flags["BAD_REF_PIXEL"][[*reads[[70, 71, 302, 500]], output]] = True
    _write(
        path,
        _header(exposure, "mask", "Bad pixels of the synthetic detector", window),
        _quality(flags["HOT"].shape, flags, standard=exposure.instrument == "FGS"),
    )


def saturation(path, exposure, window):
    """Raw counts at which a pixel is called saturated."""
    maps = det.maps(exposure.detector, window, exposure.effects)
    threshold = np.minimum(maps.bias + SATURATION_MARGIN * maps.well, 65500)
    threshold[maps.is_bad("nan_saturation")] = np.nan
    flags = {"NO_SAT_CHECK": maps.is_bad("no_saturation"), "AD_FLOOR": maps.is_bad("dead")}
    hdus = [_image(threshold), *_quality(window.shape, flags)]
    _write(path, _header(exposure, "saturation", "Saturation of the synthetic detector", window), hdus)


def superbias(path, exposure, window):
    """Level of every pixel without signal."""
    maps = det.maps(exposure.detector, window, exposure.effects)
    bias = np.where(maps.is_bad("nan_bias"), np.nan, maps.bias)
    flags = {"UNRELIABLE_BIAS": maps.is_bad("nan_bias", "telegraph"), "HOT": maps.is_bad("hot")}
    if exposure.irs2:
        normal = irs2.normal_rows(exposure.detector)
        bias = irs2.interleaved(bias, normal, 0) + det.interleaved_bias(exposure.detector, exposure.effects)
        flags = {name: irs2.interleaved(where, normal, False) for name, where in flags.items()}
    hdus = [_image(bias), _image(np.full(bias.shape, 0.5), "ERR"), *_quality(bias.shape, flags)]
    _write(
        path,
        _header(exposure, "superbias", "Superbias of the synthetic detector", window, READPATT=exposure.readpatt),
        hdus,
    )


def refpix(path, exposure, window):  # noqa: ARG001 - a table
    """Coefficients that tell the drift of IRS2 frames from reference output and reference reads, and bad reads.

    Slow drifts are taken from both in equal parts; the reads fill 8 of 22 slots in a line of 712.
    """
    lines = full_frame(exposure.detector).xsize
    frequency = np.abs(np.fft.fftfreq(lines * irs2.LINE_SLOTS))
    edge = drifts.IRS2_FASTEST
    passed = np.where(frequency < edge, 1.0, np.exp(-(((frequency - edge) / (0.5 * edge)) ** 2)))
    share = irs2.SECTION_ROWS // irs2.PERIOD * 8 / irs2.LINE_SLOTS
    columns = [(f"{name}_{output}", "f4") for name in ("alpha", "beta") for output in range(irs2.SECTIONS - 1)]
    table = np.zeros(2 * passed.size, columns)
    for output in range(irs2.SECTIONS - 1):
        # No two amplifiers are alike, and reads come a little late.
        turn = np.exp(2j * np.pi * np.fft.fftfreq(passed.size) * (output - 1.5))
        for name, factor in (("alpha", 0.5 + 0 * turn), ("beta", 0.5 * turn / share)):
            table[f"{name}_{output}"] = (factor * passed).astype(np.complex64).view(np.float32)
    layout = [("OUTPUT", "u2"), ("ODD_EVEN", "u2"), ("MASK", "u4")]
    bad = np.array([(1, 1, 1 << 4), (2, 1, 1 << 9 | 1 << 10), (4, 2, 1 << 31)], layout)
    header = _header(exposure, "refpix", "IRS2 coefficients, synthetic", READPATT=exposure.readpatt)
    _write(path, header, [fits.BinTableHDU(table, name="IRS2"), fits.BinTableHDU(bad, name="DQ")])


def sirskernel(path, exposure, window):  # noqa: ARG001 - Fourier coefficients
    """Kernels that smooth the side pixels over some ten rows, for all detectors of the instrument."""
    frequency = np.arange(SIRS_FREQUENCIES)
    # Each side gives half; the wider kernels are those of the amplifiers farther away.
    widths = np.array([[70.0, 60.0, 50.0, 45.0], [45.0, 50.0, 60.0, 70.0]])
    gamma, zeta = 0.5 * np.exp(-((frequency / widths[..., np.newaxis]) ** 2)).astype(np.complex128)
    tree = {"meta": _meta("sirskernel", exposure.instrument)}
    for detector in (name for name in DETECTORS if instrument_of(name) == exposure.instrument):
        tree[detector.lower()] = {"gamma": gamma, "zeta": zeta}
    asdf.AsdfFile(tree).write_to(path)


def distortion(path, exposure, window):  # noqa: ARG001 - the same for all pixels
    """Plain optics: angles (arcsec) are a thirtieth of the distance from the middle of the detector (pixel)."""
    from astropy import units
    from astropy.modeling.models import Scale, Shift

    side = Shift(-1024.0) | Scale(1 / 30)
    meta = _meta("distortion", exposure.instrument) | {"exposure": {"type": exposure.exp_type}}
    meta |= {"input_units": units.pix, "output_units": units.arcsec}
    asdf.AsdfFile({"meta": meta, "model": side & side}).write_to(path)


def ipc(path, exposure, window):  # noqa: ARG001 - one kernel holds for the whole detector
    """Kernel that undoes the coupling of neighbours, to first order."""
    kernel = -det.ipc_kernel(exposure.effects.ipc)
    kernel[1, 1] += 2
    whole = full_frame(exposure.detector)
    _write(path, _header(exposure, "ipc", "Interpixel capacitance, synthetic", whole), [_image(kernel)])


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
    hdus = [_image(coefficients[:terms], "COEFFS"), *_quality(window.shape, flags)]
    if inverse:
        _, one, second, third, fourth = coefficients
        # The series that undoes y = x + a x**2 + b x**3 + c x**4.
        back = [0 * one, one, -second, 2 * second**2 - third, 5 * second * third - fourth - 5 * second**3]
        back.append(14 * second**4 - 21 * second**2 * third + 6 * second * fourth + 3 * third**2)
        hdus.insert(1, _image(back, "INV_COEFFS"))
    _write(path, _header(exposure, "linearity", "Linearity of the synthetic detector", window), hdus)


def gain(path, exposure, window):
    """Electrons per DN."""
    maps = det.maps(exposure.detector, window, exposure.effects)
    values = maps.gain.copy()
    unknown = maps.is_bad("no_gain")
    values[unknown] = np.nan
    values[::2][unknown[::2]] = -1.0
    _write(path, _header(exposure, "gain", "Gain of the synthetic detector", window), [_image(values)])


def readnoise(path, exposure, window, unknown=False):
    """Noise of the difference of two reads (correlated double sampling); NaN for unstable pixels if `unknown`."""
    effects = exposure.effects.but(read_noise=exposure.effects.read_noise or 1.0)
    maps = det.maps(exposure.detector, window, effects)
    noise = np.sqrt(2) * maps.read_noise
    if unknown:
        noise[maps.is_bad("telegraph")] = np.nan
    header = _header(exposure, "readnoise", "Read noise of the synthetic detector", window, READPATT=exposure.readpatt)
    _write(path, header, [_image(noise)])


def flat(path, exposure, window):
    """Flat field, for the steps that want one to find the scene."""
    values = 1 + 0.02 * det.scatter(exposure.detector, "flat", window)
    dead = det.is_kind(det.bad_pixels(exposure.detector, window, exposure.effects), "dead")
    values[dead] = 0
    flags = {"DO_NOT_USE": dead, "NO_FLAT_FIELD": dead}
    hdus = [_image(values), _image(np.full(window.shape, 0.01), "ERR"), *_quality(window.shape, flags)]
    _write(path, _header(exposure, "flat", "Flat field of the synthetic detector", window), hdus)


def dark_pattern(exposure):
    """(nframes, groupgap, ngroups) of the dark for an exposure.

    NIRCam has one dark for all patterns, taken frame by frame, so the pipeline has to average it. The dark
    of NIRSpec is one group short of long exposures, so it has to be extended.
    """
    if exposure.instrument == "NIRCAM":
        return 1, 0, min(exposure.frames_per_integration + 2, LONGEST_DARK)
    groups = exposure.ngroups + (2 if exposure.instrument != "NIRSPEC" or exposure.ngroups < 5 else -1)
    return exposure.nframes, exposure.groupgap, groups


def dark(path, exposure, window, scale=1.0, pattern=None, nints=2, average=None):
    """Dark signal group by group, without the bias.

    `scale` makes a different one; `pattern` is (nframes, groupgap, ngroups) where it is not that of
    `dark_pattern`, `nints` the number of integrations (MIRI), `average` how the mean dark current is told: by an
    "image", a "keyword", or not at all (None takes what is usual for the instrument).
    """
    maps = det.picture_maps(exposure) if exposure.stripes else det.maps(exposure.detector, window, exposure.effects)
    nframes, groupgap, ngroups = pattern or dark_pattern(exposure)
    taken = exposure.but(nframes=nframes, groupgap=groupgap, ngroups=ngroups)
    miri = exposure.instrument == "MIRI"
    # Superstripes that sample a ramp several times in a frame have as many groups of it.
    phases = exposure.samples.phases
    cube = np.zeros((nints if miri else 1, ngroups * len(phases), *window.shape), np.float32)
    for integration, group in np.ndindex(cube.shape[:2]):
        for frame in taken.frame_numbers(group // len(phases)):
            now = frame - 1 + phases[group % len(phases)]
            signal = maps.dark * np.float32(now * exposure.tframe)
            signal += det.settled(maps, exposure.instrument, integration, now)
            cube[integration, group] += np.float32(scale / nframes) * signal
    cube[..., maps.is_bad("nan_dark")] = np.nan
    header = _header(
        exposure,
        "dark",
        "Dark of the synthetic detector",
        window,
        READPATT="RAPID" if exposure.instrument == "NIRCAM" else exposure.readpatt,
        EXP_TYPE=_DARK_TYPES.get(exposure.detector) or _DARK_TYPES[exposure.instrument],
        NFRAMES=nframes,
        GROUPGAP=groupgap,
        NGROUPS=cube.shape[1],
        NINTS=cube.shape[0],
        TFRAME=exposure.tframe,
        TGROUP=taken.tgroup,
        NOUTPUTS=exposure.noutputs,
    )
    flags = {"UNRELIABLE_DARK": maps.is_bad("nan_dark"), "HOT": maps.is_bad("hot"), "WARM": maps.dark > 1}
    hdus = [_image(cube if miri else cube[0])]
    hdus += _quality((*cube.shape[:1], 1, *window.shape) if miri else window.shape, flags)
    average = average or _AVERAGES.get(exposure.instrument)
    if average == "image":
        hdus.append(_image(maps.dark, "AVDRKCUR"))
    elif average == "keyword":
        header["AVDRKCUR"] = float(np.median(maps.dark))
    _write(path, header, hdus)


#: How darks tell the mean dark current.
_AVERAGES = {"NIRCAM": "image", "NIRISS": "keyword"}


_DARK_TYPES = {
    "NIRCAM": "NRC_DARK",
    "NIRISS": "NIS_DARK",
    "NIRSPEC": "NRS_DARK",
    "MIRI": "MIR_DARKMRS",
    "MIRIMAGE": "MIR_DARKIMG",
    "FGS": "FGS_DARK",
}


def pictureframe(path, exposure, window, level=0.5, scale=0.01):
    """Picture frame on a `level` of its own and at a `scale` (DN/s, both) that says nothing of that in an exposure."""
    frame = level + scale * det.picture_frame(exposure.detector, window)
    header = _header(exposure, "pictureframe", "Picture frame of the synthetic detector", window)
    _write(path, header, [_image(frame)])


def reset(path, exposure, window, nints=None, ngroups=None, told=None):
    """MIRI reset anomaly, integration by integration and group by group; by default as far as it changes.

    The header says that it has `told` integrations and groups, if that is given.
    """
    maps = det.maps(exposure.detector, window, exposure.effects)
    cube = np.empty(
        (nints or len(det.RESET_SHARES), min(ngroups or exposure.ngroups, LONGEST_RESET), *window.shape), np.float32
    )
    for integration, group in np.ndindex(cube.shape[:2]):
        cube[integration, group] = det.reset_level(maps, integration, group)
    cube[..., maps.is_bad("nan_dark")] = np.nan
    header = _header(
        exposure,
        "reset",
        "Reset anomaly of the synthetic detector",
        window,
        READPATT=exposure.readpatt,
        **dict(zip(("NINTS", "NGROUPS"), told or cube.shape, strict=False)),
    )
    flags = {"UNRELIABLE_DARK": maps.is_bad("nan_dark"), "DO_NOT_USE": maps.is_bad("open")}
    _write(path, header, [_image(cube), *_quality(window.shape, flags)])


def rscd(
    path,
    exposure,
    window,  # noqa: ARG001 - a table
    first_integration=False,
    skips=(det.RSCD_GROUPS_FIRST, det.RSCD_GROUPS),
    patterns=("FAST", "FASTR1", "SLOW", "SLOWR1"),
):
    """List the groups to throw away after a reset, for every subarray and the given patterns.

    `skips` are those of the first and of later integrations. With `first_integration` the table has the column of
    the first integration that came with jwst 2.0; jwst 1.19 refuses such a file, while later releases read either.
    """
    names = ["FULL", "BRIGHTSKY", "SUB256", "SUB128", "SUB64", "SLITLESSPRISM"]
    names += ["MASK1065", "MASK1140", "MASK1550", "MASKLYOT"]
    columns = [("subarray", "S13"), ("readpatt", "S8"), ("group_skip1", "i4"), ("group_skip", "i4")]
    rows = [(name, pattern, *skips) for name in names for pattern in patterns]
    if not first_integration:
        del columns[2]
        rows = [(*row[:2], row[3]) for row in rows]
    table = fits.BinTableHDU(np.array(rows, dtype=columns), name="RSCD_GROUP_SKIP")
    _write(path, _header(exposure, "rscd", "Groups to skip, synthetic"), [table])


def emicorr(path, exposure, window, samples=500, absent=()):  # noqa: ARG001 - a table of waves
    """Waves of the pick-up and the clocking of the subarray; adds to a file that exists.

    Waves have so many `samples` a period; `absent` are frequencies (Hz) that it has besides, and the data have not.
    """
    known = det.EMI | {f"Hz{frequency:.0f}": (frequency, 5.0) for frequency in absent}
    waves = {
        name: {
            "frequency": frequency,
            "phase_amplitudes": (amplitude * drifts.waveform(np.arange(samples) / samples)).astype(np.float32),
        }
        for name, (frequency, amplitude) in known.items()
    }
    speed = "SLOW" if exposure.readpatt.startswith("SLOW") else "FAST"
    name = f"FULL_{speed}" if exposure.subarray == "FULL" else exposure.subarray
    names = [*drifts.emi_frequencies(exposure), *(waves.keys() - det.EMI.keys())]
    case = {
        "rowclocks": row_clocks(exposure.detector, exposure.window, exposure.readpatt),
        "frameclocks": round(exposure.tframe / 1e-5),
        "freqs": {"FAST": names, "SLOW": {exposure.detector: names}},
    }
    tree = {
        "meta": _meta("emicorr", "MIRI"),
        "frequencies": waves,
        "subarray_cases": {name: case},
    }
    if Path(path).exists():
        with asdf.open(path) as known:
            tree["subarray_cases"] |= known["subarray_cases"]
    asdf.AsdfFile(tree).write_to(path)


def trapdensity(path, exposure, window):
    """Density of traps; without the effect persistence low enough to change a ramp by a few DN at most."""
    density = traps.density(exposure.detector, window, exposure.effects.persistence or 1.0)
    bad = det.bad_pixels(exposure.detector, window, exposure.effects)
    unknown = det.is_kind(bad, "nan_dark")
    density[unknown] = np.nan
    flags = {"DO_NOT_USE": det.is_kind(bad, "dead"), "UNRELIABLE_DARK": unknown}
    hdus = [_image(density), *_quality(window.shape, flags)]
    _write(path, _header(exposure, "trapdensity", "Traps of the synthetic detector", window), hdus)


def trappars(path, exposure, window):  # noqa: ARG001 - a table
    """Three families of traps: capture and decay."""
    columns = [(name, "f8") for name in ("capture0", "capture1", "capture2", "decay_param")]
    table = fits.BinTableHDU(np.array(list(traps.FAMILIES), dtype=columns), name="TRAPPARS")
    _write(path, _header(exposure, "trappars", "Traps of the synthetic detector"), [table])


def persat(path, exposure, window):
    """Signal at which all traps are exposed."""
    maps = det.maps(exposure.detector, window, exposure.effects)
    level = traps.saturation(maps)
    level[maps.is_bad("nan_saturation")] = np.nan
    flags = {"DO_NOT_USE": maps.is_bad("dead"), "NO_SAT_CHECK": maps.is_bad("nan_saturation")}
    hdus = [_image(level), *_quality(window.shape, flags)]
    _write(path, _header(exposure, "persat", "Persistence saturation, synthetic", window), hdus)


def _meta(reftype, instrument):
    return {
        "author": "rampflow.mock",
        "date": "2024-01-01T00:00:00",
        "description": f"Synthetic {reftype}",
        "instrument": {"name": instrument},
        "origin": "rampflow.mock",
        "pedigree": "SIMULATION",
        "reftype": reftype,
        "telescope": "JWST",
        "useafter": "2022-01-01T00:00:00",
    }


def parameters(path, instrument, step_class, values, steps=None):
    """Parameter file of a step, or of a pipeline with its steps.

    Parameters
    ----------
    path : path
        File to write.
    instrument : str
        Whose.
    step_class : str
        Full name of the step's class, such as ``jwst.jump.JumpStep``.
    values : dict
        Its parameters.
    steps : dict, optional
        Parameters of the steps of a pipeline: {(alias, class): parameters}.
    """
    name = step_class.rpartition(".")[2]
    tree = {
        "class": step_class,
        "name": name,
        "meta": _meta(f"pars-{name.lower()}", instrument),
        "parameters": values,
    }
    if steps is not None:
        tree["steps"] = [
            {"class": full_name, "name": alias, "parameters": own} for (alias, full_name), own in steps.items()
        ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asdf.AsdfFile(tree).write_to(path)


#: Writers of all types that are arrays or tables: called with the file, an exposure that uses it and the
#: window to cover.
WRITERS = {
    "mask": mask,
    "saturation": saturation,
    "superbias": superbias,
    "refpix": refpix,
    "sirskernel": sirskernel,
    "distortion": distortion,
    "ipc": ipc,
    "linearity": linearity,
    "dark": dark,
    "gain": gain,
    "readnoise": readnoise,
    "flat": flat,
    "pictureframe": pictureframe,
    "reset": reset,
    "rscd": rscd,
    "emicorr": emicorr,
    "trapdensity": trapdensity,
    "trappars": trappars,
    "persat": persat,
}
