"""What the rules of CRDS have chosen: their answers sorted out, their names checked."""

import logging
import re
from dataclasses import dataclass

from rampflow.crds.settings import ReferenceProblem
from rampflow.crds.verify import one_line

_log = logging.getLogger(__name__)
#: Names of mappings and references: they are looked for in the cache, and nowhere else.
_NAME = re.compile(r"\w[\w.+-]*")


@dataclass(frozen=True)
class Choice:
    """What the rules of CRDS choose for an exposure.

    Attributes
    ----------
    context : str
        Its name.
    names : dict
        Type to the name of a file, "N/A", or None where the context does not know the type.
    rules : dict
        Type to the mapping that names the file.
    mappings : dict
        Name of every mapping that had a say to its ``sha1`` and ``file``.
    """

    context: str
    names: dict
    rules: dict
    mappings: dict


def check_context(who, context):
    """Raise `ReferenceProblem` unless a context, as a server or a cache has named it, is one of JWST."""
    if not re.fullmatch(r"jwst\w*\.pmap", str(context)):
        raise ReferenceProblem(f"{who}: {context!r} is not a JWST context; expected a name such as jwst_1322.pmap")


def check_mappings(who, mapping, selector):
    """Refuse a mapping that names another one which is not a plain name in the cache.

    Parameters
    ----------
    who : str
        For messages.
    mapping : str
        Its name.
    selector : mapping
        Instrument or type to the name of a mapping, as it is in the file.

    Raises
    ------
    ReferenceProblem
        It does.
    """
    kind = "imap" if mapping.endswith(".pmap") else "rmap"
    for key, name in selector.items():
        special = isinstance(name, str) and name.upper().removeprefix("TEMP_") in ("N/A", "OMIT")
        if not special and not (isinstance(name, str) and _NAME.fullmatch(name) and name.endswith(f".{kind}")):
            raise ReferenceProblem(
                f"{who}: the mapping {mapping} names {name!r} for {key}, expected the plain name of an {kind} in the "
                "cache; restore that mapping"
            )


def check_names(exposure, names, rules):
    """Refuse names of files that lead out of the cache, or are none.

    Parameters
    ----------
    exposure : str
        For messages.
    names : dict
        Type to name, "N/A", or None.
    rules : dict
        Type to the mapping that names the file.

    Raises
    ------
    ReferenceProblem
        There is one.
    """
    for kind, name in names.items():
        if name not in (None, "N/A") and not _NAME.fullmatch(name):
            raise ReferenceProblem(
                f"{exposure}: {kind}: the mapping {rules[kind]} names {name!r}, expected the plain name of a file in "
                f"the cache; restore that mapping, or override the type (`references: {{{kind}: …}}`)"
            )


def refuse_bad_rules(exposure, context, bad):
    """Raise `ReferenceProblem` if there are rules that CRDS does not stand for."""
    if bad:
        raise ReferenceProblem(
            f"{exposure}: the rules {', '.join(sorted(bad))} of CRDS context {context} are marked as scientifically "
            "invalid; use a newer context, or set CRDS_ALLOW_BAD_RULES=1 to accept them"
        )


def refuse_bad_references(exposure, context, bad):
    """Raise `ReferenceProblem` if there are files that CRDS does not stand for."""
    if bad:
        raise ReferenceProblem(
            f"{exposure}: CRDS marks {', '.join(sorted(bad))} (context {context}) as scientifically invalid; use a "
            "newer context, override the reference, or set CRDS_ALLOW_BAD_REFERENCES=1 to accept it"
        )


def sorted_out(exposure, context, types, answers):
    """Tell answers of CRDS from its ways to say that there is none; returns {type: name | "N/A" | None}."""
    names, failures = {}, []
    for kind in types:
        answer = answers.get(kind)
        if answer is None or not isinstance(answer, str):
            names[kind] = None if kind not in answers else "N/A"
        elif not answer.upper().startswith("NOT FOUND"):
            names[kind] = answer
        elif answer.upper().endswith("N/A") or kind.startswith("pars-"):
            names[kind] = "N/A"
        else:
            failures.append(f"{kind} ({one_line(answer[len('NOT FOUND') :])})")
    if unknown := [kind for kind in types if names.get(kind, "") is None]:
        _log.warning(
            "%s: CRDS context %s does not know %s; taken as not applicable",
            exposure,
            context,
            ", ".join(unknown),
        )
    if failures:
        raise ReferenceProblem(
            f"{exposure}: CRDS context {context} has no rule that matches this exposure for: "
            f"{'; '.join(failures)}. Use a newer context (`crds: {{context: …}}`), name files of your own "
            "(`references: {…}`), or skip the steps that need them"
        )
    return names
