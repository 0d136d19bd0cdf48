"""MIRI's interference before and after emicorr: its amplitude as a table, its spectrum and its wave as a plot.

    python benchmarks/emi_power.py BEFORE.fits AFTER.fits [--frequencies 390.625 10.039216] [--plot emi.png]

BEFORE and AFTER are the products of dq_init and emicorr (or of any two steps around it) of one exposure; the plot
wants matplotlib. A straight line is taken from the ramp of every pixel, the four outputs, which are read at the same
time, are averaged, and what is left of the first integration is laid out along the time at which it was read.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from astropy.io import fits
from scipy import fft

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from rampflow.steps.emicorr import known_clock  # noqa: E402
from rampflow.steps.emicorr.clock import PIXEL_CLOCK  # noqa: E402

#: Frequencies on each side of one that is looked at, in widths of a line; as many of them as are the line's own.
SIDE, LINE = 100, 4
#: Bins of phase of the wave, and of a decade of frequency in the overview.
PHASES, DECADE = 64, 150
#: Colours of before and after, which all can tell apart.
COLOURS = {"before": "#d55e00", "after": "#0072b2"}


def main(arguments=None):
    """Print the table and draw the plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--frequencies", type=float, nargs="+", default=[390.625, 10.039216], help="Hz")
    parser.add_argument("--plot", type=Path, help="file to draw")
    options = parser.parse_args(arguments)
    series = {"before": Series(options.before), "after": Series(options.after)}
    print("frequency (Hz)  amplitude (DN) before    after   noise   power after/before")
    for frequency in options.frequencies:
        before, after = (each.amplitude(frequency) for each in series.values())
        noise = series["after"].noise(frequency)
        print(f"{frequency:14.3f}  {before:21.4f}  {after:7.4f}  {noise:6.4f}  {(after / before) ** 2:19.2g}")
    if options.plot:
        draw(series, options.frequencies, options.plot)


class Series:
    """What is left of the first integration of a ramp product, in order of time.

    Parameters
    ----------
    path : path-like
        The product.
    """

    def __init__(self, path):
        with fits.open(path) as hdus:
            header, sci = hdus[0].header, hdus["SCI"].section[0].astype(np.float64)
        self.title = "{DETECTOR} {SUBARRAY} {READPATT}, {NGROUPS} groups".format_map(header)
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
        rest = sci.reshape(ngroups, -1) - np.outer(groups, slope) - level
        # Stars and cosmic rays are not what is looked for.
        scatter = rest.std(axis=0)
        rest[:, scatter > 2 * np.median(scatter)] = np.nan
        rest = np.nan_to_num(np.nanmean(rest.reshape(ngroups, ny, -1, 4), axis=3))
        grid = np.ogrid[:ngroups, :ny, : nx // 4]
        #: Of levels that alternate from row to row (Hz).
        self.rows = 1 / (2 * clock.row * PIXEL_CLOCK)
        self.clocks = (grid[0] * clock.frame + grid[1] * clock.row + grid[2] * clock.sample).ravel()
        self.values = rest.ravel()
        length = fft.next_fast_len(int(self.clocks[-1]) + 1, real=True)
        self.width = 1 / (length * PIXEL_CLOCK)
        timeline = np.zeros(length)
        timeline[self.clocks] = self.values
        self.spectrum = 2 * np.abs(fft.rfft(timeline)) / self.values.size

    def amplitude(self, frequency):
        """Amplitude of a sine of that frequency (DN)."""
        phase = 2j * np.pi * frequency * PIXEL_CLOCK * self.clocks
        return 2 * abs((self.values * np.exp(phase)).mean())

    def near(self, frequency):
        """Slice of the spectrum around a frequency."""
        middle = round(frequency / self.width)
        return slice(max(1, middle - SIDE), middle + SIDE + 1)

    def noise(self, frequency):
        """Median amplitude beside a line (DN)."""
        here = self.near(frequency)
        beside = np.abs(np.arange(here.start, here.stop) - frequency / self.width) > LINE
        return np.median(self.spectrum[here][beside])

    def frequencies(self, part):
        """Frequencies of a slice of the spectrum (Hz)."""
        return np.arange(part.start, part.stop) * self.width

    def overview(self, lowest=2.0, highest=2000.0):
        """Largest amplitudes in bins of equal width in the logarithm: (frequencies, DN)."""
        part = slice(max(1, int(lowest / self.width)), int(highest / self.width))
        frequencies = self.frequencies(part)
        bins = (np.log10(frequencies) * DECADE).astype(int)
        first = np.flatnonzero(np.diff(bins, prepend=bins[0] - 1))
        return frequencies[first], np.maximum.reduceat(self.spectrum[part], first)

    def wave(self, frequency):
        """Mean values by phase: (phases, DN)."""
        bins = (self.clocks * (frequency * PIXEL_CLOCK) % 1 * PHASES).astype(int)
        mean = np.bincount(bins, self.values, PHASES) / np.maximum(np.bincount(bins, minlength=PHASES), 1)
        return (np.arange(PHASES) + 0.5) / PHASES, mean - mean.mean()


def draw(series, frequencies, path):
    """Draw the spectrum as a whole, and for each frequency its surroundings and its wave."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(11, 3.2 * (1 + len(frequencies))), layout="constrained")
    axes = figure.subplot_mosaic(
        [["overview", "overview"], *([f"line{k}", f"wave{k}"] for k in range(len(frequencies)))]
    )
    overview, first = axes["overview"], series["before"]
    figure.suptitle(f"{first.title}: residuals of straight ramps, mean of the four outputs")
    for name, each in series.items():
        style = {"color": COLOURS[name], "label": f"{name} emicorr", "linewidth": 1.0}
        overview.loglog(*each.overview(), **style)
        for k, frequency in enumerate(frequencies):
            part = each.near(frequency)
            axes[f"line{k}"].semilogy(each.frequencies(part), each.spectrum[part], **style)
            axes[f"wave{k}"].plot(*each.wave(frequency), **style)
    overview.set(xlabel="frequency (Hz)", ylabel="amplitude (DN), largest nearby")
    marks = {f"{frequency:.6g} Hz": frequency for frequency in frequencies} | {"odd, even rows": first.rows}
    for name, frequency in marks.items():
        overview.axvline(frequency, color="0.6", linewidth=0.8, linestyle=":", zorder=0)
        overview.text(frequency, 1.01, name, transform=overview.get_xaxis_transform(), ha="center", fontsize="small")
    overview.legend(frameon=False, loc="upper center")
    for k, frequency in enumerate(frequencies):
        before, after = (each.amplitude(frequency) for each in series.values())
        noise = series["after"].noise(frequency)
        title = f"{frequency:.3f} Hz: {before:.3g} DN before, {after:.2g} DN after, beside it {noise:.2g} DN"
        axes[f"line{k}"].set(xlabel="frequency (Hz)", ylabel="amplitude (DN)")
        axes[f"line{k}"].set_title(title, fontsize="medium")
        axes[f"line{k}"].axhline(noise, color="0.3", linewidth=0.8, linestyle="--")
        axes[f"wave{k}"].set(xlabel=f"phase of {frequency:.3f} Hz", ylabel="mean (DN)", xlim=(0, 1))
    for axis in axes.values():
        axis.grid(alpha=0.25)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
