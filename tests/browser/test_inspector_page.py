"""The inspector's page in a real browser: what is tapped, chosen and jumped to is what the arrays have."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from astropy.io import fits

from programmes.chains import NEAR_IR, run_chain, stars_and_cosmic_rays
from rampflow.detector import dq
from rampflow.inspection import inspector

pytest.importorskip("bokeh", reason="no bokeh here (pip install '.[inspect]')")
from devtools import CHROMIUM, Browser  # noqa: E402

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here (apt-get install chromium)")
WORKFLOW = str(Path(inspector.__file__).parents[2])
#: All text that is to be seen in the page, whatever shadow it is in.
TEXT = """(() => {
  const said = [];
  const walk = (node) => {
    if (node.nodeType === 3) said.push(node.textContent);
    if (node.nodeType === 1 && ["STYLE", "SCRIPT"].includes(node.tagName)) return;
    if (node.shadowRoot) walk(node.shadowRoot);
    node.childNodes.forEach(walk);
  };
  walk(document.body);
  return said.join("\\n");
})()"""
READY = "!!(window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].is_idle)"
MODEL = "Bokeh.documents[0].get_model_by_name('{}')"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder of results and the exposure in it, with cosmic rays."""
    folder = tmp_path_factory.mktemp("inspector")
    return folder / "results", run_chain(folder, stars_and_cosmic_rays(), NEAR_IR)


@pytest.fixture(scope="module")
def other(place, tmp_path_factory):
    """Other results of the same exposure: 5 DN more in the product of refpix."""
    results = tmp_path_factory.mktemp("others") / "results"
    shutil.copytree(place[0], results)
    with fits.open(results / place[1] / f"{place[1]}_refpix.fits", mode="update") as hdus:
        hdus["SCI"].data += 5
    return results


@pytest.fixture(scope="module")
def address(place, other):
    """The address of the page, as the command prints it."""
    command = [sys.executable, "-m", "rampflow", "inspect", str(place[0]), str(other), "--port", "0"]
    environment = os.environ | {"PYTHONPATH": WORKFLOW}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as server:
        yield server.stdout.readline().strip()
        server.terminate()
        said = server.stderr.read()
    assert "Traceback" not in said, said


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    one = Browser(tmp_path_factory.mktemp("browser"))
    yield one
    one.close()


@pytest.fixture
def page(browser, address):
    """Open the page with a view; return the browser."""

    def call(width=1400, dark=False, **view):
        browser.window(width, 1000, dark)
        query = "&".join(f"{key}={value}" for key, value in view.items())
        browser("Page.navigate", url="about:blank")
        browser("Page.navigate", url=f"{address}{'?' + query if query else ''}")
        browser.wait(READY)
        return browser

    yield call
    assert browser.said == []


def array(place, step, name):
    results, root = place
    return fits.getdata(results / root / f"{root}_{step}.fits", name)


def at(browser, x, y, name="frame"):
    """Where on the screen a point of a figure is, such as a pixel of the frame, counted from 1."""
    return browser.run(f"""(() => {{
      const view = Bokeh.index.find_one_by_id({MODEL.format(name)}.id), box = view.el.getBoundingClientRect();
      return [box.left + view.frame.x_scale.compute({x}),
              box.top + view.frame.y_scale.compute({y})];
    }})()""")


def choose(browser, name, value):
    """Choose in a list as a hand does: the element gets the value and says that it changed."""
    browser.run(f"""(() => {{
      const view = Bokeh.index.find_one_by_id({MODEL.format(name)}.id);
      view.input_el.value = {value!r};
      view.input_el.dispatchEvent(new Event("change"));
    }})()""")


def view_of(browser):
    return {key: values[0] for key, values in parse_qs(urlsplit(browser.run("location.href")).query).items()}


def test_a_click_shows_the_numbers_of_the_arrays(place, page):
    i, g, y, x = (int(each) for each in np.argwhere(array(place, "jump", "GROUPDQ") & dq.JUMP_DET)[0])
    browser = page(product="jump", integration=i + 1)
    browser.click(*at(browser, x + 1, y + 1))
    browser.wait(f"{MODEL.format('text')}.text.includes('numpy [{y}, {x}]')")
    text = browser.wait(f"({TEXT}).includes('numpy [{y}, {x}]') && {TEXT}")
    for step in NEAR_IR:
        line = next(line for line in text.splitlines() if line.startswith(f"  {step} ") and "." in line)
        numbers = [float(each) for each in re.findall(r"-?\d+\.\d\d", line)]
        assert numbers == [round(float(v), 2) for v in array(place, step, "SCI")[i, :, y, x]]
    assert re.search(rf"jump +int {i + 1} group {g + 1}\S* +\+ JUMP_DET", text)
    lines = browser.run(f"""{MODEL.format("ramp")}.renderers.filter((one) => one.glyph.type === "Line" && one.visible)
      .map((one) => [one.data_source.data.step[0], [...one.data_source.data.value]])""")
    for step, values in lines[1:]:
        ramp = array(place, step, "SCI")[i, :, y, x].astype(float)
        np.testing.assert_array_equal(values, ramp - ramp[0])
    marks = browser.run(f"""(() => {{
      const data = {MODEL.format("flags")}.renderers[0].data_source.data;
      return [...data.group].map((group, k) => [group, data.flag[k], data.step[k]]);
    }})()""")
    flags = array(place, "jump", "GROUPDQ")[i, :, y, x]
    expected = {(g + 1, n) for g, f in enumerate(flags) for n, bit in dq.MNEMONICS.items() if int(f) & bit}
    assert {(group, name) for group, name, _ in marks} == expected and [g + 1, "JUMP_DET", "jump"] in marks
    assert view_of(browser).items() >= {"exposure": place[1], "x": str(x + 1), "y": str(y + 1)}.items()


def test_the_ramps_follow_the_pointer_and_are_those_of_the_tapped_pixel_when_it_leaves(place, page):
    browser = page(product="linearity", integration=2, x=5, y=9)
    drawn = f"""{MODEL.format("ramp")}.renderers.filter((one) => one.glyph.type === "Line" && one.visible)
      .map((one) => [one.data_source.data.step[0], [...one.data_source.data.value]])"""
    title = f"{MODEL.format('ramp')}.title.text"
    for x, y in ((12, 20), (30, 7), (31, 7)):
        browser.point(*at(browser, x, y))
        browser.wait(f"{title}.startsWith('x {x}, y {y}, integration 2')")
        for step, values in dict(browser.run(drawn)).items():
            if step != "uncal":
                ramp = array(place, step, "SCI")[1, :, y - 1, x - 1].astype(float)
                np.testing.assert_array_equal(values, ramp - ramp[~np.isnan(ramp)][0])
    assert "numpy [8, 4]" in browser.run(TEXT)
    browser.point(5, 5)
    browser.wait(f"{title}.startsWith('x 5, y 9, integration 2')")
    browser.click(*middle(browser, "follow"))
    browser.wait(f"!{MODEL.format('follow')}.active")
    browser.point(*at(browser, 12, 20))
    browser.click(*middle(browser, "next"))
    browser.wait(f"({TEXT}).includes('choose a flag first')")
    assert browser.run(title).startswith("x 5, y 9")
    assert view_of(browser).items() >= {"x": "5", "y": "9"}.items()


def picture(browser):
    """The picture that is shown, first row lowest."""
    rows, columns, values = browser.run(f"""(() => {{
      const image = {MODEL.format("frame")}.renderers[0].data_source.data.image[0];
      return [...image.shape, [...image].map((one) => isNaN(one) ? null : one)];
    }})()""")
    return np.array(values, float).reshape(rows, columns)


def test_the_picture_is_the_frame_of_the_product_integration_and_group(place, page):
    browser = page(product="refpix", integration=2, group=5)
    np.testing.assert_array_equal(picture(browser), array(place, "refpix", "SCI")[1, 4])
    choose(browser, "product", "linearity")
    browser.wait("location.search.includes('product=linearity')")
    np.testing.assert_array_equal(picture(browser), array(place, "linearity", "SCI")[1, 4])
    choose(browser, "other", "refpix")
    choose(browser, "compare", "difference")
    browser.wait("location.search.includes('compare=difference')")
    less = array(place, "linearity", "SCI")[1, 4] - array(place, "refpix", "SCI")[1, 4]
    np.testing.assert_array_equal(picture(browser), less)
    choose(browser, "compare", "none")
    choose(browser, "product", "rate")
    browser.wait("location.search.includes('product=rate')")
    choose(browser, "array", "ERR")
    browser.wait("location.search.includes('array=ERR')")
    np.testing.assert_array_equal(picture(browser), array(place, "rate", "ERR"))


def test_next_flagged_goes_from_one_flagged_group_to_the_next(place, page):
    browser = page(product="jump", flag="SATURATED", group=2)
    flags = array(place, "jump", "GROUPDQ") & dq.SATURATED
    expected = [tuple(int(k) + 1 for k in place_) for place_ in np.argwhere(flags) if tuple(place_[:2]) >= (0, 1)][:3]
    found = []
    for _ in range(3):
        before = browser.run("location.search")
        browser.click(*middle(browser, "next"))
        browser.wait(f"location.search !== {before!r}")
        view = view_of(browser)
        found.append(tuple(int(view.get(key, 1)) for key in ("integration", "group", "y", "x")))
    assert found == expected


def test_the_address_is_the_view(place, page):
    view = {"product": "superbias", "integration": "2", "group": "3", "x": "12", "y": "30", "flag": "SATURATED",
            "stretch": "all", "colours": "viridis", "x0": "4", "x1": "40", "y0": "10", "y1": "35"}  # fmt: skip
    browser = page(**view)
    assert view.items() <= view_of(browser).items()
    np.testing.assert_array_equal(picture(browser), array(place, "superbias", "SCI")[1, 2, 10:35, 4:40])
    text = browser.run(TEXT)
    assert "numpy [29, 11]" in text and "Ramp, integration 2 [DN]" in text and "Ramp, integration 1 [DN]" not in text


def middle(browser, name):
    """Where on the screen the middle of a widget is."""
    return browser.run(f"""(() => {{
      const one = Bokeh.index.find_one_by_id({MODEL.format(name)}.id).el.getBoundingClientRect();
      return [one.left + one.width / 2, one.top + one.height / 2];
    }})()""")


def test_two_results_are_subtracted_and_take_turns(place, page, other):
    browser = page(product="refpix", compare="difference", group=2)
    assert browser.run(f"{MODEL.format('other')}.value") == "other:refpix"
    root = place[1]
    less = array(place, "refpix", "SCI")[0, 1] - fits.getdata(other / root / f"{root}_refpix.fits", "SCI")[0, 1]
    np.testing.assert_array_equal(picture(browser), less)
    choose(browser, "compare", "blink")
    for title in ("other:refpix", "refpix", "other:refpix"):
        browser.wait(f"{MODEL.format('frame')}.title.text === '{title}'")
        shown = browser.run(f"{MODEL.format('frame')}.renderers.slice(0, 2).map((one) => one.visible)")
        assert shown == [title == "refpix", title != "refpix"]
    choose(browser, "compare", "none")
    browser.wait("!location.search.includes('compare')")
    assert browser.run(f"{MODEL.format('frame')}.renderers.slice(0, 2).map((one) => one.visible)") == [True, False]


def test_the_wheel_zooms_and_the_part_that_is_seen_is_read(place, page):
    browser = page(product="dark_current", group=6)
    x, y = at(browser, 24, 20)
    for _ in range(4):
        browser("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=-120)
    browser.wait("location.search.includes('x0=')")
    view = {key: int(value) for key, value in view_of(browser).items() if key in ("x0", "x1", "y0", "y1")}
    browser.wait(f"{MODEL.format('frame')}.renderers[0].data_source.data.dw[0] === {view['x1'] - view['x0']}")
    part = array(place, "dark_current", "SCI")[0, 5, view["y0"] : view["y1"], view["x0"] : view["x1"]]
    assert part.size < 40 * 48
    np.testing.assert_array_equal(picture(browser), part)


def test_a_time_series_is_read_and_a_tap_goes_to_an_integration(place, page):
    browser = page(product="jump")
    browser.click(*middle(browser, "series"))
    browser.wait(f"{MODEL.format('light')}.visible && {MODEL.format('jumps')}.visible")
    # The reference pixels are not in this part of the detector.
    assert not browser.run(f"{MODEL.format('level')}.visible")
    light, numbers = browser.run(f"""(() => {{
      const data = {MODEL.format("light")}.renderers[0].data_source.data;
      return [[...data.light], [...data.number]];
    }})()""")
    good = np.isfinite(array(place, "rate", "SCI")) & (array(place, "rate", "DQ") & dq.DO_NOT_USE == 0)
    cube, rate = array(place, "rateints", "SCI"), array(place, "rate", "SCI")
    expected = [np.where(np.isfinite(each), each, rate)[good].sum(dtype=float) for each in cube]
    np.testing.assert_allclose(light, expected, rtol=1e-12)
    browser.wait(f"!!Bokeh.index.find_one_by_id({MODEL.format('jumps')}.id)?.el.getBoundingClientRect().height")
    browser.run(f"Bokeh.index.find_one_by_id({MODEL.format('light')}.id).el.scrollIntoView()")
    x, y = at(browser, numbers[1], np.mean(light), "light")
    browser.click(x, y)
    browser.wait("location.search.includes('integration=2')")
    np.testing.assert_array_equal(picture(browser), array(place, "jump", "SCI")[1, 0])


def test_what_cannot_be_shown_is_said_and_the_page_goes_on(place, page):
    browser = page(exposure="jw99", product="jump")
    assert "no exposure jw99" in browser.run(TEXT)
    browser.wait(f"location.search.includes('exposure={place[1]}')")
    browser.click(*middle(browser, "next"))
    browser.wait(f"({TEXT}).includes('choose a flag first')")
    browser = page(product="no", flag="<script>", x="-3", group="9999")
    assert view_of(browser)["product"] == "rate" and browser.run(f"{MODEL.format('flag')}.value") == ""


@pytest.mark.parametrize("width", [1400, 800])
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_fits_its_window_in_light_and_dark(page, width, dark):
    browser = page(width, dark, product="jump", x=12, y=30)
    browser.wait(f"{MODEL.format('dark')}.active === {str(dark).lower()}")
    paper = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper))) < 200) == dark
    browser.wait(f"{MODEL.format('frame')}.border_fill_color === '{'#14181e' if dark else '#ffffff'}'")
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")
