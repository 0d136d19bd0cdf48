"""A real Slurm on this computer, of one node or two, with files and ports of its own; it ends what it has started."""

import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "squeue", "sbatch", "munged", "mungekey")
PACKAGES = ("slurm-wlm", "munge", "slurm-client", "slurmctld", "slurmd")
MEMORY = Path("/sys/fs/cgroup/memory")

CONFIGURATION = """\
ClusterName=rampflow
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/{track}
TaskPlugin=task/{task}
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=5
ReturnToService=2
MinJobAge=300
KillWait=5
MpiDefault=none
SlurmdParameters=config_overrides
NodeName=DEFAULT CPUs={cpus} Sockets=1 CoresPerSocket={cpus} ThreadsPerCore=1
NodeName=first NodeHostname={host} NodeAddr=127.0.0.1 Port={first} RealMemory=9000 State=UNKNOWN
NodeName=second NodeHostname={host} NodeAddr=127.0.0.1 Port={second} RealMemory=9000 State=UNKNOWN
PartitionName=main Nodes=first Default=YES MaxTime=INFINITE State=UP DefMemPerCPU=1000
PartitionName=both Nodes=first,second MaxTime=INFINITE State=UP DefMemPerCPU=1000
"""
LIMITS = """\
CgroupPlugin=cgroup/v1
CgroupMountpoint=/sys/fs/cgroup
CgroupAutomount=no
ConstrainRAMSpace=yes
ConstrainSwapSpace=no
AllowedRAMSpace={allowed}
"""


def missing():
    """Install Slurm where that can be done; say why there is none, or return None."""
    if os.geteuid():
        return "starting a Slurm takes root"
    lacking = [name for name in PROGRAMS if not shutil.which(name)]
    if lacking and shutil.which("apt-get"):
        for command in (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", *PACKAGES]):
            subprocess.run(command, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, check=False)
        lacking = [name for name in PROGRAMS if not shutil.which(name)]
    return f"no {', '.join(lacking)}; install {' '.join(PACKAGES)}" if lacking else None


class Slurm:
    """Starts with `start`, ends with `stop`; its commands find it by ``environment``.

    Of so many processors is each node, whatever this computer has.
    """

    def __init__(self, folder, cpus=4):
        self.folder, self._cpus = Path(folder), cpus
        self.environment = {
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "PATH": f"{self.folder}/programs{os.pathsep}{os.environ['PATH']}",
        }
        #: Whether jobs are held to the memory that they ask for.
        self.limits = MEMORY.is_dir() and os.access(MEMORY, os.W_OK)
        self._munge = self._controller = None
        self._nodes = {}

    def start(self):
        for name in ("state", "spool.first", "spool.second", "programs"):
            (self.folder / name).mkdir()
        # Snakemake's plugin takes SLURM_CONF from srun on the node; where the head is a job itself, from all of them.
        for name in ("srun", "sbatch", "squeue", "scancel", "scontrol", "sinfo"):
            program = self.folder / "programs" / name
            program.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {shutil.which(name)} "$@"\n')
            program.chmod(0o755)
        how = ("cgroup", "cgroup") if self.limits else ("linuxproc", "none")
        text = CONFIGURATION.format(
            host=os.uname().nodename,
            folder=self.folder,
            cpus=self._cpus,
            controller=_port(),
            first=_port(),
            second=_port(),
            track=how[0],
            task=how[1],
        )
        (self.folder / "slurm.conf").write_text(text)
        subprocess.run(["mungekey", "--create", f"--keyfile={self.folder}/munge.key"], check=True)
        files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        options = [f"--{option}={self.folder}/munge.{ending}" for option, ending in files.items()]
        self._munge = self._begin(["munged", "--foreground", "--force", *options], "munge.out")
        self._controller = self._begin(["slurmctld", "-D"], "controller.out")
        self.start_node()

    def start_node(self, name="first", allowed=100):
        """Start a node; its jobs get so many per cent of the memory that they ask for."""
        if name in self._nodes:
            _end(self._nodes[name])
        if self.limits:
            (self.folder / "cgroup.conf").write_text(LIMITS.format(allowed=allowed))
        self._nodes[name] = self._begin(["slurmd", "-D", "-N", name], f"{name}.out")
        end = time.monotonic() + 60
        while self.state_of(name) != "idle":
            assert time.monotonic() < end, (self.folder / "slurmctld.log").read_text()[-2000:]
            time.sleep(0.5)

    def command(self, *arguments):
        done = subprocess.run(arguments, env=os.environ | self.environment, capture_output=True, text=True, check=False)
        return done.stdout

    def state_of(self, name):
        """Return the state of a node in Slurm's word."""
        return self.command("sinfo", "--noheader", f"--nodes={name}", "--partition=both", "--format=%T").strip()

    def change(self, name, state):
        """Change the state of a node as an operator does: down, drain, resume."""
        self.command("scontrol", "update", f"nodename={name}", f"state={state}", "reason=test")

    def jobs(self, *states):
        """Return the numbers of jobs in these states, all by default, the oldest first."""
        listed = self.command("squeue", "--noheader", f"--states={','.join(states) or 'all'}", "--format=%i")
        return sorted(map(int, listed.split()))

    def submitted(self):
        """Return how many jobs have been submitted since its start, forgotten ones, too."""
        (told,) = re.findall(r"NEXT_JOB_ID\s*=\s*(\d+)", self.command("scontrol", "show", "config"))
        return int(told) - 1

    def stop(self):
        for job in self.jobs("RUNNING", "PENDING"):
            self.command("scancel", str(job))
        end = time.monotonic() + 30
        while self.jobs("RUNNING", "COMPLETING") and time.monotonic() < end:
            time.sleep(0.5)
        for process in (*self._nodes.values(), self._controller, self._munge):
            if process is not None:
                _end(process)

    def _begin(self, command, output):
        with open(self.folder / output, "ab") as said:
            environment = os.environ | self.environment
            process = subprocess.Popen(command, env=environment, stdout=said, stderr=said, start_new_session=True)
        time.sleep(1)
        assert process.poll() is None, (self.folder / output).read_text()
        return process


def _end(process):
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _port():
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]
