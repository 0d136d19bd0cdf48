"""One pixel through all steps: numbers against the arrays, reasons against the rules of the steps."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import rampflow
from programmes.chains import BOTTOM, LEFT, NEAR_IR, run_chain, stars_and_cosmic_rays
from rampflow.detector import dq
from rampflow.errors import RampflowError
from rampflow.inspection import pixel as command
from rampflow.inspection import pixel_jumps
from rampflow.inspection.pixel_slope import segments
from rampflow.mock import Effects, MockExposure, Rectangle, Scene


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder of results and the exposure in it."""
    folder = tmp_path_factory.mktemp("pixel")
    return folder / "results", run_chain(folder, stars_and_cosmic_rays(), NEAR_IR, saturation={"n_pix_grow_sat": 2})


def arrays(place, step, name):
    results, root = place
    return fits.getdata(results / root / f"{root}_{step}.fits", name)


def flagged(place, step, bit):
    """Pixels, as (y, x), that a flag of groups has been set in."""
    return np.argwhere(np.bitwise_or.reduce(arrays(place, step, "GROUPDQ"), axis=(0, 1)) & bit)


def test_ramps_flags_and_rates_are_those_of_the_arrays(place):
    results, root = place
    history = rampflow.pixel(results, root, 12, 30)
    assert [stage.step for stage in history.stages] == ["uncal", *NEAR_IR]
    for stage in history.stages[1:]:
        np.testing.assert_array_equal(stage.sci, arrays(place, stage.step, "SCI")[:, :, 29, 11])
        np.testing.assert_array_equal(stage.groupdq, arrays(place, stage.step, "GROUPDQ")[:, :, 29, 11])
        assert stage.pixeldq == arrays(place, stage.step, "PIXELDQ")[29, 11]
    assert list(history.rates) == ["ramp_fit", "gain_scale", "rate"]
    image, cube = history.rates["rate"]
    for name in ("SCI", "ERR", "VAR_POISSON", "VAR_RNOISE", "DQ"):
        assert image[name] == arrays(place, "rate", name)[29, 11]
        assert [each[name] for each in cube] == arrays(place, "rateints", name)[:, 29, 11].tolist()


def test_the_raw_ramp_is_there_too(place):
    results, root = place
    raw = fits.getdata(results.parent / f"{root}_uncal.fits", "SCI")
    np.testing.assert_array_equal(rampflow.pixel(results, root, 1, 1).stages[0].sci, raw[:, :, 0, 0])


def test_the_same_pixel_in_three_ways_of_counting(place):
    results, root = place
    pixels = [
        rampflow.pixel(results, root, 12, 30),
        rampflow.pixel(results, root, 11, 29, zero=True),
        rampflow.pixel(results, root, LEFT + 11, BOTTOM + 29, detector=True),
        rampflow.pixel(results, root, LEFT + 10, BOTTOM + 28, detector=True, zero=True),
    ]
    assert {(each.place.y, each.place.x, each.place.row, each.place.column) for each in pixels} == {
        (29, 11, BOTTOM + 28, LEFT + 10)
    }


def test_references_are_read_at_the_place_of_the_pixel_on_the_detector(place):
    results, root = place
    found = rampflow.pixel(results, root, 12, 30).references
    for kind in ("saturation", "superbias", "gain", "readnoise", "linearity"):
        pointer = json.loads((results / root / "references" / f"{kind}.json").read_text())
        with fits.open(pointer["file"]) as hdus:
            y, x = (BOTTOM + 29 - hdus[0].header["SUBSTRT2"], LEFT + 11 - hdus[0].header["SUBSTRT1"])
            data = hdus["COEFFS" if kind == "linearity" else "SCI"].data[..., y, x]
        np.testing.assert_array_equal(found[kind].values, data.astype(np.float32))
        assert found[kind].name == Path(pointer["file"]).name


def test_every_saturated_group_is_explained_by_counts_or_by_a_neighbour(place):
    results, root = place
    pixels = flagged(place, "saturation", dq.SATURATED)
    counts = arrays(place, "dq_init", "SCI")
    assert len(pixels) > 10
    seen = set()
    for y, x in pixels[:: len(pixels) // 40 + 1]:
        history = rampflow.pixel(results, root, x, y, zero=True)
        full = float(history.references["saturation"].values)
        for change in history.changes:
            if change.flag != "SATURATED":
                continue
            own = counts[change.integration - 1, : change.last, y, x].max() >= full
            assert change.step == "saturation"
            kind = next(word for word in ("grown", "full well is", "full since") if word in change.why)
            seen.add(kind)
            assert own == (kind != "grown"), change
            if kind == "grown":
                words = change.why.replace(",", "").replace(":", "").split()
                nx, ny = (int(words[words.index(axis) + 1]) - 1 for axis in "xy")
                assert 0 < max(abs(nx - x), abs(ny - y)) <= 2
                group = arrays(place, "saturation", "GROUPDQ")[change.integration - 1, change.first - 1, ny, nx]
                assert group & dq.SATURATED
    assert seen == {"grown", "full well is", "full since"}


def test_averages_that_may_hold_full_frames_are_said_to_be_such(place):
    results, root = place
    before, after = (arrays(place, step, "GROUPDQ") & dq.DO_NOT_USE for step in ("dq_init", "saturation"))
    places = np.argwhere(after & ~before)
    assert len(places) > 3
    for i, g, y, x in places[:: len(places) // 20 + 1]:
        changes = rampflow.pixel(results, root, x, y, zero=True).changes
        why = [
            c.why for c in changes if c.flag == "DO_NOT_USE" and c.integration == i + 1 and c.first <= g + 1 <= c.last
        ]
        assert len(why) == 1 and "use_readpatt" in why[0]


def test_the_floor_of_the_converter_and_charge_that_moves_are_said_to_be_such(tmp_path):
    def edit(hdus):
        hdus["SCI"].data[0, 2, 5, 7] = 0

    exposure = MockExposure(
        "NIS",
        "NISRAPID",
        5,
        1,
        window=Rectangle(LEFT, BOTTOM, 24, 20),
        scene=Scene(sky=5.0, stars=4, brightest=2e5),
        effects=Effects.nominal("NIRISS"),
    )
    chain = (*NEAR_IR[:-1], "charge_migration", "jump")
    root = run_chain(tmp_path, exposure, chain, edit, charge_migration={"signal_threshold": 500.0})
    place = tmp_path / "results", root
    floor = rampflow.pixel(*place, 8, 6)
    assert [(c.flag, c.first, c.last, c.why) for c in floor.changes if c.step == "saturation"] == [
        (flag, 3, 3, "0 DN, the floor of the converter is 0") for flag in ("DO_NOT_USE", "AD_FLOOR")
    ]
    assert floor.segments() == [[(1, 2), (4, 5)]]
    pixels = flagged(place, "charge_migration", dq.CHARGELOSS)
    counts = arrays(place, "dark_current", "SCI")[0]
    assert len(pixels) > 5
    seen = set()
    for y, x in pixels:
        changes = rampflow.pixel(*place, x, y, zero=True).changes
        (why,) = {c.why for c in changes if c.flag == "CHARGELOSS"}
        beside = why.startswith("the neighbour at x ")
        seen.add(beside)
        assert why.endswith("DN (signal_threshold)")
        (group,) = {c.first for c in changes if c.flag == "CHARGELOSS"}
        assert beside or counts[group - 1, y, x] > 500
    assert seen == {True, False}


def test_every_jump_is_found_again_in_the_pixel_or_beside_it(place):
    results, root = place
    pixels = flagged(place, "jump", dq.JUMP_DET)
    assert len(pixels) > 20
    seen = set()
    for y, x in pixels:
        history = rampflow.pixel(results, root, x, y, zero=True)
        jumps = np.zeros(history.stages[-1].groupdq.shape, bool)
        for change in history.changes:
            if change.flag == "JUMP_DET":
                kind = change.why.split()[0]
                seen.add(kind)
                assert kind in ("difference", "beside"), change
                jumps[change.integration - 1, change.first - 1 : change.last] = True
        np.testing.assert_array_equal(jumps, arrays(place, "jump", "GROUPDQ")[:, :, y, x] & dq.JUMP_DET != 0)
    assert seen == {"difference", "beside"}


@pytest.mark.parametrize(
    ("more", "mode"),
    [
        ({"min_diffs_single_pass": 5}, "single_pass"),
        ({"minimum_sigclip_groups": 12, "only_use_ints": False, "rejection_threshold": 2.0}, "sigma_clip"),
        ({"after_jump_flag_dn1": 5.0, "after_jump_flag_time1": 3.0}, "iterative"),
    ],
)
def test_the_search_for_jumps_is_that_of_the_step(place, tmp_path, more, mode):
    """What the step has flagged in all pixels is what the formulas give for them, their neighbours and what follows."""
    results, root = place
    parameters = {name: entry["value"] for name, entry in _parameters(place, "jump").items()} | more
    files = {kind: json.loads((results / root / f"references/{kind}.json").read_text())["file"] for kind in _BOTH}
    path = results / root / f"{root}_dark_current.fits"
    product = rampflow.apply("jump", path, references=files, output=tmp_path, crds={"pars": False}, **more)
    expected = fits.getdata(product, "GROUPDQ") & dq.JUMP_DET != 0
    sci, groupdq = (arrays(place, "dark_current", name) for name in ("SCI", "GROUPDQ"))
    gain, readnoise = (_cut(files[kind]) for kind in _BOTH)
    unused = (groupdq & dq.DO_NOT_USE != 0).all(axis=(2, 3))
    assert pixel_jumps.mode_of(unused, parameters) == mode
    jump, spreads, above = (np.zeros(sci.shape, kind) for kind in (bool, bool, np.float32))
    for y, x in np.ndindex(sci.shape[2:]):
        ramp = sci[:, :, y, x], groupdq[:, :, y, x], gain[y, x], readnoise[y, x]
        found = pixel_jumps.find(*ramp, 4, mode, parameters)
        jump[:, 1:, y, x], spreads[:, 1:, y, x], above[:, 1:, y, x] = found.jump, found.spreads, found.above
    for shift, axis in ((1, 2), (-1, 2), (1, 3), (-1, 3)):
        inside = [slice(None)] * 4
        inside[axis] = slice(1, None) if shift == 1 else slice(None, -1)
        jump[tuple(inside)] |= np.roll(spreads, shift, axis)[tuple(inside)]
    reach = int(parameters["after_jump_flag_time1"] // fits.getval(product, "TGROUP"))
    assert (reach > 0) == (mode == "iterative")
    large = jump & (above >= parameters["after_jump_flag_dn1"] * np.float32(np.median(gain)))
    for after in range(1, reach + 1):
        jump[:, after:] |= large[:, :-after]
    jump &= groupdq & (dq.DO_NOT_USE | dq.SATURATED) == 0
    assert expected.any()
    np.testing.assert_array_equal(jump, expected)


_BOTH = ("gain", "readnoise")


def _cut(path):
    """Image of a reference at the exposure's place."""
    with fits.open(path) as hdus:
        y, x = BOTTOM - hdus[0].header["SUBSTRT2"], LEFT - hdus[0].header["SUBSTRT1"]
        return hdus["SCI"].data[y : y + 40, x : x + 48].astype(np.float32)


def _parameters(place, step):
    results, root = place
    return json.loads((results / root / f"parameters/{step}.json").read_text())


def test_masked_pixels_are_named_and_said_to_be_nan_for_that(place):
    results, root = place
    masked = np.argwhere(arrays(place, "dq_init", "PIXELDQ") & dq.DO_NOT_USE)
    assert len(masked)
    y, x = masked[0]
    history = rampflow.pixel(results, root, x, y, zero=True)
    assert np.isnan(history.rates["rate"][0]["SCI"])
    names = [name for name, bit in dq.MNEMONICS.items() if arrays(place, "dq_init", "PIXELDQ")[y, x] & bit]
    assert [c.flag for c in history.changes if c.array == "PIXELDQ" and c.step == "dq_init"] == names
    assert history.nan.startswith("rate: NaN, because every group is DO_NOT_USE by dq_init in group 1-6 (jwst_")
    assert all(name in history.nan for name in names) and "\n" not in history.nan
    assert history.text().endswith(history.nan[-20:])


def test_every_pixel_without_a_rate_is_said_why(place):
    results, root = place
    without = np.argwhere(np.isnan(arrays(place, "rate", "SCI")))
    assert len(without) > 3
    for y, x in without[:: len(without) // 30 + 1]:
        assert "do not say why" not in rampflow.pixel(results, root, x, y, zero=True).nan
    y, x = np.argwhere(np.isfinite(arrays(place, "rate", "SCI")))[0]
    assert rampflow.pixel(results, root, x, y, zero=True).nan == ""


def test_the_text_has_every_number_and_fits_a_terminal(place):
    results, root = place
    y, x = flagged(place, "jump", dq.JUMP_DET)[0]
    history = rampflow.pixel(results, root, x, y, zero=True)
    text = history.text()
    assert max(map(len, text.splitlines())) <= 100
    for value in arrays(place, "jump", "SCI")[:, :, y, x].ravel():
        assert f"{value:.2f}" in text
    assert "Ramp, integration 2" in text and "Ramp, integration 2" not in history.text(1)
    assert "sigma, above" in text and "n_pix_grow_sat 2" in text and "[config (apply)]" in text


def test_a_frame_has_a_line_for_every_sample(place):
    results, root = place
    frame = rampflow.pixel(results, root, 12, 30).frame()
    assert list(frame.columns) == ["step", "integration", "group", "sci", "groupdq", "flags"]
    assert len(frame) == 9 * 2 * 6
    line = frame[(frame.step == "jump") & (frame.integration == 2) & (frame.group == 3)]
    assert line.sci.item() == arrays(place, "jump", "SCI")[1, 2, 29, 11]


def test_json_holds_everything_and_is_json(place, capsys):
    results, root = place
    y, x = np.argwhere(np.isnan(arrays(place, "rate", "SCI")))[0]
    assert command.main([str(results), root, str(x), str(y), "--zero", "--json"]) == 0
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert found["detector"] == {"x": x + LEFT, "y": y + BOTTOM}
    assert found["rates"]["rate"]["rate"]["SCI"] is None and found["why_nan"]
    assert found["ramps"][-1]["sci"] == arrays(place, "jump", "SCI")[:, :, y, x].tolist()
    assert found["parameters"]["saturation"]["n_pix_grow_sat"] == {"value": 2, "source": "config (apply)"}


def test_a_picture_is_drawn(place, tmp_path, capsys):
    image = pytest.importorskip("PIL.Image")
    results, root = place
    assert command.main([str(results), root, "12", "30", "--plot", str(tmp_path / "ramp.png")]) == 0
    assert "Ramp, integration 1" in capsys.readouterr().out
    colours = image.open(tmp_path / "ramp.png").convert("RGB").getcolors(100000)
    assert len(colours) > 20


def test_products_that_were_not_kept_are_named_and_the_rest_is_told(place, tmp_path):
    results, root = place
    for path in (results / root).rglob("*"):
        kept = path.suffix == ".json" or "_rate" in path.name
        if path.is_file() and kept:
            copy = tmp_path / "results" / path.relative_to(results)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    (tmp_path / f"{root}_uncal.fits").symlink_to(results.parent / f"{root}_uncal.fits")
    y, x = np.argwhere(arrays(place, "dq_init", "PIXELDQ") & dq.DO_NOT_USE)[0]
    history = rampflow.pixel(tmp_path / "results", root, x, y, zero=True)
    assert f"not kept: {', '.join(NEAR_IR)}" in " ".join(history.text().split())
    assert history.nan.startswith("rate: NaN, because the mask forbids it")
    assert history.references["gain"].values > 0 and history.changes == []


def test_what_is_damaged_is_said_and_the_rest_is_told(place, tmp_path, capsys):
    results, root = place
    copy = tmp_path / "results" / root
    shutil.copytree(results / root, copy)
    (tmp_path / f"{root}_uncal.fits").symlink_to(results.parent / f"{root}_uncal.fits")
    whole = (copy / f"{root}_refpix.fits").read_bytes()
    (copy / f"{root}_refpix.fits").write_bytes(whole[: len(whole) // 2])
    (copy / f"{root}_linearity.fits").write_bytes(b"SIMPLE")
    (copy / "parameters/jump.json").write_text('{"rejection_threshold": {"value": null, "source": "me"}}')
    (copy / "record/superbias.json").write_text("[]")
    (copy / "references/gain.json").write_text("{}")
    y, x = flagged(place, "jump", dq.JUMP_DET)[0]
    assert command.main([str(tmp_path / "results"), root, str(x), str(y), "--zero"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for part in ("truncated", "linearity", "parameters/jump.json does not say", "record/superbias.json", "gain.json"):
        assert part in said


def test_a_missing_product_between_is_no_step_s_fault(place, tmp_path):
    results, root = place
    copy = tmp_path / "results" / root
    copy.mkdir(parents=True)
    for path in (results / root).iterdir():
        if path.name not in (f"{root}_saturation.fits", f"{root}_superbias.fits"):
            (copy / path.name).symlink_to(path)
    y, x = flagged(place, "jump", dq.SATURATED)[0]
    changes = rampflow.pixel(tmp_path / "results", root, x, y, zero=True).changes
    assert {c.step for c in changes if c.flag == "SATURATED"} == {"saturation"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["49", "1"], r"x 49, y 1 \(counted from 1\) is not in the frame, where x is 1-48, y 1-40;"),
        (["0", "1"], r"x 0, y 1 .* not in the frame"),
        (["12", "30", "--detector"], r"not in the part of the detector that was read, where x is 101-148, y 201-240"),
        (["12", "30", "--integration", "3"], r"no integration 3; there are 1 to 2"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(place, arguments, said, capsys):
    results, root = place
    assert command.main([str(results), root, *arguments]) == 2
    out, line = capsys.readouterr()
    assert out == "" and line.count("\n") == 1
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(line)


def test_unknown_exposures_and_folders_are_said_in_one_line(place, tmp_path, capsys):
    results, root = place
    for folder, exposure, said in (
        (results, root.replace("nrcb1", "nrcb2"), f"did you mean {root}?"),
        (tmp_path / "nothing", root, "no such folder"),
        (tmp_path, root, "no exposure in it has a record"),
    ):
        assert command.main([str(folder), exposure, "1", "1"]) == 2
        out, line = capsys.readouterr()
        assert out == "" and line.count("\n") == 1 and said in line
    with pytest.raises(RampflowError, match="did you mean"):
        rampflow.pixel(results, root[:-1], 1, 1)


def test_it_starts_without_what_takes_long_to_import(place):
    results, root = place
    slow = ("numba", "astropy", "stdatamodels", "snakemake", "pandas", "scipy", "crds", "jsonschema", "yaml")
    code = (
        "import sys; from rampflow.__main__ import main; "
        f"assert main(['pixel', {str(results)!r}, {root!r}, '5', '6']) == 0; "
        f"assert not set({slow}) & set(sys.modules), set({slow}) & set(sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(rampflow.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_commands_of_the_manual_run(place, tmp_path, monkeypatch, capsys):
    results, root = place
    manual = (Path(__file__).parents[3] / "config/README.md").read_text()
    section = manual[manual.index("## Looking inside") :].split("\n## ")[0]
    commands = re.findall(r"```python\n(.*?)```", section, re.S)
    assert len(commands) == 3
    (tmp_path / "results").symlink_to(results)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec("".join(commands).replace("jw01366003001_04101_00001_nrs1", root), names)
    assert names["ramps"].shape == (12, 9) and names["everything"]["exposure"] == root
    np.testing.assert_array_equal(names["jumps"], arrays(place, "jump", "GROUPDQ") & dq.JUMP_DET != 0)
    took = arrays(place, "superbias", "SCI") - arrays(place, "refpix", "SCI")
    np.testing.assert_array_equal(fits.getdata("refpix_took.fits"), took)
    assert "COMPLETE" in capsys.readouterr().out


def test_segments_are_cut_at_jumps_and_at_what_is_not_used():
    jump, bad = dq.JUMP_DET, dq.DO_NOT_USE
    assert segments(np.array([0, 0, jump, 0, bad, 0, dq.SATURATED], np.uint8)) == [(1, 2), (3, 4), (6, 6)]
    assert segments(np.array([bad, bad], np.uint8)) == []
