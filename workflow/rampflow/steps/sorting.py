"""Sort many columns side by side.

What a sorting network compares does not depend on the values, so that vector instructions do it for many columns at
once. It is Batcher's merge exchange.

Source: Knuth, The Art of Computer Programming 3, algorithm 5.2.2 M.
"""

import numpy as np
from numba import boolean, int64, uint64, void

from rampflow.kernels import F32_2, F64_2, I32_2, kernel


@kernel(I32_2(int64, boolean))
def network(n, only_middle):
    """List the pairs of rows to be put in order, one after the other, so that n rows are sorted.

    With `only_middle` those are left out on which the one or two rows in the middle do not depend.
    """
    top, levels = 1, 1
    while 2 * top < n:
        top, levels = 2 * top, levels + 1
    pairs = np.empty(((n // 2 + 1) * levels * (levels + 1) // 2, 2), np.int32)
    count = 0
    p = top
    while p > 0:
        q, r, distance = top, 0, p
        while distance > 0:
            for low in range(n - distance):
                if low & p == r:
                    pairs[count, 0], pairs[count, 1] = low, low + distance
                    count += 1
            distance, q, r = q - p, q // 2, p
        p //= 2
    needed = np.full(n, not only_middle)
    if n > 0:
        needed[(n - 1) // 2] = needed[n // 2] = True
    first = count
    for pair in range(count - 1, -1, -1):
        low, high = pairs[pair]
        if needed[low] or needed[high]:
            needed[low] = needed[high] = True
            first -= 1
            pairs[first, 0], pairs[first, 1] = low, high
    return pairs[first:count].copy()


@kernel([void(F32_2, I32_2, int64), void(F64_2, I32_2, int64)])
def put_in_order(values, pairs, width):
    """Put pairs of rows in order in the first `width` columns; infinity, but not NaN, has its place."""
    for pair in range(pairs.shape[0]):
        # Unsigned, so that no index is taken to count from the end.
        low, high = uint64(pairs[pair, 0]), uint64(pairs[pair, 1])
        for col in range(width):
            a = values[low, col]
            b = values[high, col]
            values[low, col] = a if a < b else b
            values[high, col] = b if a < b else a
