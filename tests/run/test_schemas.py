"""Products held against the schemas of stdatamodels."""

import ast

import pytest
from astropy.io import fits
from conftest import HOME

from rampflow.inspection import check, schemas
from rampflow.inspection.results import Results


def test_every_product_of_the_run_opens_as_what_it_should_be(finished, monkeypatch, capsys):
    monkeypatch.chdir(finished.folder)
    number = len(schemas.products(Results("results")))
    steps = [path for path in finished.folder.glob("results/*/*.fits") if "_trapsfilled" not in path.name]
    assert number == len(steps) > 65
    assert check.main(["results"]) == 0
    assert f"{number} of {number} products open with stdatamodels as what they should be" in capsys.readouterr().out


def test_products_that_are_too_large_for_memory_are_not_opened_and_counted(finished, monkeypatch, capsys):
    monkeypatch.chdir(finished.folder)
    monkeypatch.setattr(schemas, "LARGEST", 0)
    assert check.main(["results"]) == 0
    said = capsys.readouterr().out
    assert "products are larger than 0 GB and were not opened" in said and "0 of 0 products" in said


def changed(run, pattern, change):
    """Change an open product of the results in place; returns its path."""
    (path,) = run.folder.glob(f"results/{pattern}")
    with fits.open(path, mode="update", memmap=False) as hdus:
        change(hdus)
    return path


def drop(*keys):
    def change(hdus):
        for key in keys:
            del hdus[0].header[key]

    return change


def set_to(extension, key, value):
    def change(hdus):
        hdus[extension].header[key] = value

    return change


def other_type(hdus):
    hdus["SCI"].data = hdus["SCI"].data.astype("int16")


@pytest.mark.parametrize(
    ("pattern", "change", "words"),
    [
        ("*_nis/*_rate.fits", drop("FILTER", "CAL_VER"), "['CAL_VER', 'FILTER']"),
        ("*_nis/*_jump.fits", set_to(0, "DATAMODL", "ImageModel"), "stdatamodels "),
        ("*_nrs1/*_rateints.fits", set_to(0, "DATAMODL", "ImageModel"), "stdatamodels "),
        ("*_nrs1/*_linearity.fits", set_to(0, "READPATT", "SLOWLY"), "stdatamodels does not take it"),
        ("*_guider1/*_rate.fits", set_to("SCI", "EXTNAME", "DATA"), "no extension SCI"),
    ],
)
def test_what_is_wrong_with_a_product_is_said(again, monkeypatch, pattern, change, words):
    monkeypatch.chdir(again.folder)
    path = changed(again, pattern, change)
    results = Results("results")
    (place,) = [place for place in schemas.products(results) if place[1].name == path.name]
    ((line,),) = schemas.check(results, [place], 1)
    assert path.name in line and words in line


def test_final_products_alone(finished, monkeypatch):
    monkeypatch.chdir(finished.folder)
    found = schemas.products(Results("results"), only_final=True)
    assert {path.stem.split("_")[-1] for _, path in found} == {"rate", "rateints"}


def test_stdatamodels_is_imported_where_models_are_opened_and_heavy_packages_come_late():
    package = HOME / "workflow/rampflow"
    users = {path for path in package.rglob("*.py") if "stdatamodels" in imported(path, everywhere=True)}
    assert {path.relative_to(package).as_posix() for path in users if path.parent.name != "mock"} == {
        "api.py",
        "inspection/schemas.py",
    }
    # What Snakemake imports when a run has failed is to be light.
    light = {"report", "results", "exposures", "check", "records", "__init__"}
    for name in light:
        found = imported(package / f"inspection/{name}.py", everywhere=False)
        assert not found & {"pandas", "jinja2", "PIL", "stdatamodels", "astropy"}, name


def imported(path, everywhere):
    """Names of packages that a module imports: at its start, or anywhere."""
    tree = ast.parse(path.read_text())
    found = set()
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found
