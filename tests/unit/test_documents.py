"""What the documents say of the repository is so."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from rampflow import __version__
from rampflow.settings.configuration import steps
from rampflow.settings.release import load_release

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "config" / "README.md"])


def tables(path):
    """Tables of a document: for each heading above one, the cells of its rows without the first two lines."""
    found = {}
    for section in re.split(r"^#+ ", path.read_text(), flags=re.M)[1:]:
        rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
        if rows:
            found[section.splitlines()[0]] = [[cell.strip() for cell in row] for row in rows[2:]]
    return found


@pytest.mark.parametrize(
    ("heading", "instruments"),
    [
        ("Near infrared: FGS, NIRCAM, NIRISS, NIRSPEC", ("FGS", "NIRCAM", "NIRISS", "NIRSPEC")),
        ("MIRI", ("MIRI",)),
    ],
)
def test_the_order_of_the_steps_is_that_of_the_release(heading, instruments):
    cells, release = tables(ROOT / "docs" / "architecture.md")[heading], load_release("1.19").cells
    for instrument in instruments:
        for column, tso in ((1, False), (2, True)):
            said = {row[0]: row[column] for row in cells}
            said = {step: word.split()[0] for step, word in said.items() if word and f"not {instrument}" not in word}
            assert list(said.items()) == list(release[instrument, tso].items()), (instrument, tso)


def test_every_file_that_add_a_step_and_add_a_parameter_name_is_there():
    found = tables(ROOT / "docs" / "architecture.md")
    rows = [*found["Add a step"], *found["Add a parameter"]]
    assert rows
    for row in rows:
        path, *more = re.findall(r"`([^`]+)`", row[0])
        for each in [path, *(f"{Path(path).parent}/{name}" for name in more)]:
            assert list(ROOT.glob(each.replace("<name>", "*").replace("<step>", "charge_migration"))), each


def test_what_is_long_is_in_the_list_with_a_reason():
    files = [*(ROOT / "workflow" / "rampflow").rglob("*.py"), *(ROOT / "scripts").glob("*.py")]
    long = set()
    for path in files:
        name, text = f"`{path.relative_to(ROOT)}`", path.read_text()
        if len(text.splitlines()) > 400:
            long.add(name)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= 80:
                long.add(f"{name}: `{node.name}`")
    listed = {row[0]: row[1] for row in tables(ROOT / "docs" / "architecture.md")["What is long"]}
    assert long - listed.keys() == set(), "split them, or say in docs/architecture.md why not"
    assert listed.keys() - long == set(), "not long any more: delete these rows of docs/architecture.md"
    assert all(listed.values())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
        assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_of_make_are_there(document):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"`make ([a-z-]+)", document.read_text())) <= targets


def test_faults_name_tests_that_are_there_and_quote_what_is_said():
    rows = [row for rows in tables(ROOT / "docs/faults.md").values() for row in rows]
    assert len(rows) > 30 and all(len(row) == 3 and all(row) for row in rows)
    known = {
        f"{path.stem.removeprefix('test_')}::{name}"
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def test_(\w+)", path.read_text(), re.M)
    }
    named = [re.findall(r"`(\w+::\w+)`", tried) for _, tried, _ in rows]
    assert all(named) and [name for names in named for name in names if name not in known] == []
    # What is said is put together of pieces of text that follow one another.
    code = "".join(path.read_text() for path in (ROOT / "workflow/rampflow").rglob("*.py"))
    code = re.sub(r'"\s*f?"', "", code)
    quoted = [words for *_, outcome in rows for words in re.findall(r'"([^"]+)"', outcome)]
    assert len(quoted) > 15 and [words for words in quoted if words not in code] == []


def test_decisions_are_numbered_and_say_why():
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for number, page in enumerate(pages, 1):
        text = page.read_text()
        assert text.startswith(f"# {number}. ")
        assert all(f"**{word}" in text for word in ("Decision.", "Why.", "Price.", "Instead of")), page


def test_the_version_to_cite_is_the_package_s():
    assert str(yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]) == __version__


def test_the_catalog_of_workflows_can_read_what_is_meant_for_it():
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["mandatory-flags"].keys() == {"desc", "flags"}
    deployment = usage["software-stack-deployment"]
    assert deployment.keys() == {"conda", "apptainer", "apptainer+conda", "report"}
    # Every rule of a step names a conda environment, and no rule a container.
    rules = {path: path.read_text() for path in (ROOT / "rules").glob("*.smk")}
    named = [path.stem for path, text in rules.items() if re.search(r"^    conda:$", text, re.M)]
    assert deployment["conda"] == (set(steps()) <= set(named))
    assert deployment["apptainer"] == any("container:" in text for text in rules.values())
