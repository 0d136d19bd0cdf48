"""Completeness and false positives of the searches for jumps, on time series of the mock: a table, and a plot.

Every case is a time series with photon and read noise and with cosmic rays of one energy. The same exposure is
searched by every algorithm with its default parameters, without neighbours. A hit counts as found when JUMP_DET is
in the group that shows it first. A false positive is a flag in a pixel that no ray has hit in that integration.
Saturation, bad pixels and other effects are off: this compares searches, not detectors.

``python benchmarks/jumps.py [--seed N] [--plot FILE]`` with ``workflow`` on PYTHONPATH.
"""

import argparse
import inspect
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from rampflow.detector import dq  # noqa: E402
from rampflow.mock.configurations import Rectangle, properties  # noqa: E402
from rampflow.mock.effects import Effects  # noqa: E402
from rampflow.mock.exposure import MockExposure  # noqa: E402
from rampflow.mock.ramps import integrations  # noqa: E402
from rampflow.mock.scene import Scene  # noqa: E402
from rampflow.settings.release import load_release  # noqa: E402
from rampflow.steps import jump  # noqa: E402

ALGORITHMS = ("two_point", "time_domain", "both")
ENERGIES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
#: Groups per integration of the cases.
NGROUPS = (2, 3, 6)


def main(arguments=None):
    """Print the table, and draw it if matplotlib is there and asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--nints", type=int, default=60)
    parser.add_argument("--plot", type=Path, help="file for the plot, needs matplotlib")
    options = parser.parse_args(arguments)
    print("groups  energy  hits   algorithm    completeness  false positives per pixel and integration")
    rows = []
    for ngroups in NGROUPS:
        for energy in ENERGIES:
            case = exposure(ngroups, options.nints, energy, options.seed)
            hits, results = compare(case)
            for name, (complete, false) in results.items():
                rows.append((ngroups, energy, name, complete, false))
                print(f"{ngroups:6d}  {energy:6.2f}  {hits:5d}  {name:11s}  {complete:12.3f}  {false:.2e}")
    if options.plot:
        draw(rows, options.plot)


def exposure(ngroups, nints, energy, seed, shape=(64, 128)):
    """Describe a time series of a small window with cosmic rays of one energy."""
    effects = Effects(photon_noise=1.0, read_noise=1.0, cosmic_rays=2e4, cosmic_ray_energy=energy)
    return MockExposure(
        "NRCALONG",
        "RAPID",
        ngroups,
        nints,
        subarray="SUBGRISM64",
        window=Rectangle(1001, 11, shape[1], shape[0]),
        tso=True,
        exp_type="NRC_TSGRISM",
        scene=Scene(sky=20.0, trace=400.0, fwhm=3.0, transit=0.01),
        effects=effects,
        seed=seed,
    )


def compare(case):
    """Search an exposure by every algorithm.

    Returns
    -------
    hits : int
        Hits of pixels that a search could find.
    results : dict
        Algorithm to (completeness, false positives per pixel and integration).
    """
    made = list(integrations(case))
    sci = np.stack([one.groups for one in made]).astype(np.float32)
    detector = properties(case.detector)
    # What arrives before the end of group 0 makes no difference.
    last = [case.frame_numbers(group)[-1] for group in range(case.ngroups)]
    hit = np.zeros(sci.shape, bool)
    for i, one in enumerate(made):
        group = np.searchsorted(last, one.hits.frame)
        hit[i, group, one.hits.y, one.hits.x] = True
    findable = hit.copy()
    findable[:, 0] = False
    images = [np.full(sci.shape[2:], value, np.float32) for value in (detector.gain, np.sqrt(2) * detector.read_noise)]
    defaults = load_release("1.19").defaults["jump"] | {"flag_4_neighbors": False}
    planes = np.zeros(sci.shape[:2], bool)
    chosen = {name: defaults[name] for name in ("min_diffs_single_pass", "minimum_sigclip_groups", "only_use_ints")}
    fixed = {"nframes": case.nframes, "tgroup": case.tgroup, "median_gain": detector.gain}
    taken = inspect.signature(jump.detect_jumps).parameters.keys() & defaults.keys() - {"algorithm"}
    fixed |= {"mode": jump.choose_mode(planes, **chosen)} | {name: defaults[name] for name in taken}
    results = {}
    for name in ALGORITHMS:
        flags = np.zeros(sci.shape, np.uint8)
        found = jump.detect_jumps(sci, flags, *images, algorithm=name, **fixed).groupdq & dq.JUMP_DET != 0
        untouched = ~hit.any(axis=1)
        false = (found & untouched[:, None]).sum() / untouched.sum()
        results[name] = (found & findable).sum() / findable.sum(), false
    return int(findable.sum()), results


def draw(rows, path):
    """Plot completeness and false positives against energy, a column for each number of groups."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    size = {"figsize": (3.6 * len(NGROUPS), 6), "layout": "constrained"}
    figure, panels = pyplot.subplots(2, len(NGROUPS), sharex=True, sharey="row", **size)
    # What either finds is often what one of them finds: lines that lie on each other must be seen.
    styles = dict(
        zip(ALGORITHMS, ({"marker": "o", "ms": 9, "mfc": "none"}, {"marker": "s"}, {"marker": "."}), strict=True)
    )
    for column, ngroups in enumerate(NGROUPS):
        complete, false = panels[:, column]
        for name in ALGORITHMS:
            mine = [row for row in rows if row[0] == ngroups and row[2] == name]
            energies = [row[1] for row in mine]
            complete.semilogx(energies, [row[3] for row in mine], label=name, **styles[name])
            false.semilogx(energies, [row[4] for row in mine], **styles[name])
        complete.set_title(f"{ngroups} groups")
        false.set_xlabel("energy of cosmic rays (nominal = 1)")
        # A search that has flagged nothing is at 0, which a logarithm has not.
        false.set_yscale("symlog", linthresh=1e-6)
    panels[0, 0].set_ylabel("completeness")
    panels[1, 0].set_ylabel("false positives per pixel and integration")
    panels[0, 0].legend()
    figure.savefig(path)


if __name__ == "__main__":
    main()
