"""What programmes that are drawn at random have in common."""

from rampflow.mock.configurations import Rectangle
from rampflow.mock.scene import Scene

#: Pixels of the largest window that is drawn: several exposures at a time have to be quick.
LARGEST = 160


def one(rng, choices):
    """Draw one of several."""
    return choices[rng.integers(len(choices))]


def some(rng, choices, number):
    """Draw a number of them, in their order."""
    return [choices[k] for k in sorted(rng.permutation(len(choices))[:number])]


def window(whole, rng):
    """Draw a piece of a subarray; now and then at its edge, where the reference pixels are."""
    sizes = [int(min(length, rng.integers(20, LARGEST))) for length in (whole.xsize, whole.ysize)]
    # MIRI's four outputs are interleaved, and jwst takes whole quadruples of columns.
    sizes[0] = max(4, sizes[0] - sizes[0] % 4)
    starts = []
    for first, length, size in zip((whole.xstart, whole.ystart), (whole.xsize, whole.ysize), sizes, strict=True):
        room = length - size
        starts.append(first + one(rng, (0, room, 4 * int(rng.integers(room // 4 + 1)))))
    return Rectangle(*starts, *sizes)


def scene(rng):
    """Draw sky with stars or a spectrum: from faint to hopelessly saturated."""
    scale = float(10 ** rng.uniform(-1, 2.5))
    bright = float(10 ** rng.uniform(2.5, 6.5))
    if rng.random() < 0.4:
        return Scene(sky=scale, trace=bright / 10, fwhm=float(rng.uniform(1.5, 5)), curvature=float(rng.uniform(0, 8)))
    return Scene(
        sky=scale,
        stars=int(rng.integers(1, 40)),
        brightest=bright,
        slope=float(rng.uniform(0.5, 1.5)),
        fwhm=float(rng.uniform(1.5, 6)),
        transit=float(one(rng, (0.0, 0.02))),
        saturated_patch=float(one(rng, (0.0, bright))),
    )


def parameters(rng, known, steps, at_most=4):
    """Draw values for some parameters of up to so many steps; ``skip`` is drawn wherever it is known."""
    chosen = {}
    for step in some(rng, steps, int(rng.integers(1, at_most + 1))):
        names = some(rng, sorted(known[step]), int(rng.integers(1, 5)))
        if "skip" in known[step]:
            names = sorted({*names, "skip"})
        chosen[step] = {name: one(rng, known[step][name]) for name in names}
    return chosen
