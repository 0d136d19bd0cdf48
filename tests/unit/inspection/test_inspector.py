"""What the inspector shows, without a browser: windows, levels, flags that are found, addresses, who is refused."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from rampflow.detector import dq, irs2
from rampflow.errors import RampflowError
from rampflow.inspection import inspector, inspector_series
from rampflow.inspection import inspector_planes as planes
from rampflow.inspection.inspector_planes import Cutout
from rampflow.inspection.inspector_view import PageState

WORKFLOW = str(Path(inspector.__file__).parents[2])
SHAPE = (2, 3, 30, 44)


@pytest.fixture
def ramp():
    chance = np.random.default_rng(5)
    return chance.normal(size=SHAPE).astype(np.float32), np.zeros(SHAPE, np.uint8), np.zeros(SHAPE[-2:], np.uint32)


def write(path, sci, groupdq=None, pixeldq=None, **header):
    primary = fits.PrimaryHDU()
    primary.header.update({"SUBSTRT1": 1, "SUBSTRT2": 1, "SUBSIZE1": sci.shape[-1], "SUBSIZE2": sci.shape[-2]} | header)
    hdus = [primary, fits.ImageHDU(sci, name="SCI")]
    hdus += [fits.ImageHDU(a, name=n) for n, a in (("GROUPDQ", groupdq), ("PIXELDQ", pixeldq)) if a is not None]
    fits.HDUList(hdus).writeto(path)
    return planes.ShownProduct(path)


def test_a_window_is_seen_pixel_by_pixel_or_as_means_of_blocks(tmp_path, ramp):
    sci = ramp[0]
    sci[1, 2, 8, 9] = np.nan
    product = write(tmp_path / "ramp.fits", *ramp)
    near = planes.look(product, "SCI", 1, 2, Cutout(5, 15, 7, 20), 800)
    assert near.block == (1, 1)
    np.testing.assert_array_equal(near.values, sci[1, 2, 5:15, 7:20])
    whole = planes.look(product, "SCI", 1, 2, Cutout(0, 30, 0, 44), 10)
    assert (whole.block, whole.values.shape) == ((3, 5), (10, 9))
    assert whole.values[2, 1] == pytest.approx(np.nanmean(sci[1, 2, 6:9, 5:10]), rel=1e-5)
    # The last block of columns has four of them.
    assert whole.values[9, 8] == pytest.approx(sci[1, 2, 27:, 40:].mean(), rel=1e-5)


def test_bands_of_rows_give_what_one_reading_gives(tmp_path, ramp, monkeypatch):
    ramp[1][0, 1, 17, 23] = dq.JUMP_DET
    product = write(tmp_path / "ramp.fits", *ramp)
    window = Cutout(3, 30, 2, 41)
    seen = [(planes.look(product, "SCI", 0, 1, window, 10).values,
             planes.look_at_flags(product, dq.JUMP_DET, 0, 1, window, 10))]  # fmt: skip
    monkeypatch.setattr(planes, "_BAND", 4 * 39 * 5)
    assert len(list(planes.bands(window, 3))) == 9
    seen.append((planes.look(product, "SCI", 0, 1, window, 10).values,
                 planes.look_at_flags(product, dq.JUMP_DET, 0, 1, window, 10)))  # fmt: skip
    for one, other in zip(*seen, strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.argwhere(seen[0][1]).tolist() == [[(17 - 3) // 3, (23 - 2) // 4]]


def test_no_more_is_read_than_the_window(tmp_path, ramp, monkeypatch):
    product = write(tmp_path / "ramp.fits", *ramp)
    sizes, array = [], type(product.product["SCI"])
    read = array.read
    monkeypatch.setattr(array, "read", lambda self, *index: sizes.append((found := read(self, *index)).size) or found)
    planes.look(product, "SCI", 1, 2, Cutout(5, 15, 7, 20), 5)
    assert sum(sizes) == 10 * 13


def test_a_difference_is_that_of_the_pixels_and_integrations_that_both_have(tmp_path, ramp):
    sci = ramp[0]
    product = write(tmp_path / "ramp.fits", *ramp)
    other = write(tmp_path / "other.fits", sci[:1] * 3)
    seen = planes.look(product, "SCI", 1, 2, Cutout(0, 30, 0, 44), 44, less=other)
    np.testing.assert_array_equal(seen.values, sci[1, 2] - sci[0, 2] * 3)


def test_raw_counts_are_unsigned_and_rates_have_no_groups(tmp_path):
    counts = np.arange(2 * 3 * 4 * 5, dtype=np.uint16).reshape(2, 3, 4, 5) + np.uint16(40000)
    raw = write(tmp_path / "uncal.fits", counts)
    assert (raw.integrations, raw.groups, raw.shape, raw.unit("SCI")) == (2, 3, (4, 5), "DN")
    np.testing.assert_array_equal(planes.look(raw, "SCI", 1, 1, Cutout(0, 4, 0, 5), 9).values, counts[1, 1])
    rate = write(tmp_path / "rate.fits", counts[0, 0].astype(np.float32))
    assert (rate.integrations, rate.groups, rate.unit("SCI")) == (1, 1, "DN/s")
    np.testing.assert_array_equal(planes.look(rate, "SCI", 0, 0, Cutout(0, 4, 0, 5), 9).values, counts[0, 0])


def test_frames_of_irs2_are_seen_without_their_interleaved_rows(tmp_path):
    sci = np.arange(irs2.ROWS, dtype=np.float32)[None, None, :, None] * np.ones((1, 1, 1, 4), np.float32)
    product = write(tmp_path / "uncal.fits", sci, SUBSTRT1=1, SUBSTRT2=1, SUBSIZE1=4, SUBSIZE2=2048, DETECTOR="NRS1")
    assert product.shape == (2048, 4)
    rows = np.flatnonzero(irs2.normal_rows("NRS1"))
    seen = planes.look(product, "SCI", 0, 0, Cutout(100, 130, 0, 4), 800)
    np.testing.assert_array_equal(seen.values[:, 0], rows[100:130])


def test_the_next_flagged_pixel_is_found_in_the_order_of_reading_and_round_again(tmp_path, ramp):
    _, groupdq, pixeldq = ramp
    places = [(0, 1, 4, 7), (0, 1, 4, 9), (0, 2, 0, 0), (1, 0, 29, 43)]
    for place in places:
        groupdq[place] = dq.JUMP_DET | dq.DO_NOT_USE
    pixeldq[11, 12] = dq.HOT
    product = write(tmp_path / "ramp.fits", *ramp)
    found = [(0, 0, 0, -1)]
    for _ in range(5):
        found.append(planes.next_flagged(product, dq.JUMP_DET, found[-1])[0])
    assert found[1:] == [*places, places[0]]
    # A flag of pixels is in all frames: only one of them is looked at.
    assert planes.next_flagged(product, dq.HOT, (0, 0, 0, 0)) == ((0, 0, 11, 12), (0, 0))
    assert planes.next_flagged(product, dq.HOT, (0, 0, 11, 12)) == ((0, 0, 11, 12), (0, 0))
    assert planes.next_flagged(product, dq.SATURATED, (1, 1, 3, 3)) == (None, None)
    # A search that would take long stops and says where.
    assert planes.next_flagged(product, dq.JUMP_DET, (0, 2, 0, 0), most=1) == (None, (0, 2))


def test_levels_pass_over_what_is_no_number():
    values = np.append(np.arange(1001, dtype=np.float32), [np.nan, np.inf])
    assert planes.limits(values, "all") == (0, 1000)
    assert planes.limits(values, "98") == pytest.approx((10, 990))
    low, high = planes.limits(values - 500, "log")
    assert 0 < low < 2 and 499 < high <= 500
    assert planes.limits(np.full((2, 2), np.nan), "zscale") == (0, 1)
    low, high = planes.limits(np.full((9, 9), 7.0), "all")
    assert low == 7 and high > 7


def test_windows_stay_within_the_frame():
    assert Cutout.within((30, 44), -5, 12.2, 40.5, 80) == Cutout(0, 13, 40, 44)
    assert Cutout.within((30, 44), 90, 99, -9, -3) == Cutout(29, 30, 0, 1)


def test_an_address_gives_back_what_is_shown_and_nothing_that_cannot_be():
    shown = PageState(exposure="jw1", product="jump", group=3, x=12, y=30, x0=4.0, x1=40.0, y1=9.0, flag="JUMP_DET")
    assert PageState.read(shown.query()) == shown
    assert PageState().query() == {} and PageState(group=3).query() == {"group": "3"}
    bad = {"group": "x", "x": "-4", "y": "inf", "x0": "nan", "stretch": "<b>", "flag": "NO", "array": "DQ", "a": "b"}
    assert PageState.read(bad) == PageState()


def test_results_that_are_none_are_refused_in_a_line(tmp_path, capsys):
    pytest.importorskip("bokeh", reason="no bokeh here (pip install '.[inspect]')")
    with pytest.raises(RampflowError, match="name the folder of results of a run"):
        planes.exposures(tmp_path)
    assert inspector.main([str(tmp_path / "none")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("rampflow inspect: ") and said.count("\n") == 1


def test_without_bokeh_it_says_what_to_install(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(inspector.importlib.util, "find_spec", lambda _: None)
    assert inspector.main([str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "pip install 'rampflow[inspect]'" in said and said.count("\n") == 1


def test_the_command_is_there_without_bokeh():
    program = "import sys, rampflow.inspection.inspector; print('bokeh' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env={"PYTHONPATH": WORKFLOW})
    assert run.stdout == "False\n"


def test_who_has_no_token_is_refused():
    pytest.importorskip("bokeh", reason="no bokeh here (pip install '.[inspect]')")
    from tornado.httpclient import AsyncHTTPClient, HTTPRequest
    from tornado.websocket import websocket_connect

    from rampflow.inspection.inspector_server import PageServer

    async def ask():
        made = []
        server = PageServer(made.append)
        assert server._server._http._sockets and {
            s.getsockname()[0] for s in server._server._http._sockets.values()
        } == {"127.0.0.1"}
        server._server.start()
        home, _, token = server.address.rpartition("/")
        client, found = AsyncHTTPClient(), {}
        asked = {
            "right": token,
            "script": f"{token}/static/js/bokeh.min.js",
            "none": "",
            "wrong": "x" * len(token),
            "longer": f"{token}x",
            "bare script": "static/js/bokeh.min.js",
            "bare socket": "ws",
            "query": f"?token={token}",
            "rebound": token,
        }
        for name, path in asked.items():
            host = {"Host": "example.org"} if name == "rebound" else {}
            request = HTTPRequest(f"{home}/{path}", headers=host)
            found[name] = (await client.fetch(request, raise_error=False)).code
        try:
            await websocket_connect(f"ws{home[4:]}/ws", subprotocols=["bokeh"])
            found["socket"] = 101
        except Exception as error:
            found["socket"] = error.code
        server._server.stop()
        return found, len(made)

    found, pages = asyncio.run(ask())
    assert {name for name, code in found.items() if code == 200} == {"right", "script"} and pages == 1
    assert set(found.values()) == {200, 403}


@pytest.fixture
def segments(tmp_path):
    """Two segments of a series of three integrations each: rates with a pixel missing once, jumps, reference rows."""
    chance, made = np.random.default_rng(6), {}
    for number in (1, 2):
        name = f"jw00001001001_02101_00001-seg00{number}_nis"
        folder = tmp_path / name
        (folder / "record").mkdir(parents=True)
        flags = np.zeros((12, 9), np.uint32)
        flags[:2], flags[5, number] = dq.REFERENCE_PIXEL | dq.DO_NOT_USE, dq.DO_NOT_USE
        cube = chance.normal(100, 1, (3, 12, 9)).astype(np.float32)
        rate = cube.mean(axis=0)
        cube[1, 7, 7], rate[flags != 0] = np.nan, np.nan
        groupdq = (chance.random((3, 4, 12, 9)) < 0.1).astype(np.uint8) * np.uint8(dq.JUMP_DET)
        ramp = chance.normal(1000, 5, groupdq.shape).astype(np.float32)
        header = fits.Header({"SUBSTRT1": 1, "SUBSTRT2": 1, "SUBSIZE1": 9, "SUBSIZE2": 12})
        for kind, parts in {
            "rate": {"SCI": rate, "DQ": flags},
            "rateints": {"SCI": cube, "DQ": np.broadcast_to(flags, cube.shape).copy()},
            "superbias": {"SCI": ramp, "GROUPDQ": groupdq, "PIXELDQ": flags},
            "jump": {"SCI": ramp, "GROUPDQ": groupdq, "PIXELDQ": flags},
        }.items():
            hdus = [fits.PrimaryHDU(header=header), *(fits.ImageHDU(a, name=n) for n, a in parts.items())]
            fits.HDUList(hdus).writeto(folder / f"{name}_{kind}.fits")
        made[name] = rate, cube, ramp, groupdq, flags
    run = {"exposures": {name: {"chain": ["superbias", "refpix", "jump", "ramp_fit"]} for name in made}}
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "1.json").write_text(json.dumps(run))
    return tmp_path, made


def test_time_series_are_those_of_the_arrays_across_segments(segments):
    results, made = segments
    names = planes.exposures(results)
    assert inspector_series.segments(names[1], [*reversed(names), "jw00001001001_02101_00001_nis"]) == names
    found = inspector_series.series(results, names)
    assert (found.names, found.starts, found.before, found.trouble) == (names, [0, 3], "superbias", [])
    good = np.logical_and.reduce([flags == 0 for *_, flags in made.values()])
    light, jumps, level = [], [], []
    for rate, cube, ramp, groupdq, _ in made.values():
        light += [np.where(np.isnan(each), rate, each)[good].sum(dtype=float) for each in cube]
        jumps += [np.mean(each[:, 2:] == dq.JUMP_DET) for each in groupdq]
        level += [each[:, :2].mean(dtype=float) for each in ramp]
    np.testing.assert_allclose(found.light, light, rtol=1e-12)
    np.testing.assert_allclose(found.jumps, jumps, rtol=1e-12)
    np.testing.assert_allclose(found.level, level, rtol=1e-12)


def test_what_is_missing_of_time_series_is_said_and_the_rest_is_there(segments):
    results, made = segments
    first, second = made
    (results / first / f"{first}_rate.fits").unlink()
    (results / second / f"{second}_jump.fits").unlink()
    found = inspector_series.series(results, [first, second])
    assert found.trouble == ["no light: the rate of a segment is not there"] and np.isnan(found.light).all()
    assert np.isnan(found.jumps).tolist() == [False] * 3 + [True] * 3 and np.isfinite(found.level).all()
