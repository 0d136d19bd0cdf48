"""Which flags a step has set and cleared, and in how many groups and pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64, uint64, void
from numba.types import Array

from rampflow.detector import dq
from rampflow.kernels import F32_1, I64_1, I64_2, U32_1, kernel

#: What is counted of each flag, in this order: it has it, it was set, it was cleared.
KINDS = ("total", "set", "cleared")
#: What pixels without a rate are counted as, beside the flags.
NO_RATE = "no rate"

_NAMES = {bit.bit_length() - 1: name for name, bit in dq.MNEMONICS.items()}
_REFERENCE = dq.REFERENCE_PIXEL
# Types of arrays; in `rampflow.kernels` they would have every kernel compiled anew.
_WORDS_2, _WORDS_3 = (Array(uint64, n, "C", readonly=True) for n in (2, 3))
_FOUND = Array(int64, 3, "C")
#: The lowest bit of each of the eight bytes of a word.
_LANES = 0x0101010101010101


def named(numbers: np.ndarray) -> dict[str, int]:
    """Give numbers, one for each bit, the names of the flags; those that are 0 are left out."""
    return {_NAMES[bit]: int(number) for bit, number in enumerate(numbers) if number}


def used_pixels(pixeldq: np.ndarray) -> np.ndarray:
    """Mask the pixels that are counted: those that are no reference pixels.

    Parameters
    ----------
    pixeldq : uint32 `~numpy.ndarray`
        PIXELDQ, of shape (rows, columns), or (positions, rows, columns) of superstripes.

    Returns
    -------
    uint8 `~numpy.ndarray`
        Of shape (positions, rows, columns): 255 for pixels that are counted, else 0.
    """
    # 1 less 1, or 0 less 1.
    used = ((pixeldq & np.uint32(_REFERENCE)) != 0).view(np.uint8) - np.uint8(1)
    return used.reshape(-1, *used.shape[-2:])


def compare_groups(before: np.ndarray | None, after: np.ndarray, used: np.ndarray, first: int = 0) -> np.ndarray:
    """Count flags of groups.

    Parameters
    ----------
    before, after : uint8 `~numpy.ndarray`
        GROUPDQ before and after a step, of shape (integrations, groups, rows, columns); None where there were no flags.
    used : uint8 `~numpy.ndarray`
        From `used_pixels`, cut to these rows; integration ``n`` has position ``n % positions``.
    first : int
        Number of the first integration.

    Returns
    -------
    int64 `~numpy.ndarray`
        Numbers of shape (integrations, 3, 8): of each of `KINDS` and each bit.
    """
    found = np.zeros((after.shape[0], len(KINDS), 8), np.int64)
    words = _words(after)
    _compare_words(words if before is None else _words(before), words, _words(used), first, found)
    if before is None:
        found[:, KINDS.index("set")] = found[:, KINDS.index("total")]
    return found


def _words(flags: np.ndarray) -> np.ndarray:
    """View the bytes of each image as words of eight, the last one filled up with 0."""
    *lead, rows, columns = flags.shape
    size = rows * columns
    flat = np.ascontiguousarray(flags).reshape(*lead, size)
    if size % 8:
        filled = np.zeros((*lead, size + 8 - size % 8), np.uint8)
        filled[..., :size] = flat
        flat = filled
    words = flat.view(np.uint64)
    words.flags.writeable = False
    return words


def compare_pixels(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Count flags of pixels, without those that are reference pixels afterwards.

    Parameters
    ----------
    before, after : uint32 `~numpy.ndarray`
        Flags before and after a step, of one shape.

    Returns
    -------
    numbers : int64 `~numpy.ndarray`
        Of shape (3, 32): of each of `KINDS` and each bit.
    of : int
        Pixels that are counted.
    changed : int
        The bits that are not the same in some pixel, reference pixels included.
    """
    found, about = np.zeros((len(KINDS), 32), np.int64), np.zeros(2, np.int64)
    _compare_pixels(*(np.ascontiguousarray(flags, np.uint32).reshape(-1) for flags in (before, after)), found, about)
    return found, int(about[0]), int(about[1])


def count_missing(slopes: np.ndarray, flags: np.ndarray) -> int:
    """Count pixels whose slope is NaN, without reference pixels.

    Parameters
    ----------
    slopes : float32 `~numpy.ndarray`
        Slopes.
    flags : uint32 `~numpy.ndarray`
        Their DQ.
    """
    return int(
        _missing(
            np.ascontiguousarray(slopes, np.float32).reshape(-1), np.ascontiguousarray(flags, np.uint32).reshape(-1)
        )
    )


@kernel(void(_WORDS_3, _WORDS_3, _WORDS_2, int64, _FOUND))
def _compare_words(before: Any, after: Any, used: Any, first: Any, found: Any) -> Any:
    nints, ngroups, words = after.shape
    lanes = uint64(_LANES)
    for i in range(nints):
        position = (first + i) % used.shape[0]
        for g in range(ngroups):
            for w in range(words):
                new, old = after[i, g, w] & used[position, w], before[i, g, w] & used[position, w]
                if new | old == uint64(0):
                    continue
                # A bit of each byte, added up by the multiplication in the highest byte: at most 8.
                for bit in range(8):
                    found[i, 0, bit] += int64(((new >> uint64(bit)) & lanes) * lanes >> uint64(56))
                if new != old:
                    came, went = new & ~old, old & ~new
                    for bit in range(8):
                        found[i, 1, bit] += int64(((came >> uint64(bit)) & lanes) * lanes >> uint64(56))
                        found[i, 2, bit] += int64(((went >> uint64(bit)) & lanes) * lanes >> uint64(56))


@kernel(void(U32_1, U32_1, I64_2, I64_1))
def _compare_pixels(before: Any, after: Any, found: Any, about: Any) -> Any:
    number, changed = 0, int64(0)
    for k in range(after.size):
        new, old = int64(after[k]), int64(before[k])
        changed |= new ^ old
        if new & _REFERENCE:
            continue
        number += 1
        if new != 0:
            for bit in range(32):
                found[0, bit] += (new >> bit) & 1
        if new != old:
            for bit in range(32):
                found[1, bit] += ((new & ~old) >> bit) & 1
                found[2, bit] += ((old & ~new) >> bit) & 1
    about[0], about[1] = number, changed


@kernel(int64(F32_1, U32_1))
def _missing(slopes: Any, flags: Any) -> Any:
    number = 0
    for k in range(slopes.size):
        number += int64(np.isnan(slopes[k]) and flags[k] & _REFERENCE == 0)
    return number
