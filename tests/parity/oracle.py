"""Run the oracle, the jwst package, on files: step by step, or its whole pipeline.

Runs inside an environment that has jwst (1.19.2 or 3.0.0), without rampflow: ``python oracle.py REQUEST.json
ANSWER.json``. A process imports jwst once and then works through the request's tasks.

The request is ``{"crds": {"path": …, "context": …}, "tasks": [task, …]}`` and the answer
``{"jwst": version, "import_s": …, "tasks": [result, …]}``, a result for each task in order. A result has
``error``, the traceback or None, and what the kind of the task adds. The kinds:

``chain``
    ``input`` (an uncal file), ``folder``, ``steps`` (their names in order), ``parameters`` (step to values,
    optional). Each step reads the file that the step before has written and writes
    ``folder/<exposure>_<step>.fits``: ramp_fit ``_ramp_fit`` and ``_ramp_fitints``, gain_scale
    ``_gain_scale`` and ``_gain_scaleints``, after the last step ``_rate`` and ``_rateints``. A step that
    decides not to run writes its product like the others. Adds ``seconds`` (step to seconds).
``step``
    One step: ``step``, ``input`` and ``output`` (lists of files, two where rate and rateints go side by
    side), ``parameters``.
``pipeline``
    ``Detector1Pipeline.call`` as its users do: ``input``, ``folder``, ``steps`` (those to run; the others are
    skipped), ``parameters``; without ``steps``, with nothing but what the CRDS cache says. Writes the ramp, too.
    Adds ``seconds``.
``timed``
    As ``chain``, but in memory from step to step and nothing is written. Adds ``seconds``.

Parameters in ``pars-*`` files of the CRDS cache are merged by jwst as always, those of the pipeline's own
file included; only whether a step runs is what the request says, if it says so.
"""

import json
import logging
import os
import sys
import time
import traceback
from pathlib import Path

RATES = ("ramp_fit", "gain_scale")


def main(request_path, answer_path):
    """Work through the tasks of a request file and write the answer file."""
    request = json.loads(Path(request_path).read_text())
    os.environ.update(
        CRDS_PATH=request["crds"]["path"],
        CRDS_CONTEXT=request["crds"]["context"],
        CRDS_SERVER_URL="https://crds-serverless-mode.stsci.edu",
    )
    start = time.perf_counter()
    import jwst
    from jwst.pipeline import Detector1Pipeline  # noqa: F401

    answer = {"jwst": jwst.__version__, "import_s": time.perf_counter() - start, "tasks": []}
    kinds = {"chain": chain, "step": step, "pipeline": pipeline, "timed": timed}
    for task in request["tasks"]:
        try:
            result = kinds[task["kind"]](task) | {"error": None}
        except Exception:
            result = {"error": traceback.format_exc()}
        answer["tasks"].append(result)
    partial = Path(f"{answer_path}.part")
    partial.write_text(json.dumps(answer, indent=1))
    partial.replace(answer_path)


def exposure_of(path):
    """Root name of an uncal file."""
    return Path(path).name.removesuffix(".fits").removesuffix("_uncal")


def chain(task):
    """Run the steps one by one, each on the file of the step before."""
    folder, name = Path(task["folder"]), exposure_of(task["input"])
    folder.mkdir(parents=True, exist_ok=True)
    for shutters in Path(task["input"]).parent.glob(f"{name}_msa.fits"):
        # Looked for beside the file that a step reads.
        (folder / shutters.name).symlink_to(shutters)
    parameters = settled(task)
    inputs, seconds = [Path(task["input"])], {}
    for step_name in task["steps"]:
        suffixes = ("", "ints") if step_name in RATES else ("",)
        outputs = [folder / f"{name}_{step_name}{suffix}.fits" for suffix in suffixes]
        start = time.perf_counter()
        run(step_name, inputs, outputs, parameters[step_name])
        seconds[step_name] = time.perf_counter() - start
        inputs = outputs
    if len(inputs) == 2:
        from stdatamodels.jwst import datamodels

        for source, suffix in zip(inputs, ("rate", "rateints"), strict=True):
            with datamodels.open(source) as model:
                model.save(folder / f"{name}_{suffix}.fits")
    return {"seconds": seconds}


def step(task):
    """Run one step on the files of the task."""
    name, inputs = task["step"], task["input"]
    given = {"input": inputs[0], "steps": [name], "parameters": {name: task.get("parameters", {})}}
    run(name, inputs, task["output"], settled(given)[name])
    return {}


def run(step_name, inputs, outputs, parameters):
    """Run a step on one file or on a rate and a rateints file, and save what it returns."""
    results = []
    for source in inputs:
        result = step_class(step_name)(**parameters).run(readable(source) if step_name == "ramp_fit" else str(source))
        results += result if isinstance(result, tuple) else [result]
    if any(result is None for result in results):
        raise RuntimeError(f"jwst's {step_name} gave no product for {inputs[0]}")
    for result, output in zip(results, outputs, strict=True):
        Path(output).parent.mkdir(parents=True, exist_ok=True)
        result.save(str(output))
        result.close()


def readable(source):
    """Open a ramp with its zero frames in the byte order of the machine.

    jwst's fit takes those of a file, whose bytes are in the other order, as they are: a zero frame that serves for
    groups that cannot be used then gives a slope of 1e-42 or 1e37. In jwst's own pipeline they are never read from
    a file that late.
    """
    from stdatamodels.jwst import datamodels

    model = datamodels.open(source)
    if model.hasattr("zeroframe") and model.zeroframe is not None:
        model.zeroframe = model.zeroframe.astype(model.zeroframe.dtype.newbyteorder("="))
    return model


def pipeline(task):
    """Run the pipeline in one go."""
    from jwst.pipeline import Detector1Pipeline

    Path(task["folder"]).mkdir(parents=True, exist_ok=True)
    options = {"save_results": True, "save_calibrated_ramp": True, "output_dir": str(task["folder"])}
    if "steps" in task:
        steps = {name: {"skip": name not in task["steps"]} for name in Detector1Pipeline.step_defs}
        for name, values in task.get("parameters", {}).items():
            steps[name].update(values)
        options["steps"] = steps
    start = time.perf_counter()
    result = Detector1Pipeline.call(task["input"], **options)
    if result is None:
        raise RuntimeError(f"jwst's pipeline gave no product for {task['input']}")
    result.close()
    return {"seconds": time.perf_counter() - start}


def timed(task):
    """Take the time of every step, in memory."""
    from stdatamodels.jwst import datamodels

    parameters, seconds = settled(task), {}
    models = [datamodels.RampModel(task["input"])]
    models[0].data  # noqa: B018  reads the array, which the first step would otherwise be charged with
    for step_name in task["steps"]:
        start = time.perf_counter()
        results = []
        for model in models:
            result = step_class(step_name)(**parameters[step_name]).run(model)
            results += result if isinstance(result, tuple) else [result]
        seconds[step_name] = time.perf_counter() - start
        models = results
    return {"seconds": seconds}


def step_class(name):
    """Class of a step by its name in the pipeline."""
    from jwst.pipeline import Detector1Pipeline

    return Detector1Pipeline.step_defs[name]


def settled(task):
    """Parameters of each step: those that CRDS has, then the task's; the task's steps run."""
    from jwst.pipeline import Detector1Pipeline

    from_crds = Detector1Pipeline.get_config_from_reference(task["input"]).get("steps", {})
    parameters = {}
    for name in task["steps"]:
        values = {**from_crds.get(name, {}), **task.get("parameters", {}).get(name, {}), "skip": False}
        parameters[name] = {key: value for key, value in values.items() if key not in ("name", "class")}
    return parameters


if __name__ == "__main__":
    logging.getLogger("CRDS").setLevel(logging.WARNING)
    main(*sys.argv[1:])
