"""How much memory a job asks for, and how large its chunks of the exposure may be with a given amount."""

#: Bytes of one chunk, if memory allows: enough to keep the disk busy, little enough for the caches.
CHUNK = 24 << 20
#: What a job needs before it holds anything (bytes): the interpreter and what is imported.
_BASE = 400 << 20
#: Images of one frame (float32) that a job may hold: references, their coefficients, flags.
_IMAGES = 30
#: Copies of a chunk that a step makes, for each thread and one more that is on its way.
_COPIES = 6


def _fixed(shape: tuple[int, ...]) -> int:
    return _BASE + _IMAGES * shape[-2] * shape[-1] * 4


def needed(size: int, shape: tuple[int, ...], threads: int) -> int:
    """Return the memory to ask for (MB) for an exposure of so many bytes as float32 and of that shape."""
    chunks = min(size, CHUNK) * _COPIES * (threads + 1)
    return -(-(_fixed(shape) + chunks) >> 20)


def chunk_size(budget: int, shape: tuple[int, ...], threads: int) -> int:
    """Return the bytes of a chunk with which a job stays within its budget (MB).

    0 if the budget is less than what the job needs anyway: chunks are then single rows or frames.
    """
    left = (budget << 20) - _fixed(shape)
    return max(0, min(CHUNK, left // (_COPIES * (threads + 1))))
