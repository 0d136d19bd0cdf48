"""A cache of CRDS, small enough to read."""

import base64
import gzip
import hashlib
import json

import asdf
import numpy as np
from astropy.io import fits

from rampflow.crds import conformity

HEADER = {
    "TELESCOP": "JWST",
    "INSTRUME": "NIRCAM",
    "DETECTOR": "NRCALONG",
    "SUBARRAY": "FULL",
    "EXP_TYPE": "NRC_IMAGE",
    "READPATT": "RAPID",
    "TSOVISIT": False,
    "PROGRAM": "01234",
    "DATE-OBS": "2024-03-01",
    "TIME-OBS": "12:00:00.000",
}
DATE = ("META.OBSERVATION.DATE", "META.OBSERVATION.TIME")


def mapping(name, kind, selector, **more):
    """Text of a CRDS mapping, with the checksum that crds wants to see."""
    header = {"derived_from": "made for a test", "mapping": kind, "name": name, "observatory": "JWST", **more}
    lines = [f"    {key!r} : {value!r},\n" for key, value in sorted(header.items())]
    text = "header = {\n" + "{}" + "".join(lines) + "}\n\nselector = " + selector + "\n"
    total = hashlib.sha1(text.replace("{}", "", 1).encode()).hexdigest()
    return text.replace("{}", f"    'sha1sum' : '{total}',\n", 1)


def rules(kind, cases, keys=("META.INSTRUMENT.DETECTOR", "META.SUBARRAY.NAME"), serial=1):
    name = f"jwst_nircam_{kind}_{serial:04d}.rmap"
    chosen = ""
    for case, file in cases.items():
        answer = repr(file) if file == "N/A" else f"UseAfter({{'2000-01-01 00:00:00' : {file!r}}})"
        chosen += f"    {case!r} : {answer},\n"
    selector = f"Match({{\n{chosen}}})"
    more = {"instrument": "NIRCAM", "filekind": kind.upper(), "parkey": (tuple(keys), DATE)}
    return name, mapping(name, "REFERENCE", selector, **more)


def context(serial, types):
    """Texts of a pmap and its imap."""
    imap = f"jwst_nircam_{serial:04d}.imap"
    pmap = f"jwst_{serial:04d}.pmap"
    kinds = repr({kind.upper(): name for kind, name in types.items()})
    return {
        pmap: mapping(pmap, "PIPELINE", repr({"NIRCAM": imap}), parkey=("META.INSTRUMENT.NAME",)),
        imap: mapping(imap, "INSTRUMENT", kinds, instrument="NIRCAM", parkey=("REFTYPE",)),
    }


def fits_file(path, value=0.0):
    """Write a file that is laid out as its type, by its name, must be; a dark without one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = next((kind for kind in conformity.LAYOUT if f"_{kind}_" in path.name or path.stem == kind), "dark")
    name, axes = conformity.LAYOUT[kind]
    if axes == conformity.TABLE:
        hdu = fits.BinTableHDU(np.zeros(3, [("a", "f4")]), name=name)
    else:
        hdu = fits.ImageHDU(np.full((2,) * (axes[0] - 2) + (5, 5), value, np.float32), name=name)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    return path


def asdf_file(path, tree):
    path.parent.mkdir(parents=True, exist_ok=True)
    asdf.AsdfFile(tree).write_to(path)
    return path


JUMP = {
    "class": "jwst.jump.jump_step.JumpStep",
    "name": "jump",
    "parameters": {"class": "x", "name": "jump", "rejection_threshold": 5.5, "skip": "False", "list": [1, 2]},
}
PIPELINE = {
    "class": "jwst.pipeline.Detector1Pipeline",
    "name": "Detector1Pipeline",
    "parameters": {"save_calibrated_ramp": False},
    "steps": [JUMP, {"class": "y", "name": "ipc", "parameters": {"skip": True}}],
}


def mappings():
    full, sub = ("NRCALONG", "FULL"), ("NRCALONG", "SUB64")
    program = "META.OBSERVATION.PROGRAM_NUMBER"
    texts = dict(
        [
            rules("dark", {full: "jwst_nircam_dark_0001.fits", sub: "N/A"}),
            rules("dark", {full: "jwst_nircam_dark_0002.fits", sub: "N/A"}, serial=2),
            rules("gain", {full: "jwst_nircam_gain_0001.fits", sub: "jwst_nircam_gain_0001.fits"}),
            rules("mask", {("NRCA1", "FULL"): "jwst_nircam_mask_0001.fits"}),
            rules("saturation", {("NRCA1", "FULL"): "jwst_nircam_saturation_0001.fits"}),
            rules("linearity", {("01234",): "jwst_nircam_linearity_0001.fits"}, keys=[program]),
            rules("pars-jumpstep", {full: "jwst_nircam_pars-jumpstep_0001.asdf"}),
            rules("pars-detector1pipeline", {full: "jwst_nircam_pars-detector1pipeline_0001.asdf"}),
            rules("pars-rampfitstep", {("NRCA1", "FULL"): "jwst_nircam_pars-rampfitstep_0001.asdf"}),
        ]
    )
    kinds = {name.split("_")[2]: name for name in texts if name.endswith("_0001.rmap")}
    linearity = {"linearity": kinds.pop("linearity")}
    kinds |= {"refpix": "N/A", "superbias": "OMIT"}
    texts |= context(1, kinds)
    texts |= context(2, kinds | {"dark": "jwst_nircam_dark_0002.rmap"})
    texts |= context(3, kinds | linearity)
    return texts


def write_references(folder):
    fits_file(folder / "jwst_nircam_dark_0001.fits", 1)
    fits_file(folder / "jwst_nircam_dark_0002.fits", 2)
    fits_file(folder / "jwst_nircam_gain_0001.fits", 3)
    fits_file(folder / "jwst_nircam_linearity_0001.fits", 4)
    asdf_file(folder / "jwst_nircam_pars-jumpstep_0001.asdf", JUMP)
    asdf_file(folder / "jwst_nircam_pars-detector1pipeline_0001.asdf", PIPELINE)


def server_config(cache, **more):
    config = {
        "bad_files_list": [],
        "crds_version": {"str": "14.0.3"},
        "observatory": "jwst",
        "operational_context": "jwst_0002.pmap",
        "last_synced": "2026-01-01 00:00:00",
        "status": "cache",
        **more,
    }
    path = cache / "config" / "jwst" / "server_config"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(repr(config))


def catalogue(folder):
    """Return the server's list of files with sizes and checksums, coded as it codes it."""
    entries = {
        path.name: {"size": str(path.stat().st_size), "sha1sum": hashlib.sha1(path.read_bytes()).hexdigest()}
        for path in sorted(folder.iterdir())
    }
    coded = base64.b64encode(gzip.compress(json.dumps(entries).encode())).decode()
    return {"crds_encoded": "1.0", "crds_payload": coded}


def make_cache(root):
    folder = root / "mappings" / "jwst"
    folder.mkdir(parents=True)
    for name, text in mappings().items():
        (folder / name).write_text(text)
    write_references(root / "references" / "jwst" / "nircam")
    server_config(root)
    (root / "config" / "jwst" / "ref_cache_subdir_mode").write_text("instrument")
    return root


def reference(cache, name):
    return cache / "references" / "jwst" / "nircam" / name
