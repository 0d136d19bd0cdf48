"""``python tests/programmes PROGRAMME OUTPUT [--seed N]``: as ``python -m rampflow.mock``, with more programmes."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "workflow")]

from programmes import PROGRAMMES  # noqa: E402
from rampflow.mock.__main__ import main  # noqa: E402

sys.exit(main(known=PROGRAMMES, program="python tests/programmes"))
