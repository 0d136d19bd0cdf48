"""The tables of the manual (config/README.md) that follow from schemas and releases: ``make manual`` writes them.

``python -m rampflow.settings.manual [--check]``; with ``--check`` nothing is written, and the status is 1 where the
manual is not current.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rampflow.settings.configuration import WORKFLOW, releases, schema, steps, word
from rampflow.settings.release import load_release

MANUAL = WORKFLOW.parent / "config" / "README.md"


def key_table() -> list[str]:
    """Return the table of the configuration's keys, line by line."""
    return ["| key | default | what it is |", "|---|---|---|", *_keys(schema("config")["properties"])]


def _keys(rules: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for key, rule in rules.items():
        if "properties" in rule:
            yield from _keys(rule["properties"], f"{above}{key}.")
        else:
            yield f"| `{above}{key}` | {_value(rule['default'], quoted=key == 'release')} | {rule['description']} |"


def parameter_table() -> list[str]:
    """Return the table of the parameters with their defaults in each release, line by line."""
    names = releases()
    lines = [f"| step | parameter | {' | '.join(names)} | |", "|---" * (len(names) + 3) + "|"]
    for step in steps():
        for name, rules in schema("parameters")["properties"][step].get("properties", {}).items():
            defaults = [load_release(release).defaults[step] for release in names]
            values = [_value(values[name]) if name in values else "–" for values in defaults]
            text = rules["description"]
            if "enum" in rules:
                text += f" ({', '.join(map(_value, rules['enum']))})"
            lines.append(f"| {step} | {name} | {' | '.join(values)} | {text} |")
    return lines


def _value(value: object, quoted: bool = False) -> str:
    return f'`"{value}"`' if quoted or value == "" else f"`{word(value)}`"


TABLES = {"keys": key_table, "parameters": parameter_table}


def current(text: str) -> str:
    """Return the manual's text with the tables between its markers as they should be.

    Raises
    ------
    ValueError
        A marker is missing.
    """
    for name, table in TABLES.items():
        begin, end = f"<!-- {name}: make manual writes this table -->\n", f"<!-- end of {name} -->\n"
        before, found, rest = text.partition(begin)
        _, also_found, after = rest.partition(end)
        if not (found and also_found):
            raise ValueError(f"no markers of the table {name}; put {begin.strip()} and {end.strip()} around it")
        text = before + begin + "\n" + "\n".join(table()) + "\n\n" + end + after
    return text


def main(arguments: list[str] | None = None, path: Path = MANUAL) -> int:
    """Write the tables of the manual, or check them; return the status of the command."""
    parser = argparse.ArgumentParser(prog="python -m rampflow.settings.manual", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; status 1 where the manual is not current")
    options = parser.parse_args(arguments)
    text = path.read_text(encoding="utf-8")
    if (new := current(text)) == text:
        return 0
    if options.check:
        print(f"{path}: the tables are not those of schemas and releases; run make manual", file=sys.stderr)
        return 1
    path.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
