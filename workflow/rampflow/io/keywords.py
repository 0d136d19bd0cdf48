"""Header keywords of what was done to an exposure, and with what."""

#: Header keyword that records the outcome of a step.
STATUS_KEYWORDS = {
    "group_scale": ("S_GRPSCL", "Group Scale Correction"),
    "dq_init": ("S_DQINIT", "Data Quality Initialization"),
    "emicorr": ("S_MIREMI", "MIRI EMI correction"),
    "saturation": ("S_SATURA", "Saturation Checking"),
    "ipc": ("S_IPC", "Interpixel Capacitance Correction"),
    "superbias": ("S_SUPERB", "Superbias Subtraction"),
    "refpix": ("S_REFPIX", "Reference Pixel Correction"),
    "firstframe": ("S_FRSTFR", "MIRI First Frame Correction"),
    "lastframe": ("S_LASTFR", "MIRI Last Frame Correction"),
    "reset": ("S_RESET", "MIRI Reset Correction"),
    "linearity": ("S_LINEAR", "Linearity Correction"),
    "persistence": ("S_PERSIS", "Persistence Correction"),
    "rscd": ("S_RSCD", "MIRI RSCD Correction"),
    "dark_current": ("S_DARK", "Dark Subtraction"),
    "charge_migration": ("S_CHGMIG", "Charge Migration Correction"),
    "jump": ("S_JUMP", "Jump Detection"),
    "picture_frame": ("S_PCTFRM", "Picture Frame Correction"),
    "clean_flicker_noise": ("S_CLNFNS", "Clean Flicker Noise"),
    "ramp_fit": ("S_RAMP", "Ramp Fitting"),
    "gain_scale": ("S_GANSCL", "Gain Scale Correction"),
}

#: Header keyword that names the reference file of a CRDS type.
REFERENCE_KEYWORDS = {
    "mask": "R_MASK",
    "emicorr": "R_MIREMI",
    "saturation": "R_SATURA",
    "superbias": "R_SUPERB",
    "ipc": "R_IPC",
    "refpix": "R_REFPIX",
    "sirskernel": "R_SIRSKL",
    "reset": "R_RESET",
    "linearity": "R_LINEAR",
    "trapdensity": "R_TRPDEN",
    "trappars": "R_TRPPAR",
    "persat": "R_PERSAT",
    "rscd": "R_RSCD",
    "dark": "R_DARK",
    "gain": "R_GAIN",
    "readnoise": "R_READNO",
    "flat": "R_FLAT",
    "pastasoss": "R_PSTSOS",
}

#: Section titles of a header by what the keywords below them begin with.
_SECTIONS = {
    "S_": "Calibration step information",
    "R_": "Reference file information",
    "CRDS_": "CRDS parameters",
    "CAL_": "Calibration software version",
}


def set_keyword(header, key, value, comment=""):
    """Set a keyword beside those of its kind (S_*, R_*, CRDS_*, CAL_*), under their section title."""
    # A card has 80 characters; long values (paths) go without a comment.
    comment = comment or (header.comments[key] if key in header else "")
    comment = comment if len(str(value)) + len(comment) < 60 else ""
    if key in header:
        header[key] = (value, comment)
        return
    prefix = next((p for p in _SECTIONS if key.startswith(p)), None)
    if prefix is None:
        header.append((key, value, comment), end=True)
        return
    kin = [k for k in header if k.startswith(prefix)]
    if kin:
        header.set(key, value, comment, after=kin[-1])
        return
    for title in ("", _SECTIONS[prefix], ""):
        header.append(("", title), end=True)
    header.append((key, value, comment), end=True)
