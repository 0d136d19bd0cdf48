import numpy as np
import pytest

from rampflow.detector.subarray import Window
from rampflow.steps.ipc import Margins, convolve_ipc, convolve_parts, reference_pixel_margins, with_margins

NONE = Margins(0, 0, 0, 0)


@pytest.mark.parametrize(
    ("instrument", "xstart", "ystart", "xsize", "ysize", "expected"),
    [
        ("NIRCAM", 1, 1, 2048, 2048, (4, 4, 4, 4)),
        ("NIRISS", 1, 1, 2048, 8, (4, 0, 4, 4)),
        ("NIRCAM", 3, 2, 16, 17, (3, 0, 2, 0)),
        ("NIRCAM", 1981, 2031, 64, 16, (0, 2, 0, 0)),
        ("FGS", 100, 100, 32, 32, (0, 0, 0, 0)),
        ("MIRI", 1, 1, 1032, 1024, (0, 0, 4, 4)),
        ("MIRI", 1027, 5, 6, 16, (0, 0, 0, 4)),
        ("MIRI", 3, 1, 8, 16, (0, 0, 2, 0)),
    ],
)
def test_margins_are_what_the_subarray_has_of_the_detectors_reference_pixels(
    instrument, xstart, ystart, xsize, ysize, expected
):
    margins = reference_pixel_margins(instrument, xstart=xstart, ystart=ystart, xsize=xsize, ysize=ysize)
    assert (margins.bottom, margins.top, margins.left, margins.right) == expected


def test_point_source_becomes_the_kernel_unflipped():
    sci = np.zeros((2, 5, 5), np.float32)
    sci[1, 2, 2] = 1
    kernel = np.arange(9, dtype=np.float32).reshape(3, 3)
    assert convolve_ipc(sci, kernel, margins=NONE) is sci
    assert not sci[0].any()
    np.testing.assert_array_equal(sci[1, 1:4, 1:4], kernel)
    assert sci[1].sum() == kernel.sum()


def test_counts_outside_the_frame_are_zero():
    sci = np.ones((1, 3, 3), np.float32)
    convolve_ipc(sci, np.ones((3, 3), np.float32), margins=NONE)
    np.testing.assert_array_equal(sci[0], [[4, 6, 4], [6, 9, 6], [4, 6, 4]])


def test_reference_pixels_are_neither_changed_nor_used():
    sci = np.full((1, 6, 6), 100, np.float32)
    sci[:, 1:4, 2:5] = 1
    convolve_ipc(sci, np.ones((3, 3), np.float32), margins=Margins(bottom=1, top=2, left=2, right=1))
    np.testing.assert_array_equal(sci[0, 1:4, 2:5], [[4, 6, 4], [6, 9, 6], [4, 6, 4]])
    sci[:, 1:4, 2:5] = 100
    np.testing.assert_array_equal(sci, 100)


def test_stripes_are_no_neighbours():
    # Line 0 of the detector, reference pixels, and lines 100-101 and 50 beside columns 10-12.
    blocks = [
        (slice(row, row + n), slice(0, 3), Window(ystart=line, xstart=10, ny=n, nx=3))
        for row, n, line in ((0, 1, 0), (1, 2, 100), (3, 1, 50))
    ]
    sci = np.ones((2, 4, 3), np.float32)
    kernel = np.ones((3, 3), np.float32)
    assert convolve_parts(sci, kernel, parts=with_margins(blocks, "NIRCAM")) is sci
    np.testing.assert_array_equal(sci, [[[1, 1, 1], [4, 6, 4], [4, 6, 4], [2, 3, 2]]] * 2)
    own = np.zeros((3, 3, 4, 3), np.float32)
    own[1, 1] = np.arange(12).reshape(4, 3)
    sci = np.ones((1, 4, 3), np.float32)
    convolve_parts(sci, own, parts=with_margins(blocks, "NIRCAM"))
    np.testing.assert_array_equal(sci[0], [[1, 1, 1], [3, 4, 5], [6, 7, 8], [9, 10, 11]])


def test_a_frame_of_one_rectangle_is_one_part():
    sci, other = (np.random.default_rng(1).normal(size=(2, 9, 8)).astype(np.float32) for _ in range(2))
    kernel = np.full((3, 3), 0.1, np.float32)
    window = Window(0, 0, 9, 8)
    convolve_parts(sci, kernel, parts=with_margins(window.blocks, "NIRCAM"))
    convolve_ipc(other, kernel, margins=Margins(4, 0, 4, 0))
    np.testing.assert_array_equal(sci, other)


def test_kernel_of_each_pixel_is_that_of_the_pixel_that_is_computed():
    sci = np.ones((1, 1, 3), np.float32)
    kernel = np.zeros((1, 3, 1, 3), np.float32)
    kernel[0, 1] = 1
    kernel[0, 0, 0, 1] = 5  # only the middle pixel looks at a neighbour
    convolve_ipc(sci, kernel, margins=NONE)
    np.testing.assert_array_equal(sci, [[[1, 6, 1]]])


def test_kernel_of_each_pixel_equals_the_common_one_where_all_are_the_same():
    rng = np.random.default_rng(4)
    sci = rng.normal(1000, 50, (2, 7, 8)).astype(np.float32)
    kernel = rng.normal(0, 0.1, (3, 5)).astype(np.float32)
    per_pixel = np.broadcast_to(kernel[:, :, None, None], (3, 5, 7, 8)).copy()
    margins = Margins(1, 0, 2, 1)
    np.testing.assert_array_equal(
        convolve_ipc(sci.copy(), per_pixel, margins=margins),
        convolve_ipc(sci.copy(), kernel, margins=margins),
    )


def test_nan_spreads_over_the_kernel_only():
    sci = np.zeros((1, 5, 5), np.float32)
    sci[0, 2, 2] = np.nan
    convolve_ipc(sci, np.ones((3, 3), np.float32), margins=NONE)
    assert np.isnan(sci[0, 1:4, 1:4]).all()
    assert np.isnan(sci).sum() == 9


def test_frame_smaller_than_the_kernel_is_treated():
    sci = np.ones((1, 1, 2), np.float32)
    convolve_ipc(sci, np.ones((7, 7), np.float32), margins=NONE)
    np.testing.assert_array_equal(sci, 2)


def test_frame_of_reference_pixels_alone_is_unchanged():
    sci = np.ones((1, 4, 3), np.float32)
    convolve_ipc(sci, np.ones((3, 3), np.float32), margins=Margins(4, 0, 4, 0))
    np.testing.assert_array_equal(sci, 1)


@pytest.mark.parametrize("shape", [(9,), (3, 3, 5), (3, 3, 5, 6), (2, 3), (3, 4), (4, 3, 5, 5)])
def test_unfit_kernels_are_refused(shape):
    with pytest.raises(ValueError, match="expected odd numbers of rows and columns"):
        convolve_ipc(np.zeros((1, 5, 5), np.float32), np.zeros(shape, np.float32), margins=NONE)


def test_result_does_not_depend_on_the_chunks():
    rng = np.random.default_rng(5)
    sci = rng.normal(1000, 50, (5, 6, 7)).astype(np.float32)
    kernel = rng.normal(0, 0.1, (3, 3)).astype(np.float32)
    whole = convolve_ipc(sci.copy(), kernel, margins=NONE)
    chunks = [convolve_ipc(sci[g : g + 2].copy(), kernel, margins=NONE) for g in (0, 2, 4)]
    np.testing.assert_array_equal(np.concatenate(chunks), whole)


@pytest.mark.parametrize("per_pixel", [False, True])
def test_interleaved_rows_are_neither_changed_nor_used(per_pixel):
    rng = np.random.default_rng(9)
    normal = np.ones(12, bool)
    normal[4:8] = False
    sci = rng.normal(100, 10, (2, 12, 6)).astype(np.float32)
    kernel = rng.random((3, 3, 8, 6) if per_pixel else (3, 3)).astype(np.float32)
    margins = Margins(1, 0, 1, 1)
    expected = sci.copy()
    expected[:, normal] = convolve_ipc(np.compress(normal, sci, axis=1), kernel, margins=margins)
    assert convolve_ipc(sci, kernel, margins=margins, normal=normal) is sci
    np.testing.assert_array_equal(sci, expected)
