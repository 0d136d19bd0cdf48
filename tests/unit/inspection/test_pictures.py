import struct
import zlib

import numpy as np
import pytest

from rampflow.detector import dq
from rampflow.inspection import pictures


def decoded(content):
    """Read a PNG of 8 bits with a palette; returns colours of shape (rows, columns, 3), the first row on top."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        kind, data = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        assert struct.unpack(">I", content[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + data)
        chunks[kind], at = data, at + 12 + length
    assert list(chunks) == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    columns, rows, depth, colour, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (depth, colour, rest) == (8, 3, [0, 0, 0])
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(rows, columns + 1)
    assert not lines[:, 0].any()
    return np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3)[lines[:, 1:]]


BLUE = np.array(pictures.GREYS[-1])


def test_the_first_row_of_an_image_is_the_lowest_of_its_picture():
    picture = decoded(pictures.png(np.array([[0, 1, 2], [2, 2, 2]], np.uint8), [(1, 2, 3), (4, 5, 6), (7, 8, 9)]))
    assert picture[1].tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert picture[0].tolist() == [[7, 8, 9]] * 3


@pytest.mark.parametrize("shape", [(64, 2048), (2048, 2048), (5, 3), (321, 320), (1, 1)])
def test_pictures_have_at_most_the_size_that_they_may_have(shape):
    rate, flags = np.random.default_rng(1).normal(size=shape).astype(np.float32), np.zeros(shape, np.uint32)
    for content in (pictures.rate_picture(rate, flags, 320), pictures.flag_picture(flags, 320)):
        rows, columns = decoded(content).shape[:2]
        assert rows == -(-shape[0] // -(-shape[0] // 320)) and columns == -(-shape[1] // -(-shape[1] // 320))
        assert max(rows, columns) <= 320


def test_brighter_is_lighter_and_an_outlier_does_not_blacken_the_rest():
    rate = np.linspace(0, 1, 10_000, dtype=np.float32).reshape(100, 100)
    rate[50, 50] = 1e9
    picture = decoded(pictures.rate_picture(rate, np.zeros(rate.shape, np.uint32), 100))[::-1, :, 0].astype(int)
    assert picture[50, 50] == 255
    rest = np.delete(picture.ravel(), 5050)
    assert (np.diff(rest) >= 0).all() and rest[0] == 0 and rest[5000] > 100 and rest[-1] > 200


def test_blocks_are_averaged_without_what_is_not_to_be_used():
    rate = np.ones((4, 8), np.float32)
    rate[:, 4:] = 2
    flags = np.zeros(rate.shape, np.uint32)
    rate[0, 0], flags[0, 0] = 1e6, dq.DO_NOT_USE
    rate[1, 1] = np.nan
    rate[:2, 6:] = np.nan
    picture = decoded(pictures.rate_picture(rate, flags, 4))[::-1]
    assert picture.shape[:2] == (4, 4)
    small = decoded(pictures.rate_picture(rate, flags, 2))[::-1]
    assert (picture[0, 3] == BLUE).all() and (picture[0, 0] != BLUE).any()
    assert small[..., 0].tolist() == [[0, 255], [0, 255]]


@pytest.mark.parametrize("value", [np.nan, 0.0, 7.5, -3e30, np.inf])
def test_images_of_one_value_do_no_harm(value):
    rate = np.full((20, 30), value, np.float32)
    picture = decoded(pictures.rate_picture(rate, np.zeros(rate.shape, np.uint32), 320))
    assert (picture == picture[0, 0]).all()
    assert (picture[0, 0] == BLUE).all() == (not np.isfinite(value))


def test_the_first_flag_that_holds_gives_the_colour():
    bits = [0, dq.JUMP_DET, dq.HOT, dq.DO_NOT_USE | dq.JUMP_DET, dq.SATURATED | dq.DO_NOT_USE, dq.REFERENCE_PIXEL | 1]
    picture = decoded(pictures.flag_picture(np.array([bits], np.uint32), 320))[0].tolist()
    colours = {name: list(colour) for name, colour, _ in pictures.FLAGS}
    names = ["jump", "other flags", "do not use", "saturated", "reference pixel"]
    assert picture[1:] == [colours[name] for name in names]
    assert picture[0] not in colours.values()


def test_flags_of_some_pixels_stand_for_all():
    flags = np.zeros((2048, 2048), np.uint32)
    flags[:1024] = dq.SATURATED
    picture = decoded(pictures.flag_picture(flags, 64))[::-1]
    saturated = (picture == pictures.FLAGS[1][1]).all(axis=-1)
    assert picture.shape[:2] == (64, 64) and saturated[:32].all() and not saturated[32:].any()
