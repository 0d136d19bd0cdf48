"""rampflow fetch: what the search service is asked, what is made of its answers, and of those that are none."""

import socket

import pytest

from rampflow.__main__ import main
from rampflow.planning.listing import root_name
from rampflow.stores import mast
from rampflow.stores.web import TOKEN
from servers.mast import SearchServer


def file_set(observation, exposure, detectors, instrument="NIRSPEC", kind="NRS_BRIGHTOBJ", access="PUBLIC"):
    name = f"jw01366{observation:03}001_04101_{exposure:05}"
    facts = {"fileSetName": name, "program": 1366, "observtn": observation, "instrume": instrument}
    return facts | {"exp_type": kind, "detectors": detectors, "access": access}


SETS = [
    file_set(2, 1, ["nrs1", "nrs2"]),
    file_set(3, 1, ["nrca1", "nrcalong"], "NIRCAM", "NRC_TSGRISM"),
    file_set(3, 2, ["nrca1", "nrcalong"], "NIRCAM", "NRC_TACQ"),
    file_set(4, 1, ["nrs1"], access="EXCLUSIVE"),
]


@pytest.fixture(autouse=True)
def without_token(monkeypatch, tmp_path):
    monkeypatch.delenv(TOKEN, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def service():
    with SearchServer(SETS) as made:
        yield made


def fetch(service, *arguments):
    return main(["fetch", "1366", *arguments, "--service", service if isinstance(service, str) else service.url])


def rows(path):
    header, *lines = path.read_text().splitlines()
    assert header == "exposure\tuncal\tinstrument"
    return [line.split("\t") for line in lines]


def test_the_table_has_the_raw_files_and_their_addresses(service, tmp_path, capsys):
    assert fetch(service, "--obs", "2") == 0
    found = rows(tmp_path / "exposures.tsv")
    stem = "jw01366002001_04101_00001_nrs"
    address = f"https://mast.stsci.edu/api/v0.1/Download/file?uri=mast:JWST/product/{stem}"
    assert found == [[f"{stem}{n}", f"{address}{n}_uncal.fits", "NIRSPEC"] for n in (1, 2)]
    assert [root_name(row[1]) for row in found] == [row[0] for row in found]
    assert "2 raw files" in capsys.readouterr().err


def test_from_s3_has_the_keys_of_the_public_bucket(service, tmp_path):
    assert fetch(service, "--obs", "2", "--from", "s3", "-o", "mine.tsv") == 0
    name = "jw01366002001_04101_00001_nrs1_uncal.fits"
    assert rows(tmp_path / "mine.tsv")[0][1] == f"s3://stpubdata/jwst/public/jw01366/jw01366002001/{name}"


@pytest.mark.parametrize(
    ("arguments", "exposures"),
    [
        (["--obs", "2", "3", "--detector", "nrca1", "nrs2"], ["2001_1_nrs2", "3001_1_nrca1", "3001_2_nrca1"]),
        (["--instrument", "nircam", "--exp-type", "NRC_TSGRISM"], ["3001_1_nrca1", "3001_1_nrcalong"]),
        (["--exp-type", "NRC_TACQ", "NRS_BRIGHTOBJ", "--detector", "NRS1"], ["2001_1_nrs1"]),
    ],
)
def test_observations_instruments_types_and_detectors_are_chosen(service, tmp_path, arguments, exposures):
    assert fetch(service, *arguments) == 0
    found = [row[0].replace("jw0136600", "").replace("04101_0000", "") for row in rows(tmp_path / "exposures.tsv")]
    assert found == exposures


def test_many_file_sets_come_in_pages_and_their_products_in_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(mast, "_PAGE", 4)
    monkeypatch.setattr(mast, "_BATCH", 3)
    with SearchServer([file_set(2, number, ["nrs1"]) for number in range(1, 10)]) as service:
        assert fetch(service) == 0
    assert len(rows(tmp_path / "exposures.tsv")) == 9
    assert [asked["offset"] for _, name, asked in service.asked if name == "search"] == [0, 4, 8]
    assert [name for _, name, _ in service.asked].count("list_products") == 3


def test_data_that_are_not_public_yet_need_a_token(service, tmp_path, capsys, monkeypatch):
    assert fetch(service) == 0
    assert len(rows(tmp_path / "exposures.tsv")) == 6
    assert "1 raw files are not public yet and left out (set MAST_API_TOKEN): jw013660040" in capsys.readouterr().err
    assert fetch(service, "--obs", "4", "-o", "none.tsv") == 1
    assert not (tmp_path / "none.tsv").exists()
    monkeypatch.setenv(TOKEN, "abc")
    assert fetch(service, "--obs", "4") == 0
    assert len(rows(tmp_path / "exposures.tsv")) == 1
    assert fetch(service, "--obs", "4", "--from", "s3") == 1
    assert "--from mast" in capsys.readouterr().err


def test_no_results_are_a_line_and_no_table(service, tmp_path, capsys):
    assert fetch(service, "--obs", "99") == 1
    assert "programme 1366: no raw files fit; nothing is written" in capsys.readouterr().err
    assert not (tmp_path / "exposures.tsv").exists()


@pytest.mark.parametrize(
    ("path", "odd", "line"),
    [
        ("search", (500, "{}"), "the server has no answer (HTTP 500, 3 times)"),
        ("search", (401, "{}"), "access denied (HTTP 401)"),
        ("search", (200, "<html>maintenance</html>"), "answers what is not JSON"),
        ("search", (200, "[]"), "answers what is not JSON"),
        ("search", (200, {"results": [{"name": 1}], "totalResults": 1}), "no results with a fileSetName each"),
        ("search", (200, {"results": []}), "its answer says no totalResults"),
        ("search", (200, {"results": [], "totalResults": 7}), "7 file sets, of which 0 came"),
        ("list_products", (200, {"products": None}), "no products with a filename each"),
        ("list_products", (503, ""), "the server has no answer (HTTP 503, 3 times)"),
    ],
)
def test_answers_that_are_none_are_a_line_and_no_table(service, tmp_path, capsys, path, odd, line):
    service.odd[path] = odd
    assert fetch(service) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"rampflow: {service.url}: ") and line in said and said.count("\n") == 1
    assert not (tmp_path / "exposures.tsv").exists()


def test_a_service_that_has_no_time_is_asked_again(service, tmp_path):
    service.odd["search"] = [(503, ""), (429, "")]
    assert fetch(service) == 0
    assert len(rows(tmp_path / "exposures.tsv")) == 6


def test_a_service_that_is_not_there_is_a_line(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
    assert fetch(address) == 2
    assert "cannot be reached" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["0"], "a number from 1 to 99999"),
        (["1366", "--obs", "x"], "a number from 1 to 99999"),
        (["1366", "--detector", "nrs3"], "there is no 'nrs3'"),
        (["1366", "--exp-type", "NRS_IFUU"], "did you mean"),
    ],
)
def test_arguments_that_name_nothing_are_refused(arguments, line, capsys):
    with pytest.raises(SystemExit):
        main(["fetch", *arguments])
    assert line in capsys.readouterr().err
