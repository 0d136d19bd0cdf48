"""The page of a report in a real browser: it is drawn, sorted, filtered and opened, and asks for nothing."""

import numpy as np
import pytest

from rampflow.detector import dq
from rampflow.inspection import page, pictures, summary
from rampflow.inspection.beside import COLUMNS, Beside
from rampflow.inspection.counts import Counts
from rampflow.inspection.exposures import ExposureResults
from rampflow.inspection.look import Look, PixelRamp, Stage
from rampflow.inspection.results import Results

#: At which column of the table what is.
NAME, STATE, TIME = 0, 1, 9
#: What is done in the page and what it gives, in this order.
SCRIPTS = {
    "requests": 'return performance.getEntriesByType("resource").map((one) => one.name);',
    "opened": """
        const before = document.getElementById("jw00003_nis").open;
        location.hash = "#jw00003_nis"; window.dispatchEvent(new Event("hashchange"));
        const section = document.getElementById("jw00003_nis");
        const images = [...section.querySelectorAll("img")];
        return [before, section.open, images.length, images.every((one) => one.src.startsWith("data:image/png")),
                section.querySelectorAll("circle").length, section.textContent.includes("<no> gain")];""",
    "filtered": """
        const input = document.querySelector(".filter input"), open = () =>
          [...document.querySelectorAll("details.exposure")].filter((one) => !one.hidden).length;
        const said = [column(NAME).length, open()];
        const write = (text) => { input.value = text; input.dispatchEvent(new Event("input")); };
        write("seg niriss_no"); said.push(column(NAME).length);
        write("SEG sub80"); said.push(column(NAME), open());
        write("");
        const button = document.querySelector(".filter button[data-state=failed]");
        button.click(); said.push(column(STATE), open(), document.querySelector(".filter span").textContent);
        button.click(); said.push(column(NAME).length);
        return said;""",
    "sorted": """
        const head = table.tHead.rows[0].cells[TIME], button = head.querySelector("button");
        button.click(); const up = column(TIME);
        button.click(); return [up, column(TIME), head.getAttribute("aria-sort"), button.textContent];""",
    "variants": """
        const section = document.getElementById("jw00004_nis"); section.open = true;
        const rows = [...section.querySelectorAll("table.beside tbody tr")].map((row) => row.cells[0].textContent);
        const curves = [...section.querySelectorAll("path.curve")];
        const colours = curves.map((one) => getComputedStyle(one).stroke);
        return [rows, colours, curves.every((one) => one.getTotalLength() > 100),
                document.querySelectorAll("table.beside").length];""",
    "width": """
        for (const one of document.querySelectorAll("details")) one.open = true;
        return [document.documentElement.scrollWidth, innerWidth];""",
}
BEGINNING = f"""
const NAME = {NAME}, STATE = {STATE}, TIME = {TIME}, table = document.querySelector("table.exposures");
const column = (at) => [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => row.cells[at].textContent);
"""


def record(wall):
    made = {"step": "jump", "status": "COMPLETE", "reason": None, "outputs": {}, "inputs": {}, "versions": {}}
    return made | {"wall_s": wall, "cpu_s": wall, "peak_memory_mb": 100.0}


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """A page of twelve exposures, one that failed, two segments of one."""
    results = Results(tmp_path_factory.mktemp("results"))
    chance = np.random.default_rng(1)
    exposures, looks = [], []
    for number in range(12):
        root = f"jw{number:05d}_nis" if number < 10 else f"jw00010-seg{number - 9:03d}_nis"
        facts = {"instrument": "NIRISS", "detector": "NIS", "exp_type": "NIS_AMI", "optics": ["F480M"], "tso": False}
        facts |= {"subarray": "SUB80", "readpatt": "NISRAPID", "ngroups": 5, "shape": [2, 5, 80, 80], "off": {}}
        # Times that text would put in another order.
        one = ExposureResults(root, facts, {"jump": record(float(number * 7 % 12 + 1))}, ["jump", "ramp_fit"])
        one.products |= {"rate": [], "ramp": [], "jump": []}
        if number == 3:
            one.state, one.why = "failed", "ramp_fit: <no> gain"
        rate, flags = chance.normal(size=(80, 80)), np.zeros((80, 80), np.uint32)
        flags[5, 7] = dq.JUMP_DET
        look = Look(Counts({"JUMP_DET": 0.01 * number}, {}), pictures.grey_picture(rate, 64))
        look.flags, look.jumps = pictures.flag_picture(flags, 64), pictures.jump_picture(flags / 40.0, 64)
        look.stages = [Stage("raw", look.rate), Stage("superbias", look.rate, look.rate, 10.0)]
        look.ramps = [
            PixelRamp("jump", 3, 4, 1, 2.5, [0.0, 1.0, 2.0], [1.0, 2.0, 9.0], ["", "", "jump"], True, (1.0, 3.0))
        ]
        if number == 4:
            names = (None, "strict", "a_variant_of_a_long_name")
            rows = [dict.fromkeys(COLUMNS) | {"variant": name, "changes": "jump.x = 3, " * 9} for name in names]
            look.beside = [Beside(row | {"rate": 1.5}, [1.0, 1.1, 0.9 + at]) for at, row in enumerate(rows)]
        exposures.append(one)
        looks.append(look)
    rows = [summary.row(one, results, look.counts) for one, look in zip(exposures, looks, strict=True)]
    return page.write(results, exposures, looks, rows)


@pytest.fixture(scope="module")
def shown(content, in_browser):
    """Run scripts in the page, in a window of a width; return what each gives."""
    return lambda *names, width=1400: in_browser(
        content, {name: SCRIPTS[name] for name in names}, beginning=BEGINNING, width=width
    )


@pytest.fixture(scope="module")
def said(shown):
    return shown(*SCRIPTS)


def test_the_page_asks_for_nothing(said):
    assert said["requests"] == []


def test_a_link_opens_its_exposure_and_pictures_are_drawn(said):
    assert said["opened"] == [False, True, 6, True, 3, True]


def test_variants_are_a_table_and_curves_of_different_colours(said):
    rows, colours, drawn, tables = said["variants"]
    assert rows == ["(without)", "strict", "a_variant_of_a_long_name"]
    assert len(set(colours)) == 3 and drawn and tables == 1


def test_words_and_states_filter_rows_and_sections(said):
    rows, sections, none, segments, of_segments, failed, of_failed, text, again = said["filtered"]
    assert rows == sections == again == 12 and none == 0
    assert segments == ["jw00010-seg001_nis", "jw00010-seg002_nis"] and of_segments == 2
    assert failed == ["failed"] and of_failed == 1 and text == "1 of 12"


def test_a_click_sorts_and_another_one_turns_the_order(said):
    up, down, order, title = said["sorted"]
    times = [float(text.split()[0]) for text in up]
    assert title == "time" and times == sorted(times) == [float(n) for n in range(1, 13)]
    assert down == up[::-1] and order == "descending"


@pytest.mark.parametrize("width", [1400, 800, 500])
def test_only_tables_are_wider_than_the_window(said, shown, width):
    needed, there = (said if width == 1400 else shown("width", width=width))["width"]
    assert needed <= there <= width
