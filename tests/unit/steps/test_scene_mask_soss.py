import numpy as np
import pytest

from rampflow.steps import NotApplicable
from rampflow.steps.scene_mask import soss

COLUMNS = np.arange(4.0, 104.0)
LINEAR = {"scale_extents": [[0.0, -0.25], [100.0, 0.25]], "coefficients": [3.0, -2.0, 0.0]}
META = {
    "pwcpos_cmd": 245.76,
    "pwcpos_bounds": [245.51, 246.01],
    "wavemap_wlmin": 0.5,
    "wavemap_wlmax": 5.5,
    "wavemap_nwl": 501,
}


def model(rows=40.3, order=1, **more):
    trace = np.stack([COLUMNS, np.broadcast_to(rows, COLUMNS.shape)], axis=1)
    entry = {"spectral_order": order, "pivot_x": 54.0, "pivot_y": 40.3, "trace": trace}
    return {"meta": META | more, "traces": [entry], "wavecal_models": [LINEAR]}


def test_a_straight_line_is_turned_about_its_pivot():
    rows = soss.turn(COLUMNS, np.full(COLUMNS.shape, 40.3), 1.0, (54.0, 40.3))
    assert np.allclose(rows, 40.3 + np.tan(np.radians(1.0)) * (COLUMNS - 54.0), atol=1e-9)


def test_the_polynomial_of_wavelengths_has_terms_of_rising_degree():
    terms = {"scale_extents": [[0.0, 0.0], [1.0, 1.0]], "coefficients": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}
    x, y = 0.5, 3.0
    due = 1 + 2 * x + 3 * y + 4 * x**2 + 5 * x * y + 6 * y**2 + 7 * x**3 + 8 * x**2 * y + 9 * x * y**2 + 10 * y**3
    assert soss.wavelengths_at(np.array([x]), y, terms) == pytest.approx([due])


def test_the_mask_is_from_the_row_below_to_the_row_above_16_rows_off_the_trace():
    mask = soss.trace_mask(model(), 245.76, (96, 110), subarray="SUBSTRIP256")
    rows = np.flatnonzero(mask[:, 50])
    assert (rows[0], rows[-1]) == (24, 57)  # 40.3 - 16 is 24.3, 40.3 + 16 is 56.3
    # The trace goes on straight beyond the columns that the reference has.
    assert np.array_equal(mask, np.broadcast_to(mask[:, 50:51], mask.shape))


@pytest.mark.parametrize(("subarray", "first"), [("SUBSTRIP256", 24), ("SUBSTRIP96", 14), ("FULL", 1792 + 24)])
def test_the_mask_is_where_the_subarray_is(subarray, first):
    mask = soss.trace_mask(model(), 245.76, (2048, 110), subarray=subarray)
    assert np.flatnonzero(mask[:, 50])[0] == first


def test_all_orders_are_masked():
    both = model()
    both["traces"].append(model(rows=80.5, order=2)["traces"][0])
    both["wavecal_models"].append(LINEAR)
    mask = soss.trace_mask(both, 245.76, (128, 110), subarray="SUBSTRIP256")
    assert np.array_equal(np.flatnonzero(~mask[:, 10]), [*range(24), *range(58, 64), *range(98, 128)])


def test_what_is_above_the_subarray_is_no_part_of_a_trace():
    found = soss.traces(model(rows=np.where(COLUMNS < 50, 255.0, 255.5)), 245.76, subarray="SUBSTRIP256")
    assert np.array_equal(found[0].columns, COLUMNS[COLUMNS < 50])


@pytest.mark.parametrize(
    ("pupil", "said"), [(246.5, "PWCPOS is 246.5"), (None, "no PWCPOS"), (float("nan"), "PWCPOS is nan")]
)
def test_a_pupil_wheel_that_the_reference_is_not_for(pupil, said):
    with pytest.raises(NotApplicable, match=f"{said}, where the pastasoss reference is for .* 245.51 to 246.01"):
        soss.traces(model(), pupil, subarray="SUBSTRIP256")


def test_the_box_is_15_rows_of_which_the_outermost_are_parts():
    box = soss.light_box(model(), 245.76, (96, 110))
    column = box.weights[:, 50]
    assert column.sum() == pytest.approx(15.0)
    assert np.flatnonzero(column).tolist() == list(range(33, 49))  # from 32.8 to 47.8; pixel 33 begins at 32.5
    assert column[[33, 34, 47, 48]] == pytest.approx([0.7, 1.0, 1.0, 0.3])
    assert not box.weights[:, :4].any()
    assert np.isnan(box.wavelengths[:4]).all()
    assert box.wavelengths[50] == pytest.approx(2.0, abs=1e-9)


def test_columns_of_the_box_that_no_wavelength_falls_on_have_0():
    box = soss.light_box(model(wavemap_wlmin=1.5, wavemap_wlmax=2.0), 245.76, (96, 110))
    assert box.wavelengths[[40, 60, 90]] == pytest.approx([0.0, 1.8, 0.0], abs=1e-9)


def test_a_box_needs_the_first_order():
    with pytest.raises(NotApplicable, match="no trace of the first order"):
        soss.light_box(model(order=2), 245.76, (96, 110))


def test_wavelengths_that_count():
    table = [[1, "CLEAR", 0.9, 2.8], [2, "CLEAR", 0.6, 1.4], [1, "F277W", 2.4, 2.8]]
    assert soss.shortest_and_longest(table, "CLEAR") == (0.9, 2.8)
    assert soss.shortest_and_longest(None, "CLEAR") == (-np.inf, np.inf)
    with pytest.raises(NotApplicable, match="0 rows for the first order and FILTER F444W"):
        soss.shortest_and_longest(table, "F444W")
