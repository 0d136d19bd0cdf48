import ast
import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from rampflow.jobs import provenance


def sha256(content):
    return hashlib.sha256(content).hexdigest()


# --- code ---------------------------------------------------------------------------------------------


def test_the_code_of_a_step_is_its_script_and_what_that_imports():
    files = provenance.code_files(provenance.script_of("jump"))
    package = "workflow/rampflow"
    assert {"scripts/jump.py", f"{package}/jobs/step.py", f"{package}/steps/jump/two_point.py"} <= set(files)
    assert "workflow/rampflow/steps/superbias.py" not in files
    text = (provenance.HOME / "scripts/jump.py").read_bytes()
    assert files["scripts/jump.py"] == sha256(text)


def test_how_jobs_are_started_planned_and_reported_is_not_part_of_the_code():
    rooms = {path.stem for path in provenance.PACKAGE.iterdir() if not path.name.startswith("_")}
    others = {"api", "counting", "crds", "inspection", "mock", "places", "planning", "settings", "stores", "warmstart"}
    assert others == rooms - provenance.PRODUCT_ROOMS
    files = provenance.code_files(provenance.script_of("ramp_fit"))
    used = {Path(file).parts[2].removesuffix(".py") for file in files if file.startswith("workflow")}
    assert used == provenance.PRODUCT_ROOMS


def test_imports_are_those_of_the_syntax_tree():
    for path in [*provenance.PACKAGE.rglob("*.py"), *(provenance.HOME / "scripts").glob("*.py")]:
        names = set()
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        files = {
            file
            for name in names
            if name.startswith("rampflow.") and name.split(".")[1] in provenance.PRODUCT_ROOMS
            for file in (provenance.PACKAGE.joinpath(*name.split(".")[1:]),)
            for file in (file.with_suffix(".py"), file / "__init__.py")
            if file.is_file()
        }
        assert provenance._imports(path) == files, path


@pytest.mark.parametrize(
    "text",
    [
        "from rampflow.io import (\n    files,\n    layout,\n)",
        "    import rampflow.io.files, rampflow.io.layout  # both",
    ],
)
def test_an_import_is_found_in_every_form(tmp_path, text):
    path = tmp_path / "x.py"
    path.write_text(f'"""From rampflow.\n\nfrom rampflow import this sentence.\n"""\nif True:\n    1\n{text}\n')
    rooms = {file.relative_to(provenance.PACKAGE).as_posix() for file in provenance._imports(path)}
    assert {"io/files.py", "io/layout.py"} <= rooms <= {"io/files.py", "io/layout.py", "io/__init__.py"}


def test_the_digest_follows_the_content_of_the_code_and_nothing_else(tmp_path, monkeypatch):
    home = tmp_path / "clone"
    shutil.copytree(provenance.PACKAGE, home / "workflow/rampflow")
    shutil.copytree(provenance.HOME / "scripts", home / "scripts")
    monkeypatch.setattr(provenance, "PACKAGE", home / "workflow/rampflow")
    monkeypatch.setattr(provenance, "HOME", home)
    before = {step: provenance.code_digest(home / f"scripts/{step}.py") for step in ("jump", "superbias")}
    step = home / "workflow/rampflow/steps/superbias.py"
    step.touch()
    assert provenance.code_digest(home / "scripts/superbias.py") == before["superbias"]
    step.write_text(step.read_text() + "# edited\n")
    assert provenance.code_digest(home / "scripts/superbias.py") != before["superbias"]
    assert provenance.code_digest(home / "scripts/jump.py") == before["jump"]


@pytest.mark.parametrize(
    ("package", "home"),
    [("clone/workflow/rampflow", "clone"), ("site-packages/rampflow", "site-packages/rampflow/_workflow")],
)
def test_the_digest_is_the_same_in_every_clone_and_in_an_installed_package(tmp_path, monkeypatch, package, home):
    here = provenance.code_digest(provenance.script_of("jump"))
    shutil.copytree(provenance.PACKAGE, tmp_path / package)
    shutil.copytree(provenance.HOME / "scripts", tmp_path / home / "scripts")
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path / package)
    monkeypatch.setattr(provenance, "HOME", tmp_path / home)
    files = provenance.code_files(provenance.script_of("jump"))
    assert {"scripts/jump.py", "workflow/rampflow/steps/jump/two_point.py"} <= files.keys()
    assert provenance.code_digest(provenance.script_of("jump")) == here


def test_a_digest_does_not_depend_on_the_order_of_keys():
    assert provenance.digest({"a": 1, "b": [2.5, None]}) == provenance.digest({"b": [2.5, None], "a": 1})
    assert provenance.digest({"a": 1}) != provenance.digest({"a": 2})


def test_versions_name_what_results_pass_through():
    found = provenance.versions()
    assert found["python"].count(".") == 2
    assert all(found[package] for package in ("rampflow", "numpy", "numba", "astropy"))
    assert provenance.version_of("no-such-package") is None


# --- what a job reads and writes -----------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of exposure x, whose step a has left a product and a record."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results/x"
    (folder / "record").mkdir(parents=True)
    (folder / "x_a.fits").write_bytes(b"product of a")
    record = {"step": "a", "recipe": "f" * 64, "outputs": {"x_a.fits": {"size": 12, "sha256": None}}}
    (folder / "record/a.json").write_text(json.dumps(record))
    (tmp_path / "x_uncal.fits").write_bytes(b"raw")
    return folder


def entries(named, folder):
    return provenance.Inputs(named.items(), folder).entries()


def test_a_raw_file_has_a_checksum_and_a_product_the_recipe_of_its_record(folder):
    found = entries({"ramp": "results/x/x_a.fits", "user": "x_uncal.fits"}, folder)
    assert found["ramp"]["recipe"] == "f" * 64 and found["ramp"]["sha256"] is None
    assert found["ramp"]["mtime_ns"] == os.stat(folder / "x_a.fits").st_mtime_ns
    assert found["user"]["recipe"] is None and found["user"]["sha256"] == sha256(b"raw")


def test_a_product_without_a_record_has_a_checksum(folder):
    (folder / "record/a.json").unlink()
    assert entries({"ramp": "results/x/x_a.fits"}, folder)["ramp"]["sha256"] == sha256(b"product of a")


def test_a_file_that_the_record_of_its_step_does_not_name_has_a_checksum(folder):
    (folder / "x_aints.fits").write_bytes(b"?")
    assert entries({"ramp": "results/x/x_aints.fits"}, folder)["ramp"]["sha256"] == sha256(b"?")


def test_paths_start_from_the_exposure_unless_they_are_absolute(folder, tmp_path):
    found = entries({"raw": "x_uncal.fits", "same": tmp_path / "x_uncal.fits"}, folder.relative_to(tmp_path))
    assert found["raw"]["file"] == "../../x_uncal.fits"
    assert found["same"]["file"] == str(tmp_path / "x_uncal.fits")


def test_a_file_that_cannot_be_hashed_is_an_error_of_the_job(folder, monkeypatch):
    def broken(_):
        raise OSError("unreadable")

    monkeypatch.setattr(provenance, "sha256_of", broken)
    with pytest.raises(OSError, match="unreadable"):
        entries({"raw": "x_uncal.fits"}, folder)


def test_outputs_have_their_size_and_a_checksum_where_one_is_wanted(folder):
    (folder / "parameters").mkdir()
    (folder / "parameters/a.json").write_text("{}")
    paths = [folder / "x_a.fits", folder / "parameters/a.json"]
    found = provenance.outputs(paths, folder, lambda path: path.suffix == ".json")
    assert found == {
        "x_a.fits": {"size": 12, "sha256": None},
        "parameters/a.json": {"size": 2, "sha256": sha256(b"{}")},
    }
