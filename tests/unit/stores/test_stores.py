"""Objects of stores: looked at, read in parts, fetched; what goes wrong is one line that says what."""

import hashlib
import re
import socket

import pytest
from fuzz.fits_bytes import INT_TIMES, image, table, uncal

from rampflow.io.raw_headers import examine, examine_bytes
from rampflow.planning.exposures import find_exposures, survey
from rampflow.planning.listing import ConfigError
from rampflow.stores import retrieving, s3, web
from rampflow.stores.objects import ObjectChanged, StoreProblem
from rampflow.stores.stores import FarBytes, Stores
from servers.s3 import CREDENTIALS, ObjectServer
from servers.web import WebServer

SETTINGS = {"endpoint_url": None, "region": None, "anonymous": None, "timeout": 5}
NAME = "jw01_a_uncal.fits"


@pytest.fixture
def server():
    with WebServer() as made:
        yield made


@pytest.fixture(scope="session")
def objects():
    with ObjectServer() as made:
        yield made


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(retrieving, "_PAUSE", 0.01)


def exposure(groups=40):
    """A raw exposure of some MB, with all that follows the counts."""
    shape = (2, groups, 128, 128)
    group = table("GROUP", 2 * groups, {"integration_number": "I", "group_number": "I", "end_milliseconds": "J"})
    return uncal(shape, NGROUPS=groups) + group + table("INT_TIMES", 2, INT_TIMES) + image("OTHER", (4, 4))


def stores(**changes):
    return Stores(SETTINGS | changes)


# --- headers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["s3", "web"])
def test_headers_are_read_in_a_few_parts_and_are_those_of_the_whole_file(server, objects, tmp_path, kind):
    content = exposure()
    (tmp_path / NAME).write_bytes(content)
    server.files[NAME] = content
    url = server.address(NAME) if kind == "web" else objects.put(f"jwst/{NAME}", content)
    found = stores(endpoint_url=objects.url)
    stored = found.look(url)
    assert stored.size == len(content)
    source = FarBytes(found.of(url), stored)
    assert examine_bytes(source) == examine(tmp_path / NAME)
    assert source.requests == 2
    assert source.received <= 100_000 < len(content) / 20
    if kind == "web":
        assert [method for method, *_ in server.asked] == ["HEAD", "GET", "GET"]
        assert server.whole(NAME) == 0


def test_headers_of_what_has_not_changed_are_not_read_again(server, tmp_path):
    server.files[NAME] = exposure()
    config = {"exposures": [server.address(NAME)]}
    (first,), _ = find_exposures(config, tmp_path)
    del server.asked[:]
    (second,), _ = find_exposures(config, tmp_path)
    assert [method for method, *_ in server.asked] == ["HEAD"]
    assert second == first and second.stored == first.stored
    server.files[NAME] = exposure(groups=41)
    (third,), _ = find_exposures(config, tmp_path)
    assert third.ngroups == 41
    # In a job of a cluster nothing is asked that the head has asked.
    del server.asked[:]
    assert survey(config, tmp_path, ask=False).exposures == [third]
    assert server.asked == []


def test_a_server_without_ranges_gives_the_first_headers_and_no_more(server, tmp_path):
    server.files[NAME], server.faults[NAME] = exposure() + bytes(2880), "no ranges"
    found = stores()
    stored = found.look(server.address(NAME))
    raw = examine_bytes(FarBytes(found.of(stored.url), stored))
    assert (raw.shape, raw.rows) == ((2, 40, 128, 128), None)
    (one,), _ = find_exposures({"exposures": [server.address(NAME)]}, tmp_path)
    assert one.ngroups == 40


def test_a_listing_tells_what_each_object_is_and_is_made_once(objects, tmp_path, monkeypatch):
    for name in ("x_uncal.fits", "y_uncal.fits", "y_rate.fits", "deep/z_uncal.fits"):
        objects.put(f"list/{name}", uncal())
    found = stores(endpoint_url=objects.url).matching("s3://archive/list/*_uncal.fits")
    assert [one.url for one in found] == ["s3://archive/list/x_uncal.fits", "s3://archive/list/y_uncal.fits"]
    assert found == [stores(endpoint_url=objects.url).look(one.url) for one in found]
    config = {"exposures": "s3://archive/list/**/*_uncal.fits", "storage": {"endpoint_url": objects.url}}
    assert [one.root for one in find_exposures(config, tmp_path)[0]] == ["x", "y", "z"]
    # In a job of a cluster what the head has listed is not listed again.
    with monkeypatch.context() as there:
        there.setattr(s3.ObjectStore, "matching", None)
        assert [one.root for one in survey(config, tmp_path, ask=False).exposures] == ["x", "y", "z"]
    config["exposures"] = "s3://archive/list/*_nothing.fits"
    with pytest.raises(ConfigError, match="exposures: no object matches 's3://archive/list/"):
        find_exposures(config, tmp_path)


def test_paths_globs_and_addresses_stand_side_by_side(server, objects, tmp_path):
    (tmp_path / "here_uncal.fits").write_bytes(uncal())
    server.files["web_uncal.fits"] = uncal()
    url = objects.put("mixed/far_uncal.fits", uncal())
    (tmp_path / "table.tsv").write_text(f"exposure\tuncal\nother\t{url}\n")
    config = {"storage": {"endpoint_url": objects.url}}
    config["exposures"] = ["*_uncal.fits", url, server.download("web_uncal.fits")]
    found, _ = find_exposures(config, tmp_path)
    assert [(one.root, one.stored is None) for one in found] == [("far", False), ("here", True), ("web", False)]
    (one,), _ = find_exposures(config | {"exposures": "table.tsv"}, tmp_path)
    assert (one.root, one.path) == ("other", url)


# --- what goes wrong ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (404, r"there is no such file on the server \(HTTP 404\)"),
        (403, r"access denied \(HTTP 403\); data that are not public yet need a token: set MAST_API_TOKEN"),
        (503, r"the server has no answer \(HTTP 503, 3 times\)"),
        (418, r"the server answers HTTP 418, where a file is expected"),
        ("silent", r"127.0.0.1:\d+ has not answered within 0.3 s"),
        (("ends", 100), r"truncated: 100 bytes came, 65536 were asked for"),
    ],
)
def test_what_a_web_server_refuses_is_a_line_of_that_exposure_alone(server, tmp_path, monkeypatch, fault, line):
    monkeypatch.delenv(web.TOKEN, raising=False)
    monkeypatch.setattr(web, "_AGAIN", 2)
    server.files |= {NAME: exposure(), "good_uncal.fits": exposure()}
    server.faults[NAME] = fault
    addresses = [server.address("good_uncal.fits"), server.address(NAME)]
    found = survey({"exposures": addresses, "storage": {"timeout": 0.3}}, tmp_path)
    assert [one.root for one in found.exposures] == ["good"]
    assert list(found.unusable) == ["jw01_a"]
    assert re.match(rf"{server.address(NAME)}: {line}", found.unusable["jw01_a"]), found.unusable
    assert survey({"exposures": addresses, "skip_bad": True, "storage": {"timeout": 0.3}}, tmp_path).unusable == {}


def test_a_server_that_is_not_there_is_asked_once():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
    found = stores()
    with pytest.raises(StoreProblem, match="cannot be reached .*is there a network") as first:
        found.look(f"{address}/a_uncal.fits")
    found.of = None
    with pytest.raises(StoreProblem) as second:
        found.look(f"{address}/b_uncal.fits")
    assert second.value is first.value


def test_a_server_that_is_silent_is_given_up_after_some_objects_and_not_after_one(server, monkeypatch):
    monkeypatch.setattr(web, "_AGAIN", 0)
    found = stores(timeout=0.1)
    for number in range(40):
        server.files[f"{number}.fits"], server.faults[f"{number}.fits"] = b"x", "silent"
    server.files["good.fits"] = b"x"
    with pytest.raises(StoreProblem, match="has not answered"):
        found.look(server.address("0.fits"))
    assert found.look(server.address("good.fits")).size == 1
    said = []
    for number in range(20):
        with pytest.raises(StoreProblem) as problem:
            found.look(server.address(f"{number}.fits"))
        said.append(problem.value)
    assert said[-1] is said[-4] and said[0] is not said[1]


@pytest.mark.parametrize("fault", ["no head", "no size"])
def test_what_a_head_does_not_say_is_asked_for_with_a_part(server, fault):
    server.files[NAME], server.faults[NAME] = exposure(), fault
    assert stores().look(server.address(NAME)).size == len(server.files[NAME])
    assert [part for *_, part, _ in server.asked][-1] == "bytes=0-0"


def test_an_object_store_says_what_is_wrong(objects):
    found = stores(endpoint_url=objects.url)
    with pytest.raises(StoreProblem, match="no such object"):
        found.look("s3://archive/nothing")
    with pytest.raises(StoreProblem, match="no such bucket; correct the address"):
        found.matching("s3://elsewhere/*")


@pytest.mark.parametrize(
    ("status", "headers", "anonymous", "line"),
    [
        (403, {}, True, "access denied without credentials .*give some"),
        (403, {}, False, "access denied with the credentials of the environment .*anonymous: true"),
        (301, {"x-amz-bucket-region": "eu-west-1"}, True, "in eu-west-1, not in us-east-1; set storage: {region: eu-"),
        (500, {}, True, "has no answer"),
    ],
)
def test_a_refusal_of_an_object_store_says_what_to_do(status, headers, anonymous, line):
    from botocore.exceptions import ClientError

    store = s3.ObjectStore(SETTINGS | {"anonymous": anonymous, "endpoint_url": "http://127.0.0.1:9"})
    answer = {"Error": {"Code": "Refused"}, "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers}}
    with pytest.raises(StoreProblem, match=line):
        raise store.told(ClientError(answer, "HeadObject"))


def test_a_public_bucket_needs_no_credentials(objects, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", objects.url)
    signed = []
    store = s3.ObjectStore(SETTINGS)
    store._client.meta.events.register("before-send.s3", lambda request, **_: signed.append(request.headers))
    with pytest.raises(StoreProblem, match=r"access denied without credentials \(403\); give some"):
        store.look(objects.put("private.fits", b"0123456789"))
    url = objects.put("public.fits", b"0123456789", ACL="public-read")
    assert store.read(store.look(url), 3, 4) == b"3456"
    assert signed and not any("Authorization" in headers for headers in signed)


def test_the_variables_of_snakemakes_plugin_are_obeyed(objects, monkeypatch):
    monkeypatch.setenv("SNAKEMAKE_STORAGE_S3_ENDPOINT_URL", objects.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert stores().look(objects.put("plugin.fits", b"12345")).size == 5


def test_without_boto3_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(s3.importlib.util, "find_spec", lambda _: None)
    found = survey({"exposures": ["s3://archive/a_uncal.fits", "s3://archive/b_uncal.fits"]}, tmp_path)
    assert len(found.problems) == 1 and "pip install '.[storage]'" in found.problems[0]
    server = "http://127.0.0.1:9/a_uncal.fits"
    assert survey({"exposures": [server]}, tmp_path).problems == []


def test_passwords_in_addresses_are_refused(tmp_path):
    found = survey({"exposures": ["https://me:secret@example.org/a_uncal.fits"]}, tmp_path)
    assert "netrc" in found.problems[0] and "secret" not in found.problems[0]


def test_the_token_goes_to_the_archive_alone(monkeypatch):
    monkeypatch.setenv(web.TOKEN, "abc")
    assert web.credentials("https://mast.stsci.edu/x") == {"Authorization": "token abc"}
    for other in ("http://mast.stsci.edu/x", "https://example.org/stsci.edu", "https://notstsci.edu/x"):
        assert web.credentials(other) == {}


# --- fetching ----------------------------------------------------------------------------------------------


def fetched(url, path, **changes):
    found = stores(**changes)
    return retrieving.fetch(found.of(url), found.look(url), path)


def test_what_is_fetched_is_the_object_with_its_checksum(server, objects, tmp_path):
    content = exposure()
    server.files[NAME] = content
    for url in (server.address(NAME), server.download(NAME), objects.put("fetch.fits", content)):
        assert fetched(url, tmp_path / "copy", endpoint_url=objects.url) == hashlib.sha256(content).hexdigest()
        assert (tmp_path / "copy").read_bytes() == content


@pytest.mark.parametrize("ranges", [True, False])
def test_a_connection_that_breaks_is_gone_on_with(server, tmp_path, ranges):
    content = server.files[NAME] = exposure()
    found = stores()
    stored = found.look(server.address(NAME))
    server.faults[NAME] = ("once", 1_500_000)
    if not ranges:
        read = web.WebStore.stream

        def whole_files_only(store, stored, start=0):
            if start:
                raise web.NoRanges("")
            return read(store, stored, start)

        found.of(stored.url).stream = whole_files_only.__get__(found.of(stored.url))
    assert retrieving.fetch(found.of(stored.url), stored, tmp_path / "copy") == hashlib.sha256(content).hexdigest()
    parts = [part for method, _, part, _ in server.asked if method == "GET"]
    assert parts == [None, "bytes=1500000-" if ranges else None]


def test_a_server_that_keeps_breaking_down_is_given_up(server, tmp_path):
    server.files[NAME] = exposure()
    server.faults[NAME] = ("ends", 1000)
    with pytest.raises(StoreProblem, match=r"truncated: \d+ of \d+ bytes came, in 4 attempts: .*cannot be reached"):
        fetched(server.address(NAME), tmp_path / "copy")


@pytest.mark.parametrize("kind", ["s3", "web"])
def test_an_object_that_changes_on_the_way_is_not_mixed(server, objects, tmp_path, kind):
    server.files[NAME] = b"first" * 100
    url = server.address(NAME) if kind == "web" else objects.put("changes.fits", b"first" * 100)
    found = stores(endpoint_url=objects.url)
    stored = found.look(url)
    server.files[NAME] = b"other" * 100
    objects.put("changes.fits", b"other" * 100)
    with pytest.raises(ObjectChanged, match="it has changed in the store since the run began"):
        retrieving.fetch(found.of(url), stored, tmp_path / "copy")
