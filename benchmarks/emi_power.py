"""Power of MIRI's interference before and after emicorr: a table, and a plot where matplotlib is installed.

    python benchmarks/emi_power.py BEFORE.fits AFTER.fits [--frequency 390.625] [--plot power.png]

BEFORE and AFTER are the products of dq_init and emicorr (or of any two steps around it) of one exposure.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from astropy.io import fits

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from rampflow.steps.emicorr import known_clock  # noqa: E402

#: Frequencies on each side of the one that is looked at, and their distance in widths of a line.
SIDE, STEP = 200, 0.5


def main(arguments=None):
    """Print the table and draw the plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--frequency", type=float, default=390.625, help="Hz")
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args(arguments)
    spectra = [spectrum(path, options.frequency) for path in (options.before, options.after)]
    for name, (frequencies, power) in zip(("before", "after"), spectra, strict=True):
        background = np.median(power)
        print(f"{name:6}  {frequencies[SIDE]:.3f} Hz: {power[SIDE]:.4g} DN2, background {background:.3g} DN2")
    if options.plot:
        import matplotlib.pyplot as plt

        for name, (frequencies, power) in zip(("before", "after"), spectra, strict=True):
            plt.semilogy(frequencies, power, label=name)
        plt.xlabel("frequency (Hz)")
        plt.ylabel("power (DN$^2$)")
        plt.legend()
        plt.savefig(options.plot)


def spectrum(path, frequency):
    """Power of the first integration around a frequency: (frequencies in Hz, DN2)."""
    with fits.open(path) as hdus:
        header, sci = hdus[0].header, hdus["SCI"].section[0].astype(np.float64)
    ngroups, ny, nx = sci.shape
    clock = known_clock(
        subarray=header["SUBARRAY"],
        readpatt=header["READPATT"],
        nsamples=header["NSAMPLES"],
        ngroups=ngroups,
        rows=ny,
    )
    groups = np.arange(ngroups)
    slope, level = np.polyfit(groups, sci.reshape(ngroups, -1), 1)
    rest = (sci.reshape(ngroups, -1) - np.outer(groups, slope) - level).reshape(ngroups, ny, nx // 4, 4).mean(axis=3)
    grid = np.ogrid[:ngroups, :ny, : nx // 4]
    seconds = 1e-5 * (grid[0] * clock.frame + grid[1] * clock.row + grid[2] * clock.sample)
    frequencies = frequency + np.arange(-SIDE, SIDE + 1) * STEP / seconds.max()
    return frequencies, np.array([4 * abs((rest * np.exp(2j * np.pi * f * seconds)).mean()) ** 2 for f in frequencies])


if __name__ == "__main__":
    main()
