"""Parameter files of CRDS: of single steps, and of the pipeline with its steps."""

import warnings

import asdf

from rampflow.mock.references.layout import meta_of

#: Full names of the steps' classes in jwst, by the names that the pipeline has for the steps.
CLASSES = {
    "charge_migration": "jwst.charge_migration.ChargeMigrationStep",
    "clean_flicker_noise": "jwst.clean_flicker_noise.CleanFlickerNoiseStep",
    "emicorr": "jwst.emicorr.EmiCorrStep",
    "firstframe": "jwst.firstframe.FirstFrameStep",
    "ipc": "jwst.ipc.IPCStep",
    "jump": "jwst.jump.JumpStep",
    "lastframe": "jwst.lastframe.LastFrameStep",
    "persistence": "jwst.persistence.PersistenceStep",
    "picture_frame": "jwst.picture_frame.PictureFrameStep",
    "refpix": "jwst.refpix.RefPixStep",
    "rscd": "jwst.rscd.RscdStep",
}
PIPELINE = "detector1pipeline"


def skipping(*off, on=()):
    """Parameters of the pipeline that turn steps off and on."""
    return {step: {"skip": True} for step in off} | {step: {"skip": False} for step in on}


# Only what the defaults of the steps leave open: they are not the same in all releases.
_NEAR_INFRARED = {("F",): skipping("ipc"), ("T",): skipping("ipc", "persistence")}
#: Tables of parameter files: {instrument: {step, or the pipeline: (keywords that select, {values: parameters})}}. The
#: parameters of the pipeline are those of its steps; None: there is no file. These leave the steps as the tables of
#: the pipeline have them, and change one threshold.
USUAL = {
    "NIRCAM": {PIPELINE: (("TSOVISIT",), _NEAR_INFRARED)},
    "NIRISS": {
        PIPELINE: (("TSOVISIT",), _NEAR_INFRARED),
        "jump": (
            ("FILTER", "PUPIL"),
            {("N/A", "N/A"): {"rejection_threshold": 5.0, "flag_4_neighbors": "False"}},
        ),
    },
    "NIRSPEC": {PIPELINE: (("TSOVISIT",), _NEAR_INFRARED)},
    "MIRI": {
        PIPELINE: (
            ("TSOVISIT",),
            {
                ("F",): skipping("ipc", on=("emicorr",)),
                ("T",): skipping("ipc", on=("emicorr",)) | skipping("firstframe", "lastframe", "rscd"),
            },
        )
    },
    "FGS": {PIPELINE: (("TSOVISIT",), _NEAR_INFRARED)},
}


def type_of(step):
    """CRDS type of the parameter file of a step, or of the pipeline."""
    return f"pars-{step}" if step == PIPELINE else f"pars-{step.replace('_', '')}step"


def write(folder, instrument, table):
    """Write the parameter files of an instrument.

    Parameters
    ----------
    folder : path
        Root of the cache.
    instrument : str
        Whose.
    table : dict
        One of `USUAL`, or likewise.

    Returns
    -------
    dict
        {type: (keywords of the rule, {values: name of the file})}.
    """
    target = folder / "references/jwst" / instrument.lower()
    target.mkdir(parents=True, exist_ok=True)
    rules = {}
    for step, (keys, selection) in table.items():
        names = {}
        for number, (values, parameters) in enumerate(selection.items(), start=9001):
            if parameters is None:
                names[values] = "N/A"
                continue
            names[values] = name = f"jwst_{instrument.lower()}_{type_of(step)}_{number}.asdf"
            if step == PIPELINE:
                steps = {(alias, CLASSES[alias]): own for alias, own in parameters.items()}
                write_parameters(target / name, instrument, "jwst.pipeline.Detector1Pipeline", {}, steps)
            else:
                write_parameters(target / name, instrument, CLASSES[step], parameters)
        rules[type_of(step)] = keys, names
    return rules


def write_parameters(path, instrument, step_class, values, steps=None):
    """Parameter file of a step, or of a pipeline with its steps.

    Parameters
    ----------
    path : path
        File to write.
    instrument : str
        Whose.
    step_class : str
        Full name of the step's class, such as ``jwst.jump.JumpStep``.
    values : dict
        Its parameters.
    steps : dict, optional
        Parameters of the steps of a pipeline: {(alias, class): parameters}.
    """
    name = step_class.rpartition(".")[2]
    tree = {
        "class": step_class,
        "name": name,
        "meta": meta_of(f"pars-{name.lower()}", instrument),
        "parameters": values,
    }
    if steps is not None:
        tree["steps"] = [
            {"class": full_name, "name": alias, "parameters": own} for (alias, full_name), own in steps.items()
        ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asdf.AsdfFile(tree).write_to(path)
