import numpy as np
import pytest

from programmes import PROGRAMMES, drawn_events, programme
from programmes.drawn_odd import OPTIONAL, REFERENCES
from rampflow.mock.configurations import DETECTORS


@pytest.mark.parametrize("name", PROGRAMMES)
def test_every_programme_has_exposures_of_different_names(name):
    roots = [exposure.root for exposure in programme(name).exposures]
    assert len(set(roots)) == len(roots) > 0


def test_seeds_count_up_and_segments_share_theirs():
    exposures = programme("parity", seed=100).exposures
    seeds = [exposure.seed for exposure in exposures]
    assert seeds[0] == 100
    segments = [exposure.seed for exposure in exposures if exposure.segment]
    assert len(segments) == 4
    assert len(set(segments)) == 2
    assert len(set(seeds)) == len(seeds) - 2


def test_the_comparison_covers_instruments_modes_and_edge_cases():
    exposures = programme("parity").exposures
    assert len(exposures) >= 12
    assert {exposure.instrument for exposure in exposures} == {"NIRCAM", "NIRISS", "NIRSPEC", "MIRI", "FGS"}
    assert {1, 2, 3, 5, 10} <= {exposure.ngroups for exposure in exposures}
    assert {True, False} == {exposure.tso for exposure in exposures}
    assert any(exposure.nframes != exposure.frame_divisor for exposure in exposures)
    assert any(exposure.nints > 100 for exposure in exposures)
    assert any(exposure.noutputs == 4 and exposure.window.ysize < 2048 for exposure in exposures)


def test_the_comparison_covers_the_modes_of_miri():
    exposures = [exposure for exposure in programme("parity").exposures if exposure.instrument == "MIRI"]
    assert {exposure.ngroups for exposure in exposures} >= {1, 2, 3, 4, 5, 27}
    assert {"MIR_MRS", "MIR_LYOT", "MIR_4QPM", "MIR_LRS-FIXEDSLIT", "MIR_LRS-SLITLESS"} <= {
        e.exp_type for e in exposures
    }
    assert {exposure.detector for exposure in exposures} == {"MIRIMAGE", "MIRIFUSHORT", "MIRIFULONG"}
    assert any(exposure.segment == 2 for exposure in exposures)


def test_recent_references_are_compared_on_averaged_groups_and_on_miri():
    recent = programme("parity-recent")
    assert recent.recent
    assert not programme("parity").recent
    assert {1, 2, 4, 8} <= {exposure.nframes for exposure in recent.exposures}
    assert any(exposure.instrument == "MIRI" and exposure.ngroups > 5 for exposure in recent.exposures)


def test_drawn_programmes_follow_from_their_seed_alone():
    assert programme("drawn", seed=5) == programme("drawn", seed=5)
    assert programme("drawn", seed=5).exposures[0].but(seed=1) != programme("drawn", seed=6).exposures[0].but(seed=1)


def test_drawn_programmes_have_one_exposure_of_every_detector_and_parameters_that_it_takes():
    patterns, turned_on = set(), set()
    for seed in range(20):
        drawn = programme("drawn", seed)
        assert sorted(exposure.detector for exposure in drawn.exposures) == sorted(DETECTORS)
        assert drawn.steps.keys() <= {exposure.root for exposure in drawn.exposures}
        patterns |= {exposure.readpatt for exposure in drawn.exposures}
        turned_on |= {step for steps in drawn.steps.values() for step, values in steps.items() if "skip" in values}
    assert {"RAPID", "DEEP8", "NIS", "NRS", "SLOWR1", "FAST", "FGS"} <= patterns
    assert turned_on == {"ipc", "charge_migration"}


def test_odd_programmes_have_what_is_unusual_about_headers_counts_places_and_references():
    found = {}
    for seed in range(60):
        odd = programme("drawn-odd", seed)
        assert {exposure.instrument for exposure in odd.exposures} == {"NIRCAM", "NIRISS", "NIRSPEC", "FGS"}
        for exposure in odd.exposures:
            for what in ("omit", "lacks"):
                found.setdefault(what, set()).update(getattr(exposure, what))
            found.setdefault("subarray", set()).add(exposure.subarray)
            found.setdefault("sunken", set()).add(exposure.effects.sunken > 0)
            found.setdefault("sky", set()).add(exposure.scene.sky > 1e5)
        whole = [exposure for exposure in odd.exposures if exposure.window.shape == (2048, 2048)]
        assert "sirs" in {odd.steps[e.root].get("refpix", {}).get("refpix_algorithm") for e in whole}
        for types in odd.odd.values():
            for kind, names in types.items():
                found.setdefault(kind, set()).update(names)
    assert set(OPTIONAL) <= found["omit"]
    assert found["lacks"] == {"GROUP", "INT_TIMES"}
    assert {"SUBSTRIP96", "SUBSTRIP256", "SUB512", "SUB512S", "SUB32", "SUB8CNTR"} <= found["subarray"]
    assert found["sunken"] == found["sky"] == {True, False}
    for kind, choices in REFERENCES.items():
        assert found[kind] == {name for names in choices for name in names}


def test_interleaved_frames_are_drawn_for_both_detectors():
    drawn = [programme("drawn-irs2", seed) for seed in range(10)]
    assert all([exposure.detector for exposure in each.exposures] == ["NRS1", "NRS2"] for each in drawn)
    assert {exposure.readpatt for each in drawn for exposure in each.exposures} == {"NRSIRS2", "NRSIRS2RAPID"}


def test_drawn_programmes_of_miri_cover_its_modes_and_what_references_can_be_like():
    drawn = [programme("drawn-miri", seed) for seed in range(30)]
    assert programme("drawn-miri", 3) == drawn[3]
    exposures = [exposure for each in drawn for exposure in each.exposures]
    assert {exposure.instrument for exposure in exposures} == {"MIRI"}
    assert {exposure.subarray for exposure in exposures} >= {"FULL", "SUB64", "SUB128", "SLITLESSPRISM", "MASKLYOT"}
    assert {exposure.readpatt for exposure in exposures} >= {"FAST", "FASTR1", "SLOW", "SLOWR1", "FASTGRPAVG8"}
    assert {exposure.ngroups for exposure in exposures} >= {1, 2, 3, 4, 5, 9, 27}
    assert any(exposure.window.shape == (1024, 1032) for exposure in exposures)
    assert any(exposure.segment == 2 for exposure in exposures)
    options = [given for each in drawn for (_, kind), given in each.options.items() if kind in ("dark", "reset")]
    assert {1, 2, 3, 5, 6} <= {given["nints"] for given in options}
    missing = {kind if isinstance(kind, str) else kind[1] for each in drawn for kind in each.without}
    assert missing >= {"mask", "dark", "linearity", "emicorr"}
    roots = {exposure.root for exposure in exposures}
    assert all(each.steps.keys() <= roots for each in drawn)
    recent = [programme("drawn-miri-recent", seed) for seed in range(10)]
    assert all(each.recent for each in recent)
    assert "persistence" in {step for each in recent for steps in each.steps.values() for step in steps}


def test_recent_programmes_have_parameters_besides():
    usual, recent = programme("drawn", 3), programme("drawn-recent", 3)
    assert recent.exposures == usual.exposures
    for root, steps in usual.steps.items():
        for step, values in steps.items():
            kept = {name: value for name, value in values.items() if name != "flag_pers_cutoff"}
            assert kept.items() <= recent.steps[root][step].items()
    assert any("persistence_time" in steps.get("persistence", {}) for steps in recent.steps.values())


def test_recent_programmes_have_no_parameter_that_release_3_does_not_know():
    drawn = [programme("drawn", seed) for seed in (202, 203, 204)]
    recent = [programme("drawn-recent", seed) for seed in (202, 203, 204)]

    def found(programmes):
        return {name for each in programmes for steps in each.steps.values() for name in steps.get("persistence", {})}

    assert "flag_pers_cutoff" in found(drawn)
    assert "flag_pers_cutoff" not in found(recent)


def test_programmes_of_snowballs_have_some_in_every_window_and_parameters_of_their_own():
    drawn = [programme("drawn-events", seed) for seed in range(30)]
    assert programme("drawn-events", 3) == drawn[3]
    values = {}
    for each in drawn:
        assert sorted(exposure.detector for exposure in each.exposures) == sorted(drawn_events.DETECTORS)
        for exposure in each.exposures:
            seen = np.prod(exposure.window.shape) / 2048**2 * exposure.integration_time / 20
            assert np.isclose(exposure.effects.snowballs * seen, drawn_events.NUMBERS, rtol=1e-6).any()
            jump = each.steps[exposure.root]["jump"]
            assert jump["expand_large_events"]
            for name in jump.keys() & drawn_events.SNOWBALLS.keys():
                values.setdefault(name, set()).add(jump[name])
    assert values == {name: set(choices) for name, choices in drawn_events.SNOWBALLS.items()}
