import pytest

from rampflow.jobs import memory


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_what_is_asked_for_allows_whole_pieces(threads):
    shape = (2, 10, 2048, 2048)
    asked = memory.needed(2 * 10 * 2048 * 2048 * 4, shape, threads)
    assert memory.chunk_size(asked, shape, threads) == memory.CHUNK


def test_pieces_shrink_with_the_budget_down_to_nothing():
    shape = (1, 5, 64, 2048)
    sizes = [memory.chunk_size(budget, shape, 2) for budget in (2000, 500, 450, 1)]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] == memory.CHUNK and sizes[-1] == 0


def test_a_long_exposure_asks_for_no_more_than_a_short_one():
    frame = (256, 2048)
    assert memory.needed(10 << 30, (1000, 5, *frame), 2) == memory.needed(1 << 30, (100, 5, *frame), 2)
