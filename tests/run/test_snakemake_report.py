"""The report that Snakemake makes itself: `snakemake --report`."""

import zipfile

import pytest

pytest.importorskip("pygments", reason="snakemake --report needs pygments")


def test_snakemake_s_own_report_shows_the_products_with_captions(again, programme):
    said = again("--report", "report.html")
    assert "Report created" in said
    page = (again.folder / "report.html").read_text()
    for exposure in programme.exposures:
        for kind in ("rate", "rateints"):
            assert f"{exposure.root}_{kind}.fits" in page
        assert f"Count rates of {exposure.root} (DN/s)" in page
        assert f'"exposure": "{exposure.root}", "product": "count rates"' in page
    assert "Stage 1, calwebb_detector1" in page and '"Products"' in page


def test_a_report_in_a_zip_has_the_products_as_files(again, programme):
    again("--report", "report.zip")
    with zipfile.ZipFile(again.folder / "report.zip") as archive:
        inside = {name.rpartition("/")[2]: name for name in archive.namelist()}
        for exposure in programme.exposures:
            name = f"{exposure.root}_rate.fits"
            (path,) = again.folder.glob(f"results/*/{name}")
            assert archive.read(inside[name]) == path.read_bytes()
