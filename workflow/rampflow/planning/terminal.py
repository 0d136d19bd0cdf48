"""What the workflow's own process says on the terminal."""

import contextlib
import sys
from collections.abc import Iterable


def tell(lines: Iterable[str]) -> None:
    """Write lines to the terminal, which may have been closed."""
    with contextlib.suppress(OSError):
        for line in lines:
            print(f"rampflow: {line}", file=sys.stderr)
        sys.stderr.flush()
