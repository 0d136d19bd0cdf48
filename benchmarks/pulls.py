"""Pulls of the count rates: how far the fits are off, in units of the errors that they state.

Simulated pixels with photon noise and read noise as the references have it, from the limit of read
noise to near saturation; fitted by OLS_C, with both weights of segments, and by LIKELY (which needs four groups).
For errors that are right, pulls have a mean of 0 and a width of 1. In the limit of few photons they cannot quite: the
photon noise is taken from the rate that it has disturbed, so that rates that are too low have errors that are too
small, and the mean goes below 0. Without jumps a ramp is one segment, and the weights of segments do not matter; so
there is a second table, of ramps with a jump that is known and flagged, after a third of the groups.

Prints the tables: ``PYTHONPATH=workflow python benchmarks/pulls.py``.
"""

import argparse
from dataclasses import dataclass

import numpy as np

from rampflow.detector import dq
from rampflow.steps import ramp_fit
from rampflow.steps.ramp_fit.likely import fit_likely

#: Detector: gain (e-/DN), noise of the difference of two reads (DN), time of a frame (s).
GAIN, READ_NOISE, FRAME = 2.0, 10.0, 10.0

GROUPS = (2, 3, 5, 10, 50)
#: Electrons that a ramp gathers until its last group; full well is about 1e5.
ELECTRONS = (3.0, 30.0, 300.0, 3e3, 3e4, 1e5)
FITS = ("OLS_C total", "OLS_C read_noise", "LIKELY")


@dataclass(frozen=True)
class Pulls:
    """Pulls of one kind of product.

    Attributes
    ----------
    mean, width : float
        Mean and standard deviation of (rate - truth) / ERR.
    bias : float
        Mean of rate - truth in units of its own scatter.
    number : int
        Of pulls.
    """

    mean: float
    width: float
    bias: float
    number: int


def simulate(rng, ngroups, electrons, shape):
    """Simulate ramps without jumps (DN), shape (nints, ngroups, rows, columns); return them and their rate (DN/s)."""
    nints, *image = shape
    each = electrons / ngroups
    ramps = rng.poisson(each, (nints, ngroups, *image)).cumsum(axis=1) / GAIN
    ramps = ramps + rng.normal(0, READ_NOISE / np.sqrt(2), ramps.shape)
    return ramps.astype(np.float32), each / (GAIN * FRAME)


def fit(name, ramps, jump=None):
    """Fit ramps by one of `FITS`, with a group flagged JUMP_DET; return rate and rateints."""
    ngroups, image = ramps.shape[1], ramps.shape[2:]
    algorithm, _, weights = name.partition(" ")
    groupdq = np.zeros(ramps.shape, np.uint8)
    if jump is not None:
        groupdq[:, jump] = dq.JUMP_DET
    pixeldq = np.zeros(image, np.uint32)
    gain, readnoise = np.full(image, GAIN, np.float32), np.full(image, READ_NOISE, np.float32)
    arrays = (ramps, groupdq, pixeldq, gain, readnoise)
    common = {"tframe": FRAME, "nframes": 1, "flag_saturated": "all"}
    if algorithm == "LIKELY":
        limits = {"firstgroup": None, "lastgroup": None}
        return fit_likely(*arrays, **common, **limits, groupgap=0, flag_chisq_pvalue=None)[:2]
    groups = ramp_fit.Groups(0, ngroups - 1, 0, ngroups - 1)
    rules = {"suppress_one_group": True, "ignore_persistence": False, "slope_weights": weights}
    return ramp_fit.fit_ramps(*arrays, **common, **rules, groups=groups, tgroup=FRAME)


def pulls(name, ngroups, electrons, *, shape, jump=None, seed=1):
    """Find the pulls of a fit.

    Parameters
    ----------
    name : str
        One of `FITS`.
    ngroups : int
        Groups of a ramp.
    electrons : float
        That it gathers.
    shape : tuple of int
        Integrations, rows and columns.
    jump : int, optional
        Group with a jump of 1000 DN, flagged.
    seed : int
        Of the noise.

    Returns
    -------
    dict
        "rate" and "rateints" to `Pulls`.
    """
    ramps, truth = simulate(np.random.default_rng(seed), ngroups, electrons, shape)
    if jump is not None:
        ramps[:, jump:] += 1000
    found = {}
    for kind, slopes in zip(("rate", "rateints"), fit(name, ramps, jump), strict=True):
        off = slopes.slope.astype(float).ravel() - truth
        each = off / slopes.err.ravel()
        found[kind] = Pulls(each.mean(), each.std(), off.mean() / off.std(), each.size)
    return found


def main(arguments=None):
    """Print the table."""
    parser = argparse.ArgumentParser(prog="pulls.py", description=__doc__.splitlines()[0])
    parser.add_argument("--pixels", type=int, default=40000, help="pixels of a case, in four integrations each")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    shape = (4, 100, max(1, options.pixels // 100))
    print("mean and width of the pulls, and in brackets the bias in units of the scatter; 4 integrations")
    for jump in (False, True):
        print("\nwith a jump, known and flagged" if jump else "\nwithout jumps")
        print(f"{'':17}" + "".join(f"{name:^50}" for name in FITS))
        print("groups electrons " + "".join(f"{kind:^25}" for _ in FITS for kind in ("rate", "rateints")))
        for ngroups in GROUPS:
            # Both segments have to have a slope, also where a flagged group counts for nothing.
            if not jump or ngroups > ramp_fit.FEWEST_GROUPS:
                for electrons in ELECTRONS:
                    place = ngroups // 3 + 1 if jump else None
                    print(row(ngroups, electrons, shape=shape, jump=place, seed=options.seed), flush=True)


def row(ngroups, electrons, **case):
    """Row of the table: all fits of one case."""
    line = f"{ngroups:6} {electrons:9.0f} "
    for name in FITS:
        if name == "LIKELY" and ngroups < ramp_fit.FEWEST_GROUPS:
            return line + f"{'-':^25}" * 2
        for each in pulls(name, ngroups, electrons, **case).values():
            line += f"{f'{each.mean:+.3f} {each.width:.3f} ({each.bias:+.3f})':^25}"
    return line


if __name__ == "__main__":
    main()
