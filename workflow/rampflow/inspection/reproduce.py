"""The configuration that makes a product of jwst again: ``rampflow reproduce PRODUCT``.

What a _rate or _rateints of the archive says of itself (the versions, the CRDS context, which steps ran, which
reference files they had, and in the log of jwst 1.18 and later every parameter) becomes a configuration of this
workflow, on standard output or in --output FILE. What cannot be had the same is said, a line for each, and stands in
the configuration as a comment.

Files of the user's own (flags, masks, reference files) are named as the product names them, of which jwst 3.0 leaves
nothing but the last part of a path in its log; those that lie in the folder of --files are named there.

With several products of one version and context, what differs stands under the names of the exposures. With --crds
PATH the context's rules are asked whether they would choose the same reference files; those that they would not are
named. Without, reference files that came from CRDS are taken to be those of the context.

Status 0, or 2: there is a product that no configuration can be read from.
"""

import argparse
import os
import sys
from pathlib import Path

import yaml

from rampflow.errors import FileProblem, RampflowError
from rampflow.inspection.origin import Origin, nearest_release
from rampflow.io.keywords import REFERENCE_KEYWORDS, STATUS_KEYWORDS
from rampflow.settings.configuration import ConfigError, schema, types_of
from rampflow.settings.parameters import coerced
from rampflow.settings.paths import READ
from rampflow.settings.release import load_release
from rampflow.stores.addresses import is_address

#: Products that are named in the first line of a configuration of more of them.
_NAMED = 3
#: Parameters that every step of jwst has, and that change nothing in its product.
_MACHINERY = ("skip", "search_output_file", "output_use_model", "output_use_index")


# --- steps and their parameters --------------------------------------------------------------------------


def steps_of(origin, release, notes, files=None):
    """Say by steps and parameters what differs from a release.

    Parameters
    ----------
    origin : Origin
        The product.
    release : `~rampflow.settings.release.Release`
        The release.
    notes : list of str
        What cannot be said the same is added, a line for each.
    files : path-like, optional
        Folder of the user's own files.

    Returns
    -------
    steps : dict
        Step to {parameter: value}, ``skip`` among them.
    pars : bool
        Whether CRDS's parameter files have to stay in force, since they alone can turn on a step that has run. All
        parameters are written out then.
    """
    mode = origin.mode
    if mode not in release.order:
        raise FileProblem(f"{origin.path}: INSTRUME is {mode[0] or 'missing'}; expected an instrument of JWST")
    cells = release.cells[mode]
    added = [step for step in release.order[mode] if step not in cells and origin.has_run(step)]
    if added:
        notes.append(
            f"{', '.join(added)} has run by a parameter file of CRDS, which the configuration alone cannot do; "
            "parameter files stay in force, and all parameters are written out"
        )
    chosen = {}
    for step in release.order[mode]:
        if step not in cells and step not in added:
            continue
        values = {}
        skip = origin.skipped(step)
        if step in cells and (added or skip != (cells[step] == "off")):
            values["skip"] = skip
        if not skip:
            values |= _parameters_of(origin, step, release, bool(added), notes, files)
        if values:
            chosen[step] = values
    for step, (keyword, _) in STATUS_KEYWORDS.items():
        if step not in release.order[mode] and origin.has_run(step):
            notes.append(f"{keyword} is COMPLETE, and release {release.name} has no {step} for this mode")
    return chosen, bool(added)


def _parameters_of(origin, step, release, whole, notes, files):
    """Return the parameters of a step that differ from those of the release; or the whole of them."""
    rules, elsewhere = schema("parameters")["properties"][step].get("properties", {}), schema("parameters")["elsewhere"]
    defaults, values = release.defaults[step], {}
    for name, text in origin.parameters.get(step, {}).items():
        if name in _MACHINERY or name in elsewhere:
            continue
        if name not in defaults:
            notes.append(f"{step}: {name} was {text}; release {release.name} has no such parameter")
            continue
        if text == "None" and not _may_be_nothing(rules[name]):
            continue  # jwst takes its default, which no value stands for
        try:
            value = coerced(text, rules[name], f"{step}: {name}")
        except ConfigError as error:
            notes.append(f"{error}; that of release {release.name} is taken")
            continue
        if whole or not _same(value, defaults[name]):
            values[name] = _found(value, f"{step}: {name}", files, notes) if name in READ and value else value
    return values


def _found(path, what, files, notes):
    """Return the path of a file of the user's: in the folder, if it is there; if it is nowhere that is noted."""
    inside = None if files is None else Path(files) / os.path.basename(path)
    if inside is not None and inside.exists():
        return str(inside)
    if not os.path.exists(path):
        notes.append(f"{what} was {path}, which is not there; put the path right, or name its folder with --files")
    return path


def _may_be_nothing(rules):
    return "null" in types_of(rules) or None in rules.get("enum", [])


def _same(value, default):
    # No path is written as nothing, or as an empty one.
    return value == default or (value in (None, "") and default in (None, ""))


# --- reference files -------------------------------------------------------------------------------------


def references_of(origin, crds, notes, files=None):
    """Name the reference files that CRDS would not choose.

    Parameters
    ----------
    origin : Origin
        The product.
    crds : dict or None
        ``path`` of a CRDS cache and ``context``; None takes files of CRDS to be those of the context.
    notes : list of str
        What cannot be found out is added.
    files : path-like, optional
        Folder of the user's own files.

    Returns
    -------
    dict
        CRDS type to path or "N/A".
    """
    used = {}
    for kind, keyword in REFERENCE_KEYWORDS.items():
        value = str(origin.header.get(keyword) or "").strip()
        if value:
            # jwst 1.19 takes an override of N/A for a path.
            used[kind] = "N/A" if value == "N/A" or value.endswith("/N/A") else value
    given = {kind: value for kind, value in used.items() if not value.startswith("crds://")}
    parameters = origin.parameters.get("emicorr", {})
    if parameters.get("user_supplied_reffile", "None") not in ("None", ""):
        given["emicorr"] = parameters["user_supplied_reffile"]
    given = {
        kind: value if value == "N/A" else _found(value, f"the {kind} reference", files, notes)
        for kind, value in given.items()
    }
    if crds is None:
        return given
    names = {kind: value.removeprefix("crds://") for kind, value in used.items() if kind not in given or value == "N/A"}
    try:
        other = _not_chosen(origin, names, crds, notes)
    except RampflowError as problem:
        notes.append(f"CRDS cannot say whether it would choose the same reference files: {problem}")
        return given
    same = {kind for kind in names if kind not in other}
    return {kind: value for kind, value in given.items() if kind not in same} | other


def _not_chosen(origin, names, crds, notes):
    """Return what a context would not choose: type to path in the cache, or "N/A"."""
    from rampflow.crds import resolve
    from rampflow.crds.selection import Choice
    from rampflow.crds.settings import Settings

    settings = Settings.of(origin.exposure, crds)
    with resolve.session(settings):
        chosen = resolve.choose(origin.exposure, origin.header, sorted(names), settings, None)
        # A type that the context does not know is as good as N/A.
        other = {kind: name for kind, name in names.items() if (chosen.names[kind] or "N/A") != name}
        for kind, name in other.items():
            wanted = Choice(chosen.context, {kind: name}, chosen.rules, chosen.mappings)
            try:
                other[kind] = str(resolve.bring(origin.exposure, wanted, settings).get(kind, name))
            except RampflowError as problem:
                notes.append(f"the {kind} reference was {name}, and {chosen.names[kind]} is chosen now: {problem}")
    return other


# --- the configuration -----------------------------------------------------------------------------------


def configuration(origins, raw=None, crds=None, files=None):
    """Make the configuration that makes products again.

    Parameters
    ----------
    origins : list of Origin
        What the products say; of one version and one context.
    raw : path-like, optional
        Folder of the raw files, or their address in a store up to their names; by default the folder of each product.
    crds : path-like, optional
        CRDS cache, to be asked and to be named in the configuration.
    files : path-like, optional
        Folder of the user's own files (flags, masks, reference files).

    Returns
    -------
    config : dict
        The configuration.
    notes : list of str
        What will not be the same, or has to be seen to; a line for each.

    Raises
    ------
    FileProblem
        The products were not made alike.
    """
    first = origins[0]
    for origin in origins[1:]:
        if (origin.version, origin.context) != (first.version, first.context):
            raise FileProblem(
                f"{origin.path}: jwst {_dotted(origin.version)} with {origin.context} made it, and jwst "
                f"{_dotted(first.version)} with {first.context} made {first.path}; one configuration is for one of both"
            )
    name, exact = nearest_release(first.version)
    release, notes = load_release(name), []
    if not exact:
        notes.append(f"jwst {_dotted(first.version)} made it; the nearest release is {name} ({release.description})")
    if not first.context:
        notes.append("CRDS_CTX is missing; the context is not known")
    asked = None if crds is None else {"path": str(crds), "context": first.context}
    config = {
        "release": name,
        "exposures": [_raw_file(origin, raw) for origin in origins],
        "crds": {"context": first.context, "pars": False} | ({"path": str(crds)} if crds is not None else {}),
        "save_calibrated_ramp": any(origin.pipeline.get("save_calibrated_ramp") == "True" for origin in origins),
    }
    steps, references = {}, {}
    for origin in origins:
        said = []
        if not origin.parameters:
            said.append(
                f"the product has no log (jwst 1.18 and later have one): parameters are those of release {name}"
            )
        steps[origin.exposure], pars = steps_of(origin, release, said, files)
        config["crds"]["pars"] |= pars
        references[origin.exposure] = references_of(origin, asked, said, files)
        notes += [f"{origin.exposure}: {line}" for line in said]
    alone = len(origins) == 1
    for key, found in (("references", references), ("steps", steps)):
        found = {exposure: block for exposure, block in found.items() if block}
        if found:
            config[key] = found[first.exposure] if alone else found
    return config, notes


def _raw_file(origin, raw):
    name = f"{origin.exposure}_uncal.fits"
    if is_address(raw):
        # Where the addresses of a server end with a query, the name goes there.
        return f"{raw}{'' if raw.endswith(('/', '=')) else '/'}{name}"
    return str((origin.path.parent if raw is None else Path(raw)) / name)


def _dotted(version):
    return ".".join(map(str, version))


def text(origins, config, notes):
    """Write a configuration as YAML, with what it is made of and what is to be known as comments."""
    names = [origin.path.name for origin in origins]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    made = f"# Made from {', '.join(names[:_NAMED])}{more}:"
    lines = [made, f"# jwst {_dotted(origins[0].version)}, {origins[0].context or 'an unknown context'}."]
    lines += [f"# {note}" for note in notes]
    body = yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=120)
    return "\n".join([*lines, body])


# --- the command -----------------------------------------------------------------------------------------


def main(arguments=None):
    """Write the configuration; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="rampflow reproduce", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("products", nargs="+", metavar="PRODUCT", help="_rate or _rateints that jwst has made")
    parser.add_argument(
        "--raw", metavar="FOLDER", help="where the raw files are, or s3://… or https://… (default: beside the products)"
    )
    parser.add_argument("--crds", metavar="PATH", help="CRDS cache to ask which reference files it would choose")
    parser.add_argument("--files", metavar="FOLDER", help="where files of yours are that the products name")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the configuration there")
    options = parser.parse_args(arguments)
    try:
        found = {}
        for path in options.products:
            origin = Origin.read(path)
            found.setdefault(origin.exposure, origin)  # _rate and _rateints say the same
        origins = list(found.values())
        crds = options.crds and os.path.abspath(options.crds)
        config, notes = configuration(origins, options.raw, crds, options.files)
        written = text(origins, config, notes)
        if options.output:
            options.output.write_text(written, encoding="utf-8")
    except (RampflowError, ConfigError, OSError) as problem:
        print(f"rampflow: {problem}", file=sys.stderr)
        return 2
    for note in notes:
        print(f"rampflow: {note}", file=sys.stderr)
    if not options.output:
        print(written, end="")
    return 0
