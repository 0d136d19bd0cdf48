"""Files of an exposure: what the observatory would send, and the truth beside it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.time import Time
from stdatamodels.jwst import datamodels

from rampflow.detector import dq
from rampflow.mock import detector as det
from rampflow.mock.ramps import integrations, random_stream, true_rates

_SECONDS = 86400.0


@dataclass
class Truth:
    """What was put into an exposure; of superstripes the images are those of the picture that they make.

    Attributes
    ----------
    steady, sources : ndarray
        float32 (ny, nx): count rates of what is constant and of what varies [DN/s].
    curve : ndarray
        float64 (nints,): brightness of the sources in the integrations of the file.
    dark : ndarray
        float32 (ny, nx): dark rate [DN/s]; not part of the count rates.
    hits : numpy structured array
        integration (0-based), group (first that shows it, 0-based), frame (1-based since the reset), y, x,
        charge [DN].
    saturated : ndarray
        int16 (nints, ny, nx): first group with a full well, -1 where there is none.
    bad : ndarray
        uint8 (ny, nx): not 0 where a pixel is bad.
    effects : str
        The strengths of all effects as JSON.
    """

    steady: np.ndarray
    sources: np.ndarray
    curve: np.ndarray
    dark: np.ndarray
    hits: np.ndarray
    saturated: np.ndarray
    bad: np.ndarray
    effects: str

    def rate(self, integration):
        """Give the true count rate of an integration (0-based in the file), float64 (ny, nx) [DN/s]."""
        return self.steady.astype(np.float64) + self.curve[integration] * self.sources


_HIT = np.dtype([(name, "i4") for name in ("integration", "group", "frame", "y", "x")] + [("charge", "f4")])


def write_exposure(exposure, folder, truth_folder, maps=None):
    """Simulate an exposure and write its ``_uncal.fits`` and ``_truth.fits``.

    Parameters
    ----------
    exposure : MockExposure
        What to simulate.
    folder, truth_folder : path
        Where the files go; both must exist.
    maps : detector.Maps, optional
        Fixed patterns other than those of the synthetic detector, see `detector.with_references`.

    Returns
    -------
    pathlib.Path
        The uncal file.
    """
    frames = det.frame_maps(exposure) if maps is None else [maps]
    given, maps = maps, det.picture_maps(exposure) if maps is None else maps
    shape = exposure.shape
    data = np.empty(shape, np.uint16)
    zero_frame = np.empty((shape[0], *shape[2:]), np.uint16) if exposure.zero_frame else None
    reference_output = None
    if exposure.instrument == "MIRI":
        reference_output = np.empty((*shape[:3], shape[3] // 4), np.uint16)
    saturated = np.empty((shape[0], *exposure.window.shape), np.int16)
    hits = []
    for number, integration in enumerate(integrations(exposure, given)):
        data[number] = integration.groups
        saturated[number] = integration.saturated
        own = frames[(exposure.first - 1 + number) % len(frames)]
        hits.append(_hit_rows(exposure, own, number, integration.hits))
        if zero_frame is not None:
            zero_frame[number] = integration.zero_frame
        if reference_output is not None:
            reference_output[number] = integration.reference_output

    steady, sources, curve = true_rates(exposure, maps)
    curve = curve[exposure.first - 1 : exposure.last]
    truth = Truth(
        steady,
        sources,
        curve,
        maps.dark,
        np.concatenate(hits),
        saturated,
        maps.bad,
        exposure.effects.to_json(),
    )
    write_truth(truth, Path(truth_folder, f"{exposure.root}_truth.fits"))
    path = Path(folder, f"{exposure.root}_uncal.fits")
    _write_uncal(exposure, path, data, zero_frame, reference_output)
    return path


def _hit_rows(exposure, maps, number, hits):
    rows = np.zeros(hits.frame.size, _HIT)
    last = [exposure.frame_numbers(group)[-1] for group in range(exposure.ngroups)]
    rows["integration"] = number
    rows["group"] = np.searchsorted(last, hits.frame)
    for name in ("frame", "y", "x"):
        rows[name] = getattr(hits, name)
    rows["charge"] = hits.charge / maps.gain[hits.y, hits.x]
    return rows


def _write_uncal(exposure, path, data, zero_frame, reference_output):
    with datamodels.Level1bModel(data=data) as model:
        for _, attribute, value in exposure.header():
            model[f"meta.{attribute}"] = value
        if zero_frame is not None:
            model.zeroframe = zero_frame
        if reference_output is not None:
            model.refout = reference_output
        if "GROUP" not in exposure.lacks:
            model.group = _group_table(exposure, model.get_dtype("group"))
        if "INT_TIMES" not in exposure.lacks:
            model.int_times = _integration_times(exposure, model.get_dtype("int_times"))
        model.save(path, overwrite=True)
    if "ASDF" in exposure.lacks:
        with fits.open(path, mode="update") as hdus:
            del hdus["ASDF"]


def _group_table(exposure, dtype):
    nints, ngroups, ny, nx = exposure.shape
    table = np.zeros(nints * ngroups, dtype)
    integration, group = np.divmod(np.arange(table.size), ngroups)
    last = np.array([exposure.frame_numbers(number)[-1] for number in range(ngroups)])
    seconds = last[group] * exposure.tframe
    end = exposure.integration_starts()[integration] + seconds / _SECONDS
    table["integration_number"] = exposure.first + integration
    table["group_number"] = group + 1
    # Days are counted from 2000-01-01, as the instruments' clocks do.
    day = end - Time("2000-01-01").mjd
    table["end_day"] = day.astype(int)
    milliseconds = (day % 1) * _SECONDS * 1e3
    table["end_milliseconds"] = milliseconds.astype(int)
    table["end_submilliseconds"] = (milliseconds % 1 * 1e3).astype(int)
    table["group_end_time"] = Time(end, format="mjd").isot
    table["number_of_columns"] = nx
    table["number_of_rows"] = ny
    table["completion_code_text"] = "Normal Completion"
    table["bary_end_time"] = end
    table["helio_end_time"] = end
    return table


def _integration_times(exposure, dtype):
    table = np.zeros(exposure.shape[0], dtype)
    start = exposure.integration_starts()
    length = exposure.frames_per_integration * exposure.tframe / _SECONDS
    table["integration_number"] = np.arange(exposure.first, exposure.last + 1)
    for scale in ("MJD_UTC", "BJD_TDB"):
        for part, share in (("start", 0.0), ("mid", 0.5), ("end", 1.0)):
            table[f"int_{part}_{scale}"] = start + share * length
    return table


def write_user_flags(exposure, folder):
    """Write an image with flags such as a user may have of some pixels of an exposure.

    Parameters
    ----------
    exposure : MockExposure
        The exposure, without interleaved rows.
    folder : path
        Where the file goes.

    Returns
    -------
    pathlib.Path
        ``<exposure>_flags.fits``, absolute.
    """
    bits = np.array([0, dq.DO_NOT_USE, dq.HOT, dq.DO_NOT_USE | dq.DEAD], np.uint32)
    choice = random_stream(exposure, "user").choice(4, exposure.window.shape, p=(0.97, 0.01, 0.01, 0.01))
    path = Path(folder, f"{exposure.root}_flags.fits").absolute()
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(bits[choice], name="DQ")]).writeto(path, overwrite=True)
    return path


def write_truth(truth, path):
    """Write the truth of an exposure as FITS."""
    header = fits.Header()
    header["EFFECTS"] = truth.effects
    arrays = {
        "STEADY": truth.steady,
        "SOURCES": truth.sources,
        "CURVE": truth.curve,
        "DARK": truth.dark,
        "SATURATED": truth.saturated,
        "BAD": truth.bad,
    }
    images = [fits.ImageHDU(array, name=name) for name, array in arrays.items()]
    for image in images[:2]:
        image.header["BUNIT"] = "DN/s"
    hdus = fits.HDUList([fits.PrimaryHDU(header=header), *images, fits.BinTableHDU(truth.hits, name="HITS")])
    hdus.writeto(path, overwrite=True)


def read_truth(path):
    """Read the truth of an exposure from its ``_truth.fits``."""
    with fits.open(path) as hdus:
        arrays = {hdu.name.lower(): np.array(hdu.data) for hdu in hdus[1:]}
        return Truth(**arrays, effects=hdus[0].header["EFFECTS"])
