"""How far median_image of a time series of NIRCam's grism is from jwst's, which extracts a spectrum for its light.

``python grism_light.py PREVIOUS OURS CRDS_PATH CONTEXT`` in an environment of jwst 3.0.0: PREVIOUS is the product
that clean_flicker_noise was given, OURS what it made of it. The extraction needs optics, which the mock does not
have: a straight trace along the rows is made here, and what a simulator would leave in the header beside it.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

#: First and last row that is summed, and of the background, of jwst's extraction.
EXTRACTIONS = {
    "all rows": {},
    "15 rows": {"ystart": 25.0, "ystop": 39.0},
    "15 rows, background of 10": {"ystart": 25.0, "ystop": 39.0, "bkg_coeff": [[4.0], [14.0]]},
}
POINTING = {
    "siaf_xref_sci": 1024.0,
    "siaf_yref_sci": 35.0,
    "crpix1": 1024.0,
    "crpix2": 35.0,
    "v2_ref": 80.0,
    "v3_ref": -500.0,
    "v3yangle": 0.0,
    "vparity": -1,
    "roll_ref": 0.0,
    "velosys": 0.0,
} | dict.fromkeys(("ra_ref", "dec_ref", "crval1", "crval2"), 10.0)


def main(previous, ours, path, context):
    """Print a line for every way to extract."""
    serverless = "https://crds-serverless-mode.stsci.edu"
    os.environ.update(CRDS_PATH=path, CRDS_CONTEXT=context, CRDS_SERVER_URL=serverless)
    from jwst.ramp_fitting import RampFitStep
    from stdatamodels.jwst import datamodels

    def rates(model):
        return [result.copy() for result in RampFitStep().run(model)]

    fitted = rates(datamodels.RampModel(ours))
    with tempfile.TemporaryDirectory() as folder:
        for name, extraction in EXTRACTIONS.items():
            theirs = rates(cleaned(previous, optics(Path(folder)), extraction))
            for kind, one, other in zip(("rate", "rateints"), fitted, theirs, strict=True):
                apart = np.abs(one.data - other.data) / other.err
                worst, most = np.nanmax(apart), np.nanpercentile(apart, 99.9)
                flags = np.count_nonzero(one.dq != other.dq)
                print(f"{name}: {kind}: at most {worst:.3g} of ERR, 99.9 % {most:.2g}; flags that differ: {flags}")


def cleaned(previous, files, extraction):
    """Return what jwst makes of the previous product with these optics and this extraction."""
    from jwst.clean_flicker_noise import CleanFlickerNoiseStep
    from stdatamodels.jwst import datamodels
    from stpipe import Step

    if extraction:
        aperture = {"id": "ANY", "dispaxis": 1, "spectral_order": 1} | extraction
        described = {"reftype": "EXTRACT1D", "instrument": "NIRCAM", "exp_type": "NRC_TSGRISM"}
        path = files["specwcs"].with_name("extract1d.json")
        path.write_text(json.dumps(described | {"apertures": [aperture]}))
        files = files | {"extract1d": path}
    selected = Step.get_reference_file

    def found(step, model, kind):
        if kind in files:
            return str(files[kind])
        return "N/A" if kind == "extract1d" else selected(step, model, kind)

    model = datamodels.RampModel(previous)
    for key, value in POINTING.items():
        setattr(model.meta.wcsinfo, key, value)
    model.meta.velocity_aberration.scale_factor = 1.0
    model.meta.dither.x_offset = model.meta.dither.y_offset = 0.0
    Step.get_reference_file = found
    try:
        step = CleanFlickerNoiseStep(fit_method="median", background_method="median_image", skip=False)
        result = step.run(model)
    finally:
        Step.get_reference_file = selected
    if result.meta.cal_step.clean_flicker_noise != "COMPLETE":
        raise RuntimeError(f"jwst's step is {result.meta.cal_step.clean_flicker_noise}")
    return result


def optics(folder):
    """Write a straight trace from 3.8 to 5.2 um over 1300 columns, and return the files by type."""
    import asdf
    from astropy.modeling.models import Polynomial1D, Scale, Shift
    from stdatamodels.jwst import datamodels

    def line(offset, slope):
        return Polynomial1D(1, c0=offset, c1=slope)

    plane = (Shift(-1024) | Scale(0.063) | Shift(80.0)) & (Shift(-34) | Scale(0.063) | Shift(-500.0))
    distortion = datamodels.DistortionModel(
        model=plane, input_units="pixel", output_units="arcsec", strict_validation=False
    )
    instrument = distortion.meta.instrument
    instrument.module, instrument.channel, instrument.p_pupil = "A", "LONG", "GRISMR|"
    dispersion = datamodels.NIRCAMGrismModel(
        displ=[line(3.8, 1.4)],
        dispx=[line(-600.0, 1300.0)],
        dispy=[line(0.0, 0.0)],
        invdispl=[line(-3.8 / 1.4, 1 / 1.4)],
        invdispx=[line(600 / 1300, 1 / 1300)],
        invdispy=[line(0.0, 0.0)],
        orders=[1],
    )
    dispersion.meta.input_units = dispersion.meta.output_units = "micron"
    limits = datamodels.WavelengthrangeModel(
        wrange=[[1, "GRISMR", "F444W", 3.9, 5.0]],
        order=[1],
        extract_orders=[["F444W", [1]]],
        wunits="micron",
    )
    files = {}
    for kind, model in (("distortion", distortion), ("specwcs", dispersion), ("wavelengthrange", limits)):
        model.meta.instrument.name, model.meta.exposure.type = "NIRCAM", "NRC_TSGRISM"
        model.meta.author = model.meta.description = "mock"
        model.meta.pedigree, model.meta.useafter = "GROUND", "2014-01-01T00:00:00"
        files[kind] = folder / f"{kind}.asdf"
        model.save(files[kind])
    files["filteroffset"] = folder / "filteroffset.asdf"
    asdf.AsdfFile({"filters": [], "meta": {}}).write_to(files["filteroffset"])
    return files


if __name__ == "__main__":
    main(*sys.argv[1:])
