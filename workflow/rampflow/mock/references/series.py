"""References that are a series of groups: dark and reset."""

import numpy as np

from rampflow.mock import detector as det
from rampflow.mock.references.layout import header_of, image, quality, write

#: A dark is not taken with more frames than this; longer exposures make the pipeline extrapolate it.
LONGEST_DARK = 60

#: A reset reference has no more groups than this: later ones show nothing of the reset.
LONGEST_RESET = 24


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
    header = header_of(
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
    hdus = [image(cube if miri else cube[0])]
    hdus += quality((*cube.shape[:1], 1, *window.shape) if miri else window.shape, flags)
    average = average or _AVERAGES.get(exposure.instrument)
    if average == "image":
        hdus.append(image(maps.dark, "AVDRKCUR"))
    elif average == "keyword":
        header["AVDRKCUR"] = float(np.median(maps.dark))
    write(path, header, hdus)


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
    header = header_of(
        exposure,
        "reset",
        "Reset anomaly of the synthetic detector",
        window,
        READPATT=exposure.readpatt,
        **dict(zip(("NINTS", "NGROUPS"), told or cube.shape, strict=False)),
    )
    flags = {"UNRELIABLE_DARK": maps.is_bad("nan_dark"), "DO_NOT_USE": maps.is_bad("open")}
    write(path, header, [image(cube), *quality(window.shape, flags)])
