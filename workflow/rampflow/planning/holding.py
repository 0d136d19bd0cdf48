"""The rule by which products stand: the record of a job, held against what is asked for.

A run decides by it what to do anew (`rampflow.planning.standing`); whoever looks at results afterwards says by it what
is outdated (`rampflow.inspection.exposures`). The one knows all that a recipe consists of, the other what the last run
has left of it.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rampflow.jobs import provenance
from rampflow.settings.chain import Chain
from rampflow.settings.parameters import Settings

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


def difference(record: Mapping[str, Any], asked: Asked, folder: Path) -> str | None:
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
    return next(_changed(record, folder), None) or (None if same else next(_differences(record, asked), None))


def _changed(record: Mapping[str, Any], folder: Path) -> Iterator[str]:
    for name, entry in (record.get("outputs") or {}).items():
        try:
            size = os.stat(os.path.join(folder, name)).st_size
        except OSError:
            continue
        if size != entry.get("size"):
            yield f"{name} has {size} bytes, its record says {entry.get('size')}"


def _differences(record: Mapping[str, Any], asked: Asked) -> Iterator[str]:
    made_with, read = record.get("parameters") or {}, record.get("inputs") or {}
    for word, wanted in (asked.inputs or {}).items():
        entry = read.get(word) or {}
        if (entry.get("recipe") or entry.get("sha256")) == wanted:
            continue
        if asked.before is not None and word in FINAL["rate"] + FINAL["ramp"]:
            yield f"made from another product of {asked.before} than the one that is asked for"
        else:
            yield f"{entry.get('file', word)} has changed since it was read"
    if asked.references is not None:
        yield from _other_references(record.get("references") or {}, asked.references)
    if asked.code is not None and record.get("code") is not None and record["code"] not in asked.code:
        yield "made by other code"
    for name, entry in (asked.parameters or {}).items():
        if (made := made_with.get(name)) != entry["value"]:
            yield f"made with {name} = {made}, asked for is {entry['value']} ({entry['source']})"
    if asked.parameters is not None and (gone := sorted(made_with.keys() - asked.parameters.keys())):
        yield f"made with {gone[0]} = {made_with[gone[0]]}, which is no parameter any more"
    if asked.skipped is not None and list(record.get("skipped") or ()) != list(asked.skipped):
        yield f"made after {_named(record.get('skipped'))} was skipped, asked for is {_named(asked.skipped)}"
    if asked.recipe is not None:
        yield "its recipe is another one"


def _other_references(
    used: Mapping[str, Mapping[str, Any]], wanted: Mapping[str, Mapping[str, Any] | None]
) -> Iterator[str]:
    """Say where reference files are others. What CRDS's parameter files say is among the parameters."""
    for kind in sorted(kind for kind in {*used, *wanted} if not kind.startswith("pars-")):
        one, now = used.get(kind), wanted.get(kind)
        if one is None:
            yield f"made without the {kind} reference, now there is one"
        elif now is None:
            yield f"nothing says any more that {kind} is {one.get('name')}"
        elif any(one.get(key) != now.get(key) for key in provenance.FACTS):
            yield f"made with the {kind} reference {one.get('name')}, now it is {now.get('name')}"


def _named(steps: Collection[str] | None) -> str:
    return ", ".join(steps or ()) or "nothing"
