"""Header of a synthetic exposure: FITS keywords, and where each is in the data model."""

from astropy.time import Time

from rampflow.detector import irs2
from rampflow.mock import configurations

_SECONDS = 86400.0
#: Where the pupil wheel of NIRISS is for SOSS (degrees), and where it was meant to be.
PUPIL_POSITION, PUPIL_COMMANDED = 245.85, 245.76


def header_of(exposure):
    """Rows (FITS keyword, path in the data model, value) of the primary and SCI header of a `MockExposure`.

    Raises
    ------
    ValueError
        The exposure is to leave out a keyword that is not written.
    """
    duration = exposure.duration
    start = Time(exposure.start)
    end = Time(start.mjd + duration / _SECONDS, format="mjd")
    rows = [*_programme(exposure, end), *_optics(exposure), *_readout(exposure, start, end, duration)]
    rows += _place(exposure)
    unknown = set(exposure.omit) - {row[0] for row in rows}
    if unknown:
        raise ValueError(f"cannot leave out keywords that are not written: {sorted(unknown)}")
    return [row for row in rows if row[0] not in exposure.omit and row[2] is not None]


def _programme(exposure, end):
    visit_id = f"{exposure.program:05d}{exposure.observation:03d}{exposure.visit:03d}"
    return [
        ("DATE", "date", exposure.start),
        ("ORIGIN", "origin", "rampflow.mock"),
        ("TIMESYS", "time_sys", "UTC"),
        ("FILENAME", "filename", f"{exposure.root}_uncal.fits"),
        ("TELESCOP", "telescope", "JWST"),
        ("TITLE", "program.title", "Synthetic exposures"),
        ("PI_NAME", "program.pi_name", "Nobody"),
        ("CATEGORY", "program.category", "CAL"),
        ("DATE-OBS", "observation.date", exposure.start[:10]),
        ("TIME-OBS", "observation.time", exposure.start[11:]),
        ("DATE-BEG", "observation.date_beg", exposure.start),
        ("DATE-END", "observation.date_end", end.isot),
        ("OBS_ID", "observation.obs_id", f"V{visit_id}P0000000{exposure.group:02d}1{exposure.activity:02d}"),
        ("VISIT_ID", "observation.visit_id", visit_id),
        ("PROGRAM", "observation.program_number", f"{exposure.program:05d}"),
        ("OBSERVTN", "observation.observation_number", f"{exposure.observation:03d}"),
        ("VISIT", "observation.visit_number", f"{exposure.visit:03d}"),
        ("VISITGRP", "observation.visit_group", f"{exposure.group:02d}"),
        ("SEQ_ID", "observation.sequence_id", "1"),
        ("ACT_ID", "observation.activity_id", f"{exposure.activity:02d}"),
        ("EXPOSURE", "observation.exposure_number", str(exposure.number)),
        ("TSOVISIT", "visit.tsovisit", exposure.tso),
        ("VISITYPE", "visit.type", "PRIME_TARGETED_FIXED"),
        ("TARGNAME", "target.catalog_name", "SYNTHETIC"),
        ("TARG_RA", "target.ra", 82.18735),
        ("TARG_DEC", "target.dec", -65.44798),
    ]


def _optics(exposure):
    return [
        ("INSTRUME", "instrument.name", exposure.instrument),
        ("DETECTOR", "instrument.detector", exposure.detector),
        ("MODULE", "instrument.module", _module(exposure)),
        ("CHANNEL", "instrument.channel", exposure.channel or _nircam_channel(exposure)),
        ("FILTER", "instrument.filter", exposure.filter),
        ("PUPIL", "instrument.pupil", exposure.pupil),
        ("GRATING", "instrument.grating", exposure.grating),
        ("BAND", "instrument.band", exposure.band),
        *_shutters(exposure),
        ("PWCPOS", "instrument.pupil_position", PUPIL_POSITION if exposure.exp_type == "NIS_SOSS" else None),
        ("EXP_TYPE", "exposure.type", exposure.exp_type),
    ]


def _shutters(exposure):
    """Rows that name the file of the shutters that were meant to be open."""
    if exposure.exp_type != "NRS_MSASPEC" or not exposure.aimed:
        return []
    name = f"{exposure.root}_msa.fits"
    return [("MSAMETFL", "instrument.msa_metadata_file", name), ("MSAMETID", "instrument.msa_metadata_id", 1)]


def _readout(exposure, start, end, duration):
    used = exposure.frames_per_integration * exposure.tframe
    return [
        ("EXPSTART", "exposure.start_time", start.mjd),
        ("EXPMID", "exposure.mid_time", start.mjd + duration / 2 / _SECONDS),
        ("EXPEND", "exposure.end_time", end.mjd),
        ("READPATT", "exposure.readpatt", exposure.readpatt),
        ("NOUTPUTS", "exposure.noutputs", exposure.noutputs),
        ("NINTS", "exposure.nints", exposure.nints),
        ("INTSTART", "exposure.integration_start", exposure.first if exposure.segment else None),
        ("INTEND", "exposure.integration_end", exposure.last if exposure.segment else None),
        ("EXSEGNUM", "exposure.segment_number", exposure.segment),
        ("NGROUPS", "exposure.ngroups", exposure.ngroups),
        ("NFRAMES", "exposure.nframes", exposure.nframes),
        ("FRMDIVSR", "exposure.frame_divisor", exposure.frame_divisor),
        ("GROUPGAP", "exposure.groupgap", exposure.groupgap),
        ("DRPFRMS1", "exposure.drop_frames1", exposure.dropped_frames),
        ("DRPFRMS3", "exposure.drop_frames3", 0),
        ("NRS_NORM", "exposure.nrs_normal", irs2.NORMAL if exposure.irs2 else None),
        ("NRS_REF", "exposure.nrs_reference", irs2.REFERENCE if exposure.irs2 else None),
        ("NSAMPLES", "exposure.nsamples", exposure.pattern.nsamples),
        ("TSAMPLE", "exposure.sample_time", 10.0),
        ("TFRAME", "exposure.frame_time", exposure.tframe),
        ("TGROUP", "exposure.group_time", exposure.tgroup),
        ("EFFINTTM", "exposure.integration_time", used),
        ("EFFEXPTM", "exposure.exposure_time", used * exposure.nints),
        ("DURATION", "exposure.duration", duration),
        ("NRSTSTRT", "exposure.nresets_at_start", exposure.pattern.resets_at_start),
        ("NRESETS", "exposure.nresets_between_ints", exposure.pattern.resets_between),
        ("ZEROFRAM", "exposure.zero_frame", exposure.zero_frame),
        ("DATAPROB", "exposure.data_problem", False),
    ]


def _place(exposure):
    fast, slow = configurations.orientation(exposure.detector)
    return [
        ("SUBARRAY", "subarray.name", exposure.subarray),
        ("SUBSTRT1", "subarray.xstart", exposure.window.xstart),
        ("SUBSTRT2", "subarray.ystart", exposure.window.ystart),
        ("SUBSIZE1", "subarray.xsize", exposure.window.xsize),
        ("SUBSIZE2", "subarray.ysize", exposure.window.ysize),
        ("FASTAXIS", "subarray.fastaxis", fast),
        ("SLOWAXIS", "subarray.slowaxis", slow),
        *(exposure.stripes.header() if exposure.stripes else ()),
        *(_pointing(exposure.aimed) if exposure.aimed else ()),
        ("PATTTYPE", "dither.primary_type", "NONE"),
        ("PATT_NUM", "dither.position_number", 1),
        ("NUMDTHPT", "dither.total_points", 1),
        ("BUNIT", "bunit_data", "DN"),
    ]


def _module(exposure):
    return exposure.detector[3] if exposure.instrument == "NIRCAM" else None


def _nircam_channel(exposure):
    if exposure.instrument != "NIRCAM":
        return None
    return "LONG" if exposure.detector.endswith("LONG") else "SHORT"


def _pointing(aimed):
    """Rows of the header that jwst needs to tell the sky's coordinates."""
    values = {
        "XREF_SCI": aimed[0],
        "YREF_SCI": aimed[1],
        "V2_REF": 0.0,
        "V3_REF": 0.0,
        "RA_REF": 82.0,
        "DEC_REF": -65.0,
    }
    values |= {"ROLL_REF": 10.0, "V3I_YANG": 0.0, "VPARITY": -1}
    places = {"XREF_SCI": "siaf_xref_sci", "YREF_SCI": "siaf_yref_sci", "V3I_YANG": "v3yangle"}
    return [(key, f"wcsinfo.{places.get(key, key.lower())}", value) for key, value in values.items()]
