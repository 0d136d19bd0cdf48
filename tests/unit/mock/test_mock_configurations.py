import pytest

from rampflow.mock import MockExposure, Rectangle
from rampflow.mock.configurations import DETECTORS, full_frame, orientation, read_pattern, subarray


@pytest.mark.parametrize(
    ("detector", "name", "readpatt", "noutputs", "seconds"),
    [
        ("NRCB1", "FULL", "RAPID", 4, 10.73676),
        ("NRCA1", "SUB640", "RAPID", 1, 4.18584),
        ("NRCALONG", "SUBGRISM64", "RAPID", 4, 0.34060),
        ("NRCALONG", "SUBGRISM256", "RAPID", 1, 5.31480),
        ("NIS", "SUB80", "NISRAPID", 1, 0.07544),
        ("NIS", "SUBSTRIP96", "NISRAPID", 1, 2.21400),
        ("NIS", "SUBSTRIP256", "NISRAPID", 1, 5.49400),
        ("NRS1", "SUBS200A1", "NRSRAPID", 1, 1.55800),
        ("NRS2", "SUB512S", "NRSRAPID", 1, 0.14392),
        ("MIRIMAGE", "FULL", "FASTR1", 4, 2.77504),
        ("MIRIFULONG", "FULL", "SLOWR1", 4, 23.88992),
        ("MIRIMAGE", "SLITLESSPRISM", "FASTR1", 4, 0.15904),
        ("MIRIMAGE", "BRIGHTSKY", "FASTR1", 4, 0.86528),
        ("GUIDER1", "SUB128CNTR", "FGS", 1, 0.18200),
    ],
)
def test_frame_time_is_the_published_one(detector, name, readpatt, noutputs, seconds):
    exposure = MockExposure(detector, readpatt, 2, subarray=name, noutputs=noutputs)
    assert exposure.tframe == pytest.approx(seconds, abs=1e-9)


def test_every_detector_is_read_along_two_axes_and_has_a_full_frame():
    for detector in DETECTORS:
        assert sorted(abs(axis) for axis in orientation(detector)) == [1, 2]
        full_frame(detector)


def test_medium8_averages_eight_of_ten_frames():
    pattern = read_pattern("NIRCAM", "MEDIUM8")
    assert (pattern.nframes, pattern.groupgap) == (8, 2)


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no subarray SUB99 on NIS; known: \['FULL', 'SUB128'"):
        subarray("NIS", "SUB99")
    with pytest.raises(ValueError, match=r"no read-out pattern DEEP8 on MIRI; known: \['FAST', 'FASTGRPAVG'"):
        read_pattern("MIRI", "DEEP8")
    with pytest.raises(ValueError, match="no subarray FULL on NRCC1; known: detectors"):
        full_frame("NRCC1")


def test_a_window_cuts_its_place_out_of_a_larger_one():
    assert Rectangle(3, 5, 4, 2).within(Rectangle(1, 2, 10, 10)) == (slice(3, 5), slice(2, 6))
    with pytest.raises(ValueError, match="does not lie within"):
        Rectangle(8, 1, 4, 2).within(Rectangle(1, 1, 10, 10))


def test_the_union_of_windows_holds_both():
    assert Rectangle(1, 10, 5, 5).union(Rectangle(4, 2, 10, 3)) == Rectangle(1, 2, 13, 13)
