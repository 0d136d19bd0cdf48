"""Zero frames count where both the keyword and the array are there, in all steps."""

import pytest
from fuzz import chains
from fuzz.fits_bytes import card


def without(content, keyword, value):
    """Give a keyword of the primary header another value, or take it out."""
    at = content.index(keyword.ljust(8).encode() + b"=")
    return content[:at] + (b"COMMENT".ljust(80) if value is None else card(keyword, value)) + content[at + 80 :]


@pytest.mark.parametrize("value", [False, None])
def test_a_zero_frame_without_its_keyword_is_no_zero_frame_and_that_is_said(tmp_path, value):
    files, made = chains._good("nircam")
    unsaid = without(files.raw, "ZEROFRAM", value)
    gone = unsaid.replace(b"EXTNAME = 'ZEROFRAME'", b"EXTNAME = 'ELSEWHERE'")
    assert gone != unsaid
    found = []
    for name, raw in (("unsaid", unsaid), ("gone", gone)):
        (tmp_path / name).mkdir()
        found.append(chains.run(chains._with(files, raw=raw), tmp_path / name))
    assert found[0].refused is found[1].refused is None and found[0].arrays == found[1].arrays
    (line,) = [line for line in found[0].said if "ZEROFRAM" in line]
    assert line.endswith(f"ZEROFRAM is {value} where there is an array ZEROFRAME: no zero frame is used")
    assert not [line for line in found[1].said if "ZEROFRAM" in line]
