"""The page of a comparison in a real browser: its pictures are drawn, and it fits the window, by day and by night."""

import numpy as np
import pytest
from astropy.io import fits

from rampflow.detector import dq
from rampflow.inspection import difference_page
from rampflow.inspection.comparison import Compared

SCRIPTS = {
    "requests": 'return performance.getEntriesByType("resource").map((one) => one.name);',
    "opened": """
        const section = document.getElementById("jw00009_nis_rate"), before = section.open;
        location.hash = "#jw00009_nis_rate"; window.dispatchEvent(new Event("hashchange"));
        return [before, section.open];""",
    "pictures": """
        for (const one of document.querySelectorAll("details")) one.open = true;
        const images = [...document.querySelectorAll("img")];
        return [images.length, images.every((one) => one.src.startsWith("data:image/png") && one.naturalWidth > 0)];""",
    "sorted": """
        const table = document.querySelector("table.sortable"), cells = () =>
          [...table.tBodies[0].rows].map((row) => Number(row.cells[3].textContent));
        const button = table.tHead.rows[0].cells[3].querySelector("button");
        button.click(); const up = cells();
        button.click(); return [up, cells()];""",
    "width": """
        for (const one of document.querySelectorAll("details")) one.open = true;
        return [document.documentElement.scrollWidth, innerWidth];""",
    "rows": """
        const heights = [...document.querySelectorAll("table.sortable tbody tr")].map((row) => row.offsetHeight);
        return Math.max(...heights);""",
    "colours": """
        const style = getComputedStyle(document.body);
        return [style.backgroundColor, style.color];""",
}
DARK = ("--force-dark-mode", "--blink-settings=preferredColorScheme=0")


def product(path, seed, differs):
    """Write a rate, which differs from that of the other side in values, flags and NaN."""
    chance = np.random.default_rng(seed)
    values = {"SCI": chance.normal(10, 1, (40, 32)), "ERR": np.full((40, 32), 0.5)}
    flags = np.zeros((40, 32), np.uint32)
    if differs:
        values["SCI"] += np.random.default_rng(seed + 1).normal(0, 0.1, (40, 32))
        values["SCI"][3, 4], flags[5, 6:9] = np.nan, dq.JUMP_DET | dq.DO_NOT_USE | dq.SATURATED
    path.parent.mkdir(parents=True, exist_ok=True)
    primary = fits.PrimaryHDU()
    primary.header.update({"S_JUMP": "COMPLETE", "R_DARK": f"crds://{'a_long_name_' * differs}dark.fits"})
    hdus = [fits.ImageHDU(array.astype(np.float32), name=name) for name, array in values.items()]
    fits.HDUList([primary, *hdus, fits.ImageHDU(flags, name="DQ")]).writeto(path)


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """A page of ten products that differ, and one that does not."""
    folder = tmp_path_factory.mktemp("compared")
    for number in range(11):
        for side in "ab":
            product(folder / side / f"jw{number:05d}_nis_rate.fits", number, side == "b" and number < 10)
    compared = Compared(folder / "a", folder / "b")
    assert len(list(compared.work())) == 11
    return difference_page.write(compared, (f"{folder}/a", f"{folder}/b"))


@pytest.fixture(scope="module")
def said(content, in_browser):
    return in_browser(content, SCRIPTS)


def test_the_page_asks_for_nothing_and_its_pictures_are_drawn(said):
    assert said["requests"] == []
    # The difference, NaN and flags of each.
    assert said["pictures"] == [30, True]


def test_a_link_opens_its_product(said):
    assert said["opened"] == [False, True]


def test_a_click_sorts_what_differs(said):
    up, down = said["sorted"]
    assert up == sorted(up) and down == up[::-1] and len(up) == 20 and up[0] == 3 and up[-1] == 1280


@pytest.mark.parametrize("width", [1400, 800, 500])
def test_only_tables_are_wider_than_the_window_and_rows_are_low(said, content, in_browser, width):
    wanted = {name: SCRIPTS[name] for name in ("width", "rows")}
    found = said if width == 1400 else in_browser(content, wanted, width=width)
    needed, there = found["width"]
    assert needed <= there <= width and found["rows"] < 70


def test_by_night_it_is_dark(said, content, in_browser):
    night = in_browser(content, {"colours": SCRIPTS["colours"]}, options=DARK)["colours"]

    def brightness(colour):
        return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))

    page, text = map(brightness, said["colours"])
    dark_page, bright_text = map(brightness, night)
    assert page > 700 and text < 200 and dark_page < 200 and bright_text > 500
