import json
import shutil

import pytest
from astropy.io import fits
from small_cache import HEADER, context, mapping, reference, rules

from rampflow.crds import answers, lock, verify
from rampflow.crds.asked import answers_hold, failures
from rampflow.crds.pointers import load_pointer
from rampflow.crds.settings import ReferenceProblem
from rampflow.errors import Stopped
from rampflow.jobs.job import Job
from rampflow.jobs.spec import JobSpec
from rampflow.jobs.stopped import unanswered


@pytest.fixture
def programme(cache, tmp_path):
    """Three exposures; ``programme(**config)`` asks for them."""

    def ask(lock=None, **config):
        config = {"path": str(cache), "context": "jwst_0001.pmap", "offline": True} | config
        return answers.answer_all(ask.requests, crds=config, results=ask.results, state=tmp_path / "s", locked=lock)

    ask.requests, ask.results = {}, tmp_path / "results"
    for name in ("jw1", "jw2", "jw3"):
        hdu = fits.PrimaryHDU()
        hdu.header.update(HEADER)
        fits.HDUList([hdu]).writeto(tmp_path / f"{name}.fits")
        ask.requests[name] = {"uncal": str(tmp_path / f"{name}.fits"), "types": ["dark", "gain"], "overrides": {}}
    return ask


def contents(folder):
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def alter(programme, name, **keywords):
    for key, value in keywords.items():
        fits.setval(programme.requests[name]["uncal"], key, value=value)


# --- one for all, and each for itself -----------------------------------------------------------------------


def test_an_exposure_that_fails_is_named_apart_and_the_others_are_answered(programme, tmp_path):
    alter(programme, "jw2", DETECTOR="NRCBLONG")
    programme.requests["jw3"]["uncal"] = str(tmp_path / "absent.fits")
    failed = programme()
    assert set(failed) == {"jw2", "jw3"}
    assert "dark" in failed["jw2"] and "absent.fits" in failed["jw3"]
    assert load_pointer(programme.results / "jw1/references/dark.json")["name"] == "jwst_nircam_dark_0001.fits"
    assert not (programme.results / "jw2").exists()
    told = programme.results / "references.json"
    assert failures(told) == failed
    with pytest.raises(Stopped) as caught:
        unanswered(Job(JobSpec("unanswered", more={"answers": told})))
    (two, three) = sorted(caught.value.lines)
    assert two.startswith("jw2: references: CRDS context ") and "no rule that matches this exposure" in two
    assert three.startswith("jw3: references: ") and three.endswith(
        f"(traceback: {programme.results}/logs/references.log)"
    )


def test_what_some_exposures_have_in_common_is_said_once(tmp_path):
    told = tmp_path / "references.json"
    failed = {f"jw{n}": f"dark: /cache/jw{n}/dark.fits is truncated" for n in range(12)} | {"jx": "no such context"}
    told.write_text(json.dumps({"failed": failed}))
    with pytest.raises(Stopped) as caught:
        unanswered(Job(JobSpec("unanswered", more={"answers": told})))
    place = f"(traceback: {tmp_path}/logs/references.log)"
    assert caught.value.lines == [
        f"jw0, jw1, jw2 and 9 more: references: dark: /cache/<exposure>/dark.fits is truncated {place}",
        f"jx: references: no such context {place}",
    ]


def test_a_failing_attempt_leaves_what_was_answered_before_as_it_is(programme):
    programme()
    before = contents(programme.results)
    with pytest.raises(ReferenceProblem, match="^3 exposures: CRDS context jwst_0009.pmap is not complete"):
        programme(context="jwst_0009.pmap")
    assert contents(programme.results) == before
    alter(programme, "jw2", DETECTOR="NRCBLONG")
    programme(context="jwst_0002.pmap")
    now = contents(programme.results)
    folder = programme.results / "jw2"
    assert {path for path in now if path.is_relative_to(folder)}
    assert all(now[path] == before[path] for path in now if path.is_relative_to(folder))
    assert "dark_0002" in (programme.results / "jw1/references/dark.json").read_text()


EVERYBODY = {
    "no such context": ({"context": "jwst_0009.pmap"}, "jwst_0009.pmap is missing"),
    "no context": ({"context": "hst_0001.pmap"}, "'hst_0001.pmap' is not a JWST context"),
    "no cache": ({"path": "nowhere"}, "nowhere does not exist"),
    "a file for a cache": ({"path": __file__}, "is not a folder"),
    "no server": ({"offline": False, "server": "http://localhost:9", "context": None}, "gives no answer"),
    "no cache named": ({"path": None}, "no CRDS cache: set"),
}


@pytest.mark.parametrize("config", EVERYBODY.values(), ids=EVERYBODY)
def test_what_fails_for_all_is_said_once_with_their_number(programme, config):
    with pytest.raises(ReferenceProblem, match=f"^3 exposures: .*{config[1]}"):
        programme(**config[0])
    assert not programme.results.exists()


def damage(path, how):
    if how == "missing":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "a folder":
        path.unlink()
        path.mkdir()
    elif how == "bytes":
        path.write_bytes(bytes(range(256)) * 10)
    elif how == "syntax":
        path.write_text(path.read_text().replace("{", "{{", 1))
    elif how == "cut":
        path.write_text(path.read_text()[:90])
    elif how == "checksum":
        path.write_text(path.read_text().replace("derived", "Derived"))
    elif how == "code":
        path.write_text("import os\nos.mkdir('ran')\n" + path.read_text())
    elif how == "call":
        path.write_text(path.read_text().replace("selector = ", "selector = __import__('os').mkdir('ran') or "))
    else:
        path.write_text("header = {}\n\nselector = " + "(" * 5000 + ")" * 5000 + "\n")


HOW = ("missing", "empty", "a folder", "bytes", "syntax", "cut", "checksum", "code", "call", "deep")


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", ["jwst_0001.pmap", "jwst_nircam_0001.imap", "jwst_nircam_dark_0001.rmap"])
def test_a_damaged_mapping_is_one_clear_line(programme, cache, name, how, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    damage(cache / "mappings/jwst" / name, how)
    with pytest.raises(ReferenceProblem, match=r"^3 exposures: .*jwst_0001.pmap.*(mapping|not complete)") as told:
        programme()
    assert "\n" not in str(told.value)
    assert not (tmp_path / "ran").exists()


def write_mappings(cache, texts):
    for name, text in texts.items():
        (cache / "mappings/jwst" / name).write_text(text)


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "/etc/passwd", "sub/jwst_x.fits", "..", "../x.fits", ".x.fits"]
)
def test_a_name_that_leads_out_of_the_cache_is_not_followed(programme, cache, name):
    full = ("NRCALONG", "FULL")
    write_mappings(cache, dict([rules("dark", {full: name})]))
    programme.requests["jw3"]["types"] = ["gain"]
    failed = programme()
    assert set(failed) == {"jw1", "jw2"}
    assert failed["jw1"].startswith(f"dark: the mapping jwst_nircam_dark_0001.rmap names {name!r}, expected the plain")


@pytest.mark.parametrize("name", ["../jwst_nircam_0001.imap", "/x/jwst_nircam_0001.imap", "jwst_0001.pmap", 7, None])
def test_a_context_that_names_anything_but_its_mappings_is_refused(programme, cache, name):
    text = mapping("jwst_0001.pmap", "PIPELINE", repr({"NIRCAM": name}), parkey=("META.INSTRUMENT.NAME",))
    write_mappings(cache, {"jwst_0001.pmap": text})
    with pytest.raises(ReferenceProblem, match="^3 exposures: .*jwst_0001.pmap"):
        programme()


def test_a_name_that_crds_cannot_place_stops_those_that_need_it(programme, cache):
    write_mappings(cache, dict([rules("dark", {("NRCALONG", "FULL"): "mydark.fits"})]))
    programme.requests["jw3"]["types"] = ["gain"]
    failed = programme()
    assert set(failed) == {"jw1", "jw2"}
    assert failed["jw1"].startswith("dark: the mapping jwst_nircam_dark_0001.rmap names 'mydark.fits', which is not in")


def test_a_cache_of_links_is_as_good_as_one_of_files(programme, cache, tmp_path):
    path = reference(cache, "jwst_nircam_dark_0001.fits")
    path.rename(tmp_path / "elsewhere.fits")
    path.symlink_to(tmp_path / "elsewhere.fits")
    assert programme() == {}
    path.unlink()
    path.symlink_to(path)
    assert "dark" in _said_by(programme)


def _said_by(programme):
    with pytest.raises(ReferenceProblem, match="^3 exposures") as told:
        programme()
    return str(told.value)


def test_a_cache_that_vanishes_on_the_way_is_a_line(programme, cache, monkeypatch):
    check = verify.check_complete

    def vanishing(path, **more):
        shutil.rmtree(cache)
        return check(path, **more)

    monkeypatch.setattr(verify, "check_complete", vanishing)
    alter(programme, "jw3", DETECTOR="NRCBLONG")
    failed = programme()
    assert "jwst_nircam_dark_0001.fits" in failed["jw1"] and "No such file" in failed["jw1"]


def test_whatever_a_library_raises_stops_one_exposure(programme, monkeypatch):
    real = answers.read_header

    def odd(path):
        if "jw2" in str(path):
            raise RuntimeError("a library\nfell over")
        return real(path)

    monkeypatch.setattr(answers, "read_header", odd)
    assert programme() == {"jw2": "not foreseen: a library fell over (RuntimeError); the traceback is in the log"}


def test_exposures_that_bring_their_own_files_do_not_need_a_context(programme, cache):
    own = {kind: str(reference(cache, f"jwst_nircam_{kind}_0001.fits")) for kind in ("dark", "gain")}
    programme.requests["jw1"]["overrides"] = own
    failed = programme(context="jwst_0009.pmap")
    assert set(failed) == {"jw2", "jw3"}
    assert load_pointer(programme.results / "jw1/references/dark.json")["status"] == "override"


# --- do the answers hold? -----------------------------------------------------------------------------------


@pytest.fixture
def held(programme, cache):
    """Ask whether the answers to the first exposure hold; with a request or settings that differ."""

    def ask(request=(), lock=None, needed=None, **config):
        config = {"path": str(cache), "context": "jwst_0001.pmap", "offline": True} | config
        request = programme.requests["jw1"] | dict(request)
        return answers_hold(programme.results / "jw1/references", request, config, lock, needed)

    programme.requests["jw1"]["header"] = "a digest"
    return ask


def test_answers_hold_for_what_was_asked_and_for_nothing_else(programme, held, cache, monkeypatch):
    assert held() == (False, "CRDS was not asked, or it is not known for what")
    programme()
    assert held() == (True, "")
    assert held({"overrides": {"mask": "x.fits"}}) == (True, "")
    other = {
        "context": dict(context="jwst_0002.pmap"),
        "cache": dict(path=str(cache.parent)),
        "server": dict(offline=False, server="http://localhost:9"),
        "lock": dict(lock=__file__),
    }
    for name, config in other.items():
        part = "lock" if name == "lock" else "crds"
        assert held(**config) == (False, f"CRDS was asked with other {part}"), name
    assert held({"types": ["dark"]}) == (False, "CRDS was asked with other types")
    assert held({"header": "another"}) == (False, "CRDS was asked with other header")
    assert held({"overrides": {"dark": "N/A"}}) == (False, "CRDS was asked with other overrides")
    monkeypatch.setenv("CRDS_CONTEXT", "jwst_0002.pmap")
    assert held() == (True, "")
    assert held(context=None)[0] is False
    monkeypatch.setenv("CRDS_CONTEXT", "jwst_0001.pmap")
    assert held(context=None) == (True, "")


def test_what_another_configuration_has_asked_for_holds_if_it_has_all_that_is_needed_now(programme, held):
    programme()
    other = {"decides": "another configuration"}
    assert held(other) == (False, "CRDS was asked with other decides")
    assert held(other, needed=lambda _: ["gain"]) == (True, "")
    assert held(other, needed=lambda _: ["gain", "mask"]) == (False, "CRDS was asked with other decides")
    assert held(other | {"header": "another"}, needed=lambda _: []) == (
        False,
        "CRDS was asked with other header, decides",
    )
    (programme.results / "jw1/references/gain.json").unlink()
    assert held(other, needed=lambda _: ["dark"])[0] is False


def test_answers_do_not_hold_when_files_pointers_or_mappings_have_changed(programme, held, cache):
    folder = programme.results / "jw1/references"
    programme()
    pointer = (folder / "dark.json").read_text()
    (folder / "dark.json").write_text(pointer.replace("dark_0001", "dark_0002"))
    assert held()[1].startswith("dark: the pointer is not that of")
    (folder / "dark.json").unlink()
    assert held()[1].startswith("dark: the pointer is not that of")
    (folder / "dark.json").write_text(pointer)
    assert held() == (True, "")
    path = cache / "mappings/jwst/jwst_nircam_dark_0001.rmap"
    text = path.read_text()
    path.write_text(text + "\n")
    assert held()[1].startswith("the mapping jwst_nircam_dark_0001.rmap has changed under its name: sha1 ")
    path.write_text(text)
    assert held() == (True, "")
    path = reference(cache, "jwst_nircam_dark_0001.fits")
    path.write_bytes(path.read_bytes() + bytes(2880))
    assert held()[1] == f"dark: {path} has changed"
    shutil.rmtree(cache)
    assert held() == (True, "")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"asked": null}', '{"asked": {}}'])
def test_what_is_no_summary_does_not_hold(programme, held, text):
    programme()
    (programme.results / "jw1/references/asked.json").write_text(text)
    assert held()[0] is False


# --- the lock -----------------------------------------------------------------------------------------------


def locked(programme, tmp_path):
    path = tmp_path / "my.lock"
    path.write_bytes((programme.results / lock.NAME).read_bytes())
    return lock.named(str(path))


def test_a_lock_names_every_file_and_every_mapping_and_is_the_same_every_time(programme):
    programme()
    path = programme.results / lock.NAME
    text = path.read_text()
    content = json.loads(text)
    assert content["files"]["crds://jwst_nircam_dark_0001.fits"] == {
        key: value
        for key, value in load_pointer(programme.results / "jw1/references/dark.json").items()
        if key in ("sha256", "size")
    }
    kinds = {"jwst_nircam_dark_0001.rmap", "jwst_nircam_gain_0001.rmap"}
    assert set(content["mappings"]) == {"jwst_0001.pmap", "jwst_nircam_0001.imap"} | kinds
    assert content["exposures"]["jw2"]["references"]["dark"] == "crds://jwst_nircam_dark_0001.fits"
    shutil.rmtree(programme.results)
    programme.requests = dict(reversed(programme.requests.items()))
    programme()
    assert path.read_text() == text


def test_a_run_that_obeys_its_lock_goes_through_also_without_a_context(programme, tmp_path):
    programme()
    before = contents(programme.results / "jw1")
    assert programme(locked(programme, tmp_path), context=None) == {}
    after = contents(programme.results / "jw1")
    assert [path.name for path in before if before[path] != after[path]] == ["asked.json"]
    assert "jwst_0001" in (programme.results / "jw1/references/asked.json").read_text()


def test_other_files_and_mappings_than_those_of_the_lock_are_named(programme, cache, tmp_path):
    programme()
    held = locked(programme, tmp_path)
    with pytest.raises(ReferenceProblem) as told:
        programme(held, context="jwst_0002.pmap")
    said = str(told.value)
    assert said.startswith(f"3 exposures: not what the lock {held['path']} has: context: wanted jwst_0001.pmap, found ")
    assert "dark: wanted jwst_nircam_dark_0001.fits, found jwst_nircam_dark_0002.fits" in said
    assert "mapping jwst_nircam_dark_0001.rmap: wanted sha1 " in said
    path = reference(cache, "jwst_nircam_dark_0001.fits")
    content = bytearray(path.read_bytes())
    content[-2000] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        ReferenceProblem, match=r"dark: wanted jwst_nircam_dark_0001.fits with sha256 \w+, found sha256"
    ):
        programme(held)
    assert "wanted nothing, found jwst_nircam_pars-jumpstep_0001.asdf" in _changed_request(programme, held)


def _changed_request(programme, held):
    programme.requests["jw1"]["types"] = ["gain", "pars-jumpstep"]
    return programme(held)["jw1"]


def test_an_exposure_that_the_lock_does_not_have_is_stopped(programme, tmp_path):
    third = programme.requests.pop("jw3")
    programme()
    held = locked(programme, tmp_path)
    programme.requests["jw3"] = third
    failed = programme(held)
    assert set(failed) == {"jw3"} and "it has no such exposure" in failed["jw3"]


@pytest.mark.parametrize(
    "text", [None, "", "{}", "[]", "7", '{"references.lock": 2}', '{"references.lock": 1, "exposures": 3}', "[" * 9999]
)
def test_what_is_no_lock_is_a_line(programme, tmp_path, text):
    path = tmp_path / "my.lock"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ReferenceProblem, match=f"^lock: {path}.*expected the references.lock of a run"):
        programme(lock.named(str(path)))


def test_a_mapping_that_changed_under_its_name_is_said_once(programme, cache, capsys):
    programme()
    full, sub = ("NRCALONG", "FULL"), ("NRCALONG", "SUB64")
    dark = dict([rules("dark", {full: "jwst_nircam_dark_0001.fits", sub: "jwst_nircam_dark_0001.fits"})])
    write_mappings(cache, dark)
    answers.resolve._in_use = None  # As a process of its own would.
    capsys.readouterr()
    assert programme() == {}
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith(
        "rampflow: references: the mapping jwst_nircam_dark_0001.rmap has changed under its name since CRDS was last "
        "asked for 3 exposures: sha1 "
    )


def test_a_failed_exposure_keeps_its_place_in_the_lock(programme):
    programme()
    alter(programme, "jw2", DETECTOR="NRCBLONG")
    programme()
    assert set(json.loads((programme.results / lock.NAME).read_text())["exposures"]) == {"jw1", "jw2", "jw3"}


def test_two_contexts_are_two_locks(programme):
    programme()
    one = (programme.results / lock.NAME).read_bytes()
    programme(context="jwst_0002.pmap")
    assert (programme.results / lock.NAME).read_bytes() != one
    assert set(context(2, {})) == {"jwst_0002.pmap", "jwst_nircam_0002.imap"}
