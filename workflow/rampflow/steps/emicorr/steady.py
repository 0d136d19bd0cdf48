"""Which pixels vary little enough over the groups to show a wave: their scatter, and the median of all.

Source: the joint algorithm of jwst's emicorr (1.18 and later),
https://jwst-pipeline.readthedocs.io/en/stable/jwst/emicorr/description.html
"""

from functools import partial

import numpy as np
from numba import boolean, float32, int64, void

from rampflow.kernels import F32_2, F32_3R, I64_1, U32_2R, kernel

# Halves of the bits of a float32: medians are found by counting, first the upper then the lower halves.
_HALF = 1 << 16


class Scatters:
    """Standard deviations over the groups, worked out once for as many integrations as there is room for.

    Parameters
    ----------
    ramp : `~rampflow.steps.emicorr.Ramp`
        The exposure.
    """

    def __init__(self, ramp):
        self.ramp, self.kept = ramp, {}
        self.most = ramp.room // (4 * ramp.shape[2] * ramp.shape[3])

    def of(self, integration):
        """Give those of an integration, float32 (rows, columns)."""
        if integration in self.kept:
            return self.kept[integration]
        scatter = np.empty(self.ramp.shape[2:], np.float32)
        for rows, sci in self.ramp.rows(integration):
            scatter[rows] = scatter_of(sci)
        if integration < self.most:
            self.kept[integration] = scatter
        return scatter

    def with_counts(self, integration):
        """Yield an integration in blocks of rows: (rows, counts, scatter)."""
        known = self.kept.get(integration)
        for rows, sci in self.ramp.rows(integration):
            yield rows, sci, scatter_of(sci) if known is None else known[rows]


def median_scatter(scatters):
    """Median of the standard deviations of all pixels of all integrations; exact, by counting."""
    each, every = scatters.ramp.each, range(scatters.ramp.shape[0])
    upper = sum(each(partial(_count_upper, scatters), every), np.zeros(_HALF, np.int64))
    total = upper.sum()
    if total == 0:
        return np.float32(np.nan)
    cumulative = np.cumsum(upper)
    ranks = [(total - 1) // 2, total // 2]
    wanted = [int(np.searchsorted(cumulative, rank, side="right")) for rank in ranks]
    lower = sum(each(partial(_count_lower, scatters, wanted=wanted), every), np.zeros((2, _HALF), np.int64))
    middle = np.empty(2, np.uint32)
    for k, (rank, half) in enumerate(zip(ranks, wanted, strict=True)):
        within = rank - (cumulative[half - 1] if half else 0)
        middle[k] = (half << 16) + np.searchsorted(np.cumsum(lower[k]), within, side="right")
    return middle.view(np.float32).mean(dtype=np.float32)


def _count_upper(scatters, integration):
    counts = np.zeros(_HALF, np.int64)
    _count(scatters.of(integration).view(np.uint32), counts, True, 0)
    return counts


def _count_lower(scatters, integration, wanted):
    counts = np.zeros((2, _HALF), np.int64)
    keys = scatters.of(integration).view(np.uint32)
    for k, half in enumerate(wanted):
        _count(keys, counts[k], False, half)
    return counts


@kernel(F32_2(F32_3R))
def scatter_of(sci):
    """Work out the population standard deviation over the groups, (rows, columns)."""
    ngroups, rows, nx = sci.shape
    scatter = np.empty((rows, nx), np.float32)
    # In single precision and group by group, as in jwst: with counts of some thousand the result is off in the last
    # digits, and these decide about pixels at the limit.
    mean, total = np.empty(nx, np.float32), np.empty(nx, np.float32)
    number = float32(ngroups)
    for y in range(rows):
        mean[:] = 0
        total[:] = 0
        for g in range(ngroups):
            for x in range(nx):
                mean[x] += sci[g, y, x]
        for x in range(nx):
            mean[x] /= number
        for g in range(ngroups):
            for x in range(nx):
                deviation = sci[g, y, x] - mean[x]
                total[x] += deviation * deviation
        for x in range(nx):
            scatter[y, x] = np.sqrt(total[x] / number)
    return scatter


@kernel(void(U32_2R, I64_1, boolean, int64))
def _count(keys, counts, upper, half):
    """Count upper halves of keys, or the lower halves of those that have a given upper one; NaN is passed over."""
    rows, nx = keys.shape
    for y in range(rows):
        for x in range(nx):
            key = int64(keys[y, x])
            if key > 0x7F800000:
                continue
            if upper:
                counts[key >> 16] += 1
            elif key >> 16 == half:
                counts[key & 0xFFFF] += 1
