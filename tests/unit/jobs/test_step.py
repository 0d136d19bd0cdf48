import dataclasses
import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from rampflow.errors import OutOfOrder, RampflowError
from rampflow.jobs.group_means import GroupMeans
from rampflow.jobs.spec import JobSpec
from rampflow.jobs.step import Step
from rampflow.steps import NotApplicable

ROWS = np.array([False, True, True, False, True])
SHAPE = (2, 3, 5, 4)


@pytest.fixture
def ramp(tmp_path):
    """A product of two integrations of three groups of 5 x 4 pixels."""
    rng = np.random.default_rng(1)
    primary = fits.PrimaryHDU()
    primary.header["INSTRUME"] = "NIRSPEC"
    for key, value in {"SUBSTRT1": 1, "SUBSTRT2": 1, "SUBSIZE1": 4, "SUBSIZE2": 5}.items():
        primary.header[key] = value
    hdus = [
        primary,
        fits.ImageHDU(rng.integers(0, 99, SHAPE).astype(np.float32), name="SCI"),
        fits.ImageHDU(rng.integers(0, 9, SHAPE[2:]).astype(np.uint32), name="PIXELDQ"),
        fits.ImageHDU(rng.integers(0, 9, SHAPE).astype(np.uint8), name="GROUPDQ"),
    ]
    path = tmp_path / "x_superbias.fits"
    fits.HDUList(hdus).writeto(path)
    return path


def a_job(ramp, threads=1, mem_mb=2000, log=None):
    return JobSpec(
        name="refpix",
        exposure="x",
        inputs={"ramp": str(ramp)},
        outputs={"ramp": str(ramp.with_name(f"x_refpix_{threads}_{mem_mb}.fits"))},
        threads=threads,
        memory_mb=mem_mb,
        log=log,
    )


def keep(sci, mean):
    return (sci - mean).astype(np.float32)[:, ROWS]


def run(ramp, **settings):
    def subtract_mean(step):
        step.product.keep_rows(ROWS)
        mean = GroupMeans(step.source, step.threads, lambda group: 2 * group)
        step.chunks.groups(keep, reads=("SCI",), writes=("SCI",), at={"mean": mean})

    job = a_job(ramp, **settings)
    Step(job).work(subtract_mean)
    return job.outputs["ramp"]


def test_a_step_may_leave_rows_out_of_all_that_it_writes_and_carries(ramp):
    with fits.open(run(ramp)) as product, fits.open(ramp) as source:
        sci = source["SCI"].data
        expected = (sci - (2 * sci).mean(axis=1, keepdims=True, dtype=np.float64))[..., ROWS, :]
        assert product["SCI"].data.shape == (2, 3, 3, 4)
        np.testing.assert_allclose(product["SCI"].data, expected, rtol=1e-6)
        np.testing.assert_array_equal(product["PIXELDQ"].data, source["PIXELDQ"].data[ROWS])
        np.testing.assert_array_equal(product["GROUPDQ"].data, source["GROUPDQ"].data[:, :, ROWS])
        assert product[0].header["S_REFPIX"] == "COMPLETE"


@pytest.mark.parametrize("settings", [{"threads": 3}, {"mem_mb": 1}, {"threads": 2, "mem_mb": 1}])
def test_threads_and_memory_do_not_change_the_bits(ramp, settings):
    with fits.open(run(ramp)) as one, fits.open(run(ramp, **settings)) as other:
        for name in ("SCI", "PIXELDQ", "GROUPDQ"):
            assert one[name].data.tobytes() == other[name].data.tobytes()


def test_a_step_that_is_skipped_after_all_keeps_all_rows(ramp):
    def give_up(step):
        step.product.keep_rows(ROWS)
        raise NotApplicable("no use")

    job = a_job(ramp)
    Step(job).work(give_up)
    with fits.open(job.outputs["ramp"]) as product, fits.open(ramp) as source:
        assert product[0].header["S_REFPIX"] == "SKIPPED"
        for name in ("SCI", "PIXELDQ", "GROUPDQ"):
            np.testing.assert_array_equal(product[name].data, source[name].data)


def test_a_survey_may_look_at_some_rows_of_each_integration(ramp):
    found = []

    def look(step):
        rows = [slice(0, 2), slice(4, 5)]
        found.extend(step.chunks.survey(lambda sci: [sci.copy()], reads=("SCI",), combine=list.__add__, rows=rows))

    Step(a_job(ramp, threads=2)).work(look)
    sci = fits.getdata(ramp, "SCI")
    expected = [sci[i : i + 1, :, rows] for i in range(2) for rows in (slice(0, 2), slice(4, 5))]
    assert len(found) == 4
    for got, want in zip(found, expected, strict=True):
        np.testing.assert_array_equal(got, want)


def test_the_record_says_who_skipped_the_steps_before_and_the_recipe_does_not(ramp):
    record, recipes = ramp.parent / "record" / "refpix.json", []
    record.parent.mkdir()
    for source in ("release 1.19", "pars-detector1pipeline jwst_miri_1.asdf"):
        job = a_job(ramp)
        outputs = job.outputs | {"record": str(record)}
        Step(dataclasses.replace(job, outputs=outputs, skipped={"ipc": source})).work(lambda _: None)
        said = json.loads(record.read_text())
        assert said["skipped"] == {"ipc": source}
        assert fits.getval(job.outputs["ramp"], "S_IPC") == "SKIPPED"
        recipes.append(said["recipe"])
    assert recipes[0] == recipes[1]


def test_the_product_names_the_references_of_steps_that_are_left_out(ramp):
    record, recipes = ramp.parent / "record" / "refpix.json", []
    record.parent.mkdir()
    for named in ({}, {"trapdensity": "N/A", "persat": "crds://p.fits"}):
        job = a_job(ramp)
        outputs = job.outputs | {"record": str(record)}
        more = {"skipped": {"persistence": "no reference"}, "named": named}
        Step(dataclasses.replace(job, outputs=outputs, **more)).work(lambda _: None)
        header = fits.getheader(job.outputs["ramp"])
        assert header["S_PERSIS"] == "SKIPPED"
        assert [header.get(key) for key in ("R_TRPDEN", "R_PERSAT")] == (list(named.values()) or [None] * 2)
        recipes.append(json.loads(record.read_text())["recipe"])
    # Their headers are not the same.
    assert recipes[0] != recipes[1]


def test_keywords_that_a_step_needs_are_asked_for_by_name(ramp, capsys):
    def ask(step):
        assert step.source.needed("SUBSTRT1", "SUBSIZE2") == {"substrt1": 1, "subsize2": 5}
        step.source.needed("SUBSTRT1", "TGROUP", "NFRAMES")

    with pytest.raises(SystemExit):
        Step(a_job(ramp)).run(ask)
    assert "x_superbias.fits: the primary header has no TGROUP, NFRAMES, which refpix needs" in capsys.readouterr().err


def failing(ramp, capsys, function, **parameters):
    """Run a step that fails; return what it says."""
    job = a_job(ramp, log=str(ramp.with_name("refpix.log")))

    def fail(step):
        step.references.used += parameters.get("used", [])
        function(step)

    with pytest.raises(SystemExit) as end:
        Step(job).run(fail)
    assert end.value.code == 1 and not list(ramp.parent.glob(".*part"))
    (line,) = capsys.readouterr().err.splitlines()
    said = line.removeprefix("rampflow: x: refpix: ").removesuffix(f" (traceback: {job.log})")
    head, *rest = Path(job.log).read_text().splitlines()
    assert head.endswith(f" ERROR {said}") and rest[0].startswith("Traceback")
    return said


def test_an_error_that_was_raised_for_the_user_is_said_as_it_is_with_what_was_read(ramp, capsys):
    def refuse(_):
        raise RampflowError("three rows are too few")

    assert failing(ramp, capsys, refuse) == "three rows are too few"
    said = failing(ramp, capsys, refuse, used=["gain /crds/gain.fits"])
    assert said == "three rows are too few (it has read gain /crds/gain.fits)"


def test_an_error_of_python_is_named_by_its_type(ramp, capsys):
    def stumble(step):
        first, second = step.source.shape

    said = failing(ramp, capsys, stumble, used=["dark d.fits"])
    assert said == "ValueError: too many values to unpack (expected 2) (it has read dark d.fits)"
    assert failing(ramp, capsys, lambda step: step.source.shape.nothing).startswith("AttributeError: ")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_with_the_place_and_the_cure(ramp, capsys, number):
    def write(step):
        step.product.write("SCI", step.source.read("SCI"), slice(None))
        raise OSError(number, os.strerror(number))

    said = failing(ramp, capsys, write)
    assert said.startswith(f"{ramp.parent}: {os.strerror(number)} (")
    assert said.endswith(" MB free); make room, or keep fewer products (keep: none), and run again")


def test_other_errors_of_the_system_name_the_file(ramp, capsys):
    said = failing(ramp, capsys, lambda _: os.stat("/nowhere/at/all"))
    assert said == "/nowhere/at/all: No such file or directory"


def test_a_file_that_is_too_large_is_no_full_disk(ramp, capsys):
    def write(_):
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))

    said = failing(ramp, capsys, write)
    assert said.startswith(f"{ramp.parent}: {os.strerror(errno.EFBIG)}; files of this size are not allowed there")
    assert "make room" not in said


def test_too_little_memory_is_said_as_such(ramp, capsys):
    def grow(_):
        raise MemoryError("Unable to allocate 9 TiB")

    assert failing(ramp, capsys, grow).startswith("too little memory (Unable to allocate 9 TiB); give the job more")


@pytest.mark.parametrize("late", ["keep_rows", "add"])
def test_what_comes_too_late_for_the_layout_is_refused(ramp, late):
    arguments = {"keep_rows": (ROWS,), "add": ("EXTRA", np.zeros(3))}

    def misuse(step):
        step.product.lay_out()
        getattr(step.product, late)(*arguments[late])

    with pytest.raises(OutOfOrder, match=f"{late} comes too late"):
        Step(a_job(ramp)).work(misuse)
    assert [path.name for path in ramp.parent.iterdir()] == [ramp.name]


def test_what_no_pass_has_written_cannot_be_read(ramp):
    with pytest.raises(OutOfOrder, match="GROUPDQ has not been written"):
        Step(a_job(ramp)).work(lambda step: step.product.read("GROUPDQ"))


def test_options_are_the_parameters_that_a_function_takes(ramp):
    def function(sci, *, siglimit, other=None, ours):
        return sci, siglimit, other, ours

    settings = {name: {"value": value, "source": "test"} for name, value in {"siglimit": 3.0, "ours": 1}.items()}
    job = dataclasses.replace(a_job(ramp), settings=settings)
    found = []
    Step(job).work(lambda step: found.append(step.options_of(function, "ours")))
    assert found == [{"siglimit": 3.0}]
