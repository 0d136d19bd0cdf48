"""What programmes that are drawn at random have in common."""

from rampflow.mock.configurations import Rectangle
from rampflow.mock.scene import Scene

#: Pixels of the largest window that is drawn: several exposures at a time have to be quick.
LARGEST = 160

#: What is drawn for a step: a value for every parameter that is drawn at all. ``skip`` turns steps on.
PARAMETERS = {
    "emicorr": {
        "algorithm": ("joint", "sequential"),
        "fit_ints_separately": (False, True),
        "scale_reference": (True, False),
        "use_n_cycles": (3, 5),
    },
    "saturation": {"n_pix_grow_sat": (0, 1, 2, 3), "use_readpatt": (True, False)},
    "ipc": {"skip": (False,)},
    "refpix": {
        "odd_even_columns": (True, False),
        "use_side_ref_pixels": (True, False),
        "side_smoothing_length": (3, 11, 21),
        "side_gain": (1.0, 0.7),
        "odd_even_rows": (True, False),
    },
    "firstframe": {"bright_use_group1": (True, False)},
    "persistence": {"flag_pers_cutoff": (1.0, 40.0)},
    "dark_current": {"average_dark_current": (0.01, 2.0)},
    "charge_migration": {"skip": (False,), "signal_threshold": (1000.0, 10000.0, 25000.0)},
    "jump": {
        "rejection_threshold": (3.5, 4.0, 6.0),
        "three_group_rejection_threshold": (4.0, 6.0, 9.0),
        "four_group_rejection_threshold": (4.0, 5.0, 7.0),
        "flag_4_neighbors": (True, False),
        "min_jump_to_flag_neighbors": (5.0, 10.0, 30.0),
        "max_jump_to_flag_neighbors": (200.0, 1000.0),
        "after_jump_flag_dn1": (20.0, 500.0),
        "after_jump_flag_time1": (10.0, 90.0),
        "after_jump_flag_dn2": (100.0, 1000.0),
        "after_jump_flag_time2": (50.0, 3000.0),
        "min_diffs_single_pass": (3, 10, 50),
        "minimum_sigclip_groups": (2, 8, 100),
        "only_use_ints": (True, False),
    },
    "ramp_fit": {
        "algorithm": ("OLS_C", "LIKELY"),
        "suppress_one_group": (True, False),
        "firstgroup": (0, 1),
        "lastgroup": (3, 6),
        "save_opt": (True, False),
    },
}


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


def integrations(rng, tso):
    """Draw a number of integrations: many in a time series."""
    return int(one(rng, (2, 3, 5, 8, 30, 105) if tso else (1, 1, 1, 2, 3, 4)))


def start(rng):
    """Draw when an exposure starts."""
    return f"2024-{rng.integers(1, 13):02d}-{rng.integers(1, 28):02d}T{rng.integers(24):02d}:00:00.000"


def half(exposure, rng):
    """Draw one of the two segments into which an exposure is cut."""
    size = max(1, exposure.nints // 2)
    return exposure.segments(exposure.nints - size, size)[int(rng.integers(2))]


def parameters(rng, known, missing=(), at_most=4):
    """Draw parameters of up to so many steps, but for those that are missing: for most exposures a few, for some none.

    ``known`` has {step: {parameter: values}}.
    """
    if rng.random() < 0.3:
        return {}
    steps = [name for name in known if name not in missing]
    return {step: values(rng, known[step], 1, 4) for step in some(rng, steps, int(rng.integers(1, at_most + 1)))}


def values(rng, known, least, most):
    """Draw values for some of the parameters of a step; ``skip`` is drawn wherever it is known."""
    names = some(rng, sorted(known), int(rng.integers(least, most + 1)))
    if "skip" in known:
        names = sorted({*names, "skip"})
    return {name: one(rng, known[name]) for name in names}
