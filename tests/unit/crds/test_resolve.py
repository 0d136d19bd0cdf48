import ast
import contextlib
import errno
import hashlib
import http.server
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from astropy.io import fits
from small_cache import (
    HEADER,
    asdf_file,
    catalogue,
    context,
    fits_file,
    make_cache,
    mappings,
    reference,
    server_config,
    write_references,
)

from rampflow.crds import resolve as resolving
from rampflow.crds import verify
from rampflow.crds.answers import answer
from rampflow.crds.finding import find
from rampflow.crds.pointers import check, load_pointer
from rampflow.crds.selectors import SELECTORS, crds_parameters
from rampflow.crds.settings import NOTHING, RULES, SERVERLESS, ReferenceProblem, Settings
from rampflow.io.files import FileProblem

SHARED = Path(__file__).parents[4] / "shared" / "data"
# --- what CRDS answers --------------------------------------------------------------------------------------


def test_a_found_file_is_pointed_to_with_size_checksums_and_uri(ask, cache):
    pointer = ask("dark")["dark"]
    path = reference(cache, "jwst_nircam_dark_0001.fits")
    assert pointer == load_pointer(ask.folder / "dark.json")
    assert pointer == {
        "type": "dark",
        "status": "found",
        "file": str(path),
        "name": path.name,
        "crds_uri": "crds://jwst_nircam_dark_0001.fits",
        "size": path.stat().st_size,
        "sha1": hashlib.sha1(path.read_bytes()).hexdigest(),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "mtime_ns": path.stat().st_mtime_ns,
    }


@pytest.mark.parametrize(
    ("kind", "subarray"),
    [("refpix", "FULL"), ("dark", "SUB64"), ("superbias", "FULL")],
    ids=["by the instrument's rules", "by the type's rules", "omitted"],
)
def test_not_applicable_is_an_answer(ask, kind, subarray):
    pointer = ask(kind, header=HEADER | {"SUBARRAY": subarray})[kind]
    assert (pointer["status"], pointer["file"], pointer["crds_uri"]) == ("not applicable", None, "N/A")


def test_types_that_the_context_does_not_know_are_said_once_and_not_applicable(ask, caplog):
    pointers = ask("emicorr", "sirskernel", "dark")
    assert pointers["emicorr"]["status"] == "unknown type"
    assert pointers["emicorr"]["crds_uri"] == "N/A"
    assert pointers["dark"]["status"] == "found"
    said = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    known = [line for line in said if "does not know" in line]
    assert known == ["jw1: CRDS context jwst_0001.pmap does not know emicorr, sirskernel; taken as not applicable"]


def test_types_without_a_matching_rule_are_one_error_that_names_all(ask):
    with pytest.raises(ReferenceProblem, match=r"no rule .*for: mask \(.*NRCALONG.*; saturation \(.*newer"):
        ask("dark", "mask", "saturation")
    assert not ask.folder.exists()


def test_parameter_types_without_a_matching_rule_are_not_applicable(ask):
    pointer = ask("pars-rampfitstep")["pars-rampfitstep"]
    assert pointer["status"] == "not applicable"
    assert (pointer["parameters"], pointer["steps"]) == ({}, {})


def test_an_exposure_without_instrument_is_refused(ask):
    with pytest.raises(ReferenceProblem, match="jw1: the header has no INSTRUME"):
        ask("dark", header={"DETECTOR": "NRCA1"})


def test_an_instrument_that_the_context_lacks_is_refused(ask):
    with pytest.raises(ReferenceProblem, match="jwst_0001.pmap: Unknown instrument 'wfc3'"):
        ask("dark", header=HEADER | {"INSTRUME": "WFC3"})


def test_rules_that_select_by_an_unlisted_keyword_still_work(ask):
    assert "PROGRAM" not in SELECTORS
    assert ask("linearity", context="jwst_0003.pmap")["linearity"]["name"] == "jwst_nircam_linearity_0001.fits"
    with pytest.raises(ReferenceProblem, match="linearity"):
        ask("linearity", context="jwst_0003.pmap", header=HEADER | {"PROGRAM": "04321"})


def test_keywords_without_a_value_are_left_out():
    assert crds_parameters({"FILTER": None, "TSOVISIT": False, "NINTS": 3, "OBSERVER": "x"}) == {
        "META.VISIT.TSOVISIT": False,
        "META.EXPOSURE.NINTS": 3,
    }


def test_names_of_the_selecting_keywords_are_those_of_the_data_models():
    from stdatamodels.jwst.datamodels import RampModel

    with RampModel() as model:
        for keyword, name in SELECTORS.items():
            assert [path.upper() for path in model.find_fits_keyword(keyword)] == [name]


# --- pointers -----------------------------------------------------------------------------------------------


def contents(folder):
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_the_same_answer_writes_no_file_again(ask, tmp_path):
    types = "dark", "gain", "refpix", "emicorr", "pars-jumpstep"
    ask(*types)
    before = contents(ask.folder)
    ask(*types, state=tmp_path / "state")
    assert contents(ask.folder) == before


def test_a_new_context_touches_only_the_pointers_of_what_it_changed(ask):
    ask("dark", "gain", "refpix")
    before = contents(ask.folder)
    ask("dark", "gain", "refpix", context="jwst_0002.pmap")
    changed = {name for name, content in contents(ask.folder).items() if content != before[name]}
    assert {"dark.json", "asked.json"} <= changed <= {"dark.json", "asked.json", ".seen.json"}
    assert load_pointer(ask.folder / "dark.json")["name"] == "jwst_nircam_dark_0002.fits"


def test_context_version_files_and_mappings_are_in_the_summary(ask, cache):
    import crds

    ask("dark", "refpix")
    summary = json.loads((ask.folder / "asked.json").read_text())
    assert {key: summary[key] for key in ("context", "crds_version", "server", "references")} == {
        "context": "jwst_0001.pmap",
        "crds_version": crds.__version__,
        "server": None,
        "references": {"dark": "jwst_nircam_dark_0001.fits", "refpix": "N/A"},
    }
    assert summary["files"]["dark"]["uri"] == "crds://jwst_nircam_dark_0001.fits"
    assert set(summary["mappings"]) == {"jwst_0001.pmap", "jwst_nircam_0001.imap", "jwst_nircam_dark_0001.rmap"}
    path = cache / "mappings/jwst/jwst_nircam_dark_0001.rmap"
    assert summary["mappings"][path.name]["sha1"] == hashlib.sha1(path.read_bytes()).hexdigest()


def test_a_touched_reference_leaves_the_pointer_as_it_is_and_passes_the_check(ask, cache):
    ask("dark")
    before = (ask.folder / "dark.json").read_bytes()
    path = reference(cache, "jwst_nircam_dark_0001.fits")
    os.utime(path, ns=(1, 1))
    assert check(load_pointer(ask.folder / "dark.json")) == path
    ask("dark")
    assert (ask.folder / "dark.json").read_bytes() == before


@pytest.mark.parametrize("text", [None, "", "{}", "[]"], ids=["missing", "empty", "without keys", "a list"])
def test_what_is_not_a_pointer_is_refused(tmp_path, text):
    path = tmp_path / "dark.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ReferenceProblem, match=r"dark\.json: not a reference pointer .*--forcerun references"):
        load_pointer(path)


# --- parameter files ----------------------------------------------------------------------------------------


def test_parameters_of_a_step_are_in_the_pointer_as_the_file_has_them(ask):
    pointer = ask("pars-jumpstep")["pars-jumpstep"]
    assert pointer["parameters"] == {"rejection_threshold": 5.5, "skip": "False", "list": [1, 2]}
    assert pointer["steps"] == {}


def test_parameters_of_a_pipeline_come_step_by_step(ask):
    pointer = ask("pars-detector1pipeline")["pars-detector1pipeline"]
    assert pointer["parameters"] == {"save_calibrated_ramp": False}
    assert pointer["steps"]["ipc"] == {"skip": True}
    assert pointer["steps"]["jump"]["rejection_threshold"] == 5.5


def test_the_older_layout_of_parameter_files_is_read(ask, cache):
    steps = {"ipc": {"name": "ipc", "skip": True}}
    tree = {"parameters": {"name": "d", "class": "c", "skip": False, "steps": steps}}
    path = reference(cache, "jwst_nircam_pars-detector1pipeline_0001.asdf")
    path.unlink()
    asdf_file(path, tree)
    pointer = ask("pars-detector1pipeline")["pars-detector1pipeline"]
    assert (pointer["parameters"], pointer["steps"]) == ({"skip": False}, {"ipc": {"skip": True}})


def test_a_parameter_file_without_parameters_is_refused(ask, cache):
    path = reference(cache, "jwst_nircam_pars-jumpstep_0001.asdf")
    path.unlink()
    asdf_file(path, {"name": "jump"})
    with pytest.raises(ReferenceProblem, match=r"pars-jumpstep: .* not a parameter file"):
        ask("pars-jumpstep")


def test_a_users_parameter_file_of_the_observatorys_layout(ask):
    path = SHARED / "references" / "ceers_detector1_1.7.2.asdf"
    if not path.exists():
        pytest.skip(f"needs the third-party file {path}")
    kind = "pars-detector1pipeline"
    pointer = ask(kind, overrides={kind: str(path)})[kind]
    assert len(pointer["steps"]) == 16
    assert pointer["parameters"]["save_calibrated_ramp"] is False
    assert pointer["steps"]["jump"]["maximum_cores"] == "none"
    assert pointer["steps"]["jump"]["rejection_threshold"] == 4.0
    assert pointer["steps"]["ipc"]["skip"] is True
    assert json.loads((ask.folder / "pars-detector1pipeline.json").read_text())["steps"] == pointer["steps"]


# --- overrides ----------------------------------------------------------------------------------------------


def test_an_override_is_pointed_to_by_its_absolute_path(ask, tmp_path, monkeypatch):
    path = fits_file(tmp_path / "mine.fits")
    monkeypatch.chdir(tmp_path)
    pointers = ask("dark", "gain", overrides={"dark": "mine.fits"})
    assert (pointers["dark"]["status"], pointers["dark"]["crds_uri"]) == ("override", str(path))
    assert pointers["gain"]["status"] == "found"


def test_an_override_may_say_not_applicable(ask):
    assert ask("dark", overrides={"dark": "N/A"})["dark"]["status"] == "not applicable"


def test_an_override_saves_a_type_that_no_rule_matches(ask, tmp_path):
    path = fits_file(tmp_path / "mask.fits")
    assert ask("mask", overrides={"mask": str(path)})["mask"]["file"] == str(path)


def test_crds_is_not_asked_when_everything_is_overridden(tmp_path):
    path = fits_file(tmp_path / "mine.fits")
    folder = tmp_path / "pointers"
    pointers = answer("jw1", HEADER, ["dark"], config={}, overrides={"dark": str(path)}, folder=folder)
    assert pointers["dark"]["file"] == str(path)
    assert json.loads((folder / "asked.json").read_text())["context"] == "N/A"


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("gone.fits", None, "gone.fits: No such file or directory"),
        ("page.fits", b"<html>", "not a FITS file"),
        ("nothing.fits", b"", "nothing.fits is empty"),
        ("dark.txt", b"1 2 3", "unknown kind of file; expected .fits, .asdf or .json"),
        ("dark.asdf", b"#ASDF 1.0.0\n", "dark.asdf is truncated: its tree has no end"),
        ("dark.json", b"{", "dark.json cannot be read"),
    ],
)
def test_an_override_that_cannot_be_used_is_one_clear_error(ask, tmp_path, name, content, found):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ReferenceProblem, match=f"jw1: dark: override .*{found}.*`references: {{dark: …}}`"):
        ask("dark", overrides={"dark": str(path)})


# --- verification -------------------------------------------------------------------------------------------


def test_a_file_that_is_cut_anywhere_is_refused(tmp_path):
    path = fits_file(tmp_path / "dark.fits")
    whole = path.read_bytes()
    between = [2880]  # A missing extension cannot be told from the file alone.
    for size in set(range(0, len(whole), 720)) - set(between):
        path.write_bytes(whole[:size])
        with pytest.raises(FileProblem, match="dark.fits"):
            verify.check_complete(path)


def test_a_damaged_header_is_refused(tmp_path):
    path = fits_file(tmp_path / "dark.fits")
    whole = path.read_bytes()
    path.write_bytes(whole[:2880] + bytes(2880) + whole[2880:])
    with pytest.raises(FileProblem, match="no FITS header where one is due"):
        verify.check_complete(path)


def test_a_truncated_cache_file_is_an_error_with_the_cure(ask, cache):
    path = reference(cache, "jwst_nircam_dark_0001.fits")
    os.truncate(path, path.stat().st_size - 2880)
    with pytest.raises(ReferenceProblem, match=f"jw1: dark: {path}: truncated.*Delete it and run again"):
        ask("dark")


def test_a_cache_file_that_differs_from_the_servers_catalogue_is_refused(ask, cache):
    path = reference(cache, "jwst_nircam_dark_0001.fits")
    server_config(cache, download_metadata=catalogue(path.parent))
    ask("dark")
    damaged = bytearray(path.read_bytes())
    damaged[-2880] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(ReferenceProblem, match="dark_0001.fits has sha1 .* expected .* as CRDS says"):
        ask("dark")
    path.write_bytes(damaged + bytes(2880))
    with pytest.raises(ReferenceProblem, match="dark_0001.fits"):
        ask("dark")


def test_exposures_of_a_run_read_a_reference_once(ask, cache, tmp_path, monkeypatch):
    read, digest = [], verify.digest_of
    monkeypatch.setattr(verify, "digest_of", lambda path: read.append(path.name) or digest(path))
    state = tmp_path / "state"
    first = ask("dark", state=state)
    assert ask("dark", state=state) == first
    assert check(load_pointer(ask.folder / "dark.json")) is not None
    assert read == ["jwst_nircam_dark_0001.fits"]
    path = reference(cache, "jwst_nircam_dark_0001.fits")
    path.unlink()
    fits_file(path, 7)
    assert ask("dark", state=state)["dark"]["sha256"] != first["dark"]["sha256"]


def test_a_reference_that_changed_after_it_was_resolved_is_refused_at_use(ask, cache):
    ask("dark")
    pointer = load_pointer(ask.folder / "dark.json")
    path = reference(cache, "jwst_nircam_dark_0001.fits")
    damaged = bytearray(path.read_bytes())
    damaged[-2880] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(ReferenceProblem, match=f"{path} has changed: sha256 .* expected {pointer['sha256']}"):
        check(pointer)
    path.write_bytes(damaged[:-2880])
    with pytest.raises(ReferenceProblem, match=f"bytes, expected {pointer['size']}"):
        check(pointer)
    path.unlink()
    with pytest.raises(ReferenceProblem, match=r"No such file.*run the rule `references` again"):
        check(pointer)


def test_using_a_reference_needs_neither_crds_nor_asdf(ask):
    ask("pars-jumpstep")
    script = (
        "import sys; from rampflow.crds.pointers import check, load_pointer\n"
        "check(load_pointer(sys.argv[1])); print({'crds', 'asdf'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(ask.folder / "pars-jumpstep.json")],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert (run.stdout, run.stderr) == ("set()\n", "")


def test_without_a_file_there_is_nothing_to_check(ask):
    assert check(ask("refpix")["refpix"]) is None


# --- settings -----------------------------------------------------------------------------------------------


def test_no_cache_named_is_an_error(ask):
    with pytest.raises(ReferenceProblem, match=r"no CRDS cache: set `crds: \{path: …\}` .* or CRDS_PATH"):
        ask("dark", path=None)


def test_a_cache_that_does_not_exist_is_an_error_without_a_server(ask, tmp_path):
    with pytest.raises(ReferenceProblem, match="the CRDS cache .*elsewhere does not exist .* no server"):
        ask("dark", path=str(tmp_path / "elsewhere"))


def test_path_and_context_come_from_the_environment_when_not_configured(ask, cache, monkeypatch):
    monkeypatch.setenv("CRDS_PATH", str(cache))
    monkeypatch.setenv("CRDS_CONTEXT", "jwst_0002.pmap")
    assert ask("dark", path=None, context=None)["dark"]["name"] == "jwst_nircam_dark_0002.fits"


def test_the_configuration_wins_over_the_environment_and_leaves_it_alone(ask, cache, tmp_path, monkeypatch):
    for key in ("CRDS_PATH", "CRDS_MAPPATH", "CRDS_REFPATH_SINGLE", "CRDS_PATH_SINGLE"):
        monkeypatch.setenv(key, str(tmp_path / "elsewhere"))
    monkeypatch.setenv("CRDS_CONTEXT", "jwst_0002.pmap")
    before = dict(os.environ)
    assert ask("dark")["dark"]["file"] == str(reference(cache, "jwst_nircam_dark_0001.fits"))
    no_store = {f"CRDS_{kind}_URI": "none" for kind in ("CONFIG", "MAPPING", "REFERENCE", "PICKLE")}
    assert dict(os.environ) == before | no_store


def test_crds_can_be_asked_by_others_of_the_process_afterwards(ask, cache, monkeypatch):
    """It stumbled over defaults that its import had set and that were taken away again."""
    import crds

    for key in [key for key in os.environ if key.startswith("CRDS_")]:
        monkeypatch.delenv(key)
    ask("dark")
    for key, value in {"CRDS_PATH": str(cache), "CRDS_SERVER_URL": SERVERLESS}.items():
        monkeypatch.setenv(key, value)
    answer = crds.getrecommendations(
        crds_parameters(HEADER), reftypes=["dark"], context="jwst_0001.pmap", observatory="jwst"
    )
    assert answer["dark"] == "jwst_nircam_dark_0001.fits"


def test_a_process_may_go_from_one_cache_to_another(ask, tmp_path):
    other = make_cache(tmp_path / "other")
    for name, text in context(1, {"dark": "N/A"}).items():
        (other / "mappings/jwst" / name).write_text(text)
    assert ask("dark")["dark"]["status"] == "found"
    assert ask("dark", path=str(other))["dark"]["status"] == "not applicable"
    assert ask("dark")["dark"]["status"] == "found"


def test_offline_the_default_context_is_the_one_that_the_server_named_last(ask):
    assert ask("dark", context=None)["dark"]["name"] == "jwst_nircam_dark_0002.fits"
    assert json.loads((ask.folder / "asked.json").read_text())["context"] == "jwst_0002.pmap"


def test_offline_a_cache_that_never_saw_a_server_has_no_default_context(ask, cache):
    (cache / "config/jwst/server_config").unlink()
    with pytest.raises(ReferenceProblem, match="does not record a default context .* name one"):
        ask("dark", context=None)
    assert ask("dark")["dark"]["status"] == "found"


@pytest.mark.parametrize("name", ["1322", "jwst_1322", "nonsense"])
def test_what_is_not_a_context_is_refused(ask, name):
    with pytest.raises(ReferenceProblem, match=f"'{name}' is not a JWST context; expected a name such as"):
        ask("dark", context=name)


def test_offline_means_that_no_server_is_touched(ask, monkeypatch):
    def refuse(*_):
        raise AssertionError("a connection was tried")

    monkeypatch.setenv("CRDS_SERVER_URL", "https://jwst-crds.stsci.edu")
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert ask("dark", "gain", "emicorr", context=None)["dark"]["status"] == "found"
    with pytest.raises(ReferenceProblem, match="not complete in the cache"):
        ask("dark", context="jwst_0009.pmap")


def test_a_complete_cache_is_only_read(ask, cache, monkeypatch):
    monkeypatch.setenv("CRDS_READONLY_CACHE", "1")
    (cache / "config/jwst/ref_cache_subdir_mode").unlink()
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*")}
    ask("dark", "gain", "pars-jumpstep")
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*")} == before


def test_messages_of_crds_go_to_our_log_and_not_to_the_streams(ask, caplog, capfd):
    from crds.core import log

    ask("dark")
    caplog.clear()
    log.warning("something odd")
    ours = [r.getMessage() for r in caplog.records if r.name == "rampflow.crds.resolve"]
    assert ours == ["crds: something odd"]
    assert capfd.readouterr() == ("", "")


def test_a_missing_mapping_is_named(ask, cache):
    (cache / "mappings/jwst/jwst_nircam_gain_0001.rmap").unlink()
    with pytest.raises(ReferenceProblem, match=r"jwst_0001.pmap is not complete .*gain_0001.rmap is missing"):
        ask("dark")


def test_a_corrupt_mapping_is_named(ask, cache):
    path = cache / "mappings/jwst/jwst_nircam_gain_0001.rmap"
    path.write_text(path.read_text().replace("gain_0001.fits", "gain_0007.fits"))
    with pytest.raises(ReferenceProblem, match=r"mapping .* is corrupt: .*gain_0001.rmap.*; delete that file"):
        ask("dark")
    path.write_text(path.read_text()[:100])
    with pytest.raises(ReferenceProblem, match=r"is corrupt: .*gain_0001.rmap"):
        ask("dark")


def test_files_missing_offline_are_listed_with_the_cure(ask, cache):
    for kind in ("dark", "gain"):
        reference(cache, f"jwst_nircam_{kind}_0001.fits").unlink()
    with pytest.raises(ReferenceProblem, match=r"no server .*: dark: .*dark_0001.fits; gain: .*crds sync"):
        ask("dark", "gain")


def test_a_file_marked_as_invalid_is_refused_unless_accepted(ask, cache, monkeypatch):
    server_config(cache, bad_files_list=["jwst_nircam_dark_0001.fits"])
    with pytest.raises(ReferenceProblem, match=r"marks jwst_nircam_dark_0001.fits .* scientifically invalid"):
        ask("dark")
    assert ask("gain")["gain"]["status"] == "found"
    monkeypatch.setenv("CRDS_ALLOW_BAD_REFERENCES", "1")
    assert ask("dark")["dark"]["status"] == "found"


def test_rules_marked_as_invalid_are_refused_unless_accepted(ask, cache, monkeypatch):
    server_config(cache, bad_files_list=["jwst_nircam_dark_0001.rmap"])
    with pytest.raises(ReferenceProblem, match=r"the rules jwst_nircam_dark_0001.rmap .* invalid"):
        ask("dark")
    monkeypatch.setenv("CRDS_ALLOW_BAD_RULES", "1")
    assert ask("dark")["dark"]["status"] == "found"


# --- with a server on this machine --------------------------------------------------------------------------


class Server(http.server.ThreadingHTTPServer):
    """As much of a CRDS server as a client asks: its state, lists of mappings, files."""

    def __init__(self, root):
        super().__init__(("localhost", 0), Handler)
        self.root, self.asked, self.spoil = root, [], None
        self.url = f"http://localhost:{self.server_address[1]}"
        self.observatory = "jwst"

    def handle_error(self, *_):
        """A client that goes away is no event."""

    def answer(self, method, parameters):
        if method == "get_server_info":
            folder = self.root / "all"
            return {
                "observatory": self.observatory,
                "operational_context": "jwst_0002.pmap",
                "latest_context": "jwst_0002.pmap",
                "bad_files_list": ["jwst_nircam_gain_0009.fits"],
                "force_remote_mode": False,
                "crds_version": {"str": "14.0.3"},
                "mappings": [],
                "last_synced": "2026-01-01 00:00:00",
                "reference_url": {"unchecked": {"jwst": f"{self.url}/all"}},
                "mapping_url": {"unchecked": {"jwst": f"{self.url}/all"}},
                "download_metadata": catalogue(folder),
            }
        if method == "get_default_context":
            return "jwst_0002.pmap"
        if method == "get_mapping_names":
            name = parameters[0]
            own = name, name.replace("jwst", "jwst_nircam").replace("pmap", "imap")
            return [*own, *(path.name for path in (self.root / "all").glob("*.rmap"))]
        raise AssertionError(method)


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        """Tests look at what was asked instead."""

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(request["method"])
        result = self.server.answer(request["method"], request["params"])
        self.reply(json.dumps({"result": result, "error": None}).encode())

    def do_GET(self):
        name = Path(self.path).name
        self.server.asked.append(name)
        content = (self.server.root / "all" / name).read_bytes()
        self.reply(content[:-2880] if self.server.spoil == name else content)

    def reply(self, content):
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def server(tmp_path):
    made = tmp_path / "server"
    (made / "all").mkdir(parents=True)
    for name, text in mappings().items():
        (made / "all" / name).write_text(text)
    write_references(made / "all")
    server = Server(made)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def online(ask, server, tmp_path):
    """Resolve against an empty cache and a server."""

    def online(*types, **more):
        resolving._in_use = None  # As a process of its own would.
        return ask(*types, **{"path": str(tmp_path / "empty"), "server": server.url, "offline": False} | more)

    online.cache = tmp_path / "empty"
    return online


def test_an_empty_cache_is_filled_with_rules_and_files_of_the_default_context(online, ask, server):
    pointers = online("dark", "pars-jumpstep", context=None)
    assert pointers["dark"]["name"] == "jwst_nircam_dark_0002.fits"
    assert Path(pointers["dark"]["file"]).parent == online.cache / "references/jwst/nircam"
    assert pointers["pars-jumpstep"]["parameters"]["rejection_threshold"] == 5.5
    assert json.loads((ask.folder / "asked.json").read_text())["server"] == server.url
    assert not any("jwst_nircam_gain_0001.fits" in name for name in server.asked)
    assert not list(online.cache.rglob("*.lock"))


def test_once_filled_the_cache_serves_offline_with_its_default_context(online):
    first = online("dark", context=None)
    assert online("dark", context=None, server=None, offline=True) == first
    config = ast.literal_eval((online.cache / "config/jwst/server_config").read_text())
    assert config["bad_files_list"] == ["jwst_nircam_gain_0009.fits"]


def test_the_server_is_taken_from_the_environment_when_not_configured(online, server, monkeypatch):
    monkeypatch.setenv("CRDS_SERVER_URL", server.url)
    assert online("dark", server=None)["dark"]["status"] == "found"


def test_exposures_of_a_run_ask_the_server_once(online, server, tmp_path):
    for _ in range(3):
        online("gain", context=None, state=tmp_path / "state")
    online("gain", context=None, state=tmp_path / "state", offline=True)
    # Once for the run, once more by crds itself for the first download.
    assert server.asked.count("get_server_info") == 1
    assert server.asked.count("jwst_nircam_gain_0001.fits") == 1


def test_a_download_that_breaks_off_leaves_nothing_behind(online, server):
    server.spoil = "jwst_nircam_dark_0001.fits"
    with pytest.raises(ReferenceProblem, match=r"jw1: dark: cannot fetch jwst_nircam_dark_0001.fits .* size"):
        online("dark")
    assert not list(online.cache.rglob("*dark_0001.fits*"))
    server.spoil = None
    assert online("dark")["dark"]["status"] == "found"


def test_a_cache_that_may_not_be_written_cannot_be_filled(online, monkeypatch):
    online("gain")
    monkeypatch.setenv("CRDS_READONLY_CACHE", "1")
    assert online("gain")["gain"]["status"] == "found"
    with pytest.raises(ReferenceProblem, match=r"jw1: dark: cannot fetch .* may be written"):
        online("dark")


@pytest.mark.parametrize("missing", [False, True])
def test_a_cache_on_a_disk_that_takes_nothing_is_only_read(ask, cache, monkeypatch, missing):
    if missing:
        reference(cache, "jwst_nircam_dark_0001.fits").unlink()
    mkdir, access = os.mkdir, os.access

    def refused(path, *more, **others):
        if Path(path).is_relative_to(cache):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        mkdir(path, *more, **others)

    def allowed(path, mode, **others):
        return access(path, mode, **others) and not (mode == os.W_OK and Path(path).is_relative_to(cache))

    monkeypatch.setattr(os, "mkdir", refused)
    monkeypatch.setattr(os, "access", allowed)
    if missing:
        with pytest.raises(ReferenceProblem, match=r"no server .*: dark: .*jwst_nircam_dark_0001.fits"):
            ask("dark")
    else:
        assert ask("dark")["dark"]["status"] == "found"


def unused_address():
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("localhost", 0))
        return f"http://localhost:{probe.getsockname()[1]}"


def test_an_unreachable_server_is_one_clear_error_when_it_must_name_the_context(ask):
    address = unused_address()
    with pytest.raises(ReferenceProblem, match=f"the CRDS server {address} gives no answer .*offline: true"):
        ask("dark", context=None, offline=False, server=address)


def test_an_unreachable_server_is_a_warning_when_nothing_is_needed_from_it(ask, caplog):
    pointers = ask("dark", offline=False, server=unused_address())
    assert pointers["dark"]["status"] == "found"
    assert "gives no answer" in caplog.text


def test_a_file_that_an_unreachable_server_should_send_is_one_clear_error(ask, cache):
    reference(cache, "jwst_nircam_dark_0001.fits").unlink()
    with pytest.raises(ReferenceProblem, match=r"jw1: dark: cannot fetch .* check the address"):
        ask("dark", offline=False, server=unused_address())


def test_the_server_of_another_observatory_is_refused(online, server):
    server.observatory = "hst"
    with pytest.raises(ReferenceProblem, match=r"gives no answer .*inconsistent with observatory"):
        online("dark", context=None)


def test_a_server_that_gave_no_answer_is_asked_again_after_a_while(online, server, tmp_path, monkeypatch):
    state = tmp_path / "state"
    server.observatory = "hst"
    with pytest.raises(ReferenceProblem, match="gives no answer"):
        online("dark", context=None, state=state)
    server.observatory = "jwst"
    with pytest.raises(ReferenceProblem, match="gives no answer"):
        online("dark", context=None, state=state)
    monkeypatch.setattr(resolving, "_SILENCE_HOLDS", 0)
    assert online("dark", context=None, state=state)["dark"]["status"] == "found"


def test_concurrent_jobs_fetch_every_file_once(online, server, tmp_path):
    script = (
        "import json, sys; from rampflow.crds.answers import answer\n"
        "answer(sys.argv[1], json.loads(sys.argv[2]), ['dark', 'gain'], config=json.loads(sys.argv[3]), "
        "folder=sys.argv[1], state='state')"
    )
    config = {"path": str(online.cache), "context": None, "server": server.url}
    path = os.pathsep.join(sys.path)
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", script, f"jw{number}", json.dumps(HEADER), json.dumps(config)],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": path},
        )
        for number in range(2)
    ]
    assert [job.wait() for job in jobs] == [0, 0]
    files = [name for name in server.asked if name.endswith(("map", ".fits"))]
    assert len(files) == len(set(files)) > 2
    pointers = [(tmp_path / f"jw{number}" / "dark.json").read_bytes() for number in range(2)]
    assert pointers[0] == pointers[1]


# --- the observatory's own rules ----------------------------------------------------------------------------

STAGE_1 = [
    "mask",
    "saturation",
    "superbias",
    "ipc",
    "refpix",
    "reset",
    "linearity",
    "rscd",
    "dark",
    "trapdensity",
    "trappars",
    "persat",
    "gain",
    "readnoise",
    "emicorr",
    "sirskernel",
    "pictureframe",
    "pars-detector1pipeline",
    "pars-jumpstep",
    "pars-rampfitstep",
    "pars-darkcurrentstep",
    "pars-emicorrstep",
    "pars-chargemigrationstep",
    "pars-cleanflickernoisestep",
]
REAL = {
    "niriss": "ramps/jw00793001001_01101_00001_nis_uncal.fits",
    "nircam": "headers/jw01075001001_03105_00009_nrca2_uncal.fits",
    "miri": "headers/BACKGROUND_from_jw01053009001_03103_00001.fits",
    "fgs": "headers/fgs_acq1_guider1.fits",
}
#: What context 0676 has no rule for: the FASTR1 pattern of flight, the guide-star patterns.
UNMATCHED = {"miri": {"dark", "readnoise", "reset"}, "fgs": {"dark", "readnoise"}}


@pytest.fixture
def real_cache(tmp_path):
    if not (SHARED / "crds").exists():
        pytest.skip(f"needs the CRDS mappings in {SHARED / 'crds'}")
    copy = shutil.copytree(SHARED / "crds", tmp_path / "real", copy_function=shutil.copyfile)
    for folder in copy.rglob("*"):
        if folder.is_dir():
            folder.chmod(0o755)
    return copy


@pytest.mark.parametrize("instrument", REAL)
def test_selection_equals_that_of_crds_with_the_parameters_of_the_data_model(instrument, real_cache, tmp_path):
    from stdatamodels.jwst import datamodels

    path = SHARED / REAL[instrument]
    config = {"path": str(real_cache), "context": "jwst_0676.pmap", "offline": True}
    with resolving.session(Settings.of("", config)):
        import crds

        with datamodels.open(path) as model:
            parameters = model.get_crds_parameters()
        answers = crds.getrecommendations(parameters, reftypes=STAGE_1)
        names = {kind: name for kind, name in answers.items() if not name.startswith("NOT FOUND")}
        unmatched = {
            kind
            for kind, name in answers.items()
            if name.startswith("NOT FOUND") and not name.endswith("n/a") and "Unknown" not in name
        }
        for name in names.values():
            place = Path(crds.locate_file(name, "jwst"))
            if not place.exists():
                fits_file(place)
        expected = crds.getreferences(parameters, reftypes=sorted(names))
    assert unmatched == UNMATCHED.get(instrument, set())

    header = dict(fits.getheader(path))
    types = [kind for kind in STAGE_1 if kind not in unmatched]
    pointers = answer(instrument, header, types, config=config, folder=tmp_path / "pointers")
    assert {kind: p["file"] for kind, p in pointers.items() if p["file"]} == expected
    assert len(expected) >= 6
    assert {kind for kind, p in pointers.items() if p["status"] == "unknown type"} == {
        kind for kind, name in answers.items() if "Unknown" in name
    }
    if unmatched:
        with pytest.raises(ReferenceProblem, match="no rule that matches"):
            answer(instrument, header, STAGE_1, config=config, folder=tmp_path / "pointers")


# --- what would be answered ---------------------------------------------------------------------------------


def forecast(config, *types, present=None, fetches=NOTHING, state=None):
    """What would be found, by exposures that have the pointers ``present``; nothing is written."""
    known = (present or {}).get
    return find("jw1", HEADER, types, config=config, present=known, fetches=fetches, state=state)[0]


def test_a_file_that_nobody_has_read_is_not_read_for_a_forecast(ask, cache, tmp_path):
    config = {"path": str(cache), "context": "jwst_0001.pmap", "offline": True}
    found = ask("dark", "gain", state=tmp_path / "state")
    path = reference(cache, "jwst_nircam_dark_0001.fits")
    path.write_bytes(path.read_bytes()[:-2880])
    told = forecast(config, "dark", "gain", state=tmp_path / "state")
    assert told["gain"] == {**found["gain"], "mtime_ns": told["gain"]["mtime_ns"]}
    assert (told["dark"]["crds_uri"], told["dark"]["sha256"]) == (found["dark"]["crds_uri"], None)
    # By the one that the exposure has it would be known whether it changes.
    with pytest.raises(ReferenceProblem, match="dark_0001.fits"):
        forecast(config, "dark", present=found, state=tmp_path / "state")


def test_for_a_forecast_nothing_is_fetched_but_rules_if_they_may_be(online, server):
    config = {"path": str(online.cache), "context": "jwst_0001.pmap", "server": server.url}
    with pytest.raises(ReferenceProblem, match=r"jwst_0001.pmap is not complete in the cache"):
        online.cache.mkdir()
        forecast(config, "gain")
    assert not list(online.cache.rglob("*"))
    resolving._in_use = None
    gain = online("gain")
    before = sorted(online.cache.rglob("*"))
    assert forecast(config, "dark", "gain", present=gain)["gain"]["sha256"] == gain["gain"]["sha256"]
    with pytest.raises(ReferenceProblem, match=r"pars-jumpstep: jwst_nircam_pars-jumpstep_0001.asdf is not in the"):
        forecast(config, "dark", "pars-jumpstep")
    assert sorted(online.cache.rglob("*")) == before
    told = forecast(config, "dark", "pars-jumpstep", fetches=RULES)
    assert told["pars-jumpstep"]["parameters"]["rejection_threshold"] == 5.5
    assert told["dark"]["name"] == "jwst_nircam_dark_0001.fits" and not Path(told["dark"]["file"]).exists()
    # What the exposure has and the cache has lost is what it would be again.
    reference(online.cache, "jwst_nircam_gain_0001.fits").unlink()
    assert forecast(config, "gain", present=gain) == {"gain": gain["gain"]}


def test_exposures_of_the_same_keywords_are_asked_for_once(ask, monkeypatch):
    from crds.core import rmap

    asked = []
    answer = rmap.get_best_references
    monkeypatch.setattr(rmap, "get_best_references", lambda *given, **more: asked.append(1) or answer(*given, **more))
    first = ask("dark", "gain")
    assert ask("dark", "gain", header=HEADER | {"FILENAME": "another"}) == first and len(asked) == 1
    assert ask("dark", header=HEADER | {"SUBARRAY": "SUB64"})["dark"]["name"] == "N/A" and len(asked) == 2
    assert ask("dark", context="jwst_0002.pmap")["dark"]["name"] != first["dark"]["name"] and len(asked) == 3
