"""What the name of a file says: the exposure, and which product of it this is; of this workflow, of jwst, of MAST."""

import os
import re
from functools import cache

from rampflow.settings.configuration import steps

#: Products of a run, beside those of the steps: what MAST calls them, too.
FINAL = ("rate", "rateints", "ramp")
_OTHERS = ("uncal", *FINAL, "fitopt")


@cache
def _suffixes() -> dict[str, str]:
    """Find the suffixes that are known: suffix to the name of the product."""
    found = {name: name for name in _OTHERS}
    for step in steps():
        # jwst names its products on the way by the step's name in the pipeline, or by that of the step's class.
        for suffix in (step, step.replace("_", "") + "step"):
            found |= {suffix: step, f"{suffix}ints": f"{step}ints", f"0_{suffix}": step, f"1_{suffix}": f"{step}ints"}
    return found


def split_name(path: str | os.PathLike[str]) -> tuple[str, str]:
    """Take the name of a file apart.

    Parameters
    ----------
    path : path-like
        Such as ``data/jw00793001001_01101_00001_nis_rate.fits``.

    Returns
    -------
    exposure : str
        The name without ``.fits`` and the suffix of a product: ``jw00793001001_01101_00001_nis``. Unknown suffixes
        stay.
    product : str
        ``"uncal"``, ``"rate"``, ``"rateints"``, ``"ramp"``, ``"fitopt"``, the name of a step, or that with ``ints``
        for the rates of its integrations; "" for an unknown suffix.
    """
    stem = re.sub(r"\.fits$", "", os.path.basename(path), flags=re.IGNORECASE)
    for parts in (4, 3, 2, 1):
        exposure, *suffix = stem.rsplit("_", parts)
        if len(suffix) == parts and "_".join(suffix) in _suffixes():
            return exposure, _suffixes()["_".join(suffix)]
    return stem, ""
