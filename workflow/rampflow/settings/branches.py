"""Branches: the chain of an exposure, and those of its variants, each by the name of its folder among the results.

The branch of an exposure itself is called as the exposure, ``jw…_nrcb1``; that of a variant
``jw…_nrcb1/variants/strict``. Files in both are called by the exposure.
"""

import re
from pathlib import PurePath

VARIANTS = "variants"
#: What a variant may be called: it is the name of a folder, on every file system, and a word of the command line.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def branch_of(exposure: str, variant: str | None) -> str:
    """Return the branch of a variant of an exposure; of None that of the exposure itself."""
    return f"{exposure}/{VARIANTS}/{variant}" if variant else exposure


def exposure_of(branch: str) -> str:
    """Return the exposure that a branch is of."""
    return branch.partition("/")[0]


def variant_of(branch: str) -> str | None:
    """Return the variant that a branch is of; None where it is that of the exposure itself."""
    return branch.rpartition("/")[2] if "/" in branch else None


def told(branch: str) -> str:
    """Return how a branch is called where people read it: ``jw…_nrcb1 (strict)``."""
    variant = variant_of(branch)
    return f"{exposure_of(branch)} ({variant})" if variant else branch


def product(branch: str, kind: str) -> str:
    """Return the path of a product of a branch, from the folder of the results."""
    return f"{branch}/{exposure_of(branch)}_{kind}.fits"


def of_path(path: PurePath) -> str:
    """Return the branch that a file belongs to, of a path from the folder of the results."""
    parts = path.parts
    return "/".join(parts[:3]) if parts[1:2] == (VARIANTS,) and len(parts) > 3 else parts[0]


def of_folder(folder: PurePath) -> str:
    """Return the branch whose folder a folder among the results is."""
    parts = folder.parts
    return "/".join(parts[-3:]) if parts[-2:-1] == (VARIANTS,) and len(parts) > 2 else folder.name
