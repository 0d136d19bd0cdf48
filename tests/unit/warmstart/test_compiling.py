"""Kernels that several processes compile, and what jobs do meanwhile."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from rampflow.kernels import waiting
from rampflow.warmstart import client, compiling, server
from rampflow.warmstart.imports import Imports

WORKFLOW = Path(client.__file__).parents[2]
#: The kernels of this step are few and small.
STEP = "charge_migration"


def environment(cache, **more):
    return os.environ | {"PYTHONPATH": str(WORKFLOW), "NUMBA_CACHE_DIR": str(cache)} | more


def python(text, cache, **more):
    command = [sys.executable, "-c", text]
    return subprocess.Popen(command, env=environment(cache, **more), text=True, stdout=-1, stderr=-1)


COMPILE = f"""
from rampflow.kernels import waiting
waiting.postpone()
import rampflow.drivers.{STEP}, rampflow.jobs.step
from rampflow.warmstart import compiling
kernels = waiting.declared({{"rampflow.steps.{STEP}", "rampflow.counting.flags"}})
print(len(compiling.missing(kernels)), compiling.compile_missing(kernels, 2), len(compiling.missing(kernels)))
"""
COUNT = f"""
import rampflow.drivers.{STEP}, rampflow.counting.flags
from rampflow.kernels import waiting
kernels = waiting.declared({{"rampflow.steps.{STEP}", "rampflow.counting.flags"}})
print(sum(sum(k.stats.cache_misses.values()) for k in kernels), sum(len(k.overloads) for k in kernels))
"""


def test_runs_that_compile_the_same_at_once_leave_everything_for_the_next(tmp_path):
    """Three at once, of two processes each, for two kinds of processors; nobody compiles any of it again."""
    runs = [python(COMPILE, tmp_path, **more) for more in ({}, {}, {"NUMBA_CPU_NAME": "generic"})]
    for run in runs:
        out, err = run.communicate(timeout=600)
        before, failed, after = out.split()
        assert (failed, after, run.returncode) == ("[]", "0", 0), err
        # One that comes late finds what others have compiled.
        assert err.count("kernels compiled in") == (int(before) > 0) and (str(tmp_path) in err) == (int(before) > 0)
    for more in ({}, {"NUMBA_CPU_NAME": "generic"}):
        again = python(COUNT, tmp_path, **more)
        out, err = again.communicate(timeout=60)
        misses, overloads = map(int, out.split())
        assert misses == 0 and overloads >= 5, err
    assert not list(tmp_path.rglob("*.part")) and not list(tmp_path.rglob("*.nbi"))


def test_kernels_in_a_folder_that_is_only_read_are_found(tmp_path):
    """As of an image: what is kept elsewhere is written into another folder."""
    python(COMPILE, tmp_path / "image").communicate(timeout=300)
    again = python(COUNT, tmp_path / "mine", RAMPFLOW_KERNELS=str(tmp_path / "image"))
    out, err = again.communicate(timeout=60)
    assert out.split()[0] == "0", err
    assert not list((tmp_path / "mine").rglob("*.nbc"))


def test_one_that_cannot_be_compiled_and_a_process_that_dies_do_not_stop_the_others(tmp_path):
    text = """
import os
from numba import float64
from rampflow.kernels import kernel, waiting
from rampflow.warmstart import compiling
waiting.postpone()
@kernel(float64(float64))
def good(x):
    return 2 * x
@kernel(float64(float64))
def bad(x):
    return x.nothing
@kernel(float64(float64))
def deadly(x):
    return x + 1
finish = waiting.finish
waiting.finish = lambda k: os._exit(9) if k is deadly else finish(k)
done = []
failed = compiling.compile_all([good, bad, deadly], 2, done.append)
print(sorted(failed), sorted(done), len(compiling.missing([good])))
"""
    script = tmp_path / "some_kernels.py"
    script.write_text(text)
    done = subprocess.run([sys.executable, script], env=environment(tmp_path), capture_output=True, text=True)
    assert done.stdout == "['bad', 'deadly'] ['bad', 'deadly', 'good'] 0\n", done.stderr


def test_callers_wait_for_what_they_call_and_the_longest_chain_comes_first():
    from rampflow.steps.ramp_fit import blocks, ols

    assert blocks.load_samples in waiting.callees(ols._fit_rows)
    assert ols._fit_rows not in waiting.callees(blocks.load_samples)
    assert compiling._urgency([set(), {0}, set()], [5, 7, 9]) == [12, 7, 9]
    assert all(waiting.weight(kernel) > 0 for kernel in waiting.declared())


def test_a_job_waits_for_the_kernels_of_its_step_and_for_no_others(monkeypatch):
    imports = Imports([STEP, "superbias"], 1)
    assert not imports.ready(STEP) and imports.ready("references")
    imports._known, imports._compiling = True, compiling
    missing = []
    monkeypatch.setattr(compiling, "missing", lambda kernels: [kernel for kernel in kernels if kernel in missing])
    import rampflow.drivers.charge_migration  # noqa: F401

    own = compiling.kernels_of(STEP)
    missing += [kernel for kernel in own if kernel.py_func.__module__ == f"rampflow.steps.{STEP}"]
    assert missing and not imports.ready(STEP) and imports.ready("superbias")
    missing.clear()
    assert imports.ready(STEP)


def test_a_job_that_waits_is_held_and_forgotten_when_it_is_gone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = []
    served = server.Server("s", os.getppid(), lambda step: asked.append(step))
    for _ in range(2):
        text = "from rampflow.warmstart.client import _run_there; _run_there('a/tmpx.jump.py', '', 's')"
        job = python(text, tmp_path)
        served.listener.setblocking(True)
        served._accept()
        while not served.held:
            served._hear(served._wait(5))
        served._release()
        assert asked[-1] == "jump" and len(served.held) == 1 and not served.children
        job.kill()
        # Its streams are the caller's, too.
        job.wait()
        served._forget_gone(served._wait(5))
        assert not served.held
        job.communicate()
    served.listener.close()


@pytest.mark.parametrize("more", [(), ("--all",)])
def test_the_command_says_what_is_there(more, monkeypatch, capsys):
    """With nothing to compile; that it compiles is seen above, in less time than all kernels take."""
    asked = []
    monkeypatch.setattr(compiling, "preload", lambda: asked.append("some") or [])
    monkeypatch.setattr(compiling, "import_all", lambda: asked.append("all"))
    monkeypatch.setattr(compiling, "missing", lambda _: [])
    assert compiling.main(more) == 0
    assert asked == ["all" if more else "some"]
    assert "kernels are compiled, for " in capsys.readouterr().out


def test_where_kernels_can_be_kept_nowhere_the_command_says_what_to_do(tmp_path):
    text = "from rampflow.warmstart import compiling; raise SystemExit(compiling.main([]))"
    done = subprocess.run(
        [sys.executable, "-c", f"from numba.core import caching; caching.CacheImpl._locator_classes = []\n{text}"],
        env=environment(tmp_path / "none"), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("rampflow: compiled kernels can be kept neither") and done.stderr.count("\n") == 1


def test_a_closed_terminal_is_no_error(monkeypatch):
    class Closed:
        def isatty(self):
            return True

        def write(self, _):
            raise OSError

        def flush(self):
            raise OSError

    monkeypatch.setattr(sys, "stderr", Closed())
    line = compiling.Line(2, "there", 1)
    line.step("a")
    line.step("b")
    assert line._overwrites is False


def test_what_a_caller_is_about_is_known_by_the_name_of_its_script():
    from rampflow.warmstart.caller import Caller

    ours, theirs = socket.socketpair()
    caller = Caller(ours)
    import marshal

    body = marshal.dumps(("/x/.snakemake/scripts/tmp12.ramp_fit.py", "/", {}))
    caller.request = len(body).to_bytes(4, "big") + body
    assert caller.step() == "ramp_fit"
    caller.request = b"1234nonsense"
    assert caller.step() == ""
    ours.close()
    theirs.close()
