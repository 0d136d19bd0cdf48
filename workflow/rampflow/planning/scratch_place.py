"""Where a run makes products that do not stay: refused where a later step could not see them."""

import atexit
from collections.abc import Mapping
from typing import Any

from rampflow.io import scratch


def notices(config: Mapping[str, Any], on_cluster: bool) -> list[str]:
    """Say where scratch is without effect.

    Raises
    ------
    SystemExit
        The next step would not see what is there.
    """
    if config["scratch"] is None:
        return []
    if on_cluster and config["cluster_job"] == "step":
        why = "with cluster_job: step the next step may be on another node"
        raise SystemExit(f"rampflow: config: scratch: {why}; write cluster_job: exposure, or a number")
    return ["config: scratch: without effect where all products stay (keep: all)"] if config["keep"] == "all" else []


def is_used(config: Mapping[str, Any]) -> bool:
    """Whether a run with this configuration makes anything on scratch: products that do not stay."""
    return config["scratch"] is not None and config["keep"] != "all"


def begin(config: Mapping[str, Any], results: str) -> None:
    """Make the folder of this run on this node, if it wants one, until this process ends.

    Raises
    ------
    SystemExit
        It cannot be made.
    """
    if is_used(config):
        try:
            atexit.register(scratch.end, scratch.begin(config["scratch"], results))
        except ValueError as problem:
            raise SystemExit(f"rampflow: {problem}") from None
