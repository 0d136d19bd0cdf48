"""The rule by which products stand: the record of a job, held against what is asked for.

A run decides by it what to do anew (`rampflow.planning.standing`); whoever looks at results afterwards says by it what
is outdated (`rampflow.inspection.exposures`). The one knows all that a recipe consists of, the other what the last run
has left of it.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rampflow.jobs import provenance
from rampflow.settings.chain import Chain
from rampflow.settings.parameters import Settings

#: Why a job is done again whose own code, parameters and references are what they were.
MADE_FROM = "what it is made from"
#: Jobs that give products their final names, and what these consist of.
FINAL = {"rate": ("rate", "rateints"), "ramp": ("ramp",)}


@dataclass(frozen=True)
class Asked:
    """What a job's products should be made of. None is what is not known: it is not held against them."""

    code: Collection[str] | None = None  #: digests of code that may have made them
    parameters: Settings | None = None  #: resolved, with their sources
    skipped: Collection[str] | None = None  #: steps that are left out on the way to the job
    references: Mapping[str, Mapping[str, Any] | None] | None = None  #: CRDS type to pointer, None where it is gone
    before: str | None = None  #: the job whose products it reads; None for the raw file
    inputs: Mapping[str, str] | None = None  #: what it reads, by its words: recipe, or checksum
    recipe: str | None = None  #: of all of it, where all of it is known


def source_of(step: str, chain: Chain) -> tuple[str | None, tuple[str, ...]]:
    """Return the job whose products a job reads, None for the raw file, and the words that the job has for them."""
    if step == "rate":
        return chain.final, FINAL["rate"]
    if step == "ramp":
        return chain.before_fit, FINAL["ramp"]
    before = chain.previous(step)
    takes_rates = before is not None and "ramp_fit" in chain.steps[: chain.steps.index(step)]
    return before, FINAL["rate" if takes_rates else "ramp"]


def is_record(content: object) -> bool:
    """Whether what a file holds has the form of a record, as far as the rule looks at it."""
    if not isinstance(content, dict) or not isinstance(content.get("skipped", []), list | dict):
        return False
    parts = [content.get(key) or {} for key in ("inputs", "outputs", "references", "parameters")]
    if not all(isinstance(part, dict) for part in parts):
        return False
    return all(isinstance(entry, dict) for part in parts[:3] for entry in part.values())


class Difference(NamedTuple):
    """What a job's products are not as asked for."""

    brief: str  #: which part of what they are made of, and of that part what; no values, so that exposures share it
    told: str  #: in a sentence, with values


def difference(record: Mapping[str, Any], asked: Asked, folder: Path) -> Difference | None:
    """Say by what a job's products are not what is asked for: the first thing; None where they are.

    Parameters
    ----------
    record : mapping
        The job's record.
    asked : Asked
        What the products should be made of.
    folder : path-like
        Folder of the exposure. Products that are not there have not changed.
    """
    # Equal recipes are of equal parts; with thousands of exposures it pays not to look at each.
    same = asked.recipe is not None and record.get("recipe") == asked.recipe
    found = None if same else next(_differences(record, asked), None)
    return found or next(_changed(record, folder), None)


def _differences(record: Mapping[str, Any], asked: Asked) -> Iterator[Difference]:
    """Compare part by part: what is the job's own first, then what it has read."""
    if asked.code is not None and record.get("code") is not None and record["code"] not in asked.code:
        yield Difference("the code of the step", "made by other code")
    if asked.parameters is not None:
        yield from _other_parameters(record.get("parameters") or {}, asked.parameters)
    before = list(record.get("skipped") or ())
    if asked.skipped is not None and before != list(asked.skipped):
        told = f"made after {_named(before)} was skipped, asked for is {_named(asked.skipped)}"
        yield Difference(f"steps that are skipped: {_named({*before} ^ {*asked.skipped})}", told)
    if asked.references is not None:
        yield from _other_references(record.get("references") or {}, asked.references)
    read = record.get("inputs") or {}
    for word, wanted in (asked.inputs or {}).items():
        entry = read.get(word) or {}
        if (entry.get("recipe") or entry.get("sha256")) == wanted:
            continue
        if asked.before is not None and word in FINAL["rate"] + FINAL["ramp"]:
            yield Difference(MADE_FROM, f"made from another product of {asked.before} than the one that is asked for")
        else:
            yield Difference(f"{MADE_FROM}: {word}", f"{entry.get('file', word)} has changed since it was read")
    if asked.recipe is not None:
        yield Difference(MADE_FROM, "its recipe is another one")


def _other_parameters(made: Mapping[str, Any], wanted: Settings) -> Iterator[Difference]:
    absent = object()
    names = sorted(
        name for name in {*made, *wanted} if name not in wanted or made.get(name, absent) != wanted[name]["value"]
    )
    if names:
        name, entry = names[0], wanted.get(names[0])
        now = f"asked for is {entry['value']} ({entry['source']})" if entry else "which is no parameter any more"
        yield Difference(f"parameters: {', '.join(names)}", f"made with {name} = {made.get(name)}, {now}")


def _other_references(
    used: Mapping[str, Mapping[str, Any]], wanted: Mapping[str, Mapping[str, Any] | None]
) -> Iterator[Difference]:
    """Say where reference files are others. What CRDS's parameter files say is among the parameters."""
    told = {}
    for kind in sorted(kind for kind in {*used, *wanted} if not kind.startswith("pars-")):
        one, now = used.get(kind), wanted.get(kind)
        if one is None:
            told[kind] = f"made without the {kind} reference, now there is one"
        elif now is None:
            told[kind] = f"nothing says any more that {kind} is {one.get('name')}"
        elif any(one.get(key) != now.get(key) for key in provenance.FACTS):
            told[kind] = f"made with the {kind} reference {one.get('name')}, now it is {now.get('name')}"
    if told:
        yield Difference(f"references: {', '.join(told)}", next(iter(told.values())))


def _changed(record: Mapping[str, Any], folder: Path) -> Iterator[Difference]:
    """Compare the products that are there with what the record says of their size."""
    for name, entry in (record.get("outputs") or {}).items():
        try:
            size = os.stat(os.path.join(folder, name)).st_size
        except OSError:
            continue
        if size != entry.get("size"):
            told = f"{name} has {size} bytes, its record says {entry.get('size')}"
            yield Difference(f"{name} has changed since it was made", told)


def _named(steps: Collection[str]) -> str:
    return ", ".join(sorted(steps)) or "nothing"
