"""What the workflow's own process says on the terminal."""

import contextlib
import sys
from collections.abc import Iterable
from typing import TextIO


def tell(lines: Iterable[str], stream: TextIO | None = None) -> None:
    """Write lines to the terminal, which may have been closed."""
    stream = sys.stderr if stream is None else stream
    with contextlib.suppress(OSError):
        for line in lines:
            print(f"rampflow: {line}", file=stream)
        stream.flush()
