"""Exposures: what headers say, what cannot be used and why, and the cache of headers."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz.fits_bytes import INT_TIMES, header, image, table, uncal

from rampflow.io.raw_headers import Unreadable, examine
from rampflow.planning import header_cache as module
from rampflow.planning.exposures import GUIDE_STAR_TYPES, find_exposures, placeholder, survey
from rampflow.planning.header_cache import CACHE
from rampflow.planning.listing import root_name
from rampflow.planning.plan import Plan
from rampflow.settings.configuration import ConfigError, schema

DATA = Path(__file__).parents[3] / ".." / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs the third-party headers of ../shared/data")


def write(folder, name="jw01_a_uncal.fits", **changes):
    path = folder / "data" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(uncal(**changes))
    return path


def refused(tmp_path, line, **config):
    with pytest.raises(ConfigError, match=f"^{re.escape(line)}$"):
        find_exposures(config, tmp_path)


# --- what is found ------------------------------------------------------------------------------------


def test_exposure_is_what_its_header_says(tmp_path):
    path = write(tmp_path)
    (exposure,), problems = find_exposures({}, tmp_path)
    assert problems == []
    assert exposure.root == "jw01_a"
    assert exposure.path == "data/jw01_a_uncal.fits"
    assert (exposure.instrument, exposure.detector, exposure.exp_type) == ("NIRCAM", "NRCA1", "NRC_IMAGE")
    assert (exposure.subarray, exposure.readpatt, exposure.tso, exposure.irs2) == (
        "SUB64P",
        "RAPID",
        False,
        False,
    )
    assert (exposure.nints, exposure.ngroups, exposure.shape) == (2, 3, (2, 3, 4, 5))
    assert exposure.size == path.stat().st_size
    assert exposure.header["TELESCOP"] == "JWST"


@pytest.mark.parametrize(("value", "tso"), [(True, True), (False, False), (None, False)])
def test_only_tsovisit_makes_a_time_series(tmp_path, value, tso):
    write(tmp_path, TSOVISIT=value, EXP_TYPE="NRC_TSIMAGE")
    assert find_exposures({}, tmp_path)[0][0].tso is tso


@pytest.mark.parametrize(("rows", "irs2"), [(3200, True), (2048, False)])
def test_irs2_is_known_by_its_rows(tmp_path, rows, irs2):
    names = {"INSTRUME": "NIRSPEC", "DETECTOR": "NRS1", "EXP_TYPE": "NRS_IFU"}
    write(tmp_path, shape=(1, 1, rows, 4), NINTS=1, NGROUPS=1, **names)
    assert find_exposures({}, tmp_path)[0][0].irs2 is irs2


def test_segments_of_an_exposure_may_hold_fewer_integrations_than_nints(tmp_path):
    write(tmp_path, NINTS=100, INTSTART=99, INTEND=100)
    (exposure,), _ = find_exposures({}, tmp_path)
    assert (exposure.nints, exposure.shape[0]) == (100, 2)


@pytest.mark.parametrize("instrument", ["FGS", "MIRI", "NIRCAM", "NIRISS", "NIRSPEC"])
def test_every_detector_and_exposure_type_is_accepted(tmp_path, instrument):
    rules = schema("headers")["properties"][instrument]["properties"]
    for detector in rules["DETECTOR"]["enum"]:
        for kind in rules["EXP_TYPE"]["enum"]:
            write(
                tmp_path,
                f"{detector}_{kind}_uncal.fits",
                INSTRUME=instrument,
                DETECTOR=detector,
                EXP_TYPE=kind,
            )
    found, problems = find_exposures({}, tmp_path)
    assert len(found) == len(rules["DETECTOR"]["enum"]) * len(rules["EXP_TYPE"]["enum"])
    assert problems == []


def test_exposures_come_sorted_by_name_from_a_list_of_globs_and_paths(tmp_path):
    for name in ("b_uncal.fits", "a_uncal.fits", "c_uncal.fits"):
        write(tmp_path, name)
    config = {"exposures": ["data/c_uncal.fits", "data/[ab]_*.fits", "./data/a_uncal.fits"]}
    assert [exposure.root for exposure in find_exposures(config, tmp_path)[0]] == ["a", "b", "c"]


def test_paths_may_be_absolute(tmp_path):
    path = write(tmp_path)
    (exposure,), _ = find_exposures({"exposures": str(path)}, tmp_path / "elsewhere")
    assert exposure.path == str(path)


@pytest.mark.parametrize(("name", "separator"), [("e.tsv", "\t"), ("e.csv", ",")])
def test_a_table_names_exposures(tmp_path, name, separator):
    write(tmp_path, "x_uncal.fits", TSOVISIT=True)
    write(tmp_path, "y_uncal.fits")
    text = "exposure,uncal,instrument,tso\none,data/x_uncal.fits,NIRCAM,TRUE\ntwo,data/y_uncal.fits,,\n"
    (tmp_path / name).write_text(text.replace(",", separator))
    found, _ = find_exposures({"exposures": name}, tmp_path)
    assert [(exposure.root, exposure.tso) for exposure in found] == [("one", True), ("two", False)]


@pytest.mark.parametrize(
    ("path", "root"),
    [
        (
            "data/jw00793001001_01101_00001_nis_uncal.fits",
            "jw00793001001_01101_00001_nis",
        ),
        ("jw01_00001-seg002_nrs1_uncal.fits", "jw01_00001-seg002_nrs1"),
        ("jw01_nis_ramp.fits", "jw01_nis"),
        ("jw01_nis_dark_current.fits", "jw01_nis"),
        ("jw01_nis_dqinitstep.fits", "jw01_nis"),
        ("jw01_nis_odd.fits", "jw01_nis_odd"),
        ("plain.fits", "plain"),
    ],
)
def test_root_name_leaves_out_known_suffixes(path, root):
    assert root_name(path) == root


# --- what is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", GUIDE_STAR_TYPES)
def test_guide_star_exposures_are_refused_by_name(tmp_path, kind):
    write(tmp_path, INSTRUME="FGS", DETECTOR="GUIDER1", EXP_TYPE=kind)
    with pytest.raises(ConfigError, match=f"EXP_TYPE {kind} is guide-star .*, which is not for this pipeline"):
        find_exposures({}, tmp_path)


# The file of these tests has 2 integrations, 3 groups, 4 rows and 5 columns.
STRIPES = {"SUBARRAY": "SUB82STRIPE2_DHS", "MSTR_SK1": 10, "MSTR_SK2": 3, "MSTR_RPT": 1, "MSTR_ILV": 1}


def test_multistripe_exposures_are_taken(tmp_path):
    write(tmp_path, **STRIPES, MSTR_RD1=1, MSTR_RD2=1)
    (exposure,), problems = find_exposures({}, tmp_path)
    assert exposure.superstripes == 0 and not problems


def test_superstripes_are_counted(tmp_path):
    write(tmp_path, **STRIPES | {"SUBARRAY": "FULL_SUPSTP008"}, MSTR_RD1=1, MSTR_RD2=3, SSTR_STP=3, SSTR_NST=2)
    assert find_exposures({}, tmp_path)[0][0].superstripes == 2


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"MSTR_RD1": 4, "MSTR_RD2": 40}, "4 and repeatedly 40 lines do not make the 4 of a frame"),
        ({"MSTR_RD1": 1, "MSTR_RD2": 1, "MSTR_RPT": None}, "MSTR_RPT missing, or not a number from 0; set them"),
        ({"MSTR_RD1": 1, "MSTR_RD2": 3, "SSTR_STP": 3, "SSTR_NST": 3}, "2 integrations from number 1 are not whole"),
        (
            {"MSTR_RD1": 1, "MSTR_RD2": 1, "MSTR_ILV": 0, "SSTR_STP": 1, "SSTR_NST": 2, "NFRAMES": 2},
            r"2 frames \(NFRAMES\) that sample a ramp 2 times each are averaged: .*; leave the exposure out",
        ),
    ],
)
def test_multistripe_exposures_whose_lines_make_no_sense_are_refused(tmp_path, keys, message):
    write(tmp_path, **{key: value for key, value in (STRIPES | keys).items() if value is not None})
    with pytest.raises(ConfigError, match=rf"multistripe exposure \(.*\): .*{message}"):
        find_exposures({}, tmp_path)


def test_keywords_of_stripes_that_are_zero_are_no_reason_to_refuse(tmp_path):
    write(tmp_path, MSTR_RD1=0, MSTR_SK1=0, MSTR_RD2=0, MSTR_SK2=0, SSTR_STP=0, SSTR_NST=0)
    exposures, problems = find_exposures({}, tmp_path)
    assert len(exposures) == 1 and not problems


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"EXP_TYPE": "NRC_IMAG"},
            "unknown NIRCAM EXP_TYPE 'NRC_IMAG'; did you mean 'NRC_IMAGE'?",
        ),
        (
            {"EXP_TYPE": "MIR_IMAGE", "DETECTOR": "NRCB4"},
            "unknown NIRCAM EXP_TYPE 'MIR_IMAGE'; did you mean 'NRC_IMAGE'?",
        ),
        ({"INSTRUME": "NIRCAMM"}, "unknown INSTRUME 'NIRCAMM'; known are FGS, MIRI, NIRCAM, NIRISS, NIRSPEC"),
        ({"INSTRUME": "WFC3"}, "unknown INSTRUME 'WFC3'; known are FGS, MIRI, NIRCAM, NIRISS, NIRSPEC"),
        (
            {"INSTRUME": "NIRSPEC"},
            "unknown NIRSPEC DETECTOR 'NRCA1'; known are NRS1, NRS2",
        ),
        (
            {"INSTRUME": None, "EXP_TYPE": None},
            "INSTRUME, EXP_TYPE missing in the primary header; is it a JWST exposure?",
        ),
        ({"NGROUPS": 4}, "SCI has 3 groups where the header says NGROUPS 4; fetch the file again"),
        (
            {"shape": (4, 5)},
            "SCI has 2 axes, (4, 5), where a raw exposure has 4 (integrations, groups, rows, columns); give "
            "the _uncal.fits file",
        ),
    ],
)
def test_headers_that_cannot_be_used(tmp_path, changes, line):
    write(tmp_path, **changes)
    refused(tmp_path, f"data/jw01_a_uncal.fits: {line}")


NUMBERS = "correct the primary header, or leave the exposure out"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"TGROUP": 0.0}, "TGROUP is 0.0, where a time above 0 is due (s)"),
        ({"TGROUP": 0}, "TGROUP is 0, where"),
        ({"TGROUP": -10.7}, "TGROUP is -10.7, where"),
        ({"TGROUP": "10.7"}, "TGROUP is '10.7', where"),
        ({"TGROUP": True}, "TGROUP is True, where"),
        ({"TFRAME": 0.0}, "TFRAME is 0.0, where a time above 0 is due (s)"),
        ({"TFRAME": -1e-300}, "TFRAME is -1e-300, where"),
        ({"NFRAMES": 0}, "NFRAMES is 0, where a whole number from 1 is due"),
        ({"NFRAMES": -4}, "NFRAMES is -4, where"),
        ({"NFRAMES": 4.0}, "NFRAMES is 4.0, where"),
        ({"NFRAMES": True}, "NFRAMES is True, where"),
        ({"GROUPGAP": -1}, "GROUPGAP is -1, where a whole number from 0 is due"),
        ({"GROUPGAP": 0.5}, "GROUPGAP is 0.5, where"),
        ({"NINTS": 0}, "NINTS is 0, where a whole number from 1 is due"),
        ({"NINTS": "2"}, "NINTS is '2', where"),
        ({"NINTS": 2.0}, "NINTS is 2.0, where"),
        ({"NGROUPS": -3}, "NGROUPS is -3, where"),
        ({"NGROUPS": 3.0}, "NGROUPS is 3.0, where"),
        ({"INTSTART": 0, "INTEND": 1}, "INTSTART is 0, where a whole number from 1 is due"),
        ({"INTEND": "last"}, "INTEND is 'last', where"),
        ({"FRMDIVSR": 0}, "FRMDIVSR is 0, where"),
        ({"NRESETS": -1}, "NRESETS is -1, where a whole number from 0 is due"),
        ({"DRPFRMS1": -1}, "DRPFRMS1 is -1, where"),
        ({"SUBSTRT1": 0}, "SUBSTRT1 is 0, where a whole number from 1 is due"),
        ({"SUBSIZE2": -4}, "SUBSIZE2 is -4, where"),
        ({"EXPSTART": "2022-07-12"}, "EXPSTART is '2022-07-12', where a date is due (MJD)"),
        ({"TSOVISIT": 1}, "TSOVISIT is 1, where T or F is due"),
        ({"TSOVISIT": "T"}, "TSOVISIT is 'T', where T or F is due"),
    ],
)
def test_numbers_that_no_step_could_calculate_with_are_refused(tmp_path, changes, says):
    write(tmp_path, **changes)
    with pytest.raises(ConfigError) as caught:
        find_exposures({}, tmp_path)
    (line,) = caught.value.problems
    assert line.startswith(f"data/jw01_a_uncal.fits: {says}") and line.endswith(NUMBERS)


@pytest.mark.parametrize("keyword", ["TGROUP", "TFRAME", "NFRAMES", "GROUPGAP", "NINTS", "NGROUPS"])
@pytest.mark.parametrize("how", ["absent", "empty"])
def test_numbers_that_every_exposure_has_must_be_there(tmp_path, keyword, how):
    path = write(tmp_path)
    text = path.read_bytes()
    at = text.index(f"{keyword:<8}= ".encode())
    path.write_bytes(
        text[:at] + (f"{keyword:<8}= " if how == "empty" else "COMMENT").ljust(80).encode() + text[at + 80 :]
    )
    refused(tmp_path, f"data/jw01_a_uncal.fits: {keyword} missing in the primary header; is it a JWST exposure?")


def test_times_that_are_no_numbers_are_refused(tmp_path):
    path = write(tmp_path)
    for value, says in ((b"1E999", "TGROUP is inf, where a time above 0 is due"), (b"  NAN", "cannot be read")):
        path.write_bytes(uncal().replace(b"TGROUP  =                  0.5", b"TGROUP  =                " + value))
        with pytest.raises(ConfigError, match=says):
            find_exposures({}, tmp_path)


def test_all_numbers_that_are_wrong_are_said_in_one_line(tmp_path):
    write(tmp_path, TGROUP=0, NFRAMES=0)
    says = "NFRAMES is 0, where a whole number from 1 is due; TGROUP is 0, where a time above 0 is due (s)"
    refused(tmp_path, f"data/jw01_a_uncal.fits: {says}: {NUMBERS}")


def test_an_array_without_pixels_is_refused(tmp_path):
    write(tmp_path, shape=(2, 3, 0, 5), SUBSIZE2=1)
    refused(tmp_path, "data/jw01_a_uncal.fits: SCI has no pixels, (2, 3, 0, 5); fetch the file again")


def test_a_zero_frame_of_another_shape_is_refused(tmp_path):
    path = write(tmp_path)
    path.write_bytes(path.read_bytes() + image("ZEROFRAME", (1, 4, 5)))
    refused(tmp_path, "data/jw01_a_uncal.fits: ZEROFRAME is (1, 4, 5) where SCI is (2, 3, 4, 5); fetch the file again")


@pytest.mark.parametrize("axes", [(1, 1), (0, 2), (3, 2), ("1", 2), (None, 2), (-1, None), (1.5, 2)])
def test_axes_that_cannot_be_are_refused(tmp_path, axes):
    write(tmp_path, FASTAXIS=axes[0], SLOWAXIS=axes[1])
    with pytest.raises(ConfigError, match=f"FASTAXIS is {axes[0]} and SLOWAXIS is {axes[1]}; one must be 1 or -1"):
        find_exposures({}, tmp_path)


def test_a_subarray_whose_place_is_not_said_is_refused(tmp_path):
    write(tmp_path, SUBSTRT2=None)
    with pytest.raises(ConfigError, match="SUBSIZE2 are not all given and the array .4 x 5. is not full frame"):
        find_exposures({}, tmp_path)
    write(tmp_path, shape=(1, 1, 2048, 2048), NINTS=1, NGROUPS=1, SUBSTRT1=None, SUBSTRT2=None)
    assert len(find_exposures({}, tmp_path)[0]) == 1


# --- what is said and followed ------------------------------------------------------------------------


def noticed(tmp_path, name="jw01_a_uncal.fits", rows=None, **changes):
    path = write(tmp_path, name, **changes)
    if rows is not None:
        path.write_bytes(path.read_bytes() + table("INT_TIMES", rows, INT_TIMES))
    return find_exposures({}, tmp_path)[1]


FOLLOWED = "the array is followed"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"NINTS": 5}, f"NINTS is 5 where SCI has 2 integrations; {FOLLOWED}"),
        (
            {"NINTS": 9, "INTSTART": 3, "INTEND": 9},
            f"INTSTART 3 and INTEND 9 where SCI has 2 integrations; {FOLLOWED}",
        ),
        (
            {"NINTS": 2, "INTSTART": 2, "INTEND": 1},
            f"INTSTART 2 and INTEND 1 where SCI has 2 integrations; {FOLLOWED}",
        ),
        ({"SUBSIZE1": 4}, f"SUBSIZE1 is 4 where SCI has 5 columns; {FOLLOWED}"),
        ({"SUBSIZE2": 5}, f"SUBSIZE2 is 5 where SCI has 4 rows; {FOLLOWED}"),
        ({"rows": 7}, "INT_TIMES has 7 rows where SCI has 2 integrations"),
        ({"rows": 1, "NINTS": 4, "INTSTART": 1, "INTEND": 2}, "INT_TIMES has 1 rows where SCI has 2 integrations"),
    ],
)
def test_keywords_that_disagree_with_the_arrays_are_said(tmp_path, changes, line):
    assert noticed(tmp_path, **changes) == [f"data/jw01_a_uncal.fits: {line}"]


@pytest.mark.parametrize(
    "changes",
    [
        {"NINTS": 100, "INTSTART": 99, "INTEND": 100},
        {"NINTS": 100, "INTSTART": 99, "INTEND": 100, "rows": 100},
        {"NINTS": 100, "INTSTART": 99, "INTEND": 100, "rows": 2},
        {"rows": 0},
        {"rows": 2},
        {
            "shape": (1, 1, 3200, 2048),
            **{"INSTRUME": "NIRSPEC", "DETECTOR": "NRS1", "EXP_TYPE": "NRS_IFU", "NINTS": 1, "NGROUPS": 1},
            **{"SUBSIZE2": 2048},
        },
    ],
)
def test_segments_and_interleaved_pixels_do_not_disagree(tmp_path, changes):
    assert noticed(tmp_path, **changes) == []


def test_counts_that_are_not_unsigned_are_said(tmp_path):
    path = write(tmp_path)
    content = path.read_bytes()
    at = content.index(b"BZERO   =")
    path.write_bytes(content[:at] + b"COMMENT".ljust(80) + content[at + 80 :])
    (notice,) = find_exposures({}, tmp_path)[1]
    assert notice == (
        "data/jw01_a_uncal.fits: SCI has BZERO None and BSCALE 1, where counts are unsigned numbers of 16 bits, BZERO "
        "32768; the header is followed"
    )


def test_a_primary_header_with_the_name_of_an_extension_is_damaged(tmp_path):
    write(tmp_path, EXTNAME="ZEROFRAME")
    line = "damaged: the primary header has the name of an extension, ZEROFRAME; fetch the file again"
    refused(tmp_path, f"data/jw01_a_uncal.fits: {line}")


def test_what_several_exposures_have_in_common_is_said_once(tmp_path):
    for k in range(5):
        lines = noticed(tmp_path, f"e{k}_uncal.fits", SUBSIZE1=4)
    assert lines == [
        "data/e0_uncal.fits, data/e1_uncal.fits, data/e2_uncal.fits and 2 more: "
        f"SUBSIZE1 is 4 where SCI has 5 columns; {FOLLOWED}"
    ]


def test_not_fits(tmp_path):
    write(tmp_path).write_text("exposure\tuncal\n" * 1000)
    refused(tmp_path, "data/jw01_a_uncal.fits: not a FITS file: it does not begin with SIMPLE")


def test_empty_file(tmp_path):
    write(tmp_path).write_bytes(b"")
    refused(tmp_path, "data/jw01_a_uncal.fits: empty; fetch the file again")


def test_no_sci(tmp_path):
    path = write(tmp_path)
    path.write_bytes(path.read_bytes()[:2880])
    refused(
        tmp_path,
        "data/jw01_a_uncal.fits: no SCI extension; a raw exposure (_uncal.fits) has its counts there",
    )


@pytest.mark.parametrize(
    ("size", "line"),
    [
        (5760 + 239, "truncated: 5999 bytes, where SCI ends at 6000; fetch the file again"),
        (5760, "truncated: 5760 bytes, where SCI ends at 6000; fetch the file again"),
        (3000, "truncated: 3000 bytes, ending inside a header; fetch the file again"),
        (100, "truncated: 100 bytes, ending inside a header; fetch the file again"),
    ],
)
def test_truncated_files(tmp_path, size, line):
    path = write(tmp_path)
    path.write_bytes(path.read_bytes()[:size])
    refused(tmp_path, f"data/jw01_a_uncal.fits: {line}")


def test_truncated_behind_sci(tmp_path):
    extension = {"XTENSION": "IMAGE", "BITPIX": -32, "NAXIS": 1, "NAXIS1": 100, "PCOUNT": 0, "GCOUNT": 1}
    path = write(tmp_path)
    path.write_bytes(path.read_bytes() + header({**extension, "EXTNAME": "ZEROFRAME"}) + bytes(399))
    refused(
        tmp_path,
        "data/jw01_a_uncal.fits: truncated: 11919 bytes, where ZEROFRAME ends at 11920; fetch the file again",
    )


def test_a_header_without_its_structure_is_damaged(tmp_path):
    path = write(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"NAXIS3  ", b"NOAXIS  "))
    refused(
        tmp_path,
        "data/jw01_a_uncal.fits: damaged: the header at byte 2880 has no NAXIS3; fetch the file again",
    )


def test_missing_file(tmp_path):
    refused(
        tmp_path,
        f"no_uncal.fits: there is no such file in {tmp_path}",
        exposures=["no_uncal.fits"],
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_file(tmp_path):
    write(tmp_path).chmod(0)
    refused(tmp_path, "data/jw01_a_uncal.fits: cannot be read (Permission denied)")


def test_dead_links_folders_and_pipes_are_named(tmp_path):
    (tmp_path / "gone.fits").symlink_to("nowhere.fits")
    (tmp_path / "folder.fits").mkdir()
    os.mkfifo(tmp_path / "pipe.fits")
    write(tmp_path)
    given = ["data/jw01_a_uncal.fits", "gone.fits", "folder.fits", "pipe.fits", "a\0b.fits", "folder.fits/x.fits"]
    found, problems = find_exposures({"exposures": given, "skip_bad": True}, tmp_path)
    assert [one.root for one in found] == ["jw01_a"]
    assert problems == [
        "left out: gone.fits: a symbolic link to 'nowhere.fits', where nothing is; correct the link",
        "left out: folder.fits: a folder, where a FITS file is due",
        "left out: pipe.fits: a pipe, where a FITS file is due",
        "left out: a\0b.fits: no file can have this name (embedded null byte)",
        f"left out: folder.fits/x.fits: there is no such file in {tmp_path}",
    ]


def test_a_file_whose_name_looks_like_a_pattern_is_meant_by_it(tmp_path):
    for folder, name in (("data[1]", "a"), ("data1", "b"), ("x{y}", "c"), ("s*r", "d"), ("star", "e")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}_uncal.fits").write_bytes(uncal())
    for given, roots in {
        "data[1]/a_uncal.fits": "a",
        "data[1]/*_uncal.fits": "a",
        "data[0-9]/*_uncal.fits": "b",
        "x{y}/*.fits": "c",
        "s*r/*": "d",
        "s?a*/*": "e",
        f"{tmp_path}/data[1]/[a]_uncal.fits": "a",
    }.items():
        assert [one.root for one in find_exposures({"exposures": given}, tmp_path)[0]] == list(roots), given


def test_home_folders_are_known_in_globs_lists_and_tables(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    write(tmp_path / "home", "a_uncal.fits")
    (tmp_path / "home" / "e.csv").write_text("exposure,uncal\na,~/data/a_uncal.fits\n")
    for given in ("~/data/*.fits", ["~/data/a_uncal.fits"], "~/e.csv"):
        (exposure,), _ = find_exposures({"exposures": given}, tmp_path)
        assert exposure.path == f"{tmp_path}/home/data/a_uncal.fits"


def test_no_exposures(tmp_path):
    line = (
        f"exposures: no file matches 'data/*_uncal.fits' in {tmp_path}; put the _uncal.fits files there, or "
        "correct the key exposures of the configuration"
    )
    refused(tmp_path, line)
    refused(tmp_path, line, skip_bad=True)
    refused(tmp_path, "exposures: an empty list; give a glob, paths, or a table", exposures=[])


def test_two_files_with_one_name(tmp_path):
    write(tmp_path, "a_uncal.fits")
    write(tmp_path, "a.fits")
    refused(
        tmp_path,
        "data/a.fits and data/a_uncal.fits: one name, 'a', for 2 files; name each in a table",
        exposures="data/*.fits",
    )


def test_names_that_cannot_be_wildcards(tmp_path):
    write(tmp_path, "a b_uncal.fits")
    refused(
        tmp_path,
        "data/a b_uncal.fits: 'a b' cannot name products (letters, digits and . _ + - can); rename the file, "
        "or name the exposure in a table",
    )


def test_config_and_header_must_agree(tmp_path):
    write(tmp_path)
    refused(
        tmp_path,
        "data/jw01_a_uncal.fits: INSTRUME is NIRCAM where the config says instrument: MIRI",
        instrument="MIRI",
    )
    refused(
        tmp_path,
        "data/jw01_a_uncal.fits: TSOVISIT is false where the config says tso: true",
        tso=True,
    )
    assert len(find_exposures({"instrument": "NIRCAM", "tso": False}, tmp_path)[0]) == 1


def test_table_and_header_must_agree(tmp_path):
    write(tmp_path)
    (tmp_path / "e.csv").write_text("exposure,uncal,tso\na,data/jw01_a_uncal.fits,true\n")
    refused(
        tmp_path,
        "data/jw01_a_uncal.fits: TSOVISIT is false where the table says tso: true",
        exposures="e.csv",
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("exposure,uncal\n", "exposures: e.csv: the table has no rows"),
        ("exposure,file\na,b\n", "exposures: e.csv line 2: uncal missing"),
        (
            "exposure,uncal,tso\na,b,yes\n",
            "exposures: e.csv line 2: tso: expected one of true, false, True, False, TRUE, FALSE, nothing, "
            "found the text 'yes'",
        ),
        (
            "exposure,uncal\na/b,c\n",
            "exposures: e.csv line 2: exposure: expected text of the form ^[A-Za-z0-9][A-Za-z0-9._+-]*$, "
            "found the text 'a/b'",
        ),
    ],
)
def test_tables_that_do_not_fit(tmp_path, text, line):
    (tmp_path / "e.csv").write_text(text)
    with pytest.raises(ConfigError, match=re.escape(line)):
        find_exposures({"exposures": "e.csv"}, tmp_path)


def test_missing_table(tmp_path):
    refused(
        tmp_path,
        f"exposures: no table 'e.csv' in {tmp_path} (No such file or directory)",
        exposures="e.csv",
    )


def bad_and_good(tmp_path):
    write(tmp_path, "bad_uncal.fits", EXP_TYPE="FGS_TRACK")
    write(tmp_path, "cut_uncal.fits", data=False)
    write(tmp_path, "good_uncal.fits")
    write(tmp_path, "two_uncal.fits")
    write(tmp_path, "two.fits")
    return "data/*.fits"


def test_all_problems_are_said_at_once(tmp_path):
    with pytest.raises(ConfigError) as caught:
        find_exposures({"exposures": bad_and_good(tmp_path)}, tmp_path)
    assert [line.split(":")[0] for line in caught.value.problems] == [
        *("data/two.fits and data/two_uncal.fits", "data/cut_uncal.fits", "data/bad_uncal.fits")
    ]


def test_a_bad_file_is_no_problem_of_the_others_but_two_of_one_name_are_whatever_they_are(tmp_path):
    write(tmp_path, "good_uncal.fits")
    write(tmp_path, "bad_uncal.fits", EXP_TYPE="FGS_TRACK")
    found = survey({}, tmp_path)
    assert ([one.root for one in found.exposures], found.problems) == (["good"], [])
    assert list(found.unusable) == ["bad"] and found.unusable["bad"].startswith("data/bad_uncal.fits: EXP_TYPE FGS_TRA")
    write(tmp_path, "bad.fits")
    (line,) = survey({"exposures": "data/*.fits"}, tmp_path).problems
    assert line == "data/bad.fits and data/bad_uncal.fits: one name, 'bad', for 2 files; name each in a table"


def test_what_contradicts_the_configuration_refuses_the_run_and_is_not_one_bad_file(tmp_path):
    write(tmp_path, "good_uncal.fits")
    write(tmp_path, "series_uncal.fits", TSOVISIT=True)
    found = survey({"tso": False}, tmp_path)
    assert found.problems == ["data/series_uncal.fits: TSOVISIT is true where the config says tso: false"]
    assert found.unusable == {}
    found = survey({"exposures": ["data/good_uncal.fits", "elsewhere/*.fits"]}, tmp_path)
    assert found.problems[0].startswith("exposures: no file matches 'elsewhere/*.fits'") and found.unusable == {}


def test_exposures_that_cannot_be_used_have_names_and_lines_that_a_record_can_hold(tmp_path):
    write(tmp_path)
    names = [b"b\xff_uncal.fits", b"white space_uncal.fits", b"_uncal.fits"]
    for name in names:
        (tmp_path / "data" / os.fsdecode(name)).write_bytes(uncal())
    given = ["data/*_uncal.fits", "a\0b.fits"]
    found = survey({"exposures": given}, tmp_path).unusable
    assert set(found) == {"b__uncal.fits", "white_space_uncal.fits", "uncal.fits", "a_b.fits"}
    assert all(line.encode() and "\0" not in line for line in found.values())


def test_skip_bad_leaves_out_the_bad_ones_only_and_says_so(tmp_path):
    found, problems = find_exposures({"exposures": bad_and_good(tmp_path), "skip_bad": True}, tmp_path)
    assert [exposure.root for exposure in found] == ["good"]
    assert len(problems) == 3
    assert all(problem.startswith("left out: data/") for problem in problems)


# --- a graph without exposures ------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["data/*_uncal.fits", ["no_uncal.fits"]])
def test_a_mode_without_files_has_a_placeholder(tmp_path, given):
    config = {"exposures": given, "instrument": "MIRI", "tso": True}
    found, problems = find_exposures(config, tmp_path)
    assert found == [placeholder("MIRI", True)]
    assert len(problems) == 1
    plan = Plan(config, found)
    assert plan.chain("MIRI_tso") == plan.steps
    assert plan.expected(found[0]).final == "gain_scale"


def test_where_there_are_files_there_is_no_placeholder(tmp_path):
    write(tmp_path)
    (exposure,), _ = find_exposures({"instrument": "NIRCAM", "tso": False}, tmp_path)
    assert not exposure.placeholder


def test_an_instrument_alone_is_no_mode(tmp_path):
    with pytest.raises(ConfigError, match="no file matches"):
        find_exposures({"instrument": "MIRI"}, tmp_path)


# --- the cache ----------------------------------------------------------------------------------------


def test_headers_that_were_read_are_not_read_again(tmp_path, monkeypatch):
    for i in range(3):
        write(tmp_path, f"e{i}_uncal.fits")
    write(tmp_path, "bad_uncal.fits", data=False)
    first = find_exposures({"skip_bad": True}, tmp_path)
    monkeypatch.setattr(module, "examine", lambda path: pytest.fail(f"{path} was opened"))
    assert find_exposures({"skip_bad": True}, tmp_path) == first
    assert first[0][0].header == find_exposures({"skip_bad": True}, tmp_path)[0][0].header


def test_only_a_changed_file_is_read_again(tmp_path, monkeypatch):
    write(tmp_path, "a_uncal.fits")
    path = write(tmp_path, "b_uncal.fits")
    find_exposures({}, tmp_path)
    opened = []
    monkeypatch.setattr(module, "examine", lambda path, read=examine: opened.append(path.name) or read(path))
    path.write_bytes(uncal(TSOVISIT=True))
    os.utime(path, ns=(1, 1))
    assert [exposure.tso for exposure in find_exposures({}, tmp_path)[0]] == [False, True]
    assert opened == ["b_uncal.fits"]


def test_what_does_not_lie_in_the_file_is_not_remembered(tmp_path, monkeypatch):
    write(tmp_path)

    def refuse(_):
        raise Unreadable("cannot be read (Permission denied)")

    with monkeypatch.context() as patched:
        patched.setattr(module, "examine", refuse)
        refused(tmp_path, "data/jw01_a_uncal.fits: cannot be read (Permission denied)")
    assert len(find_exposures({}, tmp_path)[0]) == 1


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", '{"format": 0, "files": {}}', '{"format": 3, "files": []}', '{"format": 3, "files": null}'),
        *(f'{{"format": 3, "files": {{"data/jw01_a_uncal.fits": {facts}}}}}' for facts in ("5", "[]", "{}")),
        '{"format": 3, "files": {"data/jw01_a_uncal.fits": {"size": 8640, "mtime_ns": 1, "raw": 5, "digest": ""}}}',
    ],
)
def test_a_damaged_cache_is_replaced(tmp_path, content):
    write(tmp_path)
    cache = tmp_path / CACHE
    cache.parent.mkdir()
    cache.write_text(content)
    os.utime(tmp_path / "data/jw01_a_uncal.fits", ns=(1, 1))
    assert len(find_exposures({}, tmp_path)[0]) == 1
    assert list(json.loads(cache.read_text())["files"]) == ["data/jw01_a_uncal.fits"]


def test_the_cache_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    write(tmp_path)

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(module.os, "replace", fail)
    assert len(find_exposures({}, tmp_path)[0]) == 1
    assert list((tmp_path / CACHE).parent.iterdir()) == []


def test_a_folder_that_takes_no_cache_does_no_harm(tmp_path):
    write(tmp_path)
    (tmp_path / CACHE.parent).write_text("a file in the way")
    assert len(find_exposures({}, tmp_path)[0]) == 1


def test_the_start_of_a_run_waits_for_no_large_package():
    program = "import sys; import rampflow.planning.run; print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(Path(module.__file__).parents[2])}
    said = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert not {"numpy", "astropy", "asdf", "numba", "pandas", "crds"} & set(said.stdout.split())


def test_a_thousand_exposures(tmp_path):
    for i in range(1000):
        write(tmp_path, f"jw{i:05d}_uncal.fits")
    found, _ = find_exposures({}, tmp_path)
    assert len(found) == 1000
    assert found == find_exposures({}, tmp_path)[0]


# --- headers that no one here made --------------------------------------------------------------------


@needs_data
def test_real_guide_star_exposure_is_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match="fgs_acq1_guider1.fits: EXP_TYPE FGS_ACQ1 is guide-star acquisition"):
        find_exposures({"exposures": str(DATA / "headers" / "fgs_acq1*.fits")}, tmp_path)


@needs_data
def test_real_header_with_blanked_pixels_is_refused_for_its_groups(tmp_path):
    with pytest.raises(ConfigError, match="nrca2_uncal.fits: SCI has 1 groups where the header says NGROUPS 10"):
        find_exposures({"exposures": str(DATA / "headers" / "*nrca2*.fits")}, tmp_path)


@needs_data
def test_real_flight_header_of_a_product_without_sci_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="00001.fits: no SCI extension"):
        find_exposures({"exposures": str(DATA / "headers" / "BACKGROUND*.fits")}, tmp_path)


@needs_data
def test_simulated_ramp_is_recognised(tmp_path):
    (exposure,), _ = find_exposures({"exposures": str(DATA / "ramps" / "*_uncal.fits")}, tmp_path)
    assert exposure.root == "jw00793001001_01101_00001_nis"
    assert (exposure.instrument, exposure.subarray, exposure.tso) == ("NIRISS", "SUB80", False)
    assert exposure.shape == (5, 6, 80, 80)
    assert Plan({}, [exposure]).steps[-2:] == ["ramp_fit", "gain_scale"]


def test_a_summary_stands_for_its_exposures_that_are_not_complete(tmp_path):
    rows = ["exposure\tuncal\tstate\tinstrument\treason", "a\tdata/a_uncal.fits\tcomplete\tNIRISS\t"]
    (tmp_path / "summary.tsv").write_text(
        "\n".join([*rows, "b\tdata/b_uncal.fits\tfailed\tNIRISS\tjump: no, not so\n"])
    )
    assert survey({"exposures": "summary.tsv"}, tmp_path).names == ["b"]
    (tmp_path / "summary.tsv").write_text("\n".join(rows))
    assert survey({"exposures": "summary.tsv"}, tmp_path).problems == [
        "exposures: summary.tsv: all of its exposures are complete"
    ]
    (tmp_path / "summary.tsv").write_text("\n".join([*rows, "c\t\tfailed\tNIRISS\tstart: its place is taken"]))
    (line,) = survey({"exposures": "summary.tsv"}, tmp_path).problems
    assert line.startswith("exposures: summary.tsv: c: the summary does not know where its raw file is")
