"""Compare rampflow with the oracle (the jwst package), step by step and end to end: ``make parity``.

On the exposures of the programme ``parity`` (tests/programmes):

steps
    Every script of the workflow runs on the *oracle's* product of the step before, with the references and
    parameters that the workflow has resolved; its product is compared with the oracle's.
interchange
    The oracle's next step runs on that product of ours; and stdatamodels opens it as the model it should be.
end to end
    The workflow, by Snakemake, and the oracle's whole pipeline in one go; rate and rateints are compared.

A programme whose context has the parameter files of operations is compared end to end alone, the ramps, too, and
nobody but the context says which steps run: neither side is told any step or parameter.

Prints a table and writes it as ``parity.json`` and ``parity.tsv``; the exit status is 1 when anything is
beyond the standard (``standard.py``) that ``accepted.tsv`` does not explain.
"""

import argparse
import fnmatch
import json
import math
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from astropy.io import fits

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "workflow"))

import differences  # noqa: E402
import environment  # noqa: E402
import likely  # noqa: E402
import standard  # noqa: E402
from ours import COUNTED, RATES, Workflow, project_environment  # noqa: E402
from table import Row, report  # noqa: E402

from rampflow.detector.subarray import Window  # noqa: E402
from rampflow.io.references import Reference  # noqa: E402

#: A small comparison has one exposure of each of these kinds: instrument, time series.
SMALL = (("MIRI", False), ("NIRCAM", False), ("NIRSPEC", False), ("NIRISS", True))
#: Folders that are made anew by every comparison.
PARTS = ("run", "ours")
#: What the oracle's side, and ours, say of an exposure that has no slopes.
NO_PRODUCT, NO_SLOPE = "gave no product", "there is no slope to fit"
#: Exposures whose products go to the oracle's next step.
EXCHANGED = 3


def main(arguments=None):
    """Run the comparison; return the exit status."""
    options = parse(arguments)
    start = time.monotonic()
    folder = options.folder / options.release
    for name in PARTS if options.keep else ("",):
        shutil.rmtree(folder / name, ignore_errors=True)
    python = options.python = environment.oracle_python(options.release)
    say(start, f"the mock programme {options.programme}")
    programme = make_programme(options)
    exposures = choose(programme, options)
    say(start, f"{len(exposures)} exposures: {', '.join(root_of(path) for path in exposures)}")

    ours = Workflow(folder / "run", programme, exposures, options)
    say(start, "the workflow")
    failure = ours.run()
    if failure:
        say(start, failure)
    tasks = oracle_tasks(ours, folder / "oracle")
    whole = "in one go" if ours.as_operated else "step by step, and in one go"
    say(start, f"the oracle ({environment.requirements(options.release)[0]}): {whole}")
    results = oracle_results(python, tasks, programme["crds"], folder / "oracle", options)

    say(start, "the products" if ours.as_operated else "our scripts, one by one, on the oracle's products")
    comparison = Comparison(ours, folder, options)
    for task, result in zip(tasks, results, strict=True):
        if task["kind"] == "chain":
            comparison.steps(task, result)
        else:
            comparison.end_to_end(task, result)
    if options.interchange:
        say(start, "the oracle's steps on our products")
        comparison.interchange(python, programme["crds"])
    rows = sorted(comparison.rows, key=comparison.order)
    if only_without_slopes(ours.problems) or (ours.as_operated and ours.problems):
        failure = None  # every exposure has a row that says whether that is right
    report(rows, folder, options, failure)
    say(start, f"tables: {folder / 'parity.tsv'}, {folder / 'parity.json'}")
    if not options.keep:
        for name in (*PARTS, "oracle"):
            shutil.rmtree(folder / name, ignore_errors=True)
    return 1 if failure or any(row.verdict == "BEYOND" for row in rows) or not rows else 0


def only_without_slopes(problems):
    """Tell whether exposures without slopes are all that the workflow complained of; it counts them at the end."""
    said = [line for line in problems if not line.endswith(COUNTED)]
    return bool(said) and all(NO_SLOPE in line for line in said)


def parse(arguments):
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="compare.py", description=__doc__.splitlines()[0])
    parser.add_argument("--release", default="1.19", choices=environment.releases())
    parser.add_argument(
        "--programme",
        default="parity",
        help="one of tests/programmes; a .tsv of that name has what is accepted in it alone",
    )
    parser.add_argument("--exposures", default="*", metavar="PATTERN", help="root names to compare, a glob")
    parser.add_argument("--small", action="store_true", help=f"only {len(SMALL)} small exposures")
    parser.add_argument("--seed", type=int, help="seed of the mock; by default the programme's own")
    parser.add_argument("--steps", default="*", metavar="PATTERN", help="steps to compare one by one, a glob")
    parser.add_argument(
        "--configfile",
        type=Path,
        help="YAML with further configuration, for both sides; a .tsv of that name has what is accepted with it",
    )
    parser.add_argument("--no-interchange", dest="interchange", action="store_false")
    parser.add_argument("--keep", action="store_true", help="keep all products, and use a programme kept before")
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--folder", type=Path, default=ROOT / ".parity", help="where everything goes")
    options = parser.parse_args(arguments)
    options.folder = options.folder.resolve()
    return options


def say(start, text):
    """Report progress."""
    print(f"[{time.monotonic() - start:6.1f} s] {text}", flush=True)


def root_of(path):
    """Root name of an uncal file."""
    return Path(path).name.removesuffix(".fits").removesuffix("_uncal")


# --- the exposures ----------------------------------------------------------------------------------------


def make_programme(options):
    """Make the mock's observing programme; return its exposures, its CRDS cache and the context."""
    seed = [] if options.seed is None else ["--seed", str(options.seed)]
    folder = options.folder / "-".join([options.programme, *seed[1:]])
    if not (options.keep and (folder / "programme.json").exists()):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        command = [sys.executable, ROOT / "tests/programmes", options.programme, folder, *seed]
        with open(folder / "mock.log", "w") as log:
            status = subprocess.call(command, cwd=ROOT, env=project_environment(), stdout=log, stderr=log)
        if status:
            raise SystemExit(f"the mock failed:\n{(folder / 'mock.log').read_text()}")
    made = json.loads((folder / "programme.json").read_text())
    return {
        "exposures": [each | {"uncal": folder / each["uncal"]} for each in made["exposures"]],
        "crds": {"path": str(folder / made["crds_path"]), "context": made["context"]},
        "steps": steps_of(made, options.exposures),
        "as_operated": made["as_operated"],
    }


def steps_of(made, pattern):
    """Parameters of a programme for the exposures that match a pattern: a run knows no others by name.

    Those for an instrument or a mode stay.
    """
    left_out = {each["exposure"] for each in made["exposures"] if not fnmatch.fnmatch(each["exposure"], pattern)}
    return {name: steps for name, steps in made["steps"].items() if name not in left_out}


def choose(programme, options):
    """Exposures to compare: those asked for, of them the smallest of each kind in a small comparison."""
    chosen = [each for each in programme["exposures"] if fnmatch.fnmatch(each["exposure"], options.exposures)]
    if options.small:
        # Fewer than four groups leave most steps nothing to do.
        by_size = sorted((each for each in chosen if each["shape"][1] > 3), key=lambda each: math.prod(each["shape"]))
        kinds = {(each["instrument"], each["tso"]): each for each in reversed(by_size)}
        chosen = [kinds[kind] for kind in SMALL if kind in kinds]
    if not chosen:
        raise SystemExit(f"no exposure of the programme is called {options.exposures!r}")
    return [each["uncal"] for each in chosen]


# --- the oracle's side ------------------------------------------------------------------------------------


def oracle_tasks(ours, folder):
    """Tasks of the oracle: each exposure by steps and in one go, the same steps as the workflow's.

    Where both sides go by the context alone: in one go, told nothing.
    """
    tasks = []
    for exposure in ours.plan.exposures:
        common = {"input": str(ours.uncal(exposure))}
        if ours.as_operated:
            tasks.append(common | {"kind": "pipeline", "folder": str(folder / exposure)})
            continue
        common |= {"steps": ours.chain(exposure), "parameters": user_parameters(ours, exposure)}
        tasks.append(common | {"kind": "chain", "folder": str(folder / exposure)})
        tasks.append(common | {"kind": "pipeline", "folder": str(folder / exposure / "pipeline")})
    return tasks


def oracle_results(python, tasks, crds, folder, options):
    """Results of the oracle; those of the same tasks that were kept before, if wanted."""
    kept = folder / "kept.json"
    if options.keep and kept.exists():
        before = json.loads(kept.read_text())
        if before["tasks"] == tasks:
            return before["results"]
    results = environment.run(python, tasks, crds, folder, "chains", options.cores)
    kept.write_text(json.dumps({"tasks": tasks, "results": results}))
    return results


def user_parameters(ours, exposure):
    """Parameters that the configuration sets; all others are the oracle's own: defaults are compared, too."""
    return {
        step: {
            name: entry["value"]
            for name, entry in ours.plan.settings(step, exposure).items()
            if entry["source"].startswith("config") and name != "skip"
        }
        for step in ours.chain(exposure)
    }


# --- the comparison ---------------------------------------------------------------------------------------


class Comparison:
    """Rows of the table, collected check by check.

    Parameters
    ----------
    ours : `Workflow`
        Our side.
    folder : path-like
        Where products of ours go that the comparison makes.
    options : `~argparse.Namespace`
        From `parse`.
    """

    def __init__(self, ours, folder, options):
        self.ours, self.folder, self.options = ours, folder, options
        self.accepted = standard.read_accepted()
        tables = [Path(__file__).with_name(f"{options.programme}.tsv")]
        tables += [options.configfile.with_suffix(".tsv")] if options.configfile else []
        for path in filter(Path.exists, tables):
            self.accepted += standard.read_accepted(path)
        self.rows, self.exchange = [], []

    def order(self, row):
        """Key that sorts rows by exposure and place in the chain."""
        chain = [*self.ours.chain(row.exposure), "ramp", "rate", "rateints"]
        checks = ("step", "interchange", "end to end")
        return row.exposure, checks.index(row.check), chain.index(row.step.removesuffix(" ints")), row.step

    def steps(self, task, result):
        """Our script of every step on the oracle's product of the step before."""
        exposure, theirs = root_of(task["input"]), Path(task["folder"])
        folder = self.folder / "ours" / exposure
        folder.mkdir(parents=True, exist_ok=True)
        inputs = [Path(task["input"])]
        for step in task["steps"]:
            expected = products(theirs, exposure, step)
            if not all(path.exists() for path in expected):
                _, problem = self.ours.step(step, exposure, inputs, folder)
                self.without(exposure, "step", step, result, problem or "")
                return
            if fnmatch.fnmatch(step, self.options.steps):
                made, problem = self.ours.step(step, exposure, inputs, folder)
                if problem:
                    self.fail(exposure, "step", step, "product", problem)
                else:
                    for path, other, label in zip(made, expected, (step, f"{step} ints"), strict=False):
                        self.compare(exposure, "step", label, path, other, inputs[:1])
                        self.open_model(path, other)
                    self.exchange.append((exposure, step, inputs[0], made))
            inputs = expected

    def end_to_end(self, task, result):
        """The workflow's final products beside those of the oracle's whole pipeline."""
        exposure, theirs = root_of(task["input"]), Path(task["folder"])
        for kind in ("rate", "rateints", "ramp") if self.ours.as_operated else ("rate", "rateints"):
            made = self.ours.results / exposure / f"{exposure}_{kind}.fits"
            expected = theirs / f"{exposure}_{kind}.fits"
            if not expected.exists():
                said = [line for line in self.ours.problems if f" {exposure}: " in line]
                problem = "".join(said) or ("" if made.exists() else "the workflow has made none")
                self.without(exposure, "end to end", kind, result, problem)
            elif not made.exists():
                self.fail(exposure, "end to end", kind, "product", "the workflow has made none")
            else:
                self.compare(exposure, "end to end", kind, made, expected, [task["input"]] if kind == "ramp" else [])

    def interchange(self, python, crds):
        """The oracle's step after each of ours, on our product and on the oracle's own."""
        chosen = sorted({exposure for exposure, *_ in self.exchange})
        chosen = chosen[:: max(1, len(chosen) // EXCHANGED)][:EXCHANGED]
        tasks, meant = [], []
        for exposure, step, source, made in self.exchange:
            chain = self.ours.chain(exposure)
            following = chain[chain.index(step) + 1 :][:1]
            if exposure not in chosen or not following:
                continue
            folder = self.folder / "ours" / exposure / "interchange"
            outputs = products(folder, exposure, following[0])
            parameters = user_parameters(self.ours, exposure)[following[0]]
            tasks.append({"kind": "step", "step": following[0], "parameters": parameters})
            tasks[-1] |= {"input": [str(path) for path in made], "output": [str(path) for path in outputs]}
            meant.append((exposure, following[0], outputs, (source, made[0])))
        if not tasks:
            return
        results = environment.run(python, tasks, crds, self.folder / "oracle", "exchange", self.options.cores)
        for (exposure, step, outputs, before), result in zip(meant, results, strict=True):
            if result["error"]:
                self.fail(exposure, "interchange", step, "product", last_line(result["error"]))
                continue
            expected = products(self.folder / "oracle" / exposure, exposure, step)
            for path, other, label in zip(outputs, expected, (step, f"{step} ints"), strict=False):
                self.compare(exposure, "interchange", label, path, other, before)

    def compare(self, exposure, check, step, made, expected, before=()):
        """Compare two files and add the row."""
        tolerance, allowed = standard.STEP if check == "step" else standard.END_TO_END
        row = Row(exposure, check, step)
        with fits.open(made) as ours, fits.open(expected) as theirs:
            scales = scales_of(theirs, check, before)
            searched = self.jump_search(exposure, step, made, expected)
            row.difference = differences.compare_products(ours, theirs, tolerance, scales, searched=searched)
            key = status_keyword(step)
            if key:
                ours_status, status = ours[0].header.get(key), theirs[0].header.get(key)
                row.status = str(status) if ours_status == status else f"{ours_status}/{status}"
            elif self.ours.as_operated:
                row.status = status_text(ours[0].header, theirs[0].header)
        self.judge(row, standard.findings(row.difference, allowed))

    def jump_search(self, exposure, step, made, expected):
        """Find the elements of a product with rates whose difference LIKELY's search for jumps explains, or None."""
        word = step.removesuffix(" ints").removesuffix("ints")
        settings = {name: each["value"] for name, each in self.ours.plan.settings("ramp_fit", exposure).items()}
        if word not in (*RATES, "rate") or settings["algorithm"] != "LIKELY":
            return None
        chain = self.ours.chain(exposure)
        (ramp,) = products(self.folder / "oracle" / exposure, exposure, chain[chain.index("ramp_fit") - 1])
        header, shape = fits.getheader(ramp), fits.getdata(ramp, "SCI").shape
        window = Window.of(header, shape, ramp)
        pointers = [self.ours.results / exposure / "references" / f"{kind}.json" for kind in ("gain", "readnoise")]
        images = [Reference(json.loads(path.read_text())["file"], window).read() for path in pointers]
        layout = likely.Layout(*(header[key] for key in ("TFRAME", "NFRAMES", "GROUPGAP")))
        layout.firstgroup, layout.lastgroup = settings["firstgroup"], settings["lastgroup"]
        pairs = [
            [path.with_name(f"{exposure}_{word}{kind}.fits") for kind in ("", "ints")] for path in (made, expected)
        ]
        masks = likely.explained(ramp, images, *pairs, layout, self.options.release)
        return masks[step.endswith("ints")]

    def open_model(self, made, expected):
        """Open a product with stdatamodels: the model must be the oracle's, and hold what the file holds."""
        from stdatamodels.jwst import datamodels

        row = self.rows[-1]
        wanted = fits.getval(expected, "DATAMODL")
        try:
            with datamodels.open(made) as model:
                found, shape = type(model).__name__, model.data.shape
        except Exception as error:
            text = f"stdatamodels cannot open {made.name}: {type(error).__name__}: {error}"
            self.judge(row, [standard.Finding("model", 1.0, text)], known=True)
            return
        if found != wanted or shape != fits.getdata(expected, "SCI").shape:
            text = f"stdatamodels opens {made.name} as {found} {shape} where the oracle has {wanted}"
            self.judge(row, [standard.Finding("model", 1.0, text)], known=True)

    def without(self, exposure, check, step, result, problem):
        """Add a row for a product that the oracle does not have: right if no slopes are the reason on both sides."""
        error = last_line(result["error"])
        if NO_PRODUCT in error and NO_SLOPE in problem:
            self.judge(Row(exposure, check, step, status="neither"), [])
        else:
            # An error of another kind is another finding.
            kind = error.split(":")[0].split(".")[-1]
            what = "product" if problem else f"oracle's product, {kind}"
            self.fail(exposure, check, step, what, f"the oracle has none: {error}; ours: {problem or 'is there'}")

    def fail(self, exposure, check, step, what, text):
        """Add a row for a product that is not there."""
        self.judge(Row(exposure, check, step, status="-"), [standard.Finding(what, 1.0, text)])

    def judge(self, row, found, known=False):
        """Match findings with the accepted ones and add the row."""
        step = row.step.removesuffix(" ints")
        for finding in found:
            line = standard.acceptance(finding, self.accepted, self.options.release, row.check, step, row.exposure)
            row.findings.append((finding, line))
        if not known:
            self.rows.append(row)


def products(folder, exposure, step):
    """Files of a step's product: one, or rate and rateints."""
    return [folder / f"{exposure}_{step}{kind}.fits" for kind in (("", "ints") if step in RATES else ("",))]


def last_line(text):
    """Last line of a traceback."""
    return (text or "no error").strip().splitlines()[-1]


def status_keyword(step):
    """Keyword of a step's outcome, if the product is a step's."""
    from rampflow.io.keywords import STATUS_KEYWORDS

    return STATUS_KEYWORDS.get(step.removesuffix(" ints"), (None,))[0]


def status_text(ours, theirs):
    """Say of how many steps two primary headers have the same outcome, and where not."""
    keys = {key for header in (ours, theirs) for key in header if key.startswith("S_")}
    other = [f"{key}={ours.get(key)}/{theirs.get(key)}" for key in sorted(keys) if ours.get(key) != theirs.get(key)]
    return " ".join([f"{len(keys) - len(other)} of {len(keys)}", *other])


def scales_of(theirs, check, before):
    """Scales of the values of a product (`differences`).

    Parameters
    ----------
    theirs : `~astropy.io.fits.HDUList`
        The oracle's product.
    check : str
        "step", "interchange" or "end to end".
    before : iterable of path-like
        What a ramp was made from: the input of the step, and of the step before where that was compared, too.

    Returns
    -------
    dict
        EXTNAME to scale.
    """
    if "ERR" in theirs:
        if check == "step":
            return {}
        error = theirs["ERR"].data.astype(np.float64)
        return {"SCI": error, "VAR_POISSON": error**2, "VAR_RNOISE": error**2}
    from rampflow.detector import irs2
    from rampflow.detector.multistripe import Stripes
    from rampflow.detector.superstripes import WholeFrames

    scales = {}
    for path in before:
        with fits.open(path) as source:
            for name in ("SCI", "ZEROFRAME"):
                if name not in source or name not in theirs:
                    continue
                size = np.abs(source[name].data.astype(np.float64))
                if irs2.is_interleaved(size.shape) and not irs2.is_interleaved(theirs[name].shape):
                    # The mean over the groups is taken out and put back, so all groups of a pixel count.
                    size = size[..., irs2.normal_rows(source[0].header["DETECTOR"]), :]
                    size = np.broadcast_to(size.max(axis=1, keepdims=True), size.shape)
                stripes = Stripes.of(source[0].header, size.shape)
                if stripes and stripes.positions and "SSTR_NST" not in theirs[0].header:
                    picture = WholeFrames(stripes)
                    size = (picture.join if size.ndim == 3 else picture.join_groups)(size, 0.0)
                if size.shape == theirs[name].shape:
                    scales[name] = np.fmax(scales.get(name, 0.0), size)
    return scales


if __name__ == "__main__":
    sys.exit(main())
