"""The comparison that `make parity` rests on finds what it is for."""

import itertools
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

sys.path.append(str(Path(__file__).parents[2] / "parity"))

import environment
import likely
from compare import only_without_slopes, oracle_tasks, status_text, steps_of
from differences import compare_flags, compare_products, compare_tables, compare_values
from standard import acceptance, findings, read_accepted

from rampflow.settings.configuration import steps

ROOT = Path(__file__).parents[3]


def product(sci=None, dq=None, keywords=None, table=None):
    sci = np.ones((2, 2), np.float32) if sci is None else np.asarray(sci, np.float32)
    dq = np.zeros((2, 2), np.uint32) if dq is None else np.asarray(dq, np.uint32)
    header = fits.Header({"S_JUMP": "COMPLETE", "FILTER": "F200W"} | (keywords or {}))
    hdus = [fits.PrimaryHDU(header=header), fits.ImageHDU(sci, name="SCI"), fits.ImageHDU(dq, name="DQ")]
    if table is not None:
        hdus.append(fits.BinTableHDU(table, name="INT_TIMES"))
    return fits.HDUList(hdus)


def times(*values):
    return np.array([(value,) for value in values], [("int_mid_MJD_UTC", "f8")])


def test_equal_products_do_not_differ():
    found = compare_products(product([[np.nan, 1], [2, 3]]), product([[np.nan, 1], [2, 3]]), 1e-6)
    assert (found.problems, found.remarks) == ([], [])
    assert found.values["SCI"].max_relative == 0
    assert found.values["SCI"].beyond == found.values["SCI"].nan_mismatches == 0
    assert found.flags["DQ"].differing == 0


def test_a_changed_bit_is_found_and_named():
    found = compare_flags(np.array([[0, 5], [2, 0]]), np.array([[0, 1], [2, 2**31]]))
    assert found.differing == 2
    assert found.bits == {4: (1, 0), 2**31: (0, 1)}
    assert found.worst == (0, 1)


def test_two_bits_of_one_element_count_once_as_element():
    assert compare_flags(np.array([3]), np.array([0])).differing == 1


@pytest.mark.parametrize(
    ("ours", "theirs"), [(np.nan, 1.0), (1.0, np.nan), (np.inf, 1.0), (np.inf, -np.inf), (np.nan, np.inf)]
)
def test_a_number_on_one_side_only_is_a_mismatch(ours, theirs):
    found = compare_values([2.0, ours], [2.0, theirs], 1e-6)
    assert found.nan_mismatches == 1
    assert found.worst == (1,)
    assert found.beyond == 0


def test_equal_infinities_agree():
    assert compare_values([np.inf, np.nan], [np.inf, np.nan], 1e-6).nan_mismatches == 0


def test_a_value_beyond_the_tolerance_is_found():
    found = compare_values([100.0, 100.00005, 100.0002], [100.0, 100.0, 100.0], 1e-6)
    assert found.beyond == found.relative_beyond == 1
    assert found.worst == (2,)
    assert found.max_absolute == pytest.approx(2e-4)
    assert found.max_relative == pytest.approx(2e-6)


def test_a_scale_forgives_rounding_of_larger_numbers_but_shows_it():
    found = compare_values([0.011], [0.001], 1e-6, scale=20000.0)
    assert found.beyond == 0
    assert found.relative_beyond == 1
    assert found.max_relative == pytest.approx(10)
    assert found.max_scaled == pytest.approx(5e-7)


def test_a_scale_never_narrows_the_tolerance():
    assert compare_values([100.00005], [100.0], 1e-6, scale=1.0).beyond == 0


def test_a_scale_that_is_not_a_number_counts_as_none():
    assert compare_values([1.1, 1.0], [1.0, 1.0], 1e-6, scale=np.array([np.nan, np.inf])).beyond == 1


def test_a_difference_from_zero_is_beyond_any_relative_tolerance():
    found = compare_values([1e-30], [0.0], 1e-6)
    assert found.beyond == 1
    assert found.max_relative == np.inf


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"shape \(2,\) where the oracle has \(3,\)"):
        compare_values([1, 2], [1, 2, 3], 1e-6)
    found = compare_products(product(dq=[[0], [0]]), product(), 1e-6)
    assert found.problems == ["DQ: shape (2, 1) where the oracle has (2, 2)"]


def test_empty_arrays_agree():
    assert compare_values([], [], 1e-6).size == 0


def test_types_must_agree():
    ours = product()
    ours["SCI"].data = ours["SCI"].data.astype(np.float64)
    assert "SCI: type" in compare_products(ours, product(), 1e-6).problems[0]


def test_tables_are_compared_by_column():
    assert compare_tables(times(1.0, np.nan), times(1.0, np.nan)) == []
    assert compare_tables(times(1.0, 2.0), times(1.0, 3.0)) == ["column int_mid_MJD_UTC differs in 1 rows"]
    assert compare_tables(times(1.0), times(1.0, 3.0)) == ["1 rows where the oracle has 2"]


def test_a_missing_extension_is_found_but_not_an_empty_table():
    assert compare_products(product(), product(table=times(1.0)), 1e-6).problems == ["extension INT_TIMES: missing"]
    assert compare_products(product(), product(table=times()), 1e-6).problems == []
    assert compare_products(product(table=times(1.0)), product(), 1e-6).problems == ["extension INT_TIMES: only ours"]


def test_a_status_must_agree_and_other_keywords_are_remarked():
    ours = product(keywords={"S_JUMP": "SKIPPED", "FILTER": "F115W", "CAL_VER": "rampflow"})
    found = compare_products(ours, product(keywords={"R_GAIN": "crds://gain.fits"}), 1e-6)
    assert found.problems == [
        "R_GAIN=None (oracle 'crds://gain.fits')",
        "S_JUMP='SKIPPED' (oracle 'COMPLETE')",
    ]
    assert found.remarks == ["FILTER='F115W' (oracle 'F200W')"]


def test_outcomes_of_a_pipeline_are_counted_and_those_that_differ_are_named():
    ours = fits.Header({"S_JUMP": "COMPLETE", "S_IPC": "SKIPPED", "FILTER": "F200W"})
    assert status_text(ours, ours) == "2 of 2"
    theirs = fits.Header({"S_JUMP": "COMPLETE", "S_IPC": "COMPLETE", "S_PERSIS": "SKIPPED"})
    assert status_text(ours, theirs) == "1 of 3 S_IPC=SKIPPED/COMPLETE S_PERSIS=None/SKIPPED"


def test_where_the_context_alone_decides_the_oracle_is_told_nothing():
    class Ours:
        as_operated = True
        plan = type("Plan", (), {"exposures": {"jw1_nis": None}})

        def uncal(self, exposure):
            return Path(f"data/{exposure}_uncal.fits")

    (task,) = oracle_tasks(Ours(), Path("there"))
    assert task == {"kind": "pipeline", "input": "data/jw1_nis_uncal.fits", "folder": "there/jw1_nis"}


def test_numbers_in_the_header_have_the_tolerance():
    def found(ours, theirs):
        return compare_products(
            product(keywords={"PRIMECRS": ours}), product(keywords={"PRIMECRS": theirs}), 1e-6
        ).problems

    assert found(5.0, 5.000001) == []
    assert found(5.0, 5.1) == ["PRIMECRS=5.0 (oracle 5.1)"]


def test_a_step_must_agree_in_every_element():
    difference = compare_products(product([[1, 1], [1, 1.1]], [[0, 0], [0, 4]]), product(), 1e-6)
    found = findings(difference, allowed=0.0)
    assert [(each.what, each.part) for each in found] == [("SCI", 0.25), ("DQ", 0.25)]
    assert "JUMP_DET +1 -0" in found[1].text
    assert "at (1, 1)" in found[1].text


def test_a_part_of_the_elements_may_differ_where_that_is_the_standard():
    difference = compare_products(product([[1, 1], [1, 1.1]], [[0, 0], [0, 4]]), product(), 1e-6)
    assert findings(difference, allowed=0.25) == []


def test_nan_mismatches_are_never_allowed():
    difference = compare_products(product([[1, 1], [1, np.nan]]), product(), 1e-6)
    assert [each.what for each in findings(difference, allowed=1.0)] == ["SCI NaN"]


def test_a_slope_that_ours_lacks_where_there_is_no_gain_is_a_finding_of_its_own():
    no_gain = 1 << 19
    ours = product([[np.nan, np.nan], [np.nan, 5]], [[no_gain + 1, 1], [no_gain, 0]])
    # The second pixel has a gain, and of the third the oracle does not say that it has none.
    theirs = product([[7, 7], [7, 5]], [[no_gain + 1, 1], [0, 0]])
    found = {each.what: each.part for each in findings(compare_products(ours, theirs, 1e-6), 0.0)}
    assert found == {"SCI NaN": 0.5, "SCI NaN without gain": 0.25, "DQ": 0.25}
    # The other way round it is a mismatch like any other.
    found = {each.what: each.part for each in findings(compare_products(theirs, ours, 1e-6), 0.0)}
    assert found == {"SCI NaN": 0.75, "DQ": 0.25}


def test_a_jump_of_theirs_where_there_is_no_gain_is_a_finding_of_its_own():
    no_gain = (1 << 19) + 1
    ours = product([[np.nan, np.nan], [np.nan, 5]], [[no_gain, no_gain], [1, no_gain]])
    # Of the second pixel something else differs, the third has a gain, and the fourth a slope.
    theirs = product([[np.nan, np.nan], [np.nan, 5]], [[no_gain + 4, no_gain + 6], [5, no_gain + 4]])
    found = {each.what: each.part for each in findings(compare_products(ours, theirs, 1e-6), 0.0)}
    assert found == {"DQ jump without gain": 0.25, "DQ": 0.75}
    found = {each.what: each.part for each in findings(compare_products(theirs, ours, 1e-6), 0.0)}
    assert found == {"DQ": 1.0}


def test_a_slope_that_the_oracle_loses_with_its_variance_is_a_finding_of_its_own():
    ours, theirs = product([[7, 7], [7, 5]]), product([[0, 0], [6, 5]])
    for hdus, variances in ((ours, [[0, 2], [0, 0]]), (theirs, [[0, 2], [0, 0]])):
        hdus.append(fits.ImageHDU(np.array(variances, np.float32), name="VAR_RNOISE"))
    # The second pixel has a variance, and the third slope of the oracle is not 0.
    found = {each.what: each.part for each in findings(compare_products(ours, theirs, 1e-6), 0.0)}
    assert found == {"SCI": 0.5, "SCI zeroed": 0.25}
    # The size is that of the others: 7 beside 0 has no bound, 7 beside 6 is a sixth of it.
    theirs["SCI"].data[0, 1] = 7
    sizes = {each.what: each.size for each in findings(compare_products(ours, theirs, 1e-6), 0.0)}
    assert sizes["SCI"] == pytest.approx(1 / 6)


def test_what_rounding_leaves_of_0_is_a_finding_of_its_own():
    # Beside an error of 5: 1e-12 and 0 are 2e-13 of it apart, 1e-3 and 0 are not the same.
    ours, theirs = product([[0, 0], [7, 5]]), product([[1e-12, 1e-3], [6, 5]])
    for hdus in (ours, theirs):
        for name, value in (("ERR", 5), ("VAR_RNOISE", 25)):
            hdus.append(fits.ImageHDU(np.full((2, 2), value, np.float32), name=name))
    found = {each.what: each.part for each in findings(compare_products(ours, theirs, 1e-6), 0.0)}
    assert found == {"SCI": 0.5, "SCI cancelled": 0.25}


def rates(slope, poisson, read, dq=0):
    """Product with rates; its arrays have the shape of `slope`."""
    slope, poisson, read = (np.asarray(each, np.float32) for each in (slope, poisson, read))
    hdus = [fits.ImageHDU(slope, name="SCI"), fits.ImageHDU(np.sqrt(poisson + read), name="ERR")]
    hdus += [fits.ImageHDU(np.zeros(slope.shape, np.uint32) + np.uint32(dq), name="DQ")]
    hdus += [fits.ImageHDU(poisson, name="VAR_POISSON"), fits.ImageHDU(read, name="VAR_RNOISE")]
    return fits.HDUList([fits.PrimaryHDU(), *hdus])


def ramp(*samples, **keywords):
    # Groups of 10 s, 2 electrons/DN, 10 DN for two reads: a variance of 50 for one.
    given = {"gain": 2.0, "readnoise": 10.0, "dark": 0.0, "layout": likely.Layout(10.0, 1, 0)}
    flags = np.array(keywords.pop("flags", np.zeros(len(samples))), np.uint8)
    return likely.Ramp(np.array(samples, np.float32), flags, **given | keywords)


def case(of, ours, theirs, release="3.0"):
    return likely.case_of(of, np.array(ours), np.array(theirs), release)


def test_of_one_difference_that_is_left_the_oracle_may_keep_another():
    # 1 and 100 DN/s: a variance of 100 / 10^2 by read noise, and of rate / 2 / 10 by photons.
    of, ours = ramp(0, 10, 1010), (1, 0.05, 1)
    assert case(of, ours, (100, 5, 1)) == "lone"
    assert case(of, ours, (np.nan,) * 3) == "lone"
    # Both together: 50.5 DN/s, of 20 s.
    assert case(of, ours, (50.5, 50.5 / 2 / 20, 0.25)) == "lone"
    for other in [(2, 0.1, 1), (100, 5, 0.9), (50.5, 50.5 / 2 / 20, 1), (1.001, 0.05, 1)]:
        assert case(of, ours, other) is None
    # Ours must be the lower of them.
    assert case(of, (100, 5, 1), (1, 0.05, 1)) is None
    assert case(ramp(0, 10, 1010, gain=-2.0), ours, (100, 5, 1)) is None
    assert case(ramp(0, 10, 20), (1, 0.025, 0.25), (100, 5, 1)) is None


def test_in_release_1_19_the_rate_of_the_noise_may_double():
    of, ours = ramp(0, 10, 1010), (1, 0.05, 1)
    assert case(of, ours, (1, 0.1, 1), "1.19") == "doubled"
    assert case(of, ours, (1, 0.1, 1), "3.0") is None
    assert case(of, ours, (1, 0.15, 1), "1.19") is None


def test_in_release_1_19_a_difference_beside_the_jump_may_go_too():
    # Falling by 100 DN/s, without photons; 5000 DN at the fourth sample. Three samples, variance 50 / 200, and three.
    of, ours = ramp(0, -1000, -2000, 2000, 1000, 0), (-100, 0, 0.125)
    assert case(of, ours, (-100, 0, 0.2), "1.19") == "doubled"  # three samples, and two of variance 50 / 50
    assert case(of, ours, (-100, 0, 0.25), "1.19") is None
    assert case(of, ours, (-100, 0, 0.2), "3.0") is None


def test_where_there_is_no_light_the_oracle_may_find_no_jump():
    # Falling by 100 DN/s, 500 DN at the fourth of five samples: three samples, variance 50 / 200, and two, 50 / 50.
    of, ours = ramp(0, -1000, -2000, -2500, -3500), (-100, 0, 0.2)
    # A straight line through all: -8500 / 10 / 10 DN/s, 50 / 1000.
    assert case(of, ours, (-85, 0, 0.05)) == "unlit"
    assert case(of, ours, (-85, 0, 0.06)) is None
    # With light, or with more differences, the oracle has no such reason.
    for other in (ramp(0, 1000, 2000, 3500, 4500), ramp(0, -1000, -2000, -2500, -3500, -4500, -5500, -6500)):
        found = other.search()
        assert len(found) == 2 and case(other, other.result(found[-1]), other.result(other.use)) is None


def test_without_light_the_oracle_may_end_its_search_where_differences_left_are_not_correlated():
    # Falling by 100 DN/s but for two differences: four are left without the higher one, and three without the other.
    of = ramp(*np.cumsum([0, -1000, -1000, -1000, -1000, 9000, 3000, -1000]), flags=(0, 0, 0, 0, 0, 0, 0, 1))
    path = of.search()
    assert [use.astype(int).tolist() for use in path] == [
        [1, 1, 1, 1, 1, 1, 0],
        [1, 1, 1, 1, 0, 1, 0],
        [1, 1, 1, 1, 0, 0, 0],
    ]
    # Six in a row, four and one, and four in a row.
    assert [of.hangs(use) for use in path] == [True, False, True]
    ours = of.result(path[-1])
    assert case(of, ours, of.result(path[0])) == "unlit"
    assert case(of, ours, of.result(path[1])) is None
    # With one more jump the search can also end at the four.
    of = ramp(*np.cumsum([0, -1000, 500, -1000, -1000, 9000, 3000, -1000]), flags=(0, 0, 0, 0, 0, 0, 0, 1))
    path = of.search()
    assert [int(use.sum()) for use in path] == [6, 5, 4, 3]
    ours = of.result(path[-1])
    assert [case(of, ours, of.result(use)) for use in path[:-1]] == ["unlit", None, "unlit"]
    assert case(of, ours, of.result(path[2]) * 1.001) is None
    # Ours must be the end of the search.
    assert case(of, of.result(path[2]), of.result(path[0])) is None


def test_without_light_few_patterns_have_differences_that_are_not_correlated():
    hanging, others = set(), set()
    dark, bright = ramp(*range(0, -10, -1)), ramp(*range(10))
    for pattern in itertools.product("01", repeat=9):
        use = np.array(pattern) == "1"
        if use.sum() > 1:
            lengths = tuple(sorted(len(each) for each in "".join(pattern).split("0") if each))
            (hanging if dark.hangs(use) else others).add(lengths)
            assert not bright.hangs(use)
    assert hanging == {(4,), (6,), (1, 5), (1, 1, 3), (1, 1, 2)}
    assert not hanging & others


def test_a_mean_is_explained_by_its_integrations():
    ours, theirs = np.array([(1, 0.05, 1)] * 2), np.array([(1, 0.05, 1), (np.nan,) * 3])
    assert likely.mean_of(ours) == pytest.approx([1, 0.025, 0.5])
    both = ((0.5 * ours.sum(axis=0) * [1, 0.5, 0.5], ours), (theirs[0], theirs))
    assert likely.mean_is_explained(*both, [None, "lone"])
    assert not likely.mean_is_explained(*both, [None, None])
    assert not likely.mean_is_explained(both[0], (theirs[0] * 1.001, theirs), [None, "lone"])
    # A rate that is 0 but for rounding says nothing of how the photon noise of the others is brought to it.
    zero = np.array([(1e-16, 5e-18, 1), (1, 0.05, 1)]), np.array([(-1e-16, 0, 1), (1, 0.05, 1)])
    means = [likely.mean_of(each) for each in zero]
    assert abs(means[0][0] - means[1][0]) > 1e-3
    assert likely.mean_is_explained((means[0], zero[0]), (means[1], zero[1]), [None, None])
    assert not likely.mean_is_explained((means[0], zero[0]), (means[0], zero[1]), [None, None])


def test_products_are_explained_pixel_by_pixel(tmp_path):
    sci = np.array([[0, 10, 1010], [0, 10, 1010], [0, 10, 20]], np.float32).T[np.newaxis, :, np.newaxis]
    hdus = [fits.ImageHDU(sci, name="SCI"), fits.ImageHDU(np.zeros(sci.shape, np.uint8), name="GROUPDQ")]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / "ramp.fits")
    names = ("rate", "rateints")
    for side, slope, poisson in (("ours", (1, 1, 1), (0.05, 0.05, 0.025)), ("theirs", (100, 90, 2), (5, 4.5, 0.05))):
        for name, lead in zip(names, ((1,), (1, 1)), strict=True):
            arrays = [np.reshape(each, (*lead, 3)) for each in (slope, poisson, (1, 1, 0.25))]
            rates(*arrays, dq=4 * (side == "ours")).writeto(tmp_path / f"{side}_{name}.fits")
    pairs = [[tmp_path / f"{side}_{name}.fits" for name in names] for side in ("ours", "theirs")]
    images = (np.full((1, 3), 2.0), np.full((1, 3), 10.0))
    found = likely.explained(tmp_path / "ramp.fits", images, *pairs, likely.Layout(10.0, 1, 0), "3.0")
    assert [each["jump search"].ravel().tolist() for each in found] == [[True, False, False]] * 2
    assert not any(each["jump search unlit"].any() for each in found)
    with fits.open(pairs[0][0]) as ours, fits.open(pairs[1][0]) as theirs:
        difference = compare_products(ours, theirs, 1e-6, searched=found[0])
    found = {finding.what: finding.part for finding in findings(difference, 0.0)}
    assert found["SCI"] == found["DQ"] == pytest.approx(2 / 3)
    assert found["SCI jump search"] == found["DQ jump search"] == pytest.approx(1 / 3)


def test_what_the_search_for_jumps_explains_is_a_finding_of_its_own():
    ours, theirs = rates([1, 1, 1], [1, 1, 1], [1, 1, 1]), rates([2, np.nan, np.nan], [1, 1, 1], [1, 1, 1])
    searched = {"jump search": np.array([True, True, False])}
    found = {each.what: each.part for each in findings(compare_products(ours, theirs, 1e-6, searched=searched), 0.0)}
    assert found == {"SCI NaN": pytest.approx(1 / 3), "SCI jump search": pytest.approx(2 / 3)}
    searched = {"jump search": np.array([False, True, False]), "jump search unlit": np.array([True, False, False])}
    found = {each.what: each.part for each in findings(compare_products(ours, theirs, 1e-6, searched=searched), 0.0)}
    assert found == {name: pytest.approx(1 / 3) for name in ("SCI NaN", "SCI jump search", "SCI jump search unlit")}


def test_a_missing_extension_and_a_keyword_are_findings():
    ours = product(keywords={"S_JUMP": "SKIPPED"})
    found = findings(compare_products(ours, product(table=times(1.0)), 1e-6), allowed=1.0)
    assert [each.what for each in found] == ["extension INT_TIMES", "S_JUMP"]


def accepted(tmp_path, *lines):
    path = tmp_path / "accepted.tsv"
    path.write_text("\n".join(["release\tcheck\tstep\twhat\tbound\tid\tnote", *lines]) + "\n")
    return read_accepted(path)


def test_an_accepted_difference_has_a_place_and_a_bound(tmp_path):
    rows = accepted(tmp_path, "1.19\t*\tjump\tDQ\t0.25\tjump-rounding\tof the threshold")
    difference = compare_products(product(dq=[[0, 0], [0, 4]]), product(), 1e-6)
    (finding,) = findings(difference, allowed=0.0)
    assert acceptance(finding, rows, "1.19", "step", "jump")["id"] == "jump-rounding"
    assert acceptance(finding, rows, "3.0", "step", "jump") is None
    assert acceptance(finding, rows, "1.19", "step", "ramp_fit") is None
    difference = compare_products(product(dq=[[0, 0], [4, 4]]), product(), 1e-6)
    (finding,) = findings(difference, allowed=0.0)
    assert acceptance(finding, rows, "1.19", "step", "jump") is None


def test_an_accepted_difference_needs_an_id_and_a_bound(tmp_path):
    with pytest.raises(ValueError, match="line 2: no id"):
        accepted(tmp_path, "*\t*\tjump\tDQ\t0.25\t\tbecause")
    with pytest.raises(ValueError, match="line 2: bound is 'some'"):
        accepted(tmp_path, "*\t*\tjump\tDQ\tsome\tjump-rounding\tbecause")


def test_an_accepted_difference_may_have_a_size(tmp_path):
    path = tmp_path / "sized.tsv"
    path.write_text("release\tcheck\tstep\twhat\tbound\tsize\tid\tnote\n*\t*\tjump\tSCI\t1\t0.01\tjump-size\tbecause\n")
    table = read_accepted(path)
    # 100.5 beside 100 is 0.005 of it, 102 is 0.02.
    for ours, line in ((100.5, table[0]), (102, None)):
        (finding,) = findings(compare_products(product([[ours]], [[0]]), product([[100]], [[0]]), 1e-6), 0.0)
        assert acceptance(finding, table, "3.0", "step", "jump") is line


def test_an_accepted_difference_may_be_one_of_some_exposures(tmp_path):
    path = tmp_path / "some.tsv"
    path.write_text(
        "release\tcheck\tstep\texposure\twhat\tbound\tid\tnote\n*\t*\tjump\t*_mir*\tDQ\t1\tjump-miri\tbecause\n"
    )
    table = read_accepted(path)
    (finding,) = findings(compare_products(product(dq=[[0, 0], [0, 4]]), product(), 1e-6), 0.0)
    assert acceptance(finding, table, "3.0", "step", "jump", "jw1_mirimage") is table[0]
    assert acceptance(finding, table, "3.0", "step", "jump", "jw1_nrca1") is None


def test_a_run_whose_exposures_have_no_slopes_has_not_failed():
    without = "rampflow: jw1_mirimage: ramp_fit: all 5 groups are DO_NOT_USE: there is no slope to fit"
    count = "rampflow: 1 of 8 exposures are not finished"
    assert only_without_slopes([without, count, without])
    assert not only_without_slopes([without, count, "rampflow: jw1_nis: jump: No space left on device"])
    # A run that ended early and says nothing of an exposure is not excused, either.
    assert not only_without_slopes([count]) and not only_without_slopes([])


# --- what is accepted, and what docs/differences.md says of it ----------------------------------------


@pytest.fixture(scope="module")
def described():
    """Every id of docs/differences.md: the section, the versions of jwst, and the tables that have lines of it."""
    text = (ROOT / "docs" / "differences.md").read_text()
    found = {}
    for section in re.split(r"^## ", text, flags=re.M)[1:]:
        step, _, body = section.partition("\n")
        for name, rest in re.findall(r"^### (.+)\n\n(.*\n)", body, re.M):
            facts = re.fullmatch(r"Beside jwst ([\d., ]+)\.(?: Lines in (`.+`)\.)?\n", rest)
            assert facts, f"{name}: {rest!r} does not say beside which jwst"
            assert name not in found, f"{name} is there twice"
            tables = set(re.findall(r"`(\w+)\.tsv`", facts[2] or ""))
            found[name] = (step, set(facts[1].split(", ")), tables)
    return found


def test_every_difference_is_in_the_section_of_its_step(described):
    assert {step for step, _, _ in described.values()} <= {"all", *steps()}
    assert all(name.startswith(f"{step}-") for name, (step, _, _) in described.items())


@pytest.mark.parametrize("table", ["accepted", "events", "operations"])
def test_what_a_table_accepts_is_described_and_what_is_described_as_accepted_has_a_line(described, table):
    rows = read_accepted(ROOT / "tests" / "parity" / f"{table}.tsv")
    assert {row["id"] for row in rows} == {name for name, (_, _, tables) in described.items() if table in tables}


@pytest.mark.parametrize("table", ["accepted", "events", "operations"])
def test_a_line_is_of_a_release_whose_jwst_is_described_and_its_note_is_short(described, table):
    versions = {name: environment.requirements(name)[0].removeprefix("jwst==") for name in environment.releases()}
    for row in read_accepted(ROOT / "tests" / "parity" / f"{table}.tsv"):
        concerned = set(versions.values()) if row["release"] == "*" else {versions[row["release"]]}
        assert concerned <= described[row["id"]][1], row
        assert 0 < len(row["note"]) <= 80, row


# --- the programme ------------------------------------------------------------------------------------


def test_a_pattern_of_exposures_leaves_out_the_parameters_of_others_only():
    names = ("jw1_nis", "jw1_nrcb1")
    steps = dict.fromkeys((*names, "NIRISS", "clean_flicker_noise"), {"jump": {"edge_size": 7}})
    made = {"exposures": [{"exposure": name} for name in names], "steps": steps}
    assert list(steps_of(made, "*_nis")) == ["jw1_nis", "NIRISS", "clean_flicker_noise"]
    assert steps_of(made, "*") == steps
