"""The cache answers the real crds package, which runs in a process of its own: its settings are global."""

import json
import os
import subprocess
import sys

import asdf
import pytest
from astropy.io import fits

from rampflow.mock import SERVERLESS, Effects, MockExposure, Rectangle, build_cache, complete, programme, revise
from rampflow.mock.added_parameters import add_parameters

SMALL = Rectangle(1, 1, 12, 8)

ASK = """
import json, os, sys
import crds
from crds.core import rmap
questions, context = json.load(sys.stdin)
for mapping in os.listdir(os.path.join(os.environ["CRDS_PATH"], "mappings/jwst")):
    rmap.load_mapping(mapping, ignore_checksum=False)
options = {"reftypes": sys.argv[1:], "observatory": "jwst", "context": context}
json.dump([crds.getreferences(question, **options) for question in questions], sys.stdout)
"""


def ask(folder, context, exposures, types):
    """File name, or N/A, of every type for every exposure."""
    questions = [{f"meta.{path}": value for _, path, value in exposure.header()} for exposure in exposures]
    settings = {"CRDS_PATH": str(folder), "CRDS_SERVER_URL": SERVERLESS, "CRDS_CONTEXT": context}
    completed = subprocess.run(
        [sys.executable, "-c", ASK, *types],
        input=json.dumps([questions, context]),
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    answers = json.loads(completed.stdout)
    return [
        {kind: "N/A" if "N/A" in path.upper() else path.rpartition("/")[2] for kind, path in answer.items()}
        for answer in answers
    ]


@pytest.fixture(scope="module")
def demo():
    """The configurations of the demonstration, few pixels of each."""
    return [exposure.but(window=SMALL) for exposure in programme("demo").exposures]


@pytest.fixture(scope="module")
def cache(demo, tmp_path_factory):
    folder = tmp_path_factory.mktemp("crds")
    return folder, build_cache(folder, demo, traps={"NRCB1"})


@pytest.fixture(scope="module")
def answers(cache, demo):
    types = ["mask", "saturation", "superbias", "ipc", "linearity", "dark", "gain", "readnoise", "refpix"]
    types += ["sirskernel", "reset", "rscd", "emicorr", "flat", "trapdensity", "trappars", "persat"]
    types += ["pars-jumpstep", "pars-detector1pipeline", "pars-rampfitstep"]
    found = ask(*cache, demo, types)
    return {exposure.detector: answer for exposure, answer in zip(demo, found, strict=True)}


def test_every_configuration_finds_what_its_pipeline_needs(answers):
    for detector, answer in answers.items():
        needed = {"mask", "saturation", "linearity", "dark", "gain", "readnoise", "ipc", "flat"}
        needed |= {"reset", "rscd", "emicorr"} if detector == "MIRIMAGE" else {"superbias"}
        assert (answer["sirskernel"] == "N/A") == (detector in ("MIRIMAGE", "GUIDER1"))
        assert not [kind for kind in needed if answer[kind] == "N/A"], detector
        assert {answer[kind] for kind in ("refpix", "pars-rampfitstep")} == {"N/A"}


def test_types_of_other_instruments_are_not_applicable(answers):
    assert answers["MIRIMAGE"]["superbias"] == "N/A"
    assert answers["NRS1"]["reset"] == answers["NRS1"]["trappars"] == "N/A"


def test_trap_references_exist_for_the_named_detector_only(answers):
    traps = ("trapdensity", "trappars", "persat")
    assert all(answers["NRCB1"][kind] != "N/A" for kind in traps)
    assert all(answers["NRCALONG"][kind] == "N/A" for kind in traps)


def test_a_time_series_gets_other_pipeline_parameters(answers):
    assert answers["NRCB1"]["pars-detector1pipeline"] == "jwst_nircam_pars-detector1pipeline_9001.asdf"
    assert answers["NRCALONG"]["pars-detector1pipeline"] == "jwst_nircam_pars-detector1pipeline_9002.asdf"
    assert answers["NIS"]["pars-jumpstep"] == "jwst_niriss_pars-jumpstep_9001.asdf"


def test_the_dark_of_nircam_is_selected_by_the_number_of_outputs(tmp_path):
    four = MockExposure("NRCALONG", "RAPID", 2, subarray="SUBGRISM64", window=SMALL)
    one = four.but(noutputs=1)
    context = build_cache(tmp_path, [four, one])
    found = ask(tmp_path, context, [four, one], ["dark"])
    assert [answer["dark"] for answer in found] == [
        "jwst_nircam_dark_9001.fits",
        "jwst_nircam_dark_9002.fits",
    ]


def test_the_linearity_of_miri_is_selected_by_band_and_filter(tmp_path):
    image = MockExposure("MIRIMAGE", "FASTR1", 2, window=SMALL)
    spectrum = MockExposure("MIRIFULONG", "FASTR1", 2, window=SMALL, band="LONG")
    exposures = [image, image.but(filter="F2300C", number=2), spectrum, spectrum.but(band="SHORT", number=2)]
    context = build_cache(tmp_path, exposures)
    found = [answer["linearity"] for answer in ask(tmp_path, context, exposures, ["linearity"])]
    assert len(set(found)) == 4
    assert "N/A" not in found


def test_a_type_can_be_left_out_of_a_context(tmp_path):
    exposure = MockExposure("NRS1", "NRS", 2, window=SMALL)
    context = build_cache(tmp_path, [exposure], without={"superbias"})
    (answer,) = ask(tmp_path, context, [exposure], ["superbias", "dark"])
    assert answer == {"superbias": "N/A", "dark": "jwst_nirspec_dark_9001.fits"}


def test_a_type_can_be_left_out_for_one_detector(tmp_path):
    imager, spectrometer = (
        MockExposure(detector, "FASTR1", 4, window=SMALL, effects=Effects.nominal("MIRI"))
        for detector in ("MIRIMAGE", "MIRIFULONG")
    )
    context = build_cache(tmp_path, [imager, spectrometer], without={("MIRIMAGE", "reset")})
    answers = ask(tmp_path, context, [imager, spectrometer], ["reset", "dark"])
    assert [answer["reset"] == "N/A" for answer in answers] == [True, False]
    assert [answer["dark"] == "N/A" for answer in answers] == [False, False]


def test_writers_of_references_take_options_and_the_more_special_wins(tmp_path):
    imager = MockExposure("MIRIMAGE", "FASTR1", 4, window=SMALL, effects=Effects.nominal("MIRI"))
    other = imager.but(subarray="SUB64", window=Rectangle(1, 779, 12, 8), number=2)
    owners = {"MIRI": 1, "MIRIMAGE": 2, other.root: 5}
    options = {(owner, "reset"): {"nints": nints} for owner, nints in owners.items()}
    context = build_cache(tmp_path, [imager, other], options=options)
    names = [answer["reset"] for answer in ask(tmp_path, context, [imager, other], ["reset"])]
    shapes = [fits.getdata(tmp_path / "references/jwst/miri" / name, "SCI").shape for name in names]
    assert shapes == [(2, 4, 8, 12), (5, 4, 8, 12)]


def test_a_revision_changes_one_type_of_one_detector(cache, demo, answers):
    folder, base = cache
    context = revise(folder, demo, "NRS1", "dark", base=base, scale=3.0)
    for exposure, answer in zip(demo, ask(folder, context, demo, ["dark", "gain"]), strict=True):
        before = answers[exposure.detector]
        assert answer["gain"] == before["gain"]
        assert (answer["dark"] == before["dark"]) == (exposure.detector != "NRS1")
    assert (folder / "references/jwst/nirspec" / before["dark"].replace("fgs", "nirspec")).exists()


def test_crds_notices_a_changed_mapping(cache, demo):
    folder, context = cache
    rule = folder / "mappings/jwst/jwst_fgs_gain_9001.rmap"
    text = rule.read_text()
    rule.write_text(text.replace("gain_9001.fits", "gain_9999.fits"))
    try:
        with pytest.raises(AssertionError, match="sha1sum mismatch"):
            ask(folder, context, demo[:1], ["gain"])
    finally:
        rule.write_text(text)


def test_an_old_context_can_be_completed(cache, demo):
    folder, base = cache
    rules = folder / "mappings/jwst/jwst_fgs_9001.imap"
    text = rules.read_text()
    rules.write_text(text.replace("    'SIRSKERNEL' : 'N/A',\n", ""))
    try:
        context = complete(folder, base, "jwst_9500.pmap")
    finally:
        rules.write_text(text)
    found = ask(folder, context, demo[-1:], ["sirskernel", "gain"])
    assert found == [{"sirskernel": "N/A", "gain": "jwst_fgs_gain_9001.fits"}]


def test_exposures_that_no_one_reference_can_serve_are_refused(tmp_path):
    one = MockExposure("NIS", "NISRAPID", 2, window=SMALL)
    with pytest.raises(ValueError, match="one dark would have to serve windows"):
        build_cache(tmp_path, [one, one.but(window=Rectangle(5, 5, 12, 8))])
    with pytest.raises(ValueError, match="NIS differ in effects"):
        build_cache(tmp_path, [one, one.but(effects=Effects(bias=1.0))])
    with pytest.raises(ValueError, match=r"no reset of NIS in use; detectors: \['NIS'\]"):
        revise(tmp_path, [one], "NIS", "reset")


def test_cut_references_cover_all_windows_of_a_detector_and_whole_ones_the_detector(tmp_path):
    from astropy.io import fits

    exposures = [
        MockExposure("MIRIMAGE", "FASTR1", 2, subarray=name, window=window)
        for name, window in [("SUB64", Rectangle(1, 1, 12, 8)), ("SUB128", Rectangle(5, 7, 12, 8))]
    ]
    build_cache(tmp_path, exposures, whole={"mask", "dark"})
    folder = tmp_path / "references/jwst/miri"
    assert fits.getdata(folder / "jwst_miri_gain_9001.fits").shape == (14, 16)
    assert fits.getdata(folder / "jwst_miri_mask_9001.fits").shape == (1024, 1032)
    assert fits.getdata(folder / "jwst_miri_dark_9001.fits").shape[-2:] == (8, 12)


def test_references_can_be_odd_missing_or_whole_for_one_detector(tmp_path):
    one = MockExposure("NRS1", "NRS", 2, window=SMALL)
    other = MockExposure("NRS2", "NRS", 2, window=SMALL)
    odd = {"NRS1": {"superbias": ("missing",), "gain": ("whole", "nowhere"), "dark": ("no_flags",)}}
    context = build_cache(tmp_path, [one, other], odd=odd)
    found = ask(tmp_path, context, [one, other], ["superbias", "gain", "dark"])
    assert [answer["superbias"] == "N/A" for answer in found] == [True, False]
    folder = tmp_path / "references/jwst/nirspec"
    assert [fits.getdata(folder / answer["gain"]).shape for answer in found] == [(2048, 2048), (8, 12)]
    assert ["SUBSTRT1" in fits.getheader(folder / answer["gain"]) for answer in found] == [False, True]
    with fits.open(folder / found[0]["dark"]) as first, fits.open(folder / found[1]["dark"]) as second:
        assert ("DQ" in first, "DQ" in second) == (False, True)


def test_a_parameter_file_holds_for_all_exposures_of_an_instrument_in_its_context(tmp_path):
    exposures = [
        MockExposure("NIS", "NISRAPID", 3, window=Rectangle(1, 1, 16, 16)),
        MockExposure("MIRIMAGE", "FASTR1", 5),
    ]
    base = build_cache(tmp_path, [one.but(window=Rectangle(1, 1, 16, 16)) for one in exposures])
    new = "jwst_9009.pmap"
    add_parameters(tmp_path, "NIRISS", "pars-ipcstep", {"skip": "False"}, context=new)
    steps = {"rscd": {"skip": True}}
    assert add_parameters(tmp_path, "MIRI", "pars-detector1pipeline", {}, steps, base=new, context=new) == new
    maps = tmp_path / "mappings/jwst"
    assert "jwst_niriss_9009.imap" in (maps / new).read_text() and "jwst_miri_9009.imap" in (maps / new).read_text()
    assert "9009" not in (maps / base).read_text()
    assert "jwst_niriss_pars-ipcstep_9009.rmap" in (maps / "jwst_niriss_9009.imap").read_text()
    with asdf.open(tmp_path / "references/jwst/miri/jwst_miri_pars-detector1pipeline_9009.asdf") as file:
        (step,) = file.tree["steps"]
        assert (step["name"], dict(step["parameters"])) == ("rscd", {"skip": True})
    with pytest.raises(ValueError, match="no instrument 'MIRY'"):
        add_parameters(tmp_path, "MIRY", "pars-ipcstep", {})
