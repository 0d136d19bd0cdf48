import io

import numpy as np
import pytest
from PIL import Image

from rampflow.detector import dq
from rampflow.inspection import pictures


def decoded(content):
    """Read a PNG; returns colours of shape (rows, columns, 3), the first row on top."""
    with Image.open(io.BytesIO(getattr(content, "content", content))) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


BLUE = np.array(pictures.GREYS[-1])
WHITE = np.array(pictures.JUMPS[-1])
GOOD = decoded(pictures.flag_picture(np.zeros((1, 1), np.uint32), 1))[0, 0].astype(int)


def test_the_first_row_of_an_image_is_the_lowest_of_its_picture():
    picture = decoded(pictures.png(np.array([[0, 1, 2], [2, 2, 2]], np.uint8), [(1, 2, 3), (4, 5, 6), (7, 8, 9)]))
    assert picture[1].tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert picture[0].tolist() == [[7, 8, 9]] * 3


@pytest.mark.parametrize("shape", [(64, 2048), (2048, 2048), (5, 3), (321, 320), (1, 1)])
def test_pictures_have_at_most_the_size_that_they_may_have(shape):
    rate, flags = np.random.default_rng(1).normal(size=shape).astype(np.float32), np.zeros(shape, np.uint32)
    made = (
        pictures.grey_picture(rate, 320, flags),
        pictures.flag_picture(flags, 320),
        pictures.jump_picture(rate, 320),
        pictures.difference_picture(rate, 320),
        pictures.side_picture(rate > 1, rate < -1, 320),
    )
    for picture in made:
        rows, columns = decoded(picture).shape[:2]
        assert (rows, columns) == (picture.rows, picture.columns)
        assert rows == -(-shape[0] // -(-shape[0] // 320)) and columns == -(-shape[1] // -(-shape[1] // 320))
        assert max(rows, columns) <= 320


def test_brighter_is_lighter_and_an_outlier_does_not_blacken_the_rest():
    rate = np.linspace(0, 1, 10_000, dtype=np.float32).reshape(100, 100)
    rate[50, 50] = 1e9
    picture = decoded(pictures.grey_picture(rate, 100))[::-1, :, 0].astype(int)
    assert picture[50, 50] == 255
    rest = np.delete(picture.ravel(), 5050)
    assert (np.diff(rest) >= 0).all() and rest[0] == 0 and rest[5000] > 100 and rest[-1] > 200


def test_the_ticks_say_what_the_levels_are():
    rate = np.exp(np.linspace(0, 8, 10_000)).reshape(100, 100)
    made = pictures.grey_picture(rate, 100)
    levels = decoded(made)[::-1, :, 0] / 255
    for place, value in made.ticks:
        nearest = np.abs(rate - value).argmin()
        assert levels.ravel()[nearest] == pytest.approx(place, abs=1.5 / pictures.LEVELS)
    assert [place for place, _ in made.ticks] == [0, 0.5, 1]


def test_blocks_are_averaged_without_what_is_not_to_be_used():
    rate = np.ones((4, 8), np.float32)
    rate[:, 4:] = 2
    flags = np.zeros(rate.shape, np.uint32)
    rate[0, 0], flags[0, 0] = 1e6, dq.DO_NOT_USE
    rate[1, 1] = np.nan
    rate[:2, 6:] = np.nan
    picture = decoded(pictures.grey_picture(rate, 4, flags))[::-1]
    assert picture.shape[:2] == (4, 4)
    small = decoded(pictures.grey_picture(rate, 2, flags))[::-1]
    assert (picture[0, 3] == BLUE).all() and (picture[0, 0] != BLUE).any()
    assert small[..., 0].tolist() == [[0, 255], [0, 255]]


@pytest.mark.parametrize("value", [np.nan, 0.0, 7.5, -3e30, np.inf])
def test_images_of_one_value_do_no_harm(value):
    rate = np.full((20, 30), value, np.float32)
    made = pictures.grey_picture(rate, 320)
    picture = decoded(made)
    assert (picture == picture[0, 0]).all()
    assert (picture[0, 0] == BLUE).all() == (not np.isfinite(value)) == (made.ticks == [])


def test_the_first_flag_that_holds_gives_the_colour():
    bits = [0, dq.JUMP_DET, dq.HOT, dq.DO_NOT_USE | dq.JUMP_DET, dq.SATURATED | dq.DO_NOT_USE, dq.REFERENCE_PIXEL | 1]
    picture = decoded(pictures.flag_picture(np.array([bits], np.uint32), 320))[0].astype(int)
    colours = {name: np.array(colour) for name, colour, _ in pictures.FLAGS}
    names = ["jump", "other flags", "do not use", "saturated", "reference pixel"]
    for found, name in zip(picture[1:], names, strict=True):
        assert np.abs(found - colours[name]).max() <= 3
    assert (picture[0] == GOOD).all()


def test_every_flagged_pixel_shows_however_many_make_a_block():
    chance = np.random.default_rng(2)
    flags = np.zeros((2048, 2048), np.uint32)
    y, x = chance.integers(0, 2048, (2, 9979))
    flags[y, x] = dq.JUMP_DET
    for size in (64, 320):
        dy = -(-2048 // size)
        picture = decoded(pictures.flag_picture(flags, size))[::-1].astype(int)
        jumps = decoded(pictures.jump_picture((flags > 0) / 10, size))[::-1].astype(int)
        blocks = np.zeros(picture.shape[:2], bool)
        blocks[y // dy, x // dy] = True
        assert ((np.abs(picture - GOOD).max(axis=-1) >= 30) == blocks).all()
        assert ((jumps != WHITE).any(axis=-1) == blocks).all()


def test_colours_are_the_deeper_the_more_pixels_of_a_block_have_the_flag():
    flags = np.zeros((32, 32), np.uint32)
    for block, number in enumerate((0, 1, 8, 64)):
        rows, columns = np.unravel_index(np.arange(number), (8, 8))
        flags[rows, 8 * block + columns] = dq.SATURATED
    green = decoded(pictures.flag_picture(flags, 4))[::-1][0, :, 1].astype(int)
    assert green[0] == GOOD[1] and (np.diff(green) < -20).all()


def test_fractions_of_blocks_do_not_count_what_is_beyond_the_edge():
    mask = np.ones((5, 7), bool)
    assert (pictures.block_fractions(mask, 2) == 1).all()
    mask[4, 6] = False
    fractions = pictures.block_fractions(mask, 2)
    assert fractions.shape == (2, 2) and fractions[1, 1] == pytest.approx(1 - 1 / 6)


def test_the_picture_of_jumps_says_from_how_many_to_how_many():
    fractions = np.zeros((10, 10), np.float32)
    assert pictures.jump_picture(fractions, 10).ticks == []
    fractions[2, 3], fractions[7, 7] = 0.1, 0.4
    made = pictures.jump_picture(fractions, 10)
    assert [value for _, value in made.ticks] == pytest.approx([0.1, 0.2, 0.4])
    picture = decoded(made)[::-1]
    assert picture[2, 3].tolist() == list(pictures.JUMPS[0]) and picture[7, 7].tolist() == list(pictures.JUMPS[-2])


NONE, NOTHING = (np.array(pictures.DIFFERENCES[at]) for at in (pictures.SIGNED, -1))


def test_differences_have_their_sign_and_the_deeper_colour_the_larger_they_are():
    values = np.zeros((10, 10))
    values[0, :5] = [-100, -1, 0.001, 1, 100]
    values[1, 1], values[1, 2] = np.nan, np.inf
    picture = pictures.difference_picture(values, 10)
    shown = decoded(picture)[::-1].astype(int)
    assert tuple(shown[0, 0]) == pictures.DIFFERENCES[0] and tuple(shown[0, 4]) == pictures.DIFFERENCES[-2]
    depth = np.abs(shown - NONE).sum(axis=-1)
    assert depth[0, 0] > depth[0, 1] > 0 and depth[0, 4] > depth[0, 3] > depth[0, 2] > 0
    # Blue below, red above.
    assert shown[0, 1, 2] > shown[0, 1, 0] and shown[0, 3, 0] > shown[0, 3, 2]
    assert (shown[2:] == NONE).all() and (shown[1, 1:3] == NOTHING).all()


def test_the_ticks_of_differences_are_the_same_on_both_sides_and_say_what_the_levels_are():
    values = np.concatenate([-np.geomspace(0.01, 50, 5000), np.geomspace(0.01, 50, 5000)]).reshape(100, 100)
    picture = pictures.difference_picture(values, 100)
    ticks = [value for _, value in picture.ticks]
    assert ticks == pytest.approx([-50, ticks[1], 0, -ticks[1], 50])
    shown = decoded(picture)[::-1].reshape(-1, 3)
    for place, value in picture.ticks:
        nearest = tuple(shown[np.abs(values.ravel() - value).argmin()])
        assert pictures.DIFFERENCES.index(nearest) / (2 * pictures.SIGNED) == pytest.approx(place, abs=0.06)


def test_a_single_difference_shows_however_many_pixels_make_a_block():
    values = np.full((256, 256), 0.01)
    values[100, 100], values[:16, :16] = -5.0, np.nan
    shown = decoded(pictures.difference_picture(values, 16))[::-1]
    assert tuple(shown[6, 6]) == pictures.DIFFERENCES[0] and tuple(shown[0, 0]) == tuple(NOTHING)
    assert shown[6, 7, 0] > shown[6, 7, 2]


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_without_a_difference_there_is_no_colour_bar(value):
    picture = pictures.difference_picture(np.full((4, 4), value), 4)
    assert picture.ticks == [] and (decoded(picture) == (NONE if value == 0 else NOTHING)).all()


def test_what_one_side_has_is_of_its_colour():
    a, b = np.zeros((2, 4, 4), bool)
    a[0, :2] = b[0, 1:3] = True
    shown = decoded(pictures.side_picture(a, b, 4))[::-1].astype(int)
    both, only_a, only_b = (np.array(colour) for _, colour in pictures.SIDES)
    for at, colour in enumerate((only_a, both, only_b, GOOD)):
        assert np.abs(shown[0, at] - colour).max() <= 3
