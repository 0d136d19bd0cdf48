"""Products held against others: what is counted, what is said, and what stops nothing."""

import csv
import json
import re
from itertools import pairwise

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

import rampflow
from rampflow.errors import FileProblem
from rampflow.inspection import comparison, difference_page, differences
from rampflow.inspection.differences import chunks, compare_products, difference_image, side_images

SHAPE = (2, 5, 7)


def arrays():
    rng = np.random.default_rng(4)
    return {
        "SCI": rng.normal(100, 10, SHAPE).astype(np.float32),
        "ERR": np.full(SHAPE, 2, np.float32),
        "DQ": np.zeros(SHAPE, np.uint32),
        "VAR_RNOISE": np.ones(SHAPE, np.float32),
    }


def write(path, values=None, times=(1.0, 2.0), **keywords):
    values = arrays() if values is None else values
    primary = fits.PrimaryHDU()
    primary.header.update({"CAL_VER": "1.19.2", "S_JUMP": "COMPLETE", "R_DARK": "crds://dark_1.fits"} | keywords)
    primary.header["FILENAME"] = path.name
    rows = np.array([(k, time) for k, time in enumerate(times)], [("integration", "i4"), ("time", "f8")])
    images = [fits.ImageHDU(array, name=name) for name, array in values.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList([primary, *images, fits.BinTableHDU(rows, name="INT_TIMES")]).writeto(path)
    return path


@pytest.fixture
def two(tmp_path):
    """Write two products, the second with other arrays and keywords; return their paths."""

    def make(change=None, **other):
        values = arrays()
        if change:
            change(values)
        return write(tmp_path / "a" / "x_rateints.fits"), write(tmp_path / "b" / "x_rateints.fits", values, **other)

    return make


def found(paths, extension):
    return next(array for array in compare_products(*paths).arrays if array.extension == extension)


# --- one product -----------------------------------------------------------------------------------------


def test_what_is_the_same_is_equal(two):
    difference = compare_products(*two())
    assert [array.extension for array in difference.arrays] == ["SCI", "ERR", "DQ", "VAR_RNOISE", "INT_TIMES"]
    assert not difference.differs() and not difference.explaining and not difference.keywords
    assert difference.arrays[0].size == 70 and difference.arrays[0].max_errors == 0


def test_differences_of_values_are_counted_by_size_and_by_error(two):
    steps = {(0, 1, 2): 1e-7, (0, 3, 3): 4e-6, (1, 0, 0): 3e-3, (1, 4, 6): 0.05}

    def change(values):
        values["SCI"] = values["SCI"].astype(np.float64)
        for place, step in steps.items():
            values["SCI"][place] *= 1 + step

    paths = two(change)
    array = found(paths, "SCI")
    assert array.differing == 4
    assert array.relative == {1e-6: 3, 1e-5: 2}
    assert array.max_relative == pytest.approx(0.05 / 1.05)
    sci = arrays()["SCI"].astype(float)
    assert array.max_absolute == pytest.approx(0.05 * sci[1, 4, 6])
    # ERR is 2.
    assert array.max_errors == pytest.approx(0.025 * sci[1, 4, 6])
    assert array.errors == {0.01: 2, 0.1: 2, 1: 1}
    assert array.worst == (1, 4, 6)
    assert array.differs() and array.differs(0.04) and not array.differs(0.06)


def test_the_error_is_that_of_b_and_must_be_above_zero(two):
    def change(values):
        values["SCI"][0, 0] += 1
        values["ERR"][:] = 10
        values["ERR"][0, 0, :3] = [0, np.nan, -1]

    array = found(two(change), "SCI")
    assert array.differing == 7 and array.max_errors == pytest.approx(0.1, rel=1e-4)
    assert array.errors[0.01] == 4


def test_what_has_another_unit_is_not_counted_in_errors(two):
    array = found(two(lambda values: values["VAR_RNOISE"].__imul__(2)), "VAR_RNOISE")
    assert array.differing == 70 and array.errors == {} and array.max_errors is None


def test_nan_in_one_only_is_no_difference_of_size(two, tmp_path):
    def change(values):
        values["SCI"][0, 0, :3] = [np.nan, np.inf, -np.inf]

    a, b = two(change)
    array = found((a, b), "SCI")
    assert array.special == (0, 3) and array.differing == 3 and array.max_relative == 0
    assert array.differs(1.0)
    assert found((b, a), "SCI").special == (3, 0)
    assert not found((b, write(tmp_path / "c" / "x_rateints.fits", _read(b))), "SCI").differs()


def _read(path):
    with fits.open(path) as content:
        return {
            hdu.name: hdu.data.astype(hdu.data.dtype.newbyteorder("=")) for hdu in content if hdu.is_image and hdu.size
        }


def test_flags_are_told_by_name_and_side(two):
    def change(values):
        values["DQ"][0, 0, :3] = 4
        values["DQ"][1, 2, 3] = 1 << 31 | 2

    array = found(two(change), "DQ")
    assert array.differing == 4 and array.worst == (0, 0, 0)
    assert array.flags == {"SATURATED": (0, 1), "JUMP_DET": (0, 3), "REFERENCE_PIXEL": (0, 1)}


def test_keywords_explain_and_do_not_count(two):
    difference = compare_products(*two(CAL_VER="3.0.0", S_JUMP="SKIPPED", S_IPC="COMPLETE", TARGNAME="x"))
    assert not difference.differs()
    assert difference.explaining == {
        "CAL_VER": ("1.19.2", "3.0.0"),
        "S_JUMP": ("COMPLETE", "SKIPPED"),
        "S_IPC": (None, "COMPLETE"),
    }
    assert difference.keywords == {"TARGNAME": (None, "x")}


def test_extensions_shapes_and_tables_are_told(two):
    def change(values):
        del values["VAR_RNOISE"]
        values["SCI"] = values["SCI"][:1]
        values["VAR_FLAT"] = values["ERR"]

    difference = compare_products(*two(change, times=(1.0, 3.0)))
    problems = {array.extension: array.problem for array in difference.arrays}
    assert problems["VAR_RNOISE"] == "only in A" and problems["VAR_FLAT"] == "only in B"
    assert problems["SCI"] == "shape (2, 5, 7) in A, (1, 5, 7) in B"
    table = next(array for array in difference.arrays if array.kind == "table")
    assert (table.size, table.differing, table.differs(1.0)) == (2, 1, True)


def test_tables_of_other_lengths_are_told(two):
    assert found(two(times=(1.0,)), "INT_TIMES").problem == "2 rows in A, 1 in B"


def test_chunks_do_not_change_what_is_found(two, monkeypatch):
    def change(values):
        values["SCI"][0, 4, 1] += 1
        values["SCI"][1, 2, 5] += 30
        values["SCI"][1, 3, 5] = np.nan
        values["DQ"][1, 4, 6] = 5

    paths = two(change)
    whole = compare_products(*paths)
    assert whole.arrays[0].worst == (1, 2, 5)
    for elements in (1, 7, 20, 35):
        monkeypatch.setattr(differences, "chunks", lambda shape, elements=elements: chunks(shape, elements))
        assert compare_products(*paths) == whole


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(1, 40))
def test_chunks_cover_an_array_once_and_are_small(shape, elements):
    covered = np.zeros(shape, int)
    for index in chunks(tuple(shape), elements):
        covered[index] += 1
        assert covered[index].size <= max(elements, 1)
    assert (covered == 1).all()


# --- the image -------------------------------------------------------------------------------------------


def test_the_image_shows_the_largest_difference_of_each_pixel(two):
    def change(values):
        values["SCI"][0, 1, 1] -= 4
        values["SCI"][1, 1, 1] += 8
        values["SCI"][0, 2, 2] = np.nan
        values["SCI"][:, 3, 3] = np.nan
        values["DQ"][:, 0, 0] = 1

    paths = two(change)
    image = difference_image(*paths)
    assert image.shape == (5, 7)
    assert image[1, 1] == pytest.approx(-8) and image[2, 2] == 0 and np.isnan(image[3, 3])
    assert np.count_nonzero(np.nan_to_num(image)) == 1
    flags = difference_image(*paths, "DQ")
    assert flags[0, 0] == 2 and flags.sum() == 2


def test_the_image_is_in_units_of_the_error_of_b_where_that_is_asked_for(two):
    def change(values):
        values["SCI"][0, 1, 1] -= 4
        values["SCI"][1, 1, 1] += 8
        values["ERR"][1, 1, 1] = 16
        values["ERR"][0, 2, 2] = 0
        values["ERR"][:, 3, 3] = np.nan

    paths = two(change)
    image = difference_image(*paths, in_errors=True)
    # Four units in one integration, and less than one in the other.
    assert image[1, 1] == pytest.approx(2) and image[2, 2] == 0 and np.isnan(image[3, 3])
    with pytest.raises(FileProblem, match="no ERR for VAR_RNOISE"):
        difference_image(*paths, "VAR_RNOISE", in_errors=True)


def test_the_images_of_sides_show_what_one_lacks(two):
    def change(values):
        values["DQ"][0, 0, 0], values["DQ"][1, 4, 6] = 1, 4
        values["SCI"][1, 2, 3] = np.nan

    one, other = two(change)
    a, b = side_images(one, other, "DQ")
    assert not a.any() and sorted(zip(*map(list, np.nonzero(b)), strict=True)) == [(0, 0), (4, 6)]
    a, b = side_images(other, one, "SCI")
    assert not b.any() and list(zip(*np.nonzero(a), strict=True)) == [(2, 3)]


def test_there_is_no_image_of_arrays_of_other_shapes(two):
    paths = two(lambda values: values.update(SCI=values["SCI"][:1]))
    with pytest.raises(FileProblem, match="shape"):
        difference_image(*paths)
    with pytest.raises(FileProblem, match="no extension OTHER"):
        difference_image(*paths, "OTHER")


# --- folders, and the command ----------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path):
    """Results of a run, and what was downloaded of the same exposures: one of them differs, one is damaged."""
    ours, theirs = tmp_path / "results", tmp_path / "mast"
    for name in ("x1", "x2", "x3"):
        for kind in ("rate", "rateints", "jump"):
            write(ours / name / f"{name}_{kind}.fits")
    write(ours / "x4" / "x4_rate.fits")
    for name in ("x1", "x2", "x3"):
        write(theirs / f"{name}_rate.fits", CAL_VER="1.18.0")
    values = arrays()
    values["SCI"][0, 0, 0] += 1
    write(theirs / "deep" / "er" / "x1_rateints.fits", values)
    (theirs / "x2_rateints.fits").write_bytes((theirs / "x2_rate.fits").read_bytes()[:-2880])
    write(theirs / "x3_uncal.fits")
    write(theirs / "x3_jumpstep.fits")
    return ours, theirs


def test_folders_are_paired_by_name_and_one_bad_file_stops_nothing(folders, capsys, tmp_path):
    ours, theirs = folders
    arguments = [str(ours), str(theirs), "--tsv", str(tmp_path / "t.tsv"), "--json", str(tmp_path / "t.json")]
    assert comparison.main(arguments) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and "x2_rateints.fits" in said.err
    lines = said.out.splitlines()
    assert lines[0].split()[:3] == ["exposure", "product", "array"]
    assert lines[1].split()[:5] == ["x1", "rateints", "SCI", "70", "1"]
    assert "CAL_VER: 1.19.2 in A, 1.18.0 in B (3 products)" in lines
    assert "in A only, not compared: x1_jump, x2_jump, x3_rateints and 1 more" in lines
    assert lines[-1] == "rampflow: 5 products compared: 4 equal, 1 not; 1 could not be compared"
    with open(tmp_path / "t.tsv") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert tuple(rows[0]) == comparison.COLUMNS
    assert [(row["exposure"], row["extension"]) for row in rows if row["differs"] == "True"] == [
        ("x1", ""),
        ("x1", "SCI"),
    ]
    record = json.loads((tmp_path / "t.json").read_text())
    assert record["status"] == 2 and len(record["products"]) == 6
    sci = next(each for each in record["products"] if each["product"] == "rateints")["arrays"][0]
    assert sci["differing"] == 1 and sci["worst"] == [0, 0, 0] and set(sci["errors"]) == {"0.01", "0.1", "1"}


def test_columns_of_the_table_stand_below_each_other(two, capsys):
    assert comparison.main([*map(str, two(lambda values: values["SCI"].__iadd__(1))), "--all"]) == 1
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("exposure", "x "))]
    assert len(table) == 6
    at = table[0].index("array")
    assert [line[at:].split()[0] for line in table[1:]] == ["SCI", "ERR", "DQ", "VAR_RNOISE", "INT_TIMES"]
    end = table[0].index("values") + len("values")
    assert [line[:end].split()[-1] for line in table[1:]] == ["70", "70", "70", "70", "2"]


def test_the_status_says_equal_different_or_neither(two, tmp_path, capsys):
    a, b = two(lambda values: values["SCI"].__imul__(np.float32(1 + 1e-6)))
    assert comparison.main([str(a), str(a)]) == 0
    assert comparison.main([str(a), str(b)]) == 1
    assert comparison.main([str(a), str(b), "--tolerance", "1e-5"]) == 0
    capsys.readouterr()
    assert comparison.main([str(a), str(tmp_path / "none.fits")]) == 2
    assert comparison.main([str(a), str(tmp_path)]) == 2
    (tmp_path / "empty").mkdir()
    assert comparison.main([str(a.parent), str(tmp_path / "empty")]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 3 and said.err.count("rampflow: ") == 3 and not said.out


def test_final_products_that_a_lacks_are_a_finding_and_what_it_has_besides_is_none(tmp_path, capsys):
    a, b = tmp_path / "a", tmp_path / "b"
    write(a / "x_rate.fits"), write(b / "x_rate.fits"), write(b / "x_rateints.fits")
    assert comparison.main([str(a), str(b)]) == 2
    assert "x_rateints: A has none" in capsys.readouterr().err
    assert comparison.main([str(b), str(a)]) == 0
    assert comparison.main([str(a), str(b), "--products", "rate"]) == 0


def test_keywords_with_many_values_are_one_line(tmp_path, capsys):
    for number in range(5):
        write(tmp_path / "a" / f"x{number}_rate.fits", CAL_VCS=f"code {number}", S_JUMP="SKIPPED")
        write(tmp_path / "b" / f"x{number}_rate.fits", CAL_VCS="RELEASE")
    assert comparison.main([str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "CAL_VCS: code 0 in A, RELEASE in B and 4 others (5 products)" in lines
    assert "S_JUMP: SKIPPED in A, COMPLETE in B (5 products)" in lines


def test_two_files_of_one_name_are_not_chosen_from(tmp_path, capsys):
    a, b = tmp_path / "a", tmp_path / "b"
    write(a / "x_rate.fits"), write(b / "x_rate.fits"), write(b / "again" / "x_rate.fits")
    assert comparison.main([str(a), str(b)]) == 2
    assert "x_rate: 2 files of this name" in capsys.readouterr().err


def test_from_python_it_is_a_frame(folders):
    frame = rampflow.compare(*folders, products=["rate", "rateints"])
    assert tuple(frame.columns) == comparison.COLUMNS
    assert set(frame["product"]) == {"rate", "rateints"}
    row = frame[(frame["exposure"] == "x1") & (frame["product"] == "rateints") & (frame["extension"] == "SCI")].iloc[0]
    assert row["differing"] == 1 and row["beyond_0.1_err"] == 1 and row["max_err"] == pytest.approx(0.5)
    assert "x2_rateints.fits" in frame[frame["exposure"] == "x2"]["problem"].str.cat()
    assert all(a <= b for a, b in pairwise(frame["exposure"]))


# --- the page --------------------------------------------------------------------------------------------


def test_the_page_has_the_pictures_flags_and_keywords_of_what_differs(folders, tmp_path, capsys):
    values = arrays()
    values["SCI"][0, 0, 0] += 3
    values["SCI"][1, 2, 2] = np.nan
    values["DQ"][:, 1, 1] = 4
    path = folders[1] / "x2_rate.fits"
    path.unlink()
    write(path, values, S_JUMP="SKIPPED", R_DARK="crds://<dark>.fits")
    page = tmp_path / "page.html"
    assert comparison.main([*map(str, folders), "--report", str(page)]) == 2
    capsys.readouterr()
    text = page.read_text()
    assert text.count('<details class="exposure"') == 2 and 'id="x2_rate"' in text and 'id="x1_rateints"' in text
    (section,) = re.findall(
        r'<details class="exposure" id="x2_rate".*?(?=<details class="exposure"|</body>)', text, re.S
    )
    titles = re.findall(r"<figcaption>(.*?)</figcaption>", section)
    assert titles == ["SCI: A − B", "SCI: not a number", "DQ: flags that differ"]
    # Three units of 2, the error of B.
    assert '<span class="scale differences">' in section and "<i>-1.5</i>" in section and ">of ERR<" in section
    assert '<td>DQ</td><td>JUMP_DET</td><td class="n">0</td><td class="n">2</td>' in section
    assert "SCI: 2 of 70 values differ, by up to 1.5 of ERR; the most at x 1, y 1, integration 1" in section
    assert '<td>S_JUMP</td><td class="long">COMPLETE</td><td class="long">SKIPPED</td>' in section
    assert "crds://&lt;dark&gt;.fits" in section
    assert "Not compared" in text and "x2_rateints.fits" in text and "Equal: " in text
    assert not re.search(r'(src|href)="(?!data:|#)', text)


def test_a_page_of_what_is_equal_says_so_and_one_that_cannot_be_written_is_a_line(two, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert comparison.main([*map(str, two()), "--report", str(page)]) == 0
    text = page.read_text()
    assert "are the same" in text and "<figure" not in text
    assert (
        comparison.main([*map(str, (tmp_path / "a", tmp_path / "b")), "--report", str(tmp_path / "no/page.html")]) == 2
    )
    assert "no/page.html" in capsys.readouterr().err


def test_of_many_products_those_that_differ_most_have_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr(difference_page, "_PICTURED", 1)
    for number, step in enumerate((0.5, 8.0, 2.0)):
        values = arrays()
        values["SCI"][0, 0, 0] += step
        write(tmp_path / "a" / f"x{number}_rate.fits")
        write(tmp_path / "b" / f"x{number}_rate.fits", values)
    compared = comparison.Compared(tmp_path / "a", tmp_path / "b")
    assert len(list(compared.work())) == 3
    text = difference_page.write(compared, ("a", "b"))
    assert text.count("<figure") == 1 and "Of 2 products that differ least there are no pictures" in text
    assert text.index('id="x1_rate"') < text.index("<figure") < text.index('id="x2_rate"')
