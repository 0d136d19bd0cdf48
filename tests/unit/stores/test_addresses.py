"""What an address says: which file it leads to, and which keys a pattern stands for."""

import pytest

from rampflow.planning.listing import root_name
from rampflow.stores.addresses import constant_part, file_name, is_address, is_pattern, matcher

MAST = "https://mast.stsci.edu/api/v0.1/Download/file?uri=mast:JWST/product/jw01366002001_04101_00001_nrs1_uncal.fits"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("s3://stpubdata/jwst/public/jw01/jw01_a_uncal.fits", "jw01_a_uncal.fits"),
        ("https://example.org/data/jw01_a_uncal.fits", "jw01_a_uncal.fits"),
        ("https://example.org/data/jw01%2Da_uncal.fits?signature=x/y.z", "jw01-a_uncal.fits"),
        (MAST, "jw01366002001_04101_00001_nrs1_uncal.fits"),
        (MAST.replace(":", "%3A").replace("/product/", "%2Fproduct%2F"), "jw01366002001_04101_00001_nrs1_uncal.fits"),
        ("https://example.org/retrieve_product?product_name=jw01_a_uncal.fits", "jw01_a_uncal.fits"),
        ("https://example.org/download", "download"),
    ],
)
def test_the_name_is_that_of_the_file_an_address_leads_to(address, name):
    assert file_name(address.replace("https%3A", "https:")) == name


def test_exposures_of_mast_have_their_own_names():
    assert root_name(MAST) == "jw01366002001_04101_00001_nrs1"


@pytest.mark.parametrize(
    ("path", "yes"),
    [
        ("s3://bucket/key", True),
        ("S3://bucket/key", True),
        ("http://localhost:9/x", True),
        ("data/x_uncal.fits", False),
        ("s3:/x", False),
        ("s3://", False),
        ("https:///x", False),
        (None, False),
    ],
)
def test_paths_are_no_addresses(path, yes):
    assert is_address(path) is yes


def test_a_question_mark_of_the_web_is_no_pattern():
    assert not is_pattern(MAST)
    assert is_pattern("s3://bucket/a?b") and is_pattern("s3://bucket/*_uncal.fits")
    assert not is_pattern("s3://bucket/a_uncal.fits")


@pytest.mark.parametrize(
    ("pattern", "matches", "others"),
    [
        ("a/*_uncal.fits", ["a/x_uncal.fits"], ["a/b/x_uncal.fits", "b/x_uncal.fits", "a/x_uncal.fits.gz"]),
        ("a/**/x.fits", ["a/x.fits", "a/b/x.fits", "a/b/c/x.fits"], ["x.fits", "a/bx.fits"]),
        ("a/jw0[12]?.fits", ["a/jw01a.fits", "a/jw02b.fits"], ["a/jw03a.fits", "a/jw01.fits", "a/jw01/.fits"]),
        ("a/[!b].fits", ["a/c.fits"], ["a/b.fits"]),
        ("a+(b)/*.fits", ["a+(b)/c.fits"], ["aab/c.fits"]),
        ("a/[x", ["a/[x"], ["a/x"]),
    ],
)
def test_patterns_match_as_those_of_paths_do(pattern, matches, others):
    fits = matcher(pattern)
    assert all(map(fits.fullmatch, matches))
    assert not any(map(fits.fullmatch, others))
    assert all(key.startswith(constant_part(pattern)) for key in matches)
