"""From count rates to the counts that a detector sends."""

import zlib
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from rampflow.detector import irs2
from rampflow.mock import detector as det
from rampflow.mock import drifts, particles
from rampflow.mock.scene import light_curve, render
from rampflow.mock.traps import Traps, empty

#: MIRI at strength 1: offsets of the first and last frame, start of later integrations [DN], decay [groups].
FIRST_FRAME, LAST_FRAME = -18.0, -12.0
RSCD, RSCD_DECAY = 20.0, 1.2
_CEILING = 65535.0
_NEVER = -1


@dataclass
class Integration:
    """What one integration sends, and what really happened in it.

    Attributes
    ----------
    groups, zero_frame, reference_output : ndarray of uint16
        (ngroups, ny, nx); (ny, nx) or None; (ngroups, ny, nx / 4) or None.
    hits : particles.Hits
        Cosmic rays and the like.
    saturated : ndarray of int16
        (ny, nx): first group with a full well, -1 where there is none.
    """

    groups: np.ndarray
    zero_frame: np.ndarray | None
    reference_output: np.ndarray | None
    hits: particles.Hits
    saturated: np.ndarray


def random_stream(exposure, name, integration=0):
    """Random generator of one effect in one integration.

    Effects have streams of their own, so that one that is switched on or off leaves the noise of the others
    as it was, and a segmented file holds what the whole exposure would.
    """
    key = [exposure.seed, zlib.crc32(exposure.detector.encode()), zlib.crc32(name.encode()), integration]
    return np.random.default_rng(key)


def true_rates(exposure, maps):
    """Count rates of the scene as the pixels see them; of superstripes, those of the picture that they make.

    Parameters
    ----------
    exposure : MockExposure
        What is simulated.
    maps : detector.Maps
        Fixed patterns, see `detector.picture_maps`.

    Returns
    -------
    steady, sources : ndarray
        float32 (ny, nx) [DN/s].
    curve : ndarray
        float64 (nints,): brightness of the sources in every integration of the whole exposure.
    """
    steady, sources = render(exposure.scene, exposure.picture.shape, random_stream(exposure, "scene"))
    light = maps.response * ~maps.reference
    return steady * light, sources * light, light_curve(exposure.scene, exposure.nints)


def integrations(exposure, maps=None):
    """Simulate the integrations of a file one by one.

    Parameters
    ----------
    exposure : MockExposure
        What to simulate.
    maps : detector.Maps, optional
        Fixed patterns of its window, if they are at hand (not of superstripes).

    Yields
    ------
    Integration
        The integrations `exposure.first` to `exposure.last`.
    """
    frames = det.frame_maps(exposure) if maps is None else [maps]
    steady, sources, curve = true_rates(exposure, det.picture_maps(exposure) if maps is None else maps)
    traps = _traps(exposure, frames[0]) if exposure.effects.persistence else None
    for index in range(exposure.last):
        maps = frames[index % len(frames)]
        rate = _seen(exposure, steady + np.float32(curve[index]) * sources, index)
        if traps is not None:
            traps.begin(exposure, index)
        if index >= exposure.first - 1:
            yield _integrate(exposure, maps, rate, index, traps)
        elif traps is not None:
            empty(traps.filled, exposure.frames_per_integration * exposure.tframe)
        if traps is not None:
            traps.end(exposure, index, rate + maps.dark)


def _seen(exposure, picture, index):
    """Cut out of a picture what a superstripe sees of it; its other pixels see nothing."""
    if not exposure.positions:
        return picture
    rate = np.zeros(exposure.window.shape, np.float32)
    columns = exposure.line_axis == 1
    lines = exposure.picture_part(index) - ((exposure.picture.xstart if columns else exposure.picture.ystart) - 1)
    part = picture[:, lines] if columns else picture[lines]
    here = np.isin(exposure.frame_lines(index), exposure.picture_part(index))
    part = exposure.samples.spread(part)
    if columns:
        rate[:, here] = part
    else:
        rate[here] = part
    return rate


def _traps(exposure, maps):
    if exposure.stripes:
        raise ValueError("persistence is not simulated for multistripe exposures")

    def rates(earlier):
        steady, sources, _ = true_rates(earlier, maps)
        return steady + sources + maps.dark

    return Traps(exposure, maps, rates)


def _integrate(exposure, maps, rate, index, traps=None):
    effects = exposure.effects
    ny, nx = exposure.window.shape
    samples = exposure.samples
    # What the pixels collect is worked out once, for those of the first sample, and is the same in the others.
    first = {name: None if image is None else image[samples.place(0)] for name, image in vars(maps).items()}
    first, stripe = replace(maps, **first), rate[samples.place(0)].shape
    streams = {name: random_stream(exposure, name, index) for name in ("photons", "reads", "drifts")}
    glow = _picture_frame(exposure, index) if effects.picture_frame else None
    hits = particles.hits(
        exposure.instrument,
        stripe,
        exposure.frames_per_integration * samples.count,
        exposure.tframe / samples.count,
        effects,
        random_stream(exposure, "particles", index),
    )
    on_light = ~first.reference[hits.y, hits.x]
    hits = particles.Hits(hits.frame[on_light], hits.y[on_light], hits.x[on_light], hits.charge[on_light])
    full = det.linearised(maps.well, maps, exposure.detector)
    level = maps.bias.copy()
    if effects.reset_noise:
        scatter = np.float32(effects.reset_noise * det.properties(exposure.detector).reset_noise)
        level += samples.spread(scatter * random_stream(exposure, "reset", index).standard_normal(stripe, np.float32))
    level -= np.float32(effects.sunken * det.properties(exposure.detector).pedestal)
    kernel = det.ipc_kernel(effects.ipc).astype(np.float32) if effects.ipc else None
    rate = rate[samples.place(0)] + first.dark

    charge = np.zeros((ny, nx), np.float32)
    normal = irs2.normal_rows(exposure.detector) if exposure.irs2 else None
    interleaved = det.interleaved_bias(exposure.detector, effects) if exposure.irs2 else 0
    groups = np.empty(exposure.shape[1:], np.uint16)
    saturated = np.full((ny, nx), _NEVER, np.int16)
    zero_frame = None
    previous = counted = 0
    for group in range(exposure.ngroups):
        total = np.zeros(exposure.shape[2:], np.float32)
        for frame in exposure.frame_numbers(group):
            read = np.empty(exposure.shape[2:], np.float32)
            for number, phase in enumerate(samples.phases):
                now, here = frame - 1 + phase, samples.place(number)
                arrived = _arrived(rate, (now - previous) * exposure.tframe, first, effects, streams["photons"])
                charge += samples.spread(arrived)
                if traps is not None:
                    charge += empty(traps.filled, (now - previous) * exposure.tframe).astype(np.float32)
                sample = (frame - 1) * samples.count + number + 1
                new = hits.between(counted, sample)
                struck = hits.charge[new] / first.gain[hits.y[new], hits.x[new]]
                np.add.at(charge, samples.everywhere(hits.y[new], hits.x[new]), np.tile(struck, samples.count))
                previous, counted = now, sample
                over = charge >= full
                if effects.saturation and over.any():
                    _spill(charge, full, effects.charge_spill, maps.reference)
                    over = charge >= full
                    saturated[here][over[here] & (saturated[here] == _NEVER)] = group
                seen = charge + det.settled(maps, exposure.instrument, index, now)
                if maps.dark_groups is not None:
                    seen += maps.dark_groups[min(group, len(maps.dark_groups) - 1)]
                seen = np.minimum(seen, full)
                if effects.nonlinearity:
                    seen = det.measured(seen, maps, exposure.detector)
                if kernel is not None:
                    seen = ndimage.convolve(seen, kernel, mode="constant")
                    seen[maps.reference] = 0
                read[here] = (irs2.interleaved(seen + level, normal, 0) + interleaved)[here]
            read += _electronics(exposure, maps, index, group, frame, streams)
            if glow is not None:
                read += glow(frame)
            np.rint(read, out=read)
            np.clip(read, 0, _CEILING, out=read)
            if exposure.zero_frame and zero_frame is None:
                zero_frame = read.astype(np.uint16)
            total += read
        groups[group] = np.minimum(np.floor(total / np.float32(exposure.frame_divisor)), _CEILING)
    hits = _in_frames(hits, samples, exposure.frames_per_integration)
    return Integration(groups, zero_frame, _reference_output(exposure, index), hits, saturated)


def _in_frames(hits, samples, last):
    """Repeat hits, which are numbered by samples, wherever frames show them, and number them by frames."""
    if samples.count == 1:
        return hits
    frame = samples.frames(hits.frame)
    y, x = samples.everywhere(hits.y, hits.x)
    order = np.argsort(frame, kind="stable")[: np.count_nonzero(frame <= last)]
    return particles.Hits(frame[order], y[order], x[order], np.tile(hits.charge, samples.count)[order])


def _arrived(rate, seconds, maps, effects, rng):
    """Signal collected in an interval, float32 (ny, nx) [DN]."""
    mean = rate * np.float32(seconds)
    if not effects.photon_noise:
        return mean
    electrons = mean * maps.gain
    noisy = rng.poisson(electrons).astype(np.float32)
    if effects.photon_noise != 1:
        noisy = electrons + np.float32(effects.photon_noise) * (noisy - electrons)
    return noisy / maps.gain


def _spill(charge, full, fraction, reference):
    """Share the charge beyond full wells among the four neighbours, twice, and lose the rest; in place."""
    ny, nx = charge.shape
    for _ in range(2):
        y, x = np.nonzero(charge > full)
        share = np.float32(0.25 * fraction) * (charge[y, x] - full[y, x])
        charge[y, x] = full[y, x]
        for dy, dx in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            to_y, to_x = y + dy, x + dx
            inside = (to_y >= 0) & (to_y < ny) & (to_x >= 0) & (to_x < nx)
            inside[inside] = ~reference[to_y[inside], to_x[inside]]
            charge[to_y[inside], to_x[inside]] += share[inside]
    return np.minimum(charge, full, out=charge)


def _electronics(exposure, maps, index, group, frame, streams):
    """Everything that a frame shows besides charge, float32 (ny, nx) [DN]."""
    effects = exposure.effects
    extra = np.zeros(exposure.shape[2:], np.float32)
    if effects.read_noise:
        normal = irs2.normal_rows(exposure.detector) if exposure.irs2 else None
        nominal = effects.read_noise * det.properties(exposure.detector).read_noise
        extra += irs2.interleaved(maps.read_noise, normal, nominal) * streams["reads"].standard_normal(
            extra.shape, np.float32
        )
    if exposure.irs2:
        if effects.amplifier_offsets or effects.row_noise:
            extra += drifts.interleaved(exposure, streams["drifts"])
        return extra
    if exposure.instrument != "MIRI":
        if effects.amplifier_offsets or effects.odd_even_columns or effects.row_noise:
            extra += drifts.near_infrared(exposure, streams["drifts"])
        return extra
    light = ~maps.reference
    if effects.odd_even_rows:
        extra += drifts.mid_infrared(exposure, streams["drifts"])
    if effects.reset_anomaly:
        extra += det.reset_level(maps, index, group)
    if effects.rscd and index > 0:
        extra += light * np.float32(effects.rscd * RSCD * np.exp(-group / RSCD_DECAY))
    if effects.first_frame and group == 0:
        extra += light * np.float32(effects.first_frame * FIRST_FRAME)
    if effects.last_frame and group == exposure.ngroups - 1:
        extra += light * np.float32(effects.last_frame * LAST_FRAME)
    if effects.emi:
        extra += drifts.emi(exposure, index, frame, random_stream(exposure, "emi").random(len(det.EMI)))
    return extra


def _picture_frame(exposure, index):
    """Return what gives the picture frame of a frame (1-based) of an integration, float32 (ny, nx) [DN]."""
    if exposure.instrument != "NIRSPEC":
        raise ValueError(f"{exposure.detector} shows no picture frame; that is NIRSpec's")
    normal = irs2.normal_rows(exposure.detector) if exposure.irs2 else None
    shape = irs2.interleaved(det.picture_frame(exposure.detector, exposure.window), normal, 0)
    levels = drifts.warmth(exposure, random_stream(exposure, "warmth", index)).astype(np.float32)
    return lambda frame: levels[frame - 1] * shape


def _reference_output(exposure, index):
    if exposure.instrument != "MIRI":
        return None
    ny, nx = exposure.window.shape
    nominal = det.properties(exposure.detector)
    rng = random_stream(exposure, "reference output", index)
    noise = rng.standard_normal((exposure.ngroups, ny, nx // 4), np.float32)
    return np.rint(nominal.pedestal + exposure.effects.read_noise * nominal.read_noise * noise).astype(np.uint16)
