import warnings

import numpy as np
import pytest
from astropy.io import fits

from rampflow.crds import conformity, verify
from rampflow.io.files import FileProblem
from rampflow.io.references import Reference

HEADER = {"INSTRUME": "NIRCAM", "DETECTOR": "NRCALONG"}


def written(path, arrays, **keywords):
    hdus = [fits.PrimaryHDU()]
    hdus[0].header.update(keywords)
    for name, data in arrays.items():
        kind = fits.BinTableHDU if data is not None and data.dtype.names else fits.ImageHDU
        hdus.append(kind(data, name=name))
    fits.HDUList(hdus).writeto(path)
    return path


def judged(path, kind, header=HEADER):
    return list(conformity.check(kind, path, verify.verified(path, None), header))


def ones(*shape):
    return np.ones(shape, np.float32)


FLAGS = np.zeros((4, 5), np.uint8)
TABLE = np.zeros(3, [("a", "f4")])
ODD = {
    "a dark of two axes": (
        "dark",
        {"SCI": ones(4, 5)},
        r"SCI has the shape \(4, 5\), expected \(planes, rows, columns\)",
    ),
    "a dark of five": ("dark", {"SCI": ones(1, 1, 2, 4, 5)}, r"SCI has the shape \(1, 1, 2, 4, 5\)"),
    "a gain of three": ("gain", {"SCI": ones(2, 4, 5)}, r"SCI has the shape \(2, 4, 5\), expected \(rows, columns\)"),
    "a bias without SCI": ("superbias", {"ERR": ones(4, 5)}, "has no extension SCI.*it has ERR"),
    "nothing in it": ("superbias", {}, "has no extension SCI.*it has none"),
    "an empty array": ("superbias", {"SCI": None}, r"SCI has the shape \(\)"),
    "other flags": ("superbias", {"SCI": ones(4, 5), "DQ": FLAGS.T}, r"DQ has the shape \(5, 4\) and SCI \(4, 5\)"),
    "flags of three axes": ("reset", {"SCI": ones(1, 2, 4, 5), "DQ": np.stack([FLAGS] * 2)}, r"DQ .* \(2, 4, 5\)"),
    "empty flags": ("superbias", {"SCI": ones(4, 5), "DQ": None}, r"DQ has the shape \(\)"),
    "a table for an image": ("gain", {"SCI": TABLE}, "SCI is a table, expected an image in a gain reference"),
    "an image for a table": ("trappars", {"TRAPPARS": ones(4, 5)}, "TRAPPARS is an image, expected a table"),
    "no table": ("rscd", {"SCI": ones(4, 5)}, "has no extension RSCD_GROUP_SKIP"),
    "coefficients of two axes": ("linearity", {"COEFFS": ones(4, 5)}, r"COEFFS has the shape \(4, 5\)"),
    "FITS for ASDF": ("emicorr", {"SCI": ones(4, 5)}, "is not ASDF, as files of type emicorr"),
    "FITS for parameters": ("pars-jumpstep", {"SCI": ones(4, 5)}, "is not ASDF, as files of type pars-jumpstep"),
}


@pytest.mark.parametrize("name", ODD)
def test_a_reference_that_no_step_can_work_with_is_refused(name, tmp_path):
    kind, arrays, message = ODD[name]
    with pytest.raises(FileProblem, match=f"odd.fits.*{message}"):
        judged(written(tmp_path / "odd.fits", arrays), kind)


def test_what_is_as_it_must_be_has_no_remarks(tmp_path):
    keywords = {"REFTYPE": "DARK", "INSTRUME": "NIRCAM", "DETECTOR": "NRCA5"}
    path = written(tmp_path / "dark.fits", {"SCI": ones(3, 4, 5), "DQ": FLAGS, "UNC": ones(5, 4)}, **keywords)
    assert judged(path, "dark") == []


@pytest.mark.parametrize(
    ("keywords", "remark"),
    [
        ({"REFTYPE": "GAIN"}, "its REFTYPE is GAIN, expected DARK: is it the right file?"),
        ({"INSTRUME": "MIRI"}, "its INSTRUME is MIRI, expected NIRCAM: is it the right file?"),
        ({"DETECTOR": "NRCB5"}, "its DETECTOR is NRCBLONG, expected NRCALONG: is it the right file?"),
        ({"DETECTOR": "N/A", "INSTRUME": "any"}, None),
    ],
)
def test_a_header_that_says_something_else_is_a_remark(keywords, remark, tmp_path):
    path = written(tmp_path / "dark.fits", {"SCI": ones(3, 4, 5), "DQ": FLAGS}, **keywords)
    assert judged(path, "dark") == ([remark] if remark else [])


def test_flags_that_are_not_there_or_have_no_names_are_a_remark(tmp_path):
    flagged = FLAGS.copy()
    flagged[2, 3] = 1
    names = np.array([(0, 1, "DO_NOT_USE")], [("BIT", "i4"), ("VALUE", "i4"), ("NAME", "S10")])
    (none,) = judged(written(tmp_path / "a.fits", {"SCI": ones(4, 5)}), "superbias")
    assert none == "it has no DQ, so that it flags no pixel"
    (nameless,) = judged(written(tmp_path / "b.fits", {"SCI": ones(4, 5), "DQ": flagged}), "superbias")
    assert nameless.startswith("it has no DQ_DEF with the names of its flags")
    named = {"SCI": ones(4, 5), "DQ": flagged, "DQ_DEF": names}
    assert judged(written(tmp_path / "c.fits", named), "superbias") == []
    assert judged(written(tmp_path / "d.fits", {"SCI": ones(4, 5), "DQ": flagged}), "readnoise") == []
    table = np.array([(1.0,)], [("ALPHA_0", "f8")])
    (none,) = judged(written(tmp_path / "e.fits", {"IRS2": table}), "refpix")
    assert none == "it has no DQ, so that no reference read between the pixels counts as bad by it"
    assert judged(written(tmp_path / "f.fits", {"IRS2": table, "DQ": table}), "refpix") == []


def test_a_size_that_is_not_that_of_the_array_is_a_remark(tmp_path):
    sized = {"SUBSIZE1": 5, "SUBSIZE2": 7}
    (line,) = judged(written(tmp_path / "a.fits", {"SCI": ones(4, 5)}, **sized), "gain")
    assert line == "SUBSIZE2 is 7 where SCI has 4 rows; the array is followed"
    assert judged(written(tmp_path / "b.fits", {"SCI": ones(4, 5)}, **sized), "ipc") == []
    assert judged(written(tmp_path / "c.fits", {"SCI": ones(2050, 5)}, **sized), "gain") == []


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_array_without_a_number_is_a_remark(value, tmp_path):
    data = np.full((4, 5), value, np.float32)
    path = written(tmp_path / "gain.fits", {"SCI": data, "ERR": data})
    assert judged(path, "gain") == ["no value of SCI is a finite number"]
    data[3, 4] = 1
    assert judged(written(tmp_path / "one.fits", {"SCI": data}), "gain") == []


@pytest.mark.parametrize("keyword", ["SUBSTRT1", "TFORM1", "BITPIX"])
def test_a_card_that_matters_and_cannot_be_parsed_is_named(keyword, tmp_path):
    path = written(tmp_path / "bias.fits", {"SCI": ones(4, 5), "DQ_DEF": TABLE}, SUBSTRT1=1)
    content = path.read_bytes()
    at = content.index(keyword.ljust(8).encode() + b"=")
    path.write_bytes(content[: at + 10] + b" 1 2 'x " + content[at + 18 :])
    with warnings.catch_warnings(), pytest.raises(FileProblem, match="bias.fits"):
        warnings.simplefilter("ignore")
        judged(path, "superbias")


def test_a_reference_taken_as_it_is_says_both_shapes(tmp_path):
    path = written(tmp_path / "dark.fits", {"SCI": ones(3, 4, 5), "UNC": ones(5, 4)})
    reference = Reference(path, frame=(4, 5))
    assert reference.read().shape == (3, 4, 5)
    reference.close()
    reference = Reference(path, frame=(4, 7))
    with pytest.raises(FileProblem, match=r"dark.fits: an array of shape \(3, 4, 5\), the exposure has 4 rows and 7"):
        reference.read()
    reference.close()
