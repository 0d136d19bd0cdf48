"""Have jwst say where the science regions of a NIRSpec exposure are; nothing else of it is ever used.

Runs in an environment of its own that has jwst, without rampflow: ``python jwst_mask.py REQUEST MASK LOG``. REQUEST is
JSON: ``exposure`` (its name), ``raw`` (the file; the MSA metadata file that its header names is looked for beside it),
``frame`` (rows and columns), ``expected`` (the version of jwst) and ``crds`` (variables of its environment).

MASK is a FITS file with the extension SCIENCE: 1 where jwst's clean_flicker_noise and picture_frame leave pixels out
of the background (slits, slices, the rows of the fixed slits), plus 2 where a shutter is open that should not be. Its
header says what it was made with, and why it is empty (NO_WCS) where jwst cannot tell.
"""

import json
import logging
import os
import sys
import traceback
from pathlib import Path

OPEN_SHUTTERS = ("NRS_IFU", "NRS_MSASPEC")


def main(request, mask, log):
    """Make the mask; return the exit status."""
    request, mask, log = json.loads(request), Path(mask), Path(log)
    log.parent.mkdir(parents=True, exist_ok=True)
    os.environ.update(request["crds"])
    logging.basicConfig(filename=log, filemode="w", level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        header, science, shutters = regions(request)
        write(mask, header, science, shutters)
    except Exception as error:
        with open(log, "a", encoding="utf-8") as file:
            traceback.print_exc(file=file)
        why = f"{type(error).__name__}: {' '.join(str(error).split())}"
        if isinstance(error, ImportError):
            why = f"{sys.executable} does not have jwst ({why}); expected is an environment with jwst "
            why += f"{request['expected']}: name its python in the configuration (masks: {{python: …}})"
        print(f"rampflow: science_mask: {request['exposure']}: {why} (traceback: {log})", file=sys.stderr)
        return 1
    return 0


def regions(request):
    """Return what the header says, and where there are science regions and shutters that should be closed."""
    import jwst
    import numpy as np
    from jwst.assign_wcs.util import MSAFileError, NoDataOnDetectorError
    from jwst.clean_flicker_noise.clean_flicker_noise import create_mask, post_process_rate
    from stdatamodels.jwst import datamodels

    if jwst.__version__ != request["expected"]:
        logging.warning("jwst is %s, where %s is expected", jwst.__version__, request["expected"])
    raw = Path(request["raw"]).resolve()
    with datamodels.open(raw) as exposure:
        kind = exposure.meta.exposure.type
        rate = (datamodels.IFUImageModel if kind == "NRS_IFU" else datamodels.ImageModel)(tuple(request["frame"]))
        rate.update(exposure)
    rate.data = np.ones(request["frame"], np.float32)
    rate.dq = np.zeros(request["frame"], np.uint32)
    header = {"CAL_VER": jwst.__version__, "CRDS_CTX": request["crds"].get("CRDS_CONTEXT", "")}
    header |= {"EXP_TYPE": kind, "DETECTOR": rate.meta.instrument.detector, "RAW": raw.name}
    nothing = np.zeros(request["frame"], bool)
    # picture_frame looks for open shutters in every full frame, clean_flicker_noise where shutters are used.
    look = kind in OPEN_SHUTTERS or rate.meta.subarray.name == "FULL"
    try:
        rate = post_process_rate(rate, input_dir=str(raw.parent), assign_wcs=True, msaflagopen=look)
    except (MSAFileError, NoDataOnDetectorError) as error:
        logging.warning("no WCS: %s: %s", type(error).__name__, error)
        return header | {"NO_WCS": type(error).__name__}, nothing, nothing
    from stdatamodels.jwst.datamodels import dqflags

    shutters = (rate.dq & dqflags.pixel["MSA_FAILED_OPEN"]) > 0
    rate.dq = np.zeros(request["frame"], np.uint32)
    # Without clipping the mask has nothing but these regions: True is background.
    background = create_mask(rate, mask_science_regions=True, n_sigma=0, single_mask=True)
    return header, ~background, shutters


def write(path, header, science, shutters):
    """Write the mask whole, under its name once it is complete."""
    import numpy as np
    from astropy.io import fits

    primary = fits.PrimaryHDU()
    for key, value in header.items():
        primary.header[key] = value
    image = fits.ImageHDU(science.astype(np.uint8) + 2 * shutters.astype(np.uint8), name="SCIENCE")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.part{os.getpid()}")
    try:
        fits.HDUList([primary, image]).writeto(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
