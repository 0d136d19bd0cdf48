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

RELEASES = ROOT / "workflow" / "releases"


def releases():
    """Return the names of the releases that are held against an oracle, sorted."""
    return sorted(path.parent.name for path in RELEASES.glob("*/oracle.txt"))


def requirements(release):
    """Return what is installed for a release, jwst first.

    The pins belong to the release, in its ``oracle.txt``: jwst alone takes a range of versions of stcal, which differ
    in the jump step, and jwst 1.19 draws its ellipses with an OpenCV older than 4.13.

    Parameters
    ----------
    release : str
        One of `releases`.

    Returns
    -------
    tuple of str
        Requirements as pip reads them.
    """
    return tuple((RELEASES / release / "oracle.txt").read_text(encoding="utf-8").split())


def oracle_python(release):
    """Python of a release's oracle; its environment is made if there is none.

    Parameters
    ----------
    release : str
        One of `releases`.

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
    wanted = requirements(release)
    done = folder / "installed"
    if not done.exists() or done.read_text().split() != list(wanted):
        print(f"Making the oracle's environment ({' '.join(wanted)}) in {folder}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        quiet = ("--quiet", "--disable-pip-version-check")
        subprocess.run([python, "-m", "pip", "install", *quiet, *wanted], check=True)
        done.write_text("\n".join(wanted) + "\n")
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
    for name in sys.argv[1:] or releases():
        print(name, oracle_python(name))
