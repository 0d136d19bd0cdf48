"""What a job is to do, in plain data: files, parameters, references, threads and memory.

The only module that knows the ``snakemake`` object which Snakemake gives to scripts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rampflow.settings.branches import variant_of


@dataclass(frozen=True)
class JobSpec:
    """A job: what it reads and writes, with which parameters and references, and what it may use.

    Attributes
    ----------
    name : str
        The rule; for a detector step its name.
    exposure : str or None
        Name of the exposure.
    variant : str or None
        Name of the variant whose parameters are used; None for those of the results themselves.
    inputs : mapping of str to str
        Files that are read, by the rule's words: ``ramp``; or ``rate`` and ``rateints``; ``user``, ``carried``.
    outputs : mapping of str to str
        Files that are written: ``ramp``; or ``rate`` and ``rateints``; ``parameters``, ``record``, ``carried``,
        ``answers``.
    references : mapping of str to (str or dict)
        CRDS type to its pointer, or to the file that holds the pointer (`rampflow.crds.pointers`).
    asked : str, dict or None
        What CRDS was asked, or the file that says so: its context and the version of crds go into headers.
    settings : mapping of str to dict
        Parameter to ``{"value": …, "source": …}``, before CRDS's parameter files have their say.
    skipped : mapping of str to str
        Steps that the exposure skips on the way to this one, and who says so: "release 1.19", a type and file of CRDS,
        "config".
    named : mapping of str to str
        References that the header names for the sake of these steps, which open none: CRDS type to the value of its
        keyword.
    code : str or None
        Digest of the code that the job runs.
    threads : int
        Threads to use.
    memory_mb : int
        Memory to keep within.
    log : str or None
        The job's log file.
    inputs_stay : bool
        Whether the products that the job reads stay on the disk.
    stays : bool
        Whether the product that it makes does.
    checksums_of_all : bool
        Whether the record has a checksum of products on the way, too.
    more : mapping
        What a job that is no step is told: parameters of the rule as they are.
    """

    name: str
    exposure: str | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    references: Mapping[str, str | dict] = field(default_factory=dict)
    asked: str | dict | None = None
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    named: Mapping[str, str] = field(default_factory=dict)
    code: str | None = None
    threads: int = 1
    memory_mb: int = 2000
    log: str | None = None
    inputs_stay: bool = False
    stays: bool = True
    checksums_of_all: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)
    variant: str | None = None

    @classmethod
    def from_snakemake(cls, snakemake: Any) -> JobSpec:
        """Read what Snakemake tells a script.

        Parameters
        ----------
        snakemake : object
            With ``rule``, ``wildcards``, ``input``, ``output``, ``params``, ``threads``, ``resources``, ``log`` and
            ``config``.
        """
        given = dict(snakemake.input.items())
        pointers = [str(path) for path in given.pop("references", [])]
        params = dict(snakemake.params.items())
        keep = snakemake.config.get("keep", "all")
        # Another workflow, which has this one as a module, may have given the rule another name.
        name = Path(snakemake.log[0]).stem if snakemake.log else snakemake.rule
        skipped = params.pop("skipped", {})
        return cls(
            name=name,
            exposure=snakemake.wildcards.get("exposure"),
            # An input function that names no file gives an empty list.
            inputs={name: str(path) for name, path in given.items() if path},
            outputs={name: str(path) for name, path in snakemake.output.items()},
            references={Path(path).stem: path for path in pointers},
            # Beside the pointers, and no input of the rule: a context that selects the same files reruns nothing.
            asked=str(Path(pointers[0]).with_name("asked.json")) if pointers else None,
            settings=params.pop("settings", {}),
            skipped={step: entry["by"] for step, entry in skipped.items()},
            named={kind: name for entry in skipped.values() for kind, name in entry["names"].items()},
            code=params.pop("code", None),
            threads=max(1, snakemake.threads),
            memory_mb=snakemake.resources.get("mem_mb", 2000),
            log=str(snakemake.log[0]) if snakemake.log else None,
            inputs_stay=keep == "all",
            stays=keep == "all" or (keep != "none" and name in keep),
            checksums_of_all=snakemake.config.get("checksums") == "all",
            more=params,
            variant=variant_of(snakemake.wildcards.get("variant", "")),
        )
