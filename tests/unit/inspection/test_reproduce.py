"""The configuration that is read off a product of jwst: steps, parameters, reference files, and what is said of it."""

import numpy as np
import pytest
import yaml
from astropy.io import fits

from rampflow.errors import FileProblem
from rampflow.inspection import reproduce
from rampflow.inspection.origin import Origin, nearest_release
from rampflow.inspection.reproduce import configuration
from rampflow.io.keywords import STATUS_KEYWORDS
from rampflow.settings.configuration import check_config
from rampflow.settings.release import load_release

#: What jwst writes of every step.
MACHINERY = {
    "pre_hooks": "[]",
    "output_file": "None",
    "save_results": "False",
    "output_use_index": "True",
    "suffix": "x",
}


def logged(release, mode, **changed):
    """Parameters of a pipeline as jwst logs them: defaults and steps of a release, but for what is changed."""
    known, parameters = load_release(release), {}
    for step in known.order[mode]:
        skip = known.cells[mode].get(step) != "on"
        values = {name: str(value) for name, value in known.defaults[step].items()}
        parameters[step] = MACHINERY | {"skip": str(skip)} | values | changed.get(step, {})
    return parameters


def write(path, parameters, version="1.19.2", ran=(), name="Detector1Pipeline", **keywords):
    """Write a product that has a header and a log."""
    header = fits.Header({"INSTRUME": "NIRCAM", "TSOVISIT": False, "CAL_VER": version, "CRDS_CTX": "jwst_1364.pmap"})
    header["S_RAMP"] = "COMPLETE"
    header.update({STATUS_KEYWORDS[step][0]: "COMPLETE" for step in ran} | keywords)
    parts = [fits.PrimaryHDU(header=header), fits.ImageHDU(np.zeros((2, 2), np.float32), name="SCI")]
    if parameters is not None:
        block = {"steps": parameters, "save_calibrated_ramp": "True"} if name == "Detector1Pipeline" else parameters
        said = yaml.safe_dump(block, sort_keys=False).replace("'", "")
        entry = f"2026-11-30 - stpipe - INFO - Step {name} parameters are:\n" + "".join(
            f"  {x}\n" for x in said.splitlines()
        )
        tree = yaml.safe_dump(
            {"cal_logs": {"calwebb_detector1": ["a line", entry, "cal_logs: of text"]}, "meta": {"x": 1}}
        )
        content = f"#ASDF 1.0.0\n%YAML 1.1\n--- !core/asdf-1.1.0\n{tree}...\n".encode()
        rows = np.frombuffer(content, np.uint8)[np.newaxis]
        column = fits.Column("ASDF_METADATA", f"{len(content)}B", array=rows)
        parts.append(fits.BinTableHDU.from_columns([column], name="ASDF"))
    fits.HDUList(parts).writeto(path)
    return path


@pytest.fixture
def made(tmp_path):
    """Write a product; return its configuration and the notes."""

    def make(parameters, name="x_rate.fits", **options):
        origin = Origin.read(write(tmp_path / name, parameters, **options))
        config, notes = configuration([origin], "raw")
        check_config(config)
        return config, notes

    return make


NIRCAM = ("NIRCAM", False)


@pytest.mark.parametrize(("release", "version"), [("1.19", "1.19.2"), ("3.0", "3.0.0")])
@pytest.mark.parametrize("mode", [NIRCAM, ("MIRI", True), ("NIRSPEC", True), ("MIRI", False)])
def test_what_is_as_the_release_has_it_is_not_said(made, release, version, mode):
    config, notes = made(logged(release, mode), version=version, INSTRUME=mode[0], TSOVISIT=mode[1])
    assert notes == [] and "steps" not in config and "references" not in config
    assert config["release"] == release and config["exposures"] == ["raw/x_uncal.fits"]
    assert config["crds"] == {"context": "jwst_1364.pmap", "pars": False}
    assert config["save_calibrated_ramp"] is True


def test_parameters_and_steps_that_differ_are_said_in_their_types(made):
    changed = {
        "jump": {"rejection_threshold": "5", "flag_4_neighbors": "False", "after_jump_flag_dn1": "1e-05"},
        "ramp_fit": {"firstgroup": "2", "algorithm": "LIKELY"},
        "clean_flicker_noise": {"skip": "False", "background_method": "None", "background_box_size": "[16, 32]"},
        "refpix": {"skip": "True", "sigreject": "9.0"},
    }
    config, notes = made(logged("1.19", NIRCAM, **changed))
    assert config["steps"] == {
        "jump": {"rejection_threshold": 5.0, "flag_4_neighbors": False, "after_jump_flag_dn1": 1e-5},
        "ramp_fit": {"firstgroup": 2, "algorithm": "LIKELY"},
        "clean_flicker_noise": {"skip": False, "background_method": None, "background_box_size": [16, 32]},
        # What a step that is skipped would have done says nothing.
        "refpix": {"skip": True},
    }
    assert notes == []


def test_what_this_workflow_does_not_have_is_noted(made):
    config, notes = made(logged("1.19", NIRCAM, jump={"brand_new": "3", "maximum_cores": "half", "edge_size": "wide"}))
    assert "steps" not in config
    assert len(notes) == 2
    assert "jump: brand_new was 3; release 1.19 has no such parameter" in notes[0] + notes[1]
    assert any("jump: edge_size: expected" in note and note.startswith("x: ") for note in notes)


def test_a_file_of_the_user_is_named_where_it_is(tmp_path):
    changed = {"dq_init": {"user_supplied_dq": "my/dq.fits"}}
    origin = Origin.read(write(tmp_path / "x_rate.fits", logged("3.0", NIRCAM, **changed), version="3.0.0"))
    config, notes = configuration([origin])
    assert config["steps"] == {"dq_init": {"user_supplied_dq": "my/dq.fits"}}
    assert len(notes) == 1 and notes[0].startswith("x: dq_init: user_supplied_dq was my/dq.fits, which is not there; ")
    (tmp_path / "dq.fits").touch()
    config, notes = configuration([origin], files=tmp_path)
    assert config["steps"] == {"dq_init": {"user_supplied_dq": str(tmp_path / "dq.fits")}} and notes == []


def test_a_step_that_only_crds_can_add_keeps_the_parameter_files_in_force(made):
    parameters = logged("1.19", ("NIRCAM", True), charge_migration={"skip": "False"})
    config, notes = made(parameters, ran=["charge_migration"], TSOVISIT=True)
    assert config["crds"]["pars"] is True and "charge_migration has run by a parameter file" in notes[0]
    assert "skip" not in config["steps"]["charge_migration"]
    # The parameter files may say anything else, so everything is said.
    defaults = load_release("1.19").defaults["saturation"]
    assert config["steps"]["saturation"] == {"skip": False} | defaults
    assert config["steps"]["ipc"] == {"skip": True}


def test_a_step_that_decides_by_itself_not_to_run_is_not_skipped(made):
    config, _ = made(logged("1.19", NIRCAM), S_JUMP="SKIPPED", S_GANSCL="SKIPPED")
    assert "steps" not in config


def test_without_a_log_the_keywords_say_which_steps_ran(made):
    on = [step for step, cell in load_release("1.19").cells[NIRCAM].items() if cell == "on"]
    config, notes = made(None, ran=[*(step for step in on if step != "persistence"), "ipc"])
    assert config["steps"] == {"ipc": {"skip": False}, "persistence": {"skip": True}}
    assert len(notes) == 1 and "no log" in notes[0]


def test_a_step_that_ran_by_itself_is_read_from_its_own_log(tmp_path):
    path = write(tmp_path / "x_rate.fits", {"skip": "False", "rejection_threshold": "7.5"}, name="jump")
    assert Origin.read(path).parameters == {"jump": {"skip": "False", "rejection_threshold": "7.5"}}


@pytest.mark.parametrize(
    ("version", "release", "exact"),
    [
        ((1, 18, 0), "1.19", True),
        ((1, 19, 2), "1.19", True),
        ((1, 14, 0), "1.19", False),
        ((1, 20, 0), "1.19", False),
        ((3, 0, 0), "3.0", True),
        ((3, 0, 1), "3.0", False),
        ((2, 1, 0), "3.0", False),
        ((4, 0, 0), "3.0", False),
    ],
)
def test_the_nearest_release_is_taken(version, release, exact):
    assert nearest_release(version) == (release, exact)


def test_that_a_release_is_only_near_is_said(made):
    _, notes = made(logged("1.19", NIRCAM), version="1.14.0")
    assert notes == ["jwst 1.14.0 made it; the nearest release is 1.19 (jwst 1.18 to 1.19.2)"]


# --- reference files -------------------------------------------------------------------------------------


def test_reference_files_of_the_user_are_named(made):
    references = {"R_DARK": "my/dark.fits", "R_MASK": "crds://jwst_x_mask_1.fits", "R_LINEAR": "/some/where/N/A"}
    config, notes = made(logged("1.19", NIRCAM), **references)
    assert config["references"] == {"dark": "my/dark.fits", "linearity": "N/A"}
    assert len(notes) == 1 and "x: the dark reference was my/dark.fits, which is not there" in notes[0]


def test_a_reference_wave_of_the_user_is_a_reference(made):
    parameters = logged("1.19", ("MIRI", False), emicorr={"user_supplied_reffile": "wave.asdf"})
    config, _ = made(parameters, INSTRUME="MIRI")
    assert config["references"] == {"emicorr": "wave.asdf"}


def test_crds_is_asked_which_files_it_would_choose(tmp_path):
    from rampflow.mock import MockExposure, Rectangle, build_cache, revise, write_exposure

    exposure = MockExposure("NRCB1", "RAPID", ngroups=4, nints=1, window=Rectangle(1, 1, 40, 32))
    raw = write_exposure(exposure, tmp_path, tmp_path)
    cache = tmp_path / "crds"
    context = build_cache(cache, [exposure])
    revise(cache, [exposure], "NRCB1", "dark", scale=2.0)
    header = {key: value for key, value in fits.getheader(raw).items() if key in _SELECTING}
    header |= {"CRDS_CTX": context, "R_MASK": "crds://jwst_nircam_mask_9001.fits", "R_IPC": "N/A"}
    header["R_DARK"] = "crds://jwst_nircam_dark_2001.fits"
    origin = Origin.read(write(tmp_path / "x_rate.fits", logged("1.19", NIRCAM), **header))
    config, notes = configuration([origin], crds=cache)
    chosen = dict(config["references"])
    assert chosen.pop("dark") == str(cache / "references/jwst/nircam/jwst_nircam_dark_2001.fits")
    assert chosen.keys() <= {"ipc"} and notes == []
    assert config["crds"]["path"] == str(cache)
    # A file that is not there cannot be named.
    (cache / "references/jwst/nircam/jwst_nircam_dark_2001.fits").unlink()
    config, notes = configuration([origin], crds=cache)
    assert config["references"]["dark"] == "jwst_nircam_dark_2001.fits"
    assert len(notes) == 1 and "the dark reference was jwst_nircam_dark_2001.fits" in notes[0]


_SELECTING = ("DETECTOR", "CHANNEL", "MODULE", "READPATT", "SUBARRAY", "EXP_TYPE", "FILTER", "PUPIL", "DATE-OBS")
_SELECTING += (
    "TIME-OBS",
    "NOUTPUTS",
    "SUBSTRT1",
    "SUBSTRT2",
    "SUBSIZE1",
    "SUBSIZE2",
    "FASTAXIS",
    "SLOWAXIS",
    "TELESCOP",
)


# --- several, and the command ----------------------------------------------------------------------------


def test_several_products_stand_under_their_names(tmp_path, capsys):
    for name, threshold in ("x", "5.0"), ("y", "6.0"), ("z", "4.0"):
        for kind in ("rate", "rateints"):
            write(tmp_path / f"{name}_{kind}.fits", logged("1.19", NIRCAM, jump={"rejection_threshold": threshold}))
    output = tmp_path / "made.yaml"
    assert reproduce.main([*map(str, sorted(tmp_path.glob("*_rate*.fits"))), "--output", str(output)]) == 0
    config = yaml.safe_load(output.read_text())
    assert config["steps"] == {"x": {"jump": {"rejection_threshold": 5.0}}, "y": {"jump": {"rejection_threshold": 6.0}}}
    assert config["exposures"] == [str(tmp_path / f"{name}_uncal.fits") for name in "xyz"]
    assert capsys.readouterr() == ("", "")


def test_the_configuration_says_what_it_is_made_of(tmp_path, capsys):
    path = write(tmp_path / "x_rate.fits", logged("1.19", NIRCAM), version="1.20.1")
    assert reproduce.main([str(path)]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("# Made from x_rate.fits:\n# jwst 1.20.1, jwst_1364.pmap.\n# jwst 1.20.1 made it; the ")
    assert said.err.startswith("rampflow: jwst 1.20.1 made it; the nearest release is 1.19")
    assert yaml.safe_load(said.out)["release"] == "1.19"


@pytest.mark.parametrize(
    ("keywords", "expected"),
    [
        ({"version": "rampflow 0.1.0"}, "rampflow 0.1.0 made it"),
        ({"version": ""}, "CAL_VER is missing"),
        ({"INSTRUME": "HRC"}, "INSTRUME is HRC"),
    ],
)
def test_what_is_no_product_of_jwst_is_refused_in_a_line(tmp_path, capsys, keywords, expected):
    path = write(tmp_path / "x_rate.fits", None, **keywords)
    assert reproduce.main([str(path)]) == 2
    said = capsys.readouterr()
    assert expected in said.err and said.err.count("\n") == 1 and not said.out


def test_products_of_two_contexts_are_refused(tmp_path):
    one = Origin.read(write(tmp_path / "x_rate.fits", None))
    other = Origin.read(write(tmp_path / "y_rate.fits", None, CRDS_CTX="jwst_1300.pmap"))
    with pytest.raises(FileProblem, match=r"jwst_1300.pmap made it, and jwst 1\.19\.2 with jwst_1364"):
        configuration([one, other])


def test_a_log_that_is_no_log_is_a_line(tmp_path):
    path = write(tmp_path / "x_rate.fits", logged("1.19", NIRCAM))
    content = path.read_bytes()
    path.write_bytes(content.replace(b"cal_logs:\n  calwebb", b"cal_logs:\n: [calwebb", 1))
    assert content != path.read_bytes()
    with pytest.raises(FileProblem, match="cal_logs"):
        Origin.read(path)
