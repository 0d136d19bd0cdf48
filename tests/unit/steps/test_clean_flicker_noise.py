import numpy as np
import pytest

from rampflow.detector import dq
from rampflow.steps import NotApplicable
from rampflow.steps import clean_flicker_noise as flicker
from rampflow.steps.clean_flicker_noise import orientation
from rampflow.steps.clean_flicker_noise.background import box_for
from rampflow.steps.clean_flicker_noise.lines import fit_lines, line_medians

FRAME = (2048, 2048)
NIRCAM = {"exp_type": "NRC_IMAGE", "slowaxis": -2, "subarray": "FULL", "detector": "NRCB1", "frame": FRAME}
NIRSPEC = {"exp_type": "NRS_MSASPEC", "slowaxis": 1, "subarray": "FULL", "detector": "NRS1", "frame": FRAME}
OPTIONS = {
    "fit_method": "median",
    "fit_by_channel": True,
    "background_method": "median",
    "background_box_size": None,
    "n_sigma": 2.0,
}
ROWS = flicker.Fit(axis=1, by_channel=False, background_method=None, background_box_size=None, n_sigma=2.0)


def differences(image, mask=None, groupdq=None, fit=ROWS, flat=None):
    image = np.asarray(image, np.float32)
    mask = np.ones(image.shape, bool) if mask is None else mask
    groupdq = np.zeros(image.shape, np.uint8) if groupdq is None else groupdq
    return flicker.clean_difference(np.zeros_like(image), image, groupdq, mask, fit, flat)


def test_medians_of_four_by_four_by_hand():
    image = np.array([[1, 2, 3, 9], [4, 4, 6, 8], [5, 1, 0, 2], [7, 7, 7, 7]], np.float32)
    mask = np.ones((4, 4), bool)
    mask[0, 3] = mask[2, 1:] = False
    mask[3] = False
    np.testing.assert_array_equal(line_medians(image, mask), [2, 5, 5, 0])
    rows = fit_lines(image, mask, axis=1, by_channel=False)
    np.testing.assert_array_equal(rows, np.repeat([[2], [5], [5], [0]], 4, axis=1))
    columns = fit_lines(image, mask, axis=0, by_channel=False)
    np.testing.assert_array_equal(columns, np.tile([4, 3, 4.5, 8], (4, 1)))


def test_channels_have_medians_of_their_own():
    image = np.repeat(np.arange(4, dtype=np.float32), 512) + np.zeros((3, 1), np.float32)
    mask = np.ones(image.shape, bool)
    np.testing.assert_array_equal(fit_lines(image, mask, axis=1, by_channel=True), image)
    np.testing.assert_array_equal(fit_lines(image, mask, axis=1, by_channel=False), np.full_like(image, 1.5))


@pytest.mark.parametrize(
    ("changes", "axis", "by_channel"),
    [
        ({}, 1, True),
        ({"slowaxis": 1}, 0, True),
        ({"subarray": "SUB160"}, 1, False),
        ({"exp_type": "MIR_IMAGE"}, 0, False),
    ],
)
def test_lines_and_channels_of_an_exposure(changes, axis, by_channel):
    fit = flicker.choose_fit(**NIRCAM | changes, **OPTIONS)
    assert (fit.axis, fit.by_channel) == (axis, by_channel)


def test_of_miri_only_images_are_corrected():
    with pytest.raises(NotApplicable, match=r"only images \(MIR_IMAGE\) are corrected; this is MIR_MRS"):
        flicker.choose_fit(**NIRCAM | {"exp_type": "MIR_MRS"}, **OPTIONS)


def test_waves_are_fitted_on_demand_to_spectra_of_nirspec():
    fft = OPTIONS | {"fit_method": "fft"}
    for exp_type in ("NRS_MSASPEC", "NRS_IFU", "NRS_FIXEDSLIT", "NRS_BRIGHTOBJ"):
        assert flicker.choose_fit(**NIRSPEC | {"exp_type": exp_type}, **fft).waves_of == "NRS1"
    assert flicker.choose_fit(**NIRSPEC, **OPTIONS).waves_of is None
    for other in (NIRCAM, NIRSPEC | {"exp_type": "NRS_DARK"}):
        with pytest.raises(NotApplicable, match="fit_method: fft is for NRS_BRIGHTOBJ, .*; this is"):
            flicker.choose_fit(**other, **fft)
    assert flicker.choose_fit(**NIRSPEC, **fft).passed_below is None
    for subarray, limits in (("SUBS200A1", (1061, 1211)), ("ALLSLITS", (150, 200))):
        assert flicker.choose_fit(**NIRSPEC | {"subarray": subarray, "frame": (64, 2048)}, **fft).passed_below == limits


def test_noise_of_lines_is_taken_out_and_the_background_stays():
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 1, (256, 1)).astype(np.float32)
    truth = rng.normal(40, 3, (256, 512)).astype(np.float32)
    fit = ROWS._replace(background_method="median")
    found = differences(truth + noise, fit=fit)
    # The median of 512 pixels has an error of 1.25 * 3 / sqrt(512) = 0.17, where the noise was 1.
    assert (found.difference - truth).mean(axis=1).std() == pytest.approx(0.17, abs=0.04)
    assert found.background == pytest.approx(40, abs=2)
    assert found.difference.mean() == pytest.approx(40, abs=2)


def test_jumps_and_unusable_samples_do_not_count():
    image = np.array([[1, 1, 50, 50, 50]] * 2)
    groupdq = np.array([[0, 0, dq.JUMP_DET, dq.DO_NOT_USE, dq.JUMP_DET]] * 2, np.uint8)
    np.testing.assert_array_equal(differences(image, groupdq=groupdq).difference, [[0, 0, 49, 49, 49]] * 2)


def test_nan_stays_and_does_not_count():
    found = differences([[1, 1, np.nan, 1]]).difference
    np.testing.assert_array_equal(found, [[0, 0, np.nan, 0]])


def test_without_background_there_is_no_result():
    assert differences(np.ones((2, 2)), mask=np.zeros((2, 2), bool)) is None


def test_the_noise_is_fitted_to_the_difference_divided_by_the_flat():
    flat = np.array([[1, 2, 4]], np.float32)
    np.testing.assert_array_equal(differences([[3, 6, 13]], flat=flat).difference, [[0, 0, 1]])


def test_flat_is_filled_where_it_cannot_be_divided_by():
    flat = np.full((64, 64), 2, np.float32)
    flat[1, 2], flat[3, 4], flat[5, 6] = 0, np.nan, 1
    filled = np.full((64, 64), 2, np.float32)
    filled[5, 6] = 1  # it stands out, but can be divided by
    np.testing.assert_array_equal(flicker.fill_flat(flat), filled)


@pytest.mark.parametrize(("shape", "box"), [((2048, 2048), (32, 32)), ((50, 33), (25, 11)), ((7, 160), (7, 32))])
def test_boxes_divide_the_image(shape, box):
    assert box_for(shape) == box


def test_a_model_of_the_background_follows_a_gradient():
    y = np.arange(512, dtype=np.float32)[:, np.newaxis] / 100
    image = np.random.default_rng(4).normal(0, 1, (512, 512)).astype(np.float32) + y
    found = differences(image, fit=ROWS._replace(background_method="model"))
    assert np.abs((found.background - y).mean(axis=1)[96:-96]).max() < 0.2


@pytest.mark.parametrize("detector", ["NRS1", "NRS2"])
def test_slow_waves_of_a_full_frame_are_taken_out(detector):
    # The same in all lines, so that it does not matter over which ones the fit is smoothed; a line is a column.
    place = np.arange(2048)[:, np.newaxis] - 1  # jwst subtracts what it finds one pixel further
    slow = (5 + 3 * np.cos(2 * np.pi * 2 * place / 2048) - 4 * np.sin(2 * np.pi * 7 * place / 2048)).astype(np.float32)
    fast = np.cos(2 * np.pi * 40 * place / 2048).astype(np.float32)
    image = np.broadcast_to(np.roll(slow, -1, axis=0) + fast, FRAME)
    found = differences(image, fit=ROWS._replace(waves_of=detector)).difference
    inner = (slice(None), slice(20, -20))
    np.testing.assert_allclose(found[inner], (image - slow)[inner], atol=2e-5)


def test_lines_of_the_second_detector_of_nirspec_run_the_other_way():
    image = np.arange(12).reshape(3, 4)
    np.testing.assert_array_equal(orientation.to_detector(image, "NRS1"), image.T)
    np.testing.assert_array_equal(orientation.to_detector(image, "NRS2"), image.T[::-1])
    for detector in ("NRS1", "NRS2"):
        np.testing.assert_array_equal(
            orientation.from_detector(orientation.to_detector(image, detector), detector), image
        )
