"""How many groups and pixels have which flag: as the jobs have counted them, or else counted in the products.

The record of a job keeps under ``counts`` what its step has done; reference pixels are left out of all numbers of
flags, and what the step cannot have changed is left out altogether::

    "counts": {
      "groups": {
        "of": 1310720,
        "total": {"JUMP_DET": 812}, "set": {"JUMP_DET": 812}, "cleared": {},
        "set_by_integration": {"JUMP_DET": [402, 410]}
      },
      "pixels": {"of": 65536, "total": {"DO_NOT_USE": 411, "no rate": 411}, "set": {}, "cleared": {}},
      "rateints": {"of": 131072, "total": {"DO_NOT_USE": 830, "no rate": 830}},
      "events": {"jumps": 790, "snowballs": 2},
      "factor": 0.5,
      "change": {"samples": 24576, "mean": 3.1, "median": 3.0, "scatter": 5.9},
      "line_noise": {
        "amplifiers": {"1": {"before": 2.1, "after": 1.2}},
        "spectrum": {"lines": 128, "before": [278.1, 104.6], "after": [19.8, 18.1]}
      },
      "waves": [{"name": "Hz390", "frequency": 390.625, "amplitude": 4.2}]
    }

groups
    Flags of GROUPDQ, in numbers of groups: integrations × groups × pixels. ``set`` and ``cleared`` compare the product
    with that of the step before. ``total`` is missing where the step has looked at some groups only (firstframe).
    ``set_by_integration`` is there for SATURATED and JUMP_DET where a step has set them.
pixels
    Flags of PIXELDQ; of ramp_fit those of DQ of ``_rate``, compared with PIXELDQ, and pixels without a rate (NaN).
rateints
    Flags of DQ of ``_rateints``, in numbers of integrations × pixels.
events
    What the jump step has found: single jumps, before neighbours and later groups are flagged, and large events.
factor
    What group_scale has multiplied groups with, or gain_scale rates.
change
    What was subtracted from SCI (DN), before less after, in a sample that does not depend on memory and threads: of the
    first and last integration, the first, middle and last group, 16 rows and 256 columns, as far as there are so many,
    evenly from the first to the last; without pixels that are DO_NOT_USE or reference pixels, and without NaN.
    ``scatter`` is 1.4826 times the median absolute deviation from the ``median``, ``mean`` that of the values within 5
    scatters of the median.
line_noise
    1/f noise, of refpix and clean_flicker_noise. A line is a row of the detector as it is read out. In up to 2 blocks
    of 128 successive lines the two groups in the middle of the middle integration are subtracted from each other; the
    level of a line, of the pixels of one amplifier, is the mean of the middle half of its values. Of each amplifier
    (1 to 4 in the order of the detector) 1.4826 times the median absolute deviation of the levels (DN), and of all of
    them the mean power spectrum of the levels of a block of ``lines`` lines (DN² per cycle and line, one-sided), at
    1/lines, 2/lines, … 1/2 cycles per line.
waves
    What emicorr has subtracted: frequency (Hz), and half the difference between the highest and the lowest value of the
    wave (DN), where integrations have their own the mean of theirs.

So a report needs no product that was not kept.
"""

import os
from dataclasses import dataclass, field

import numpy as np

from rampflow.counting.flags import NO_RATE
from rampflow.detector import dq
from rampflow.io import files

#: What is measured of values.
_MEASURED = ("factor", "change", "line_noise", "waves")


@dataclass
class Counts:
    """Flags of an exposure; None where they could not be counted."""

    groups: dict | None = None  #: of the ramp that was fitted: flag to fraction of groups
    pixels: dict | None = None  #: of the rate: flag to fraction of pixels, and of those without a rate
    by_step: dict = field(default_factory=dict)  #: step to {"groups" or "pixels": {"set", "cleared"}, "events", …}


def fractions(counted):
    """Make fractions of what a record has counted, flags that do not occur left out; None where it has not."""
    if not counted:
        return None
    return {name: number / max(counted["of"], 1) for name, number in counted["total"].items() if number}


def before_fit(exposure):
    """Name the step whose product went into the fit, and has the flags of all steps; None where there is none."""
    chain = exposure.chain
    if "ramp_fit" in chain:
        return chain[chain.index("ramp_fit") - 1] if "ramp_fit" in chain[1:] else None
    return chain[-1] if chain else None


def last_ramp(exposure):
    """Name the file of the ramp that went into the fit; None where it was not kept."""
    before = before_fit(exposure)
    names = exposure.products.get("ramp") or exposure.products.get(before) or []
    return next((name for name in names if name.endswith(("_ramp.fits", f"_{before}.fits"))), None)


def recorded(exposure):
    """Return what the records of an exposure have counted."""
    found = Counts()
    kept = {step: record["counts"] for step, record in exposure.records.items() if record.get("counts")}
    for step, of_step in kept.items():
        parts = {what: {key: of_step[what].get(key, {}) for key in ("set", "cleared")} for what in
                 ("groups", "pixels") if what in of_step}  # fmt: skip
        found.by_step[step] = {key: of_step[key] for key in _MEASURED if key in of_step}
        found.by_step[step] |= parts | {"events": of_step.get("events", {})}
    if before_fit(exposure):
        steps = exposure.chain[: exposure.chain.index(before_fit(exposure)) + 1]
        records = {step: record for step, record in exposure.shared.items() if record} | exposure.records
        # A product without a record of its own may be of another run, whose step did something else.
        if all(step in records for step in steps):
            of_steps = [records[step].get("counts") or {} for step in steps]
            found.groups = fractions(_groups_after(one.get("groups") for one in of_steps))
    found.pixels = fractions(kept.get("rate", kept.get("ramp_fit", {})).get("pixels"))
    return found


def _groups_after(of_steps):
    """Follow the flags of groups along a chain: most steps do not change them, some do in some groups only."""
    found = None
    for one in filter(None, of_steps):
        if "total" in one:
            found = {"of": one["of"], "total": dict(one["total"])}
        elif found:
            for key, sign in (("set", 1), ("cleared", -1)):
                for name, number in one.get(key, {}).items():
                    found["total"][name] = found["total"].get(name, 0) + sign * number
    return found


def counted(exposure, results, found=None):
    """Complete what the records have counted with what can be counted in the products.

    Parameters
    ----------
    exposure : `~rampflow.inspection.exposures.ExposureResults`
        The exposure.
    results : `~rampflow.inspection.results.Results`
        The results.
    found : Counts, optional
        What there is; by default what the records have counted.

    Returns
    -------
    counts : Counts
        The same with what was missing.
    trouble : str
        Why something is still missing; empty where nothing is, and where products were not kept.
    """
    found = found or recorded(exposure)
    try:
        if found.pixels is None and (name := rate_file(exposure)):
            with files.Product(results.path(exposure.root, name)) as product:
                found.pixels = of_rate(product["SCI"].read(), product["DQ"].read())
        if found.groups is None and (name := last_ramp(exposure)):
            with files.Product(results.path(exposure.root, name)) as product:
                found.groups = of_ramp(product)[0]
    except (files.FileProblem, OSError, ValueError, KeyError, IndexError, TypeError, MemoryError) as error:
        return found, str(error)
    return found, ""


def rate_file(exposure):
    """Name the file of the rates; None where there is none."""
    return next((name for name in exposure.products.get("rate", ()) if name.endswith("_rate.fits")), None)


def of_rate(rate, flags):
    """Count flags of pixels, and pixels without a rate, as fractions of those that are no reference pixels."""
    used = (flags & np.uint32(dq.REFERENCE_PIXEL)) == 0
    of = max(np.count_nonzero(used), 1)
    there = int(np.bitwise_or.reduce(flags[used], initial=0))
    found = {name: np.count_nonzero(flags[used] & np.uint32(bit)) for name, bit in dq.MNEMONICS.items() if there & bit}
    found[NO_RATE] = np.count_nonzero(np.isnan(rate[used]))
    return {name: number / of for name, number in found.items()}


def of_ramp(product, jumps=False):
    """Count flags of groups, group by group, as fractions of those of pixels that are no reference pixels.

    Parameters
    ----------
    product : `~rampflow.io.files.Product`
        A ramp.
    jumps : bool
        Whether to make the map of jumps, too.

    Returns
    -------
    fractions : dict
        Flag to fraction of groups, for flags that occur.
    map : 2D float32 `~numpy.ndarray` or None
        Fraction of the groups of each pixel that have a jump.
    """
    array = product["GROUPDQ"]
    dead = (product["PIXELDQ"].read() & np.uint32(dq.REFERENCE_PIXEL)) != 0
    if dead.ndim > 2:
        dead = dead.all(axis=tuple(range(dead.ndim - 2)))
    lead = array.shape[:-2]
    numbers = np.zeros(8, np.int64)
    found = np.zeros(array.shape[-2:], np.uint32) if jumps else None
    for index in np.ndindex(lead):
        frame = array.read(*index)
        frame[dead] = 0
        numbers += _by_bit(frame)
        if jumps:
            found += (frame & dq.JUMP_DET) != 0
    of = max(np.count_nonzero(~dead) * int(np.prod(lead)), 1)
    names = {name: numbers[bit.bit_length() - 1] for name, bit in dq.MNEMONICS.items() if bit < 256}
    shares = {name: float(number / of) for name, number in names.items() if number}
    return shares, None if found is None else (found / max(int(np.prod(lead)), 1)).astype(np.float32)


def _by_bit(flags):
    """Count each bit of bytes, eight of them at a time."""
    flat = flags.ravel()
    whole = flat.size // 8 * 8
    words, rest = flat[:whole].view(np.uint64), flat[whole:]
    there = int(np.bitwise_or.reduce(flat, initial=0))
    found = np.zeros(8, np.int64)
    for bit in range(8):
        if there >> bit & 1:
            mask = np.uint64(0x0101010101010101 << bit)
            found[bit] = np.bitwise_count(words & mask).sum(dtype=np.int64) + np.count_nonzero(rest >> bit & 1)
    return found


def size_of(exposure, results):
    """Return the bytes of all products of an exposure that are there."""
    total = 0
    for names in exposure.products.values():
        for name in names:
            try:
                total += os.stat(results.path(exposure.root, name)).st_size
            except OSError:
                continue  # a job that runs may have removed it
    return total
