import numpy as np
import pytest

from rampflow.detector import irs2


def test_a_section_has_512_normal_pixels_and_128_reads_in_blocks_of_4():
    reads = np.flatnonzero(irs2.section_references())
    assert reads.size == 128
    assert reads[:8].tolist() == [8, 9, 10, 11, 28, 29, 30, 31]
    assert reads[-1] == 631


@pytest.mark.parametrize(("detector", "first"), [("NRS1", 640), ("NRS2", 0)])
def test_the_reference_output_is_the_first_section_that_is_read(detector, first):
    rows = irs2.normal_rows(detector)
    assert rows.shape == (3200,) and np.count_nonzero(rows) == 2048
    assert np.flatnonzero(rows)[0] == first
    np.testing.assert_array_equal(irs2.normal_rows("NRS1")[::-1], irs2.normal_rows("NRS2"))


def test_normal_pixels_and_reads_take_turns_on_the_clock():
    slots, reads = irs2.slots(), irs2.section_references()
    assert slots.shape == (5, 640) and slots.max() < irs2.LINE_SLOTS == 712
    normal, read = np.arange(512), np.arange(128)
    # The formulas of the readout: two more slots around each block of four reads.
    np.testing.assert_array_equal(slots[1, ~reads], normal + 6 * ((normal + 8) // 16))
    np.testing.assert_array_equal(slots[1, reads], read + 18 * (read // 4) + 9)
    for backwards in (0, 2, 4):
        np.testing.assert_array_equal(slots[backwards], slots[1, ::-1])
    np.testing.assert_array_equal(slots[3], slots[1])


def test_images_of_normal_pixels_are_spread_over_the_frame():
    rows = irs2.normal_rows("NRS2")
    image = np.arange(2048.0 * 3).reshape(2048, 3)
    frame = irs2.interleaved(image, rows, -1)
    assert frame.shape == (3200, 3) and (frame[~rows] == -1).all()
    np.testing.assert_array_equal(frame[rows], image)
    assert irs2.interleaved(image, None, -1) is image
    assert irs2.is_interleaved(frame.shape) and not irs2.is_interleaved(image.shape)
