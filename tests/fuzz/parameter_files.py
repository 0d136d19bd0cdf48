"""Mutants of parameter files (pars-*), each a small ASDF file, and what must come of them: values, or one line."""

import bz2
import json
import random
import struct
import zlib
from dataclasses import dataclass

from fuzz.driver import fault_of
from rampflow.crds import parameter_files, verify
from rampflow.io.files import FileProblem

HEAD = b"#ASDF 1.0.0\n#ASDF_STANDARD 1.5.0\n%YAML 1.1\n%TAG ! tag:stsci.edu:asdf/\n--- !core/asdf-1.1.0\n"
GOOD = b"""class: jwst.pipeline.Detector1Pipeline
name: Detector1Pipeline
parameters: {save_calibrated_ramp: false, suffix: null}
steps:
- class: jwst.jump.jump_step.JumpStep
  name: jump
  parameters: {rejection_threshold: 5.5, skip: 'False', list: [1, 2]}
- class: jwst.ipc.ipc_step.IPCStep
  name: ipc
  parameters: {skip: true}
"""
VALUES = (
    "null", "3", "-1e400", ".nan", ".inf", "text", "''", "[1, 2]", "{a: b}", "[]", "{}", "true", "2024-01-01", "0x1f",
    "1:59:59", "!!binary aGk=", "!!set {a, b}", "!!omap [a: 1]", "!!python/name:os.system ''", "!!int x", "~", "'\\0'",
    "&a [*a]", "*nowhere", "!!float nan", "99999999999999999999999999", "!<tag:stsci.edu:asdf/core/complex-1.0.0> 1+1j",
    "!core/ndarray-1.0.0 {source: 0, datatype: int8, shape: [9999999999]}", "!core/ndarray-1.0.0 [1, 2]", "\u00e9",
    "<<",
)  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A file's content, and what was done to it."""

    what: str
    content: bytes


def mutants(seed, number):
    """Yield that many mutants, the same for the same seed."""
    for index in range(number):
        rng = random.Random(f"{seed}/{index}")
        maker = rng.choice(MAKERS)
        content = maker(rng)
        if rng.random() < 0.1:
            content = _flipped(rng, content, 3)
        yield Mutant(f"{seed}/{index}: {maker.__name__}", content)


def check(mutant, folder):
    """Read a mutant as a parameter file; return what is wrong with what came of it, or None."""
    path = folder / "pars.asdf"
    path.write_bytes(mutant.content)
    try:
        verify.verified(path, None, parameters=True)
        found = parameter_files.read(path)
    except FileProblem as problem:
        return fault_of(problem, path, mutant.what)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the fault
        return f"{mutant.what}: {type(error).__name__}: {error}"
    if set(found) != {"parameters", "steps"} or not all(isinstance(block, dict) for block in found["steps"].values()):
        return f"{mutant.what}: not the form of parameters: {found!r}"
    try:
        text = json.dumps(found, allow_nan=False)
    except (TypeError, ValueError) as error:
        return f"{mutant.what}: not JSON: {error}"
    return None if json.loads(text) == found else f"{mutant.what}: not what JSON holds: {found!r}"


def _file(body, blocks=b""):
    return HEAD + body + b"...\n" + blocks


def _flipped(rng, content, number):
    content = bytearray(content)
    for _ in range(number):
        content[rng.randrange(len(content))] = rng.randrange(256)
    return bytes(content)


def _bytes(rng):
    return _flipped(rng, _file(GOOD), rng.randint(1, 20))


def _cut(rng):
    content = _file(GOOD)
    start, stop = sorted(rng.sample(range(len(content) + 1), 2))
    return content[:start] + content[stop:] if rng.random() < 0.5 else content[:stop]


def _lines(rng):
    lines = GOOD.splitlines(keepends=True)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(lines))
        how = rng.randrange(3)
        if how == 0 and len(lines) > 1:
            del lines[at]
        elif how == 1:
            lines.insert(at, rng.choice(lines))
        else:
            lines[at] = b" " * rng.randint(0, 4) + lines[at].lstrip()
    return _file(b"".join(lines))


def _places(text):
    """Where values and keys are."""
    return [at + 2 for at in range(len(text) - 1) if text[at : at + 2] == b": "]


def _value(rng):
    at = rng.choice(_places(GOOD))
    end = min(end for end in (GOOD.find(mark, at) for mark in (b"\n", b",", b"}")) if end >= 0)
    return _file(GOOD[:at] + rng.choice(VALUES).encode() + GOOD[end:])


def _key(rng):
    key = rng.choice([b"parameters", b"steps", b"name", b"class", b"skip", b"list"])
    return _file(GOOD.replace(key + b":", rng.choice(VALUES).encode() + b":", rng.randint(1, 3)))


def _deep(rng):
    depth = int(10 ** rng.uniform(1, 5.5))
    opened, closed = rng.choice([(b"[", b"]"), (b"{a: ", b"}"), (b"- ", b""), (b"? ", b"")])
    inner = opened * depth + closed * (depth if rng.random() < 0.8 else 0)
    return _file(b"parameters:\n  a: " + inner + b"\n")


def _aliases(rng):
    wide, levels = rng.randint(1, 12), rng.randint(1, 40)
    kind = rng.choice([b"[%s]", b"{x: [%s]}", b"{<<: [%s]}"])
    lines = [b"parameters:\n  a0: &a0 " + rng.choice([b"[1, 2]", b"{b: 1}", b"1"])]
    lines += [b"  a%d: &a%d " % (n, n) + kind % b", ".join([b"*a%d" % (n - 1)] * wide) for n in range(1, levels)]
    return _file(b"\n".join(lines) + b"\n")


def _long(rng):
    size = int(10 ** rng.uniform(2, 6.8))
    piece = rng.choice([b"1", b"x", b":1", b"a, ", b"- 1\n", b"#", b" ", b"'", b"\xff"])
    return _file(b"parameters: {a: 1" + piece * (size // len(piece)) + b"}\n")


def _blocks(rng):
    raw = bytes(rng.choice([0, 100, 10_000, 1 << 22]))
    kind = rng.choice([b"zlib", b"bzp2", b"lz4\0", b"\0\0\0\0", b"none"])
    used = {b"zlib": zlib.compress, b"bzp2": bz2.compress}.get(kind, bytes)(raw)
    promised = rng.choice([len(raw), 0, 1, 1 << 20, 1 << 40, (1 << 64) - 1])
    allocated = rng.choice([len(used), 0, len(used) + 1, (1 << 64) - 1])
    size = rng.choice([48, 48, 48, 0, 7, 65535])
    head = struct.pack(">I4sQQQ16s", rng.choice([0, 0, 1]), kind, allocated, len(used), promised, bytes(16))
    return _file(GOOD, b"\xd3BLK" + struct.pack(">H", size) + head + used)


MAKERS = [_bytes, _lines, _value, _value, _key, _deep, _aliases, _long, _blocks, _cut]
