"""What CRDS selects references by, and which of them serve which exposures.

The rules select with the keys of the real ones (the `parkey` of the operational rmaps), so a header that the
real CRDS could match is matched here in the same way.
"""

from rampflow.mock.configurations import full_frame

_PLACE = ("SUBSTRT1", "SUBSTRT2", "SUBSIZE1", "SUBSIZE2")
#: Types of NIRSpec's optics, of exposures that say where they were aimed.
BENCH = (
    "camera", "chromcorr", "collimator", "disperser", "fore", "fpa", "ifufore", "ifupost", "ifuslicer", "msa",
    "msaoper", "ote",
)  # fmt: skip
# Selection keys by type; an instrument's own after its name. A key in brackets is in the rule but holds
# N/A, which matches anything: the file serves all values.
KEYS = {
    "mask": {
        "": ("DETECTOR", "[SUBARRAY]"),
        "FGS": ("DETECTOR", "[SUBARRAY]", "[EXP_TYPE]"),
        "NIRSPEC": ("DETECTOR", "[SUBARRAY]", "READPATT"),
    },
    "refpix": {"": ("DETECTOR", "READPATT")},
    "sirskernel": {"": ("INSTRUME",)},
    "saturation": {"": ("DETECTOR",), "NIRSPEC": ("DETECTOR", "[SUBARRAY]")},
    "superbias": {
        "": ("DETECTOR", "READPATT", "SUBARRAY"),
        "NIRSPEC": ("DETECTOR", "READPATT", "SUBARRAY", *_PLACE),
    },
    "ipc": {"": ("DETECTOR",)},
    "linearity": {"": ("DETECTOR", "[SUBARRAY]"), "MIRI": ("DETECTOR", "[SUBARRAY]", "BAND", "FILTER")},
    "dark": {
        "": ("DETECTOR", "READPATT", "SUBARRAY"),
        "NIRCAM": ("[EXP_TYPE]", "DETECTOR", "NOUTPUTS", "SUBARRAY"),
        "NIRSPEC": ("DETECTOR", "READPATT", "SUBARRAY", *_PLACE),
    },
    "gain": {"": ("DETECTOR", "[SUBARRAY]")},
    "readnoise": {
        "": ("DETECTOR", "READPATT", "[SUBARRAY]"),
        "MIRI": ("DETECTOR", "[SUBARRAY]", "READPATT"),
    },
    "flat": {
        "": ("DETECTOR", "[FILTER]", "[PUPIL]"),
        "MIRI": ("DETECTOR", "[FILTER]", "[BAND]", "[READPATT]", "[SUBARRAY]"),
        "NIRSPEC": ("DETECTOR", "[FILTER]", "[GRATING]", "[EXP_TYPE]"),
        "FGS": ("DETECTOR", "[EXP_TYPE]"),
    },
    "pictureframe": {"": ("DETECTOR",)},
    "distortion": {"": ("DETECTOR", "EXP_TYPE")},
    "pastasoss": {"": ("EXP_TYPE",)},
    "wavelengthrange": {"": ("EXP_TYPE",), "NIRSPEC": ("[EXP_TYPE]",)},
    **dict.fromkeys(BENCH, {"": ("[EXP_TYPE]",)}),
    "bkg": {"": ("EXP_TYPE",)},
    "reset": {"": ("DETECTOR", "SUBARRAY", "READPATT")},
    "rscd": {"": ("DETECTOR",)},
    "emicorr": {"": ("INSTRUME",)},
    "trapdensity": {"": ("DETECTOR",)},
    "trappars": {"": ("DETECTOR",)},
    "persat": {"": ("DETECTOR",)},
}
_NIR = {"mask", "saturation", "superbias", "ipc", "linearity", "dark", "gain", "readnoise", "flat"}
TYPES = {
    "NIRCAM": _NIR | {"sirskernel", "trapdensity", "trappars", "persat"},
    "NIRISS": _NIR | {"sirskernel", "trapdensity", "trappars", "persat"},
    "NIRSPEC": _NIR | {"refpix", "sirskernel", "pictureframe"},
    "MIRI": (_NIR - {"superbias"}) | {"reset", "rscd", "emicorr"},
    "FGS": _NIR | {"trapdensity", "trappars", "persat"},
}
#: Types that the pipeline uses as they are, so that they must have the very shape of the exposure; the
#: superbias would be cut, but is selected by subarray.
_UNCUT = {"dark", "reset"}
_EXACT = _UNCUT | {"superbias"}
#: The persistence of jwst takes the size of the detector from the trap density.
_ALWAYS_WHOLE = {"trapdensity"}
TRAPS = {"trapdensity", "trappars", "persat"}
#: Types whose files are ASDF; the others are FITS.
ASDF_TYPES = {"emicorr", "sirskernel", "distortion", "pastasoss", "wavelengthrange"}
ASDF_TYPES |= {*BENCH} - {"msaoper"}
#: Types of SOSS, which other exposures have none of.
SOSS = {"pastasoss", "wavelengthrange", "bkg"}


def _value(exposure, key):
    if key.startswith("["):
        return "N/A"
    # Left-out keywords too: the rule then has the file, and the header cannot select it.
    header = {keyword: value for keyword, _, value in exposure.but(omit=()).header()}
    # The imager has no BAND, the spectrometer no FILTER.
    return str(header.get(key) or "N/A") if key in ("BAND", "FILTER") else str(header[key])


def selection_keys(instrument, reftype):
    """Keywords of the rule of a type, and the same with those in brackets that hold N/A."""
    keys = KEYS[reftype].get(instrument, KEYS[reftype][""])
    return tuple(key.strip("[]") for key in keys), keys


def entries(exposures, traps=()):
    """Group exposures by the reference that CRDS will select: {(instrument, type, values): exposures}."""
    entries = {}
    for exposure in exposures:
        more = SOSS if exposure.exp_type == "NIS_SOSS" else set()
        if exposure.aimed:
            more = more | ({*BENCH, "wavelengthrange"} if exposure.instrument == "NIRSPEC" else {"distortion"})
        for reftype in sorted(TYPES[exposure.instrument] | more):
            if reftype in TRAPS and exposure.detector not in traps:
                continue
            if reftype == "refpix" and not exposure.irs2:
                continue
            if reftype == "pictureframe" and exposure.window != full_frame(exposure.detector):
                continue
            _, keys = selection_keys(exposure.instrument, reftype)
            values = tuple(_value(exposure, key) for key in keys)
            entries.setdefault((exposure.instrument, reftype, values), []).append(exposure)
    return entries


def window_of(reftype, users, whole):
    """Rectangle of the detector that a reference for some exposures covers; ValueError if none can serve all."""
    if reftype in (set(whole) - _UNCUT) | _ALWAYS_WHOLE:
        return full_frame(users[0].detector)
    windows = {exposure.picture if reftype in _UNCUT else exposure.cover for exposure in users}
    if reftype in _EXACT and len(windows) > 1:
        raise ValueError(
            f"one {reftype} would have to serve windows {sorted(map(str, windows))} of "
            f"{users[0].detector} {users[0].subarray}: give one of them another SUBARRAY name"
        )
    box = windows.pop()
    for window in windows:
        box = box.union(window)
    return box


def longest(users):
    """Give the exposure that a reference must be long enough for."""
    return max(users, key=lambda exposure: (exposure.frames_per_integration, exposure.ngroups))


def check_agreement(exposures):
    """Refuse exposures of one detector that would need references of different effects."""
    seen = {}
    for exposure in exposures:
        pattern = exposure.effects.fixed_pattern()
        if seen.setdefault(exposure.detector, pattern) != pattern:
            raise ValueError(
                f"exposures of {exposure.detector} differ in effects that one set of references describes; "
                "use another detector"
            )
