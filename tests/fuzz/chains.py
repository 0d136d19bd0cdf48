"""Mutants that are run: good mock exposures with one file changed, through all steps, and what must come of them.

A mutant ends in one `RampflowError` of one line, or in products. Where its rates differ in any bit from those of the
good files, it is either legitimate or said. Legitimate are

- other bytes of data, in an array or table whose structure (the keywords of `_STRUCTURE`) is as before, or a whole
  array of another type or size: no header tells other counts from wrong ones;
- a reference without an extension of `_OPTIONAL`;
- another value of a keyword of `INPUTS`, of the type that it had: another exposure, or another reference, has it. To
  leave the keyword out, or to give it a value of another type, is not;
- other parameters: what a step has run with is in its parameter file, and the chain in the record of the run.

Said is what planning gives notice of, what a job warns of, and a step's keyword S_* that says something else.
"""

import logging
import random
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from fuzz import parameter_files, raw_files, references
from rampflow.crds.answers import answer
from rampflow.errors import RampflowError
from rampflow.io.files import FileProblem, Product
from rampflow.io.raw_headers import read_header
from rampflow.io.shared_files import read_json
from rampflow.jobs.spec import JobSpec
from rampflow.jobs.step import Step, driver
from rampflow.mock import Effects, MockExposure, Rectangle, Scene, write_exposure
from rampflow.mock.references import WRITERS
from rampflow.planning.beginning import prepare
from rampflow.settings.chain import reference_types
from rampflow.settings.release import load_release

#: Keywords by which steps calculate and of which a header holds the only word. An exposure with another value of the
#: same type is another exposure, or the reference another reference.
INPUTS = {
    *(
        "INSTRUME",
        "DETECTOR",
        "EXP_TYPE",
        "READPATT",
        "SUBARRAY",
        "TSOVISIT",
        "NFRAMES",
        "GROUPGAP",
        "TGROUP",
        "TFRAME",
    ),
    *("SUBSTRT1", "SUBSTRT2", "FASTAXIS", "SLOWAXIS", "DRPFRMS1", "FRMDIVSR", "EXPSTART", "ZEROFRAM", "NOUTPUTS"),
    *("FILTER", "PUPIL", "GAINFACT", "INTSTART", "INTEND", "NRSTSTRT", "NRESETS", "NSAMPLES"),
}
#: Extensions that a reference may have or not.
_OPTIONAL = {"AVDRKCUR", "ERR"}
#: Keywords that say how an extension is laid out.
_STRUCTURE = ("XTENSION", "EXTNAME", "BITPIX", "NAXIS", *(f"NAXIS{n}" for n in range(1, 5)), "BZERO", "BSCALE", "BLANK")
_STRUCTURE += ("PCOUNT", "GCOUNT", "TFIELDS")
_WINDOW = Rectangle(1, 1, 40, 32)
_SCENE = Scene(sky=5.0, stars=4, brightest=3000.0)
_CASES = {
    "niriss": ("NIS", "NISRAPID", 5, {"exp_type": "NIS_AMI", "filter": "F480M", "pupil": "NRM"}),
    "nircam": ("NRCB1", "SHALLOW4", 5, {"zero_frame": True}),
    "miri": ("MIRIMAGE", "FASTR1", 8, {}),
}
#: Cases of whole frames, which take seconds each.
WHOLE = {
    "irs2": ("NRS1", "NRSIRS2RAPID", 3, {}),
    "sirs": ("NRCB1", "RAPID", 3, {}),
}
_INSTRUMENTS = {"NIS": "NIRISS", "NRCB1": "NIRCAM", "MIRIMAGE": "MIRI", "NRS1": "NIRSPEC"}
_NEAR = "mask saturation superbias ipc linearity trapdensity trappars persat dark gain readnoise"
_KINDS = {
    "niriss": _NEAR,
    "nircam": _NEAR,
    "miri": "mask saturation ipc reset linearity rscd emicorr dark gain readnoise",
    # What only these have, and what makes them complete.
    "irs2": "refpix mask saturation superbias ipc linearity dark gain readnoise",
    "sirs": "sirskernel mask saturation superbias ipc linearity dark gain readnoise",
}
#: Types of a case of whole frames that are changed.
_OF_WHOLE = {"irs2": "refpix", "sirs": "sirskernel"}
_STEPS = {"sirs": {"refpix": {"refpix_algorithm": "sirs"}}}
#: What is compared of products of rates.
_RATES = ("SCI", "ERR", "DQ", "VAR_POISSON", "VAR_RNOISE")
#: Bytes of data that a mutant of data changes at most.
_BYTES = 40


@dataclass(frozen=True)
class Files:
    """What a chain is made from: names to bytes."""

    raw: bytes
    references: dict  #: CRDS type to (bytes, suffix)
    pars: dict  #: CRDS type to bytes
    steps: dict = field(default_factory=dict)  #: what the user says of steps


@dataclass
class Made:
    """What came of a chain."""

    refused: str | None = None
    said: list = field(default_factory=list)
    statuses: dict = field(default_factory=dict)
    parameters: dict = field(default_factory=dict)
    arrays: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Mutant:
    """Files of a case of which one is changed."""

    what: str
    case: str
    files: Files
    changed: str  #: "raw", or a CRDS type

    @property
    def kind(self):
        """Which kind of file is changed."""
        return {"raw": "raw file"}.get(self.changed, "parameter file" if self.changed[:5] == "pars-" else "reference")


def good(case):
    """Return the good files of a case."""
    return _good(case)[0]


@cache
def _good(case):
    """Make the good files of a case, and what comes of them."""
    name, readpatt, ngroups, more = (_CASES | WHOLE)[case]
    effects = Effects.nominal(_INSTRUMENTS[name], ipc=1)
    nints, window = (1, None) if case in WHOLE else (2, _WINDOW)
    exposure = MockExposure(name, readpatt, ngroups, nints, window=window, scene=_SCENE, effects=effects, **more)
    with TemporaryDirectory() as folder:
        raw = write_exposure(exposure, folder, folder).read_bytes()
        found = {}
        for kind in _KINDS[case].split():
            suffix = ".asdf" if kind in ("emicorr", "sirskernel") else ".fits"
            path = Path(folder, f"{kind}{suffix}")
            WRITERS[kind](path, exposure, exposure.window)
            found[kind] = path.read_bytes(), suffix
    pars = {"pars-detector1pipeline": parameter_files.HEAD + parameter_files.GOOD + b"...\n"}
    files = Files(raw, found, pars, _STEPS.get(case, {}))
    with TemporaryDirectory() as folder:
        made = run(files, Path(folder))
    assert made.refused is None, made.refused
    return files, made


def mutants(seed, number, first=0):
    """Yield that many mutants, the same for the same seed."""
    for index in range(first, first + number):
        rng = random.Random(f"{seed}/{index}")
        case = rng.choice(sorted(_CASES))
        files = good(case)
        which = rng.choice(["raw", "raw", "reference", "reference", "pars"])
        if which == "raw":
            how = rng.choice(sorted({**raw_files.KIND.mutators, "data": None}))
            change = raw_files.KIND.mutators.get(how, _other_data)
            yield Mutant(f"{seed}/{index}: {case} raw {how}", case, _with(files, raw=change(rng, files.raw)), "raw")
        elif which == "reference":
            kind = rng.choice(sorted(files.references))
            yield _with_other_reference(rng, f"{seed}/{index}", case, kind)
        else:
            (kind,) = files.pars
            maker = rng.choice(parameter_files.MAKERS)
            what = f"{seed}/{index}: {case} {kind} {maker.__name__}"
            yield Mutant(what, case, _with(files, pars={kind: maker(rng)}), kind)


def mutants_of_whole_frames(seed, number, first=0):
    """Yield that many mutants of references that only whole frames have."""
    for index in range(first, first + number):
        rng = random.Random(f"whole/{seed}/{index}")
        case = rng.choice(sorted(WHOLE))
        yield _with_other_reference(rng, f"{seed}/{index}", case, _OF_WHOLE[case])


def _with_other_reference(rng, number, case, kind):
    files = good(case)
    content, suffix = files.references[kind]
    makers = [references._flipped, references._cut, *([] if suffix == ".asdf" else [_data, *references._OF_FITS])]
    maker = rng.choice(makers)
    _, content, suffix = maker(rng, kind, content, suffix)
    changed = _with(files, references=files.references | {kind: (content, suffix)})
    return Mutant(f"{number}: {case} {kind} {maker.__name__}", case, changed, kind)


def _with(files, **changes):
    return replace(files, **changes)


def _data(rng, kind, content, suffix):  # noqa: ARG001 - as the makers of references have it
    return kind, _other_data(rng, content), suffix


def _other_data(rng, content):
    """Set bytes of the data of an extension."""
    segments = [(offset, size) for *_, offset, size in _extensions(content).values() if size]
    offset, size = rng.choice(segments)
    changed = bytearray(content)
    for _ in range(rng.randint(1, _BYTES)):
        changed[offset + rng.randrange(size)] = rng.randrange(256)
    return bytes(changed)


def _extensions(content):
    """Return what a FITS file has: (name, number) to (cards, structure, offset, size)."""
    found = {}
    with TemporaryDirectory() as folder:
        path = Path(folder, "x.fits")
        path.write_bytes(content)
        with warnings.catch_warnings(action="ignore"), Product(path) as product:
            for number, hdu in enumerate(product.hdus):
                cards = dict(hdu.header)
                structure = tuple(cards.get(key) for key in _STRUCTURE)
                found[hdu.name, number] = cards, structure, hdu.offset, hdu.size
    return found


# --- a chain ----------------------------------------------------------------------------------------------


def run(files, folder):
    """Run a chain as the workflow does, in this process and without Snakemake."""
    made = Made()
    with _listening(made.said):
        try:
            _run(files, folder, made)
        except RampflowError as error:
            made.refused = str(error)
    made.said = [line.replace(str(folder), "") for line in made.said]
    return made


def _run(files, folder, made):
    raw = folder / "jw00001001001_01101_00001_x_uncal.fits"
    raw.write_bytes(files.raw)
    given = {row["type"]: "N/A" for row in load_release("1.19").references}
    for kind, (content, suffix) in files.references.items() | {k: (v, ".asdf") for k, v in files.pars.items()}.items():
        given[kind] = str(folder / f"{kind}{suffix}")
        Path(given[kind]).write_bytes(content)
    crds = {"path": str(folder), "context": "jwst_0001.pmap", "offline": True}
    steps = {"ipc": {"skip": False}} | files.steps
    config, plan, notices = prepare(
        {"exposures": [str(raw)], "references": given, "crds": crds, "steps": steps}, folder
    )
    made.said += notices
    (root,) = plan.exposures
    terms = plan.terms(root)
    pointers = answer(
        root,
        read_header(raw),
        plan.parameter_types(root),
        config=config["crds"],
        overrides=plan.overrides(root),
        folder=folder / "references",
        further=lambda pars: [kind for kinds in reference_types(terms, pars).values() for kind in kinds],
    )
    chain = plan.settle(root, {k: p for k, p in pointers.items() if k.startswith("pars-") and p["file"]})
    products, asked = {"ramp": str(raw)}, read_json(folder / "references/asked.json")
    for step in chain.steps:
        rates = {"rate": "", "rateints": "ints"} if step in ("ramp_fit", "gain_scale") else {"ramp": ""}
        outputs = {word: str(folder / f"{root}_{step}{kind}.fits") for word, kind in rates.items()}
        more = {"carried": str(folder / "persistence.json")} if step == "persistence" else {}
        kinds = [*plan.reference_types(step, root, chain), *(k for k in plan.parameter_types(root) if k in pointers)]
        spec = JobSpec(
            name=step,
            exposure=root,
            inputs=products,
            outputs=outputs | more | {"parameters": str(folder / f"parameters_{step}.json")},
            references={kind: pointers[kind] for kind in kinds},
            asked=asked,
            settings=plan.settings(step, root, chain),
            skipped=tuple(chain.skipped_before(step)),
            inputs_stay=True,
        )
        Step(spec).work(driver(step).run)
        products = outputs
        made.parameters[step] = {
            name: entry["value"] for name, entry in read_json(folder / f"parameters_{step}.json").items()
        }
    for word, path in products.items():
        with Product(path) as product:
            made.statuses[word] = {key: product.header[key] for key in product.header if key.startswith("S_")}
            for hdu in product.hdus[1:]:
                if hdu.name in _RATES:
                    made.arrays[word, hdu.name] = product[hdu.name].read().tobytes()


@contextmanager
def _listening(lines):
    """Collect what jobs warn of; numpy's warnings are none that are meant for a user."""

    class Handler(logging.Handler):
        def emit(self, record):
            if record.levelno >= logging.WARNING:
                lines.append(record.getMessage())

    handler, log = Handler(), logging.getLogger("rampflow")
    log.addHandler(handler)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        log.removeHandler(handler)


# --- what must come of it -----------------------------------------------------------------------------------


def check(mutant, folder):
    """Run a mutant; return what it became, and what is wrong with that, or None."""
    files, expected = _good(mutant.case)
    try:
        made = run(mutant.files, folder)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the fault
        return "FAILED", f"{mutant.what}: {type(error).__name__}: {error}"
    if made.refused is not None:
        lines = made.refused.splitlines()
        odd = [line for line in lines if not line.isprintable() or not 10 < len(line) < 1000]
        return "refused", f"{mutant.what}: not a line: {odd!r}" if odd or not lines else None
    if any("\n" in line for line in made.said):
        return "FAILED", f"{mutant.what}: not a line: {made.said}"
    if made.arrays == expected.arrays:
        return "no effect", None
    if set(made.said) - set(expected.said) or made.statuses != expected.statuses:
        return "said", None
    if mutant.changed.startswith("pars-"):
        differ = made.parameters != expected.parameters
        return "legitimate", None if differ else f"{mutant.what}: other rates of the same parameters"
    before = files.raw if mutant.changed == "raw" else files.references[mutant.changed][0]
    after = mutant.files.raw if mutant.changed == "raw" else mutant.files.references[mutant.changed][0]
    why = _legitimate(before, after) if before[:6] == b"SIMPLE" else "data"
    return (
        ("legitimate", None)
        if why
        else ("FAILED", f"{mutant.what}: other rates, and nothing said: {_told(before, after)}")
    )


def _legitimate(before, after):
    """Say why a file may lead to other rates without a line; None where it may not."""
    one, other = _extensions(before), _extensions(after)
    if one.keys() == other.keys():
        for key, (cards, structure, offset, size) in one.items():
            now, changed, place, length = other[key]
            # Where a header makes more or less of the same bytes they are no other data.
            same = min(size, length)
            other_bytes = before[offset : offset + same] != after[place : place + same]
            kind = [cards.get(word) == now.get(word) for word in ("XTENSION", "BZERO", "BSCALE")]
            if other_bytes and (structure == changed or all(kind)):
                return "data"
            if size != length and len(before) != len(after):
                return "an array of another size"
    if {name for name, _ in one} - {name for name, _ in other} <= _OPTIONAL and len(one) > len(other):
        return "an extension that a reference need not have"
    for cards, *_ in other.values():
        for keyword in INPUTS & cards.keys():
            was = [known[keyword] for known, *_ in one.values() if keyword in known]
            if was and cards[keyword] not in was and type(cards[keyword]) in map(type, was):
                return keyword
    return None


def _told(before, after):
    try:
        one, other = _extensions(before), _extensions(after)
    except FileProblem as problem:
        return str(problem)
    differ = [f"extensions {sorted(one.keys() ^ other.keys())}"] if one.keys() != other.keys() else []
    for key in one.keys() & other.keys():
        cards, now = one[key][0], other[key][0]
        differ += [
            f"{key[0]}: {k}: {cards.get(k)!r} -> {now.get(k)!r}"
            for k in cards.keys() | now.keys()
            if cards.get(k) != now.get(k)
        ]
    return "; ".join(map(str, differ[:6])) or "bytes outside of headers and data"
