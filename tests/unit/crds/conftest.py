"""A small cache, and questions to it."""

import os

import pytest
from small_cache import HEADER, make_cache

from rampflow.crds import resolve as resolving
from rampflow.crds.answers import answer


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    """No CRDS setting of the machine, and a crds that remembers nothing."""
    for key in list(os.environ):
        if key.startswith("CRDS_"):
            monkeypatch.delenv(key)
    monkeypatch.setattr(resolving, "_in_use", None)


@pytest.fixture
def cache(tmp_path):
    return make_cache(tmp_path / "crds")


@pytest.fixture
def ask(cache, tmp_path):
    """Resolve types against the small cache, offline; the folder of pointers is ``ask.folder``."""

    def ask(*types, header=HEADER, state=None, overrides=None, **config):
        config = {"path": str(cache), "context": "jwst_0001.pmap", "offline": True} | config
        return answer("jw1", header, types, config=config, overrides=overrides, folder=ask.folder, state=state)

    ask.folder = tmp_path / "references"
    return ask
