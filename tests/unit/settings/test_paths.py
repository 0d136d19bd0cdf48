"""Paths of a configuration: home folders are written out wherever one may stand."""

import pytest

from rampflow.settings.configuration import ConfigError, check_config
from rampflow.settings.paths import named_files


@pytest.fixture(autouse=True)
def home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/vera")


def test_home_folders_are_written_out_in_every_path():
    config = check_config(
        {
            "exposures": ["~/data/*.fits", "here/~/a.fits"],
            "results": "~/results",
            "crds": {"path": "~/crds"},
            "masks": {"files": ["~/{exposure}_cal.fits", "a.fits"], "python": "~/jwst/bin/python"},
            "references": {"dark": "~/dark.fits", "gain": "N/A", "NIRCAM": {"flat": "~/flat.fits"}},
            "steps": {
                "dq_init": {"user_supplied_dq": "~/dq.fits"},
                "MIRI": {"persistence": {"persistence_array_file": "~", "algorithm": "~"}},
                "persistence": {"save_persistence": "~/p.asdf"},
            },
        }
    )
    assert config["exposures"] == ["/home/vera/data/*.fits", "here/~/a.fits"]
    assert config["results"] == "/home/vera/results"
    assert config["crds"]["path"] == "/home/vera/crds"
    assert config["masks"]["files"] == ["/home/vera/{exposure}_cal.fits", "a.fits"]
    assert config["masks"]["python"] == "/home/vera/jwst/bin/python"
    expected = {"dark": "/home/vera/dark.fits", "gain": "N/A", "NIRCAM": {"flat": "/home/vera/flat.fits"}}
    assert config["references"] == expected
    assert config["steps"] == {
        "dq_init": {"user_supplied_dq": "/home/vera/dq.fits"},
        "MIRI": {"persistence": {"persistence_array_file": "/home/vera", "algorithm": "~"}},
        "persistence": {"save_persistence": "/home/vera/p.asdf"},
    }
    assert check_config(config) == config
    assert check_config({"exposures": "~/e.tsv"})["exposures"] == "/home/vera/e.tsv"


def test_a_home_folder_of_nobody_stays():
    assert check_config({"results": "~nobody-of-this-name/r"})["results"] == "~nobody-of-this-name/r"


def test_files_that_parameters_name_are_found_under_every_selector():
    steps = {"dq_init": {"user_supplied_dq": "a"}, "NIRCAM": {"picture_frame": {"user_mask": "b"}}}
    steps |= {"persistence": {"input_trapsfilled": "", "persistence_array_file": None, "save_persistence": "c"}}
    assert list(named_files(steps)) == [
        ("config: steps: dq_init: user_supplied_dq", "a"),
        ("config: steps: NIRCAM: picture_frame: user_mask", "b"),
    ]


@pytest.mark.parametrize(
    "context",
    [
        *("jwst_1322.pmap", "jwst_0001.pmap", "jwst.pmap", "jwst_mock_9002.pmap", "jwst-latest", "jwst-operational"),
        *("2022-07-12", "2022-07-12T12:00:00", "jwst-2022-07-12T12:00:00.5"),
    ],
)
def test_contexts_of_jwst(context):
    assert check_config({"crds": {"context": context}})["crds"]["context"] == context


@pytest.mark.parametrize(
    "context",
    [
        *("hst_1234.pmap", "roman_0001.pmap", "JWST_1322.pmap", "jwst_1322.PMAP", " jwst_1322.pmap", "jwst_1322.pmap "),
        *("jwst_1322.pmap\n", "jwst 1322.pmap", "jwst_1322", "jwst_1322.imap", "jwst_nircam_0001.rmap", "", "latest"),
        *("/crds/jwst_1322.pmap", "../jwst_1322.pmap", "hst-latest", "jwst-", "1322", "jwst_13\u06622.pmap"),
    ],
)
def test_what_is_no_context_of_jwst_is_said(context):
    with pytest.raises(ConfigError) as caught:
        check_config({"crds": {"context": context}})
    expected = f"config: crds: context: {context!r} is not a JWST context; write a name such as jwst_1322.pmap"
    assert caught.value.problems == [expected]
