"""The oracle's environments, and runs of the oracle in them.

The oracle never shares an environment with the project: each release has its own, in ``.oracle/<release>``,
made when first wanted. A variable can name a python that has it already: RAMPFLOW_ORACLE_1_19,
RAMPFLOW_ORACLE_3_0.
"""

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("oracle.py")

#: What is installed for each release. jwst 1.19 draws its ellipses with an OpenCV older than 4.13.
REQUIREMENTS = {
    "1.19": ("jwst==1.19.2", "opencv-python-headless<4.13"),
    "3.0": ("jwst==3.0.0",),
}


def oracle_python(release):
    """Python of a release's oracle; its environment is made if there is none.

    Parameters
    ----------
    release : str
        A key of `REQUIREMENTS`.

    Returns
    -------
    str
        Path of the interpreter.
    """
    variable = f"RAMPFLOW_ORACLE_{release.replace('.', '_')}"
    if os.environ.get(variable):
        if not os.access(os.environ[variable], os.X_OK):
            raise SystemExit(f"{variable}={os.environ[variable]}: no such program; name a python that has jwst")
        return os.environ[variable]
    folder = ROOT / ".oracle" / release
    python = folder / "bin" / "python"
    requirements = REQUIREMENTS[release]
    done = folder / "installed"
    if not done.exists() or done.read_text().split() != list(requirements):
        print(f"Making the oracle's environment ({' '.join(requirements)}) in {folder}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        quiet = ("--quiet", "--disable-pip-version-check")
        subprocess.run([python, "-m", "pip", "install", *quiet, *requirements], check=True)
        done.write_text("\n".join(requirements) + "\n")
    return str(python)


def start(python, tasks, crds, folder, name):
    """Start an oracle process that works through tasks.

    Parameters
    ----------
    python : str
        From `oracle_python`.
    tasks : list of dict
        As ``oracle.py`` describes them.
    crds : dict
        ``path`` and ``context`` of the CRDS cache.
    folder : path-like
        For the request, the answer and the log.
    name : str
        Base name of these files.

    Returns
    -------
    `~subprocess.Popen`
        Leader of a process group of its own; hand it to `answer` when it has ended.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    request, reply, log = (folder / f"{name}.{kind}" for kind in ("request.json", "answer.json", "log"))
    request.write_text(json.dumps({"crds": crds, "tasks": tasks}, indent=1))
    reply.unlink(missing_ok=True)
    # The project's own modules and settings are not the oracle's.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH" and not k.startswith("CRDS_")}
    with open(log, "w") as stream:
        process = subprocess.Popen(
            [python, SCRIPT, request, reply],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    process.reply, process.log = reply, log
    return process


def answer(process):
    """Wait for an oracle process and return its answer.

    Raises
    ------
    SystemExit
        The process ended without one: the oracle's environment does not work.
    """
    status = process.wait()
    if status or not process.reply.exists():
        tail = "\n".join(process.log.read_text().splitlines()[-15:])
        raise SystemExit(f"the oracle ended with status {status}; its log {process.log} ends:\n{tail}")
    return json.loads(process.reply.read_text())


def run(python, tasks, crds, folder, name, processes=2):
    """Work through tasks with the oracle, several processes side by side.

    Returns
    -------
    list of dict
        The results in the order of the tasks.
    """
    processes = max(1, min(processes, len(tasks)))
    started = [start(python, tasks[k::processes], crds, folder, f"{name}{k}") for k in range(processes)]
    results = [None] * len(tasks)
    try:
        for k, process in enumerate(started):
            results[k::processes] = answer(process)["tasks"]
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
    return results


if __name__ == "__main__":
    for wanted in sys.argv[1:] or REQUIREMENTS:
        print(wanted, oracle_python(wanted))
