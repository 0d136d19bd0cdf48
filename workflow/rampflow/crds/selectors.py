"""The keywords of an exposure by which CRDS selects, and its names for them."""

#: The keywords that CRDS selects by, and its names for them. crds could translate FITS keywords itself, but
#: reads the schemas of stdatamodels to do so, which takes ten times as long as the selection.
SELECTORS = {
    "BAND": "META.INSTRUMENT.BAND",
    "CAL_VER": "META.CALIBRATION_SOFTWARE_VERSION",
    "CHANNEL": "META.INSTRUMENT.CHANNEL",
    "CORONMSK": "META.INSTRUMENT.CORONAGRAPH",
    "CROWDFLD": "META.VISIT.CROWDED_FIELD",
    "DATE-OBS": "META.OBSERVATION.DATE",
    "DETECTOR": "META.INSTRUMENT.DETECTOR",
    "EXP_TYPE": "META.EXPOSURE.TYPE",
    "FASTAXIS": "META.SUBARRAY.FASTAXIS",
    "FILTER": "META.INSTRUMENT.FILTER",
    "FXD_SLIT": "META.INSTRUMENT.FIXED_SLIT",
    "GRATING": "META.INSTRUMENT.GRATING",
    "GROUPGAP": "META.EXPOSURE.GROUPGAP",
    "INSTRUME": "META.INSTRUMENT.NAME",
    "LAMP": "META.INSTRUMENT.LAMP_STATE",
    "MODULE": "META.INSTRUMENT.MODULE",
    "NFRAMES": "META.EXPOSURE.NFRAMES",
    "NGROUPS": "META.EXPOSURE.NGROUPS",
    "NINTS": "META.EXPOSURE.NINTS",
    "NOUTPUTS": "META.EXPOSURE.NOUTPUTS",
    "OPMODE": "META.INSTRUMENT.LAMP_MODE",
    "PUPIL": "META.INSTRUMENT.PUPIL",
    "READPATT": "META.EXPOSURE.READPATT",
    "SLOWAXIS": "META.SUBARRAY.SLOWAXIS",
    "SUBARRAY": "META.SUBARRAY.NAME",
    "SUBSIZE1": "META.SUBARRAY.XSIZE",
    "SUBSIZE2": "META.SUBARRAY.YSIZE",
    "SUBSTRT1": "META.SUBARRAY.XSTART",
    "SUBSTRT2": "META.SUBARRAY.YSTART",
    "TELESCOP": "META.TELESCOPE",
    "TIME-OBS": "META.OBSERVATION.TIME",
    "TSOVISIT": "META.VISIT.TSOVISIT",
    "VISITYPE": "META.VISIT.TYPE",
}


def crds_parameters(header):
    """Map a primary header to the parameters that CRDS selects JWST references by.

    Parameters
    ----------
    header : mapping
        Primary header: FITS keyword to value.

    Returns
    -------
    dict
        CRDS's name (``META.INSTRUMENT.NAME``, …) to value. Keywords that are absent or without a value are
        left out: CRDS takes them as undefined.
    """
    return {name: header[key] for key, name in SELECTORS.items() if is_simple(header.get(key))}


def is_simple(value):
    """Whether a keyword has a value that can be selected by."""
    return isinstance(value, str | int | float | bool)
