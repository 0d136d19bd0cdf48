"""Which differences from the oracle's LIKELY are those of its search for jumps.

The search compares quantities that are equal but for rounding, or divides by what rounding has left of 0, in three
cases; what the oracle then gives depends on the last digits (docs/differences.md, "ramp_fit-likely-..."):

lone
    One difference of groups is left: chi-squared is 0 whichever it is. The oracle keeps another one than the lowest,
    ends the search before, or takes all for jumps.
unlit
    Two adjacent differences are not correlated once a rate has been fitted. The oracle divides by their covariance;
    where it is 0 to the last digit, it finds no further jump. That the covariance is 0 is a matter of the read pattern
    where the rate that the search starts from is not positive, and of which differences are left: four or six in a
    row, five and one, three or two and two single ones.
doubled
    Release 1.19: a jump is found as one difference and as two, which save the same of chi-squared but for rounding.
    The rate that the noise is taken from doubles, or the difference beside it goes, too.

Nothing is taken for such a case that only looks like it: the search is done anew here, with dense matrices, and ours
must be its result and the oracle's values those of an outcome that the case allows. A mean of integrations is explained
if it is that of the integrations, on both sides, and one of them is.
"""

from dataclasses import dataclass

import numpy as np
from astropy.io import fits

ONE_LESS, TWO_LESS, FEWEST = 20.25, 23.8, 3
#: A correlation that is 0 but for rounding. Those of few differences that are not 0 are 1e-2 and more without light.
UNCORRELATED = 1e-12
#: Largest difference from the values of a case, beside the value or the error, its square for a variance; means of
#: integrations are in single precision. Rates that are 0 but for rounding, beside the error.
FIT, MEAN, ROUNDING = 1e-5, 3e-5, 1e-9
NAMES = ("SCI", "VAR_POISSON", "VAR_RNOISE")
#: How what is explained is called: if a case "unlit" has to do with it, and otherwise.
UNLIT, OTHERS = "jump search unlit", "jump search"


@dataclass
class Layout:
    """When samples were taken, and which count: TFRAME, NFRAMES, GROUPGAP and the limits of the groups."""

    tframe: float
    nframes: int
    groupgap: int
    firstgroup: int | None = None
    lastgroup: int | None = None

    def wanted(self, ngroups):
        """Boolean array of the groups within the limits."""
        first = max(self.firstgroup or 0, 0)
        last = ngroups - 1 if self.lastgroup is None else self.lastgroup
        groups = np.arange(ngroups)
        return (groups >= first) & (groups <= last) if first < last else groups >= 0


class Ramp:
    """One integration of one pixel: its differences of samples, and their covariance.

    Parameters
    ----------
    samples : 1D float32 array
        Counts of the groups (DN).
    flags : 1D uint8 array
        Their flags.
    gain, readnoise, dark : float
        Gain (electrons/DN), CDS read noise (DN) and dark current (DN/s).
    layout : Layout
    zero : float, optional
        The zero frame (DN), which is a sample of its own where groups are averages.
    """

    def __init__(self, samples, flags, gain, readnoise, dark, layout, zero=None):
        frames = layout.nframes
        period = frames + layout.groupgap
        reads = [(np.arange(frames) + 1 + g * period) * layout.tframe for g in range(samples.size)]
        usable = (flags == 0) & layout.wanted(samples.size)
        x = np.asarray(samples, np.float32)
        if zero is not None and frames > 1 and zero != 0 and np.isfinite(zero):
            rest = (np.float32(frames) * x[0] - np.float32(zero)) / np.float32(frames - 1)
            x = np.concatenate([[np.float32(zero), rest], x[1:]])
            reads = [reads[0][:1], reads[0][1:], *reads[1:]]
            usable = np.concatenate([usable[:1], usable])
        delta = np.diff([each.mean() for each in reads])
        self.d = np.diff(x) / delta
        self.use = usable[1:] & usable[:-1]
        #: Two differences may go together where the sample between them is an average.
        self.pairs = np.array([each.size > 1 for each in reads[1:-1]])
        times, owner = np.concatenate(reads), np.repeat(np.arange(len(reads)), [each.size for each in reads])
        means = (owner == np.arange(len(reads))[:, np.newaxis]) / np.bincount(owner)[:, np.newaxis]
        operator = np.diff(np.eye(len(reads)), axis=0) / delta[:, np.newaxis] @ means
        self.photon = operator @ np.minimum.outer(times, times) @ operator.T
        self.noise = operator @ operator.T * 0.5 * float(readnoise) ** 2
        self.gain, self.dark = float(gain), float(dark)
        self.guess = max(float(np.median(self.d)), 0.0)

    def fit(self, use, light):
        """Fit some of the differences with the noise of a rate (DN/s); return `NAMES` and chi-squared."""
        rows = np.flatnonzero(use)
        if light <= 0 and self.noise[0, 0] == 0:
            return (np.nan,) * 4
        photon = light / self.gain * self.photon[np.ix_(rows, rows)]
        noise = self.noise[np.ix_(rows, rows)]
        inverse = np.linalg.inv(photon + noise)
        weights = inverse.sum(axis=0) / inverse.sum()
        rate = weights @ self.d[rows]
        residual = self.d[rows] - rate
        return rate, weights @ photon @ weights, weights @ noise @ weights, residual @ inverse @ residual

    def hangs(self, use):
        """Tell whether two adjacent differences of those in use are not correlated once a rate has been fitted."""
        rows = np.flatnonzero(use)
        if self.guess == 0 and self.noise[0, 0] == 0:
            return False
        inverse = np.linalg.inv((self.guess / self.gain * self.photon + self.noise)[np.ix_(rows, rows)])
        weights = inverse.sum(axis=0)
        left = inverse - np.outer(weights, weights) / weights.sum()
        beside = np.flatnonzero(np.diff(rows) == 1)
        size = np.sqrt(np.diag(inverse))
        return bool(np.any(np.abs(left[beside, beside + 1]) <= UNCORRELATED * size[beside] * size[beside + 1]))

    def result(self, use, factor=1.0):
        """Fit once more with the noise of the rate that a search has ended with, and of the dark; return `NAMES`."""
        rate = max(factor * self.fit(use, self.guess)[0], 0.0)
        return np.array(self.fit(use, rate + self.dark)[:3])

    def search(self):
        """Take jumps out; return the differences in use before each and after the last.

        Where one difference is left, each that may be comes last, the lowest at the very end.
        """
        path = [self.use.copy()]
        while path[-1].sum() > 1 and (len(path) == 1 or path[-1].sum() > FEWEST):
            use = path[-1]
            chisq = self.fit(use, self.guess)[3]
            best, out = 0.0, None
            for first, second in [(i, i) for i in range(use.size)] + [(i, i + 1) for i in np.flatnonzero(self.pairs)]:
                left = use.copy()
                left[[first, second]] = False
                if not (use[first] and use[second] and left.any()):
                    continue
                beyond = chisq - self.fit(left, self.guess)[3] - (ONE_LESS if first == second else TWO_LESS)
                if beyond > best:
                    best, out = beyond, (first, second)
            if out is None:
                break
            left = use.copy()
            left[list(out)] = False
            if left.sum() == 1:
                width = out[1] - out[0] + 1
                starts = range(use.size - width + 1)
                choices = [i for i in starts if use[i : i + width].all() and (width == 1 or self.pairs[i])]
                lone = [np.flatnonzero(use & ~np.isin(np.arange(use.size), range(i, i + width)))[0] for i in choices]
                for k in sorted(lone, key=lambda k: -self.d[k]):
                    path.append(np.arange(use.size) == k)
            else:
                path.append(left)
        return path


def case_of(ramp, ours, theirs, release):
    """Tell which case explains the oracle's fit of a ramp: "lone", "unlit", "doubled" or None.

    Parameters
    ----------
    ramp : Ramp
    ours, theirs : sequence of float
        `NAMES`, as fitted.
    release : str
        Of jwst: in 1.19 rates may double.
    """
    usable = np.isfinite(ramp.d).all() and ramp.gain > 0 and ramp.noise[0, 0] >= 0 and ramp.use.any()
    if not usable:
        return None
    path = ramp.search()
    if len(path) == 1 or not _same(ours, ramp.result(path[-1])):
        return None
    lone = path[-1].sum() == 1
    if lone and np.isnan(theirs).all():
        return "lone"
    several = [use for use in path if use.sum() > 1]
    for use in path[:-1]:
        if not _same(theirs, ramp.result(use)):
            continue
        if lone and (use.sum() == 1 or use is several[-1]):
            return "lone"
        return "unlit" if ramp.hangs(use) else None
    if release == "1.19":
        for use in path[1:]:
            gone = ramp.use & ~use
            beside = use & (np.append(gone[1:], False) | np.append(False, gone[:-1]))
            fewer = [use & (np.arange(use.size) != k) for k in np.flatnonzero(beside) if use.sum() > 1]
            results = [ramp.result(use, 2.0)] + [ramp.result(each) for each in fewer]
            if any(_same(theirs, each) for each in results):
                return "doubled"
    return None


def _same(found, expected, tolerance=FIT):
    if np.isnan(expected).all():
        return bool(np.isnan(found).all())
    error = np.sqrt(expected[1] + expected[2])
    size = np.maximum(np.abs(expected), [error, error**2, error**2])
    return bool(np.all(np.abs(found - expected) <= tolerance * size))


def mean_of(fits):
    """Combine the fits of integrations, shape (nints, 3), as `NAMES`; the photon noise is that of the common rate."""
    fits = np.asarray(fits, np.float64)
    fits = fits[np.isfinite(fits[:, 0])]
    if len(fits) == 0:
        return np.full(3, np.nan)
    slope, photon, noise = fits.T
    rate = np.median(slope)
    for _ in range(2):
        with np.errstate(divide="ignore", invalid="ignore"):
            common = photon * np.maximum(rate / slope, 0)
        common[~np.isfinite(common)] = 0
        weights = 1 / (common + noise)
        weights /= weights.sum()
        rate = weights @ slope
    return np.array([rate, weights**2 @ common, weights**2 @ noise])


def mean_is_explained(ours, theirs, cases):
    """Tell whether the mean of integrations differs as they do.

    Parameters
    ----------
    ours, theirs : tuple of array
        The mean, shape (3,), and the integrations', shape (nints, 3).
    cases : sequence
        For each integration its case, or None.
    """
    rounded = False
    for a, b, case in zip(ours[1], theirs[1], cases, strict=True):
        if not case and not _same(a, b):
            return False
        # The photon noise of the others is brought to a rate by the ratio to their own: its sign is of rounding.
        error = np.sqrt(b[1] + b[2])
        rounded |= a[0] != b[0] and max(abs(a[0]), abs(b[0])) <= ROUNDING * error
    if not (any(cases) or rounded):
        return False
    if len(cases) == 1:
        return all(_same(mean, ints[0]) for mean, ints in (ours, theirs))
    return all(_same(mean, mean_of(ints), MEAN) for mean, ints in (ours, theirs))


# ---- products


def explained(ramp, references, ours, theirs, layout, release):
    """Find the elements of products that the search for jumps explains, as far as they differ.

    Parameters
    ----------
    ramp : path-like
        What both have fitted.
    references : pair of 2D array
        Gain and read noise, cut to the exposure.
    ours, theirs : pair of path-like
        The rate and the rateints product.
    layout : Layout
    release : str

    Returns
    -------
    tuple of dict
        Of the rate and of the rateints: `UNLIT` and `OTHERS` to a boolean array each.
    """
    (rate, ints), (their_rate, their_ints) = _read(ours), _read(theirs)
    with fits.open(ramp) as source:
        sci, flags = source["SCI"].data, source["GROUPDQ"].data
        dark = source["AVDRKCUR"].data if "AVDRKCUR" in source else np.zeros(sci.shape[-2:])
        zero = source["ZEROFRAME"].data if "ZEROFRAME" in source else None
        of_rate, of_ints = ({name: np.zeros(each.shape[1:], bool) for name in (UNLIT, OTHERS)} for each in (rate, ints))
        for y, x in zip(*np.nonzero(_differ(ints, their_ints).any(axis=0) | _differ(rate, their_rate)), strict=True):
            a, b = ints[:, :, y, x].T, their_ints[:, :, y, x].T
            cases = []
            for i in range(len(a)):
                case = None
                if not _same(a[i], b[i]):
                    first = None if zero is None else zero[i, y, x]
                    pixel = (references[0][y, x], references[1][y, x], dark[y, x])
                    case = case_of(Ramp(sci[i, :, y, x], flags[i, :, y, x], *pixel, layout, first), a[i], b[i], release)
                cases.append(case)
            for i in (i for i, case in enumerate(cases) if case):
                of_ints[UNLIT if cases[i] == "unlit" else OTHERS][i, y, x] = True
            if mean_is_explained((rate[:, y, x], a), (their_rate[:, y, x], b), cases):
                of_rate[UNLIT if "unlit" in cases else OTHERS][y, x] = True
    return of_rate, of_ints


def _read(paths):
    """Values of a rate and a rateints product, first axis `NAMES`, as they were before gain_scale."""
    found = []
    for path in paths:
        with fits.open(path) as source:
            scaled = source[0].header.get("S_GANSCL") == "COMPLETE"
            factor = source[0].header.get("GAINFACT", 1.0) if scaled else 1.0
            powers = (1, 2, 2)
            arrays = [source[name].data.astype(float) / factor**k for name, k in zip(NAMES, powers, strict=True)]
            found.append(np.array(arrays))
    return found


def _differ(a, b):
    return np.any((np.isnan(a) != np.isnan(b)) | (np.abs(a - b) > 1e-6 * np.abs(b)), axis=0)
