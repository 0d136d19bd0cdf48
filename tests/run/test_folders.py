"""A folder of one exposure that cannot be used: the others finish, and the run says so."""

import pytest


def root_of(programme, detector):
    (raw,) = programme.folder.glob(f"data/*_{detector}_uncal.fits")
    return raw.name.removesuffix("_uncal.fits")


@pytest.mark.parametrize("place", ["", "references", "record"])
def test_a_file_in_the_place_of_a_folder_stops_one_exposure(new_run, programme, place):
    run = new_run("nis", "guider1")
    nis = root_of(programme, "nis")
    folder = run.folder / "results" / nis
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    (folder / place).write_text("in the way")
    text = run(status=1)
    (line, end) = [line for line in text.splitlines() if line.startswith(f"rampflow: {nis}: ")]
    assert end.startswith(f"rampflow: {nis}: start: ")
    assert "is in the place of a folder; remove it, and run again" in line and "Traceback" not in text
    assert list(run.folder.glob("results/*_guider1/*_rate.fits"))
    (folder / place).unlink()
    run()
    assert list(run.folder.glob("results/*_nis/*_rate.fits")) and run.planned() == set()


def test_when_no_exposure_has_a_place_nothing_runs(new_run, programme):
    run = new_run("nis")
    (run.folder / "results").mkdir()
    (run.folder / "results" / root_of(programme, "nis")).write_text("in the way")
    text = run(status=1)
    assert "is in the place of a folder" in text and "Traceback" not in text
    assert not list(run.folder.glob("results/references.json"))
