import contextlib
import marshal
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from rampflow.io import owners
from rampflow.warmstart import client, server

WORKFLOW = Path(client.__file__).parents[2]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A server that has nothing to import, and a way to start scripts under it."""
    # A relative address, as in a run: socket paths are limited to about 100 characters.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(WORKFLOW))
    text = "import os; from rampflow.warmstart.server import Server; Server('s', os.getppid()).serve()"
    with open("said", "w") as said:
        process = subprocess.Popen([sys.executable, "-c", text], stderr=said)
    while not os.path.exists("s"):
        assert process.poll() is None
        time.sleep(0.01)

    def start(text, **more):
        Path("script.py").write_text(
            f"from rampflow.warmstart.client import handoff\nhandoff()\nimport os, sys, time\n{text}\n"
        )
        environment = dict(os.environ, **{client.VARIABLE: f"{client.ticket(os.getpid())} s"}) | more
        return subprocess.Popen(
            [sys.executable, "script.py"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    start.server = process
    yield start
    process.terminate()
    process.wait(10)


def test_a_script_runs_in_a_child_of_the_server_with_its_streams_and_folder(run):
    job = run("print(os.getppid(), os.getcwd(), __name__, __file__); print('no', file=sys.stderr)")
    out, err = job.communicate(timeout=20)
    parent, folder, name, file = out.split()
    assert int(parent) == run.server.pid
    assert (folder, name, Path(file).name, err) == (os.getcwd(), "__main__", "script.py", "no\n")
    assert job.returncode == 0


@pytest.mark.parametrize(
    ("text", "status"), [("sys.exit(3)", 3), ("raise ValueError('x')", 1), ("os.kill(os.getpid(), 9)", -9)]
)
def test_a_job_ends_as_its_child_ended(run, text, status):
    job = run(text)
    _, err = job.communicate(timeout=20)
    assert job.returncode == status
    assert ("ValueError: x" in err) == ("ValueError" in text)


def gone(process):
    """Whether a process ends within a few seconds."""
    for _ in range(400):
        if owners.start_of(process) is None:
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_to_the_job_ends_the_child(run, number):
    job = run("print(os.getpid(), flush=True); time.sleep(60)")
    child = int(job.stdout.readline())
    job.send_signal(number)
    _, err = job.communicate(timeout=20)
    assert job.returncode == -number
    assert gone(child) and err == ""


def test_an_interrupt_that_comes_as_early_as_can_be_leaves_no_traceback_of_ours(run, tmp_path):
    run("pass").communicate(timeout=20)
    script = tmp_path / ".snakemake/scripts/x.py"
    script.parent.mkdir(parents=True)
    script.write_text(Path("script.py").read_text() + "time.sleep(60)\n")
    environment = dict(os.environ, **{client.VARIABLE: f"{client.ticket(os.getpid())} s"})
    for delay in np.linspace(0.02, 0.2, 20):
        job = subprocess.Popen([sys.executable, script], env=environment, stderr=subprocess.PIPE, text=True)
        time.sleep(delay)
        job.send_signal(signal.SIGINT)
        _, err = job.communicate(timeout=20)
        # Before it comes to our first line the interpreter speaks for itself.
        assert "rampflow" not in err
        assert job.returncode == -signal.SIGINT or "Fatal Python error: init_" in err


def test_a_job_that_ignores_hang_ups_does_not_pass_them_on(run):
    job = run("print(os.getpid(), flush=True); time.sleep(1); print('done')")
    job.kill()
    job.communicate()
    text = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); exec(open('script.py').read())"
    environment = dict(os.environ, **{client.VARIABLE: f"{client.ticket(os.getpid())} s"})
    Path("ignores.py").write_text(text)
    job = subprocess.Popen([sys.executable, "ignores.py"], env=environment, stdout=subprocess.PIPE, text=True)
    job.stdout.readline()
    job.send_signal(signal.SIGHUP)
    assert job.communicate(timeout=20)[0] == "done\n"
    assert job.returncode == 0


def test_without_a_server_the_script_goes_on_where_it_is(run):
    run.server.terminate()
    run.server.wait(10)
    job = run("print(os.getppid())")
    out, _ = job.communicate(timeout=20)
    assert int(out) == os.getpid()
    assert job.returncode == 0


ONCE_MORE = """
again = os.path.exists("begun")
open("begun", "a").close()
print(os.getpid(), os.getppid(), flush=True)
time.sleep(0.2 if again else 60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_job_that_loses_its_server_runs_without_it_once_its_child_is_dead(run, number):
    job = run(ONCE_MORE)
    child = int(job.stdout.readline().split()[0])
    run.server.send_signal(number)
    run.server.wait(10)
    out, err = job.communicate(timeout=20)
    process, parent = map(int, out.split())
    assert (process, parent) == (job.pid, os.getpid())
    assert job.returncode == 0
    assert err == "rampflow: the warm start has ended while a job ran; the job is done again without it\n"
    assert owners.start_of(child) is None


def test_a_job_that_was_asked_to_end_does_not_run_again_when_the_server_ends(run):
    job = run("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)" + ONCE_MORE)
    child = int(job.stdout.readline().split()[0])
    job.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    run.server.kill()
    assert job.communicate(timeout=20) == ("", "")
    assert job.returncode == -signal.SIGTERM
    assert gone(child)


def test_jobs_of_a_workflow_that_was_killed_end_with_it(tmp_path, monkeypatch):
    """With a server: the child of the server, and the process that waits for it; without: the job."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(WORKFLOW))
    Path("job.py").write_text(
        "from rampflow.warmstart.client import handoff\nhandoff()\nimport os, time\n"
        "print(os.getpid(), flush=True)\ntime.sleep(60)\n"
    )
    text = (
        "import subprocess, sys, time; from rampflow.warmstart import server\n"
        "server.announce(server.start('state', ['rate']))\n"
        "job = subprocess.Popen([sys.executable, 'job.py']); print(job.pid, flush=True); job.wait()"
    )
    for more in ({}, {client.VARIABLE: ""}):
        workflow = subprocess.Popen([sys.executable, "-c", text], env=os.environ | more, stdout=subprocess.PIPE)
        processes = [int(workflow.stdout.readline()) for _ in range(2)]
        assert len(set(processes)) == (1 if more else 2)
        workflow.kill()
        workflow.wait()
        assert all(map(gone, processes))
        workflow.stdout.close()


# --- who may call, and who may answer ----------------------------------------------------------------------


def test_a_server_that_is_not_this_runs_own_is_not_used(run):
    own = client.ticket(os.getpid())
    place, process, start, allocation = own.split(":")
    others = {
        "host": f"{place}x:{process}:{start}:{allocation}",
        "workflow": f"{place}:1:{start}:{allocation}",
        "workflow that has ended": f"{place}:{process}:{int(start) - 1}:{allocation}",
        "job of the batch system": f"{place}:{process}:{start}:4711",
        "form": f"{process}",
    }
    for name, server_of in {"own": own, **others}.items():
        job = run("print(os.getppid())", **{client.VARIABLE: f"{server_of} s"})
        out, err = job.communicate(timeout=20)
        assert (int(out) == run.server.pid) == (name == "own"), name
        assert (job.returncode, err) == (0, "")


def test_a_job_in_another_allocation_does_not_use_the_server(run):
    job = run("print(os.getppid())", SLURM_JOB_ID="12")
    assert int(job.communicate(timeout=20)[0]) == os.getpid()


def test_a_socket_that_others_could_have_put_there_is_not_used(run, tmp_path):
    os.chmod(tmp_path, 0o770)
    job = run("print(os.getppid())")
    assert int(job.communicate(timeout=20)[0]) == os.getpid()
    os.chmod(tmp_path, 0o700)
    os.rename("s", "real")
    os.symlink("real", "s")
    job = run("print(os.getppid())")
    assert int(job.communicate(timeout=20)[0]) == os.getpid()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_another_user_is_neither_answered_nor_asked(tmp_path, monkeypatch):
    """In a folder of a group the other user's socket took a job's environment, and made it end well."""
    monkeypatch.chdir(tmp_path)
    theirs = socket.socket(socket.AF_UNIX)
    theirs.bind("s")
    theirs.listen()
    os.chmod("s", 0o777)
    os.chown("s", 1234, 1234)
    ours = socket.socket(socket.AF_UNIX)
    assert client._connect(ours, "s") is False
    # The folder is ours and so, by now, is the socket; but whoever listens is another user.
    os.chown("s", 0, 0)
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        os.setuid(1234)
        theirs.listen()
        os.write(told, b"x")
        time.sleep(10)
        os._exit(0)
    os.read(ready, 1)
    assert client._connect(ours, "s") is False
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    for descriptor in (ready, told):
        os.close(descriptor)
    ours.close()
    theirs.close()


def requests(server):
    """Requests that no job makes, each sent over a new connection, which is returned."""
    streams = [os.open(os.devnull, os.O_RDWR) for _ in range(5)]
    for size, body, number in (
        (None, b"", 0),
        (b"\0", b"", 3),
        (struct.pack("!I", 10), b"12345", 3),
        (struct.pack("!I", 10), b"not what marshal reads"[:10], 3),
        (struct.pack("!I", 10), b"1234567890 and more", 3),
        (struct.pack("!I", 2**31), b"1", 3),
        (struct.pack("!I", 4), marshal.dumps(3)[:4].ljust(4), 3),
        (struct.pack("!I", 10), b"1234567890", 0),
        (struct.pack("!I", 10), b"1234567890", 2),
        (struct.pack("!I", 10), b"1234567890", 5),
    ):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(server)
        if size is not None:
            # The server may have had enough before the end.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                socket.send_fds(connection, [size], streams[:number])
                connection.sendall(body)
        yield connection
    for stream in streams:
        os.close(stream)


def test_callers_that_say_nothing_or_nonsense_cost_others_nothing(run):
    """Ten such, many times: a job is served at once, no descriptor stays open, and nothing is said."""
    opened = Path(f"/proc/{run.server.pid}/fd")
    before = len(list(opened.iterdir()))
    for _ in range(5):
        connections = list(requests("s"))
        job = run("print(os.getppid())")
        out, err = job.communicate(timeout=8)
        assert (int(out), err, job.returncode) == (run.server.pid, "", 0)
        for connection in connections:
            connection.close()
    for _ in range(300):
        if len(list(opened.iterdir())) == before:
            break
        time.sleep(0.01)
    assert len(list(opened.iterdir())) == before
    assert Path("said").read_text() == ""


def test_a_silent_caller_is_forgotten(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    served = server.Server("s", os.getppid())
    silent = socket.socket(socket.AF_UNIX)
    silent.connect("s")
    served._accept()
    (caller,) = served.callers
    caller.deadline = 0
    served._hear(set())
    assert not served.callers and silent.recv(1) == b""
    silent.close()
    served.listener.close()


# --- where the socket is -----------------------------------------------------------------------------------


def started(*steps, **more):
    process = server.start("state", steps or ["rate"], **more)
    assert os.environ[client.VARIABLE] == f"{client.ticket(os.getpid())} "
    server.announce(process)
    address = os.environ[client.VARIABLE].partition(" ")[2]
    return process, address


@pytest.fixture
def workflow(tmp_path, monkeypatch):
    """A folder and an environment of a workflow."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(WORKFLOW))
    monkeypatch.setenv(client.VARIABLE, "unset")
    monkeypatch.delenv(client.VARIABLE)
    return tmp_path


@pytest.mark.usefixtures("workflow")
def test_the_folder_of_the_socket_is_its_owners_alone():
    os.mkdir("state", 0o775)
    os.chmod("state", 0o775)
    process, address = started()
    assert address.startswith("state/") and stat.S_IMODE(os.stat("state").st_mode) == 0o700
    assert stat.S_IMODE(os.stat(address).st_mode) & 0o077 == 0
    server.stop(process)
    assert client.VARIABLE not in os.environ and os.listdir("state") == []


@pytest.mark.usefixtures("workflow")
@pytest.mark.parametrize("how", ["link", "other user", "no sockets"])
def test_where_the_folder_cannot_be_trusted_or_has_no_sockets_another_is_used(how, monkeypatch):
    os.mkdir("elsewhere", 0o700)
    if how == "link":
        os.symlink("elsewhere", "state")
    elif how == "other user":
        if os.getuid() != 0:
            pytest.skip("only root can give a folder away")
        os.mkdir("state")
        os.chown("state", 1234, 1234)
    else:
        # /proc stands for a file system on which sockets cannot be made.
        monkeypatch.setattr(server, "private_folder", lambda _: None)
        os.symlink("/proc/self", "state")
    process, address = started()
    assert os.path.isabs(address) and os.stat(os.path.dirname(address)).st_mode & 0o077 == 0
    assert client._is_ours(os.environ[client.VARIABLE].partition(" ")[0])
    job = subprocess.run(
        [sys.executable, "-c", "from rampflow.warmstart.client import handoff; handoff(); raise SystemExit(7)"],
    )
    assert job.returncode == 7
    server.stop(process)
    assert not os.path.exists(os.path.dirname(address)) and not os.listdir("elsewhere")


def test_a_folder_with_a_long_path_has_a_socket_all_the_same(workflow, monkeypatch):
    deep = workflow / ("x" * 100) / ("y" * 100)
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    process, address = started()
    assert address.startswith("state/") and os.path.exists(address)
    server.stop(process)


@pytest.mark.usefixtures("workflow")
def test_sockets_of_servers_that_were_killed_go():
    process, address = started()
    process.kill()
    process.wait()
    Path("state/999999999.socket").touch()
    process, again = started()
    assert again == address and os.listdir("state") == [os.path.basename(address)]
    server.stop(process)


# --- the child that is there before its job -------------------------------------------------------------------

ASKING = """
from rampflow.warmstart.client import handoff
handoff()
import os, sys
print(os.getppid(), "crds.core.rmap" in sys.modules, os.environ["WHO"], os.getcwd(), flush=True)
os.kill(os.getpid(), 15) if os.environ["WHO"] == "killed" else sys.exit(3)
"""


def ask(name, who):
    Path(name).write_text(ASKING)
    job = subprocess.run([sys.executable, name], env=os.environ | {"WHO": who}, capture_output=True, text=True)
    assert not job.stderr
    return job.stdout.split(" ", 1), job.returncode


def awaiting(process):
    """The child of a server that waits for the job that asks CRDS."""
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(child)


def test_the_job_that_asks_crds_finds_it_imported(workflow, monkeypatch):
    monkeypatch.setenv("CRDS_PATH", "somewhere")
    process, _ = started(asks=True)
    child = awaiting(process)
    for who, expected in (("first", "True"), ("second", "False")):
        # Snakemake's copies of scripts have such names.
        (parent, said), status = ask("tmpx8.references.py", who)
        early, *rest = said.rsplit(" ", 2)
        assert (int(parent), early, rest) == (process.pid, expected, [who, f"{workflow}\n"])
        assert status == 3
    assert gone(child)
    server.stop(process)


@pytest.mark.usefixtures("workflow")
def test_other_jobs_do_not_become_the_one_that_asks_crds():
    process, _ = started(asks=True)
    child = awaiting(process)
    (_, said), status = ask("tmpx8.rate.py", "rate")
    assert said.startswith("False") and status == 3 and owners.start_of(child) is not None
    (_, said), status = ask("tmpx8.references.py", "killed")
    assert said.startswith("True") and status == -signal.SIGTERM
    server.stop(process)


@pytest.mark.usefixtures("workflow")
def test_a_child_that_waits_and_is_killed_costs_no_job():
    process, _ = started(asks=True)
    os.kill(awaiting(process), signal.SIGKILL)
    time.sleep(0.1)
    (parent, said), status = ask("tmpx8.references.py", "late")
    assert int(parent) == process.pid and said.startswith("False") and status == 3
    server.stop(process)


@pytest.mark.usefixtures("workflow")
def test_a_child_that_waits_ends_with_its_server():
    process, _ = started(asks=True)
    child = awaiting(process)
    process.kill()
    process.wait()
    assert gone(child)
    server.stop(process)


@pytest.mark.usefixtures("workflow")
def test_who_wants_no_server_gets_none_however_often_it_is_started(monkeypatch):
    monkeypatch.setenv(client.VARIABLE, "")
    for _ in range(2):
        assert server.start("state") is None
        server.announce(None)
        assert os.environ[client.VARIABLE] == f"{client.ticket(os.getpid())} "


# --- what is said -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        "MemoryError()",
        "ImportError('x.so: failed to map segment from shared object')",
        "OSError(12, 'Cannot allocate memory')",
    ],
)
def test_too_little_memory_to_import_is_said_in_a_line(run, error):
    run.server.terminate()
    run.server.wait(10)
    job = run(f"try:\n    raise {error}\nexcept Exception as e:\n    raise RuntimeError('led to by') from e")
    out, err = job.communicate(timeout=20)
    assert job.returncode == 1 and out == ""
    (line,) = err.splitlines()
    assert line.startswith("rampflow: script: too little memory to import what the job needs; allow it more")


def test_other_errors_keep_their_traceback(run):
    run.server.terminate()
    run.server.wait(10)
    _, err = run("raise ValueError('odd')").communicate(timeout=20)
    assert err.startswith("Traceback") and "ValueError: odd" in err


def test_children_that_end_while_one_is_seen_to_are_told_once_each(tmp_path, monkeypatch):
    """The signal of the second one comes in the middle of the first one's turn."""
    monkeypatch.chdir(tmp_path)
    served = server.Server("s", os.getppid())
    jobs = {}
    for status in (3, 0, 5):
        child = os.fork()
        if child == 0:
            os._exit(status)
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        ours, theirs = socket.socketpair()
        served.children[theirs] = child
        jobs[status] = ours
    wait = os.waitpid

    def interrupted(*which):
        monkeypatch.setattr(os, "waitpid", wait)
        found = wait(*which)
        served._reap()
        return found

    monkeypatch.setattr(os, "waitpid", interrupted)
    served._reap()
    assert not served.children
    for status, job in jobs.items():
        assert os.waitstatus_to_exitcode(struct.unpack("!i", job.recv(100))[0]) == status
        assert job.recv(1) == b""
        job.close()
    served.listener.close()


def test_two_clones_on_the_path_do_not_run_each_other_for_ever(tmp_path):
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
        shutil.copy(WORKFLOW / "sitecustomize.py", folder)
    (tmp_path / "own").mkdir()
    (tmp_path / "own/sitecustomize.py").write_text("print('own')\n")
    path = os.pathsep.join(map(str, [*folders, tmp_path / "own"]))
    command = [sys.executable, "-c", "print('done')"]
    ended = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True)
    assert (ended.stdout.split("\n")[:2], ended.stderr) == (["own", "done"], "")
