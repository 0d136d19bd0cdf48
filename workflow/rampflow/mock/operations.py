"""Parameter files as operations are said to have them: which steps they turn on and off, mode by mode.

From what has been published on contexts up to the middle of 2026 (release notes, notebooks, issues), selected with
the keys of crds's own specifications. No copy of the files is public, so that these have the published values and no
others, but for `THRESHOLDS`, of which only is known that they go by filter.
"""

from rampflow.mock.parameter_files import PIPELINE, skipping

#: Signal (DN) from which charge_migration flags, by the element of the pupil or filter wheel.
THRESHOLDS = {
    "F090W": 21000.0, "F115W": 22000.0, "F140M": 23000.0, "F150W": 23000.0, "F158M": 24000.0, "F200W": 25000.0,
    "F277W": 26000.0, "F356W": 27000.0, "F380M": 27000.0, "F430M": 28000.0, "F444W": 28000.0, "F480M": 28000.0,
}  # fmt: skip
_IN_PUPIL_WHEEL = ("F090W", "F115W", "F140M", "F150W", "F158M", "F200W")

_TSOVISIT = ("TSOVISIT",)
_NO_PERSISTENCE = skipping("ipc", "persistence")
_SHOWERS = {"find_showers": True}
_NO_SHOWERS = {"find_showers": False}
_PRISM = {
    "after_jump_flag_dn1": 500.0,
    "after_jump_flag_time1": 15.0,
    "after_jump_flag_dn2": 1000.0,
    "after_jump_flag_time2": 3000.0,
    "find_showers": False,
    "extend_snr_threshold": 3.0,
    "extend_min_area": 50,
    "extend_inner_radius": 1.0,
    "extend_outer_radius": 2.6,
    "extend_ellipse_expand_ratio": 1.1,
    "time_masked_after_shower": 30.0,
}


def _charge_migration():
    modes = "NIS_IMAGE|NIS_WFSS|NIS_EXTCAL"
    rows = {("NIS_AMI", "N/A", "N/A"): 26000.0}
    for name, threshold in THRESHOLDS.items():
        rows[(modes, "N/A", name) if name in _IN_PUPIL_WHEEL else (modes, name, "N/A")] = threshold
    known = {values: {"skip": False, "signal_threshold": threshold} for values, threshold in rows.items()}
    return known | {("N/A", "N/A", "N/A"): None}


#: As `parameter_files.USUAL`. Booleans and numbers are strings here and there, as they are in CRDS.
TABLES = {
    "NIRCAM": {
        PIPELINE: (_TSOVISIT, {("F",): _NO_PERSISTENCE, ("T",): _NO_PERSISTENCE}),
        "jump": ((), {(): {"expand_large_events": True}}),
    },
    "NIRISS": {
        PIPELINE: (
            ("EXP_TYPE", "SUBARRAY", "TSOVISIT"),
            {
                ("N/A", "N/A", "F"): skipping("ipc"),
                ("N/A", "N/A", "T"): _NO_PERSISTENCE,
                ("NIS_SOSS", "N/A", "T"): _NO_PERSISTENCE | skipping("charge_migration"),
            },
        ),
        # crds's specification has META.INSTRUMENT.EXP_TYPE, which no header gives.
        "charge_migration": (("EXP_TYPE", "FILTER", "PUPIL"), _charge_migration()),
        "clean_flicker_noise": (
            ("EXP_TYPE",),
            {
                ("NIS_IMAGE|NIS_WFSS|NIS_EXTCAL",): {"skip": False},
                ("NIS_SOSS",): {
                    "skip": False,
                    "background_method": "median_image",
                    "mask_science_regions": True,
                    "n_sigma": 0.0,
                },
                ("N/A",): None,
            },
        ),
        "jump": (
            ("FILTER", "PUPIL"),
            {
                ("N/A", "GR700XD"): {
                    "rejection_threshold": 6.0,
                    "after_jump_flag_dn1": 1000.0,
                    "after_jump_flag_time1": 90.0,
                    "expand_large_events": "False",
                },
                ("N/A", "N/A"): None,
            },
        ),
    },
    "NIRSPEC": {
        PIPELINE: (_TSOVISIT, {("F",): _NO_PERSISTENCE, ("T",): _NO_PERSISTENCE}),
        "refpix": (
            ("READPATT", "SUBARRAY"),
            {
                ("NRS|NRSRAPID", "FULL"): {"refpix_algorithm": "sirs"},
                ("N/A", "N/A"): {"refpix_algorithm": "median"},
            },
        ),
        "jump": (
            (),
            {
                (): {
                    "after_jump_flag_dn1": 1000.0,
                    "after_jump_flag_time1": 30.0,
                    "edge_size": 25,
                    "expand_factor": 2.0,
                    "expand_large_events": True,
                    "max_extended_radius": 200,
                    "min_jump_area": 5.0,
                    "min_sat_radius_extend": 2.5,
                    "sat_expand": 2,
                    "minimum_sigclip_groups": 100,
                    "only_use_ints": "True",
                }
            },
        ),
        "picture_frame": (
            ("EXP_TYPE",),
            {
                ("NRS_IFU",): {"skip": False, "mask_science_regions": True, "n_sigma": 2.0},
                ("NRS_FIXEDSLIT",): {"skip": False, "n_sigma": "2.0"},
                ("NRS_MSASPEC",): {"skip": True},
                ("N/A",): None,
            },
        ),
        "clean_flicker_noise": (
            ("EXP_TYPE", "SUBARRAY"),
            {
                ("NRS_BRIGHTOBJ", "N/A"): {
                    "skip": False,
                    "fit_method": "median",
                    "background_method": "median_image",
                    "mask_science_regions": False,
                    "n_sigma": 1.5,
                },
                ("NRS_IFU|NRS_MSASPEC", "N/A"): {"skip": True},
                ("N/A", "N/A"): None,
            },
        ),
    },
    "MIRI": {
        PIPELINE: (
            ("DETECTOR", "TSOVISIT"),
            {
                ("N/A", "F"): skipping("ipc"),
                ("N/A", "T"): skipping("ipc", "firstframe", "lastframe", "rscd"),
            },
        ),
        "emicorr": (("EXP_TYPE",), {("MIR_IMAGE|MIR_MRS",): {"skip": "False"}, ("N/A",): {"skip": True}}),
        "jump": (
            ("DETECTOR", "FILTER", "SUBARRAY", "TSOVISIT"),
            {
                ("MIRIMAGE", "F560W|F770W|F1000W|F1130W|F1280W|F1500W", "N/A", "F"): _SHOWERS,
                ("MIRIMAGE", "F1800W|F2100W|F2550W|F1065C|F1140C|F1550C|F2300C", "N/A", "F"): _NO_SHOWERS,
                ("MIRIMAGE", "P750L", "N/A", "F|T"): _PRISM,
                ("MIRIMAGE", "N/A", "N/A", "T"): _NO_SHOWERS,
                ("MIRIFUSHORT|MIRIFULONG", "N/A", "N/A", "F"): _SHOWERS,
                ("N/A", "N/A", "N/A", "N/A"): None,
            },
        ),
    },
    "FGS": {PIPELINE: (_TSOVISIT, {("F",): skipping("ipc")})},
}
