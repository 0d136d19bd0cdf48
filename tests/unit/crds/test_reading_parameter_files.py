import bz2
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import asdf
import numpy as np
import pytest

from rampflow.crds import parameter_files, verify
from rampflow.io import asdf_bounds
from rampflow.io.files import FileProblem

HEAD = b"#ASDF 1.0.0\n#ASDF_STANDARD 1.5.0\n%YAML 1.1\n%TAG ! tag:stsci.edu:asdf/\n--- !core/asdf-1.1.0\n"
LAUGHS = b"parameters:\n  a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + b"".join(
    b"  a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, 10)
)


def block(compression, used, data, allocated=None, flags=0):
    head = struct.pack(">I4sQQQ16s", flags, compression, allocated or len(used), len(used), data, bytes(16))
    return b"\xd3BLK" + struct.pack(">H", len(head)) + head + used


def bomb(compression, size=1 << 28):
    """Inflates to zeros of that size; made piece by piece."""
    engine = zlib.compressobj(9) if compression == b"zlib" else bz2.BZ2Compressor(9)
    piece, parts = bytes(1 << 24), []
    for _ in range(size >> 24):
        parts.append(engine.compress(piece))
    return b"".join([*parts, engine.flush()])


def written(path, body, blocks=b""):
    path.write_bytes(HEAD + body + b"...\n" + blocks)
    return path


# --- what cannot be a parameter file --------------------------------------------------------------------------

ODD = {
    "steps null": (b"parameters: {}\nsteps: null\n", "steps: found nothing, expected a list of steps"),
    "steps a number": (b"parameters: {}\nsteps: 3\n", "steps: found 3, expected a list of steps"),
    "steps text": (b"parameters: {}\nsteps: jump\n", "steps: found 'jump', expected a list"),
    "steps a block": (b"parameters: {}\nsteps: {jump: {}}\n", "steps: found a collection, expected a list"),
    "a step null": (b"parameters: {}\nsteps: [null]\n", "steps: step 1: found nothing, expected a block"),
    "a step text": (b"parameters: {}\nsteps: [jump]\n", "steps: step 1: found 'jump', expected a block"),
    "a step without name": (b"parameters: {}\nsteps:\n- {parameters: {a: 1}}\n", "step 1: name: found nothing"),
    "a step with a number for a name": (b"parameters: {}\nsteps:\n- {name: 3, parameters: {}}\n", "name: found 3"),
    "a step without parameters": (b"parameters: {}\nsteps:\n- {name: jump}\n", "jump: parameters: found 'nothing'"),
    "a step with a list": (
        b"parameters: {}\nsteps:\n- {name: jump, parameters: [1]}\n",
        "jump: parameters: found a",
    ),
    "older steps a list": (b"parameters: {steps: [1]}\n", "parameters: steps: found a collection"),
    "an older step a number": (b"parameters: {steps: {jump: 1}}\n", "parameters: steps: jump: found 1"),
    "no parameters": (b"name: jump\n", "parameters: found 'nothing', expected a block"),
    "parameters null": (b"parameters: null\n", "parameters: found nothing"),
    "parameters a list": (b"parameters: [1, 2]\n", "parameters: found a collection"),
    "parameters text": (b"parameters: no\n", "parameters: found False"),
    "a number for a name": (b"parameters: {3: 4}\n", "parameters: a name: found 3, expected text"),
    "a switch for a name": (b"parameters: {on: 4}\n", "parameters: a name: found True, expected text"),
    "null for a name": (b"parameters: {null: 4}\n", "parameters: a name: found nothing, expected text"),
    "a list for a name": (b"parameters: {? [1, 2] : 4}\n", "its tree is not YAML"),
    "a list for all": (b"- 1\n- 2\n", "its tree is not a mapping"),
    "nothing": (b"", "its tree is not a mapping"),
    "text for all": (b"hello\n", "its tree is not a mapping"),
    "not YAML": (b"parameters: {a: [}\n", "its tree is not YAML"),
    "a tab": (b"parameters:\n\ta: 1\n", "its tree is not YAML"),
    "two documents": (b"parameters: {}\n--- \nparameters: {}\n", "more than one YAML document"),
    "another encoding": ("parameters: {a: é}\n".encode("latin-1"), "its tree is not YAML"),
    "zero bytes": (b"parameters: {a: \0}\n", "its tree is not YAML"),
    "a recursive alias": (b"parameters: &p {a: *p}\n", r"line 6: the alias \*p stands for itself"),
    "an alias of nothing": (b"parameters: {a: *p}\n", r"the alias \*p stands for nothing"),
    "nested 3,000 deep": (b"parameters: {a: " + b"[" * 3000 + b"]" * 3000 + b"}\n", "more than 32 levels deep"),
    "nested 200,000 deep": (b"parameters: {a: " + b"[" * 200_000 + b"]" * 200_000 + b"}\n", "more than 32 levels deep"),
    "blocks 3,000 deep": (b"".join(b" " * n + b"a:\n" for n in range(1000)), "more than 32 levels deep"),
    "aliases nested deep": (
        b"parameters:\n  a0: &a0 [1]\n" + b"".join(b"  a%d: &a%d [*a%d]\n" % (n, n, n - 1) for n in range(1, 60)),
        "more than 32 levels deep",
    ),
    "a billion laughs": (LAUGHS, "more than 20000 nodes with its aliases"),
    "merged laughs": (LAUGHS.replace(b"[", b"{<<: [").replace(b"]", b"]}"), "nodes with its aliases|not YAML"),
    "many values": (b"parameters:\n" + b"  a: 1\n" * 30_000, "more than 20000 nodes"),
    "a long number": (b"parameters: {a: " + b"1" * 100_000 + b"}\n", "a number of 100000 characters"),
    "a long sexagesimal": (b"parameters: {a: 1" + b":1" * 100_000 + b"}\n", "a number of 200001 characters"),
    "python": (b"parameters: {a: !!python/object/apply:os.mkdir [ran]}\n", "its tree is not YAML|within"),
    "a tag without sense": (b"parameters: !!int x\n", "its tree is not YAML"),
    "a date without sense": (b"parameters: {a: 2024-02-31}\n", "its tree is not YAML"),
    "a reference elsewhere": (b'parameters: {a: {$ref: "file:///etc/passwd"}}\n', "refers to another file"),
    "an array elsewhere": (
        b'parameters: {a: !core/ndarray-1.0.0 {source: "http://localhost/x.asdf", datatype: int8, shape: [1]}}\n',
        "an array is elsewhere",
    ),
    "an array of any size": (
        b"parameters: {a: !core/ndarray-1.0.0 {source: 0, datatype: int8, shape: [1000000000], strides: [0]}}\n",
        "an array of shape",
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_no_parameter_file_is_refused_by_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    body, expected = ODD[name]
    path = written(tmp_path / "pars.asdf", body)
    if name == "python":
        # A tag that is not known stands for nothing: the values behind it are a list of text.
        assert parameter_files.read(path)["parameters"] == {"a": ["ran"]}
    else:
        with pytest.raises(FileProblem, match=f"{path.name}.*({expected})") as told:
            verify.check_complete(path, parameters=True)
            parameter_files.read(path)
        assert "\n" not in str(told.value)
    assert not (tmp_path / "ran").exists()


FILES = {
    "empty": (b"", "is empty"),
    "no ASDF": (b"parameters: {}\n...\n", "is not an ASDF file"),
    "UTF-16": (b"\xff\xfe" + "#ASDF 1.0.0\n".encode("utf-16-le"), "is not an ASDF file"),
    "a FITS file": (b"SIMPLE  =                    T", "is not an ASDF file"),
    "without an end": (HEAD + b"parameters: {}\n", "its tree has no end"),
    "a long tree": (HEAD + b"#" * (2 << 20) + b"\n...\n", "does not end within 1048576 bytes"),
    "a long file": (HEAD + b"parameters: {}\n...\n" + b" " * (5 << 20), "bytes, expected at most 4194304"),
    "something behind": (HEAD + b"parameters: {}\n...\n#x", "no block where one is due"),
    "half a block": (
        HEAD + b"parameters: {}\n...\n" + block(b"\0\0\0\0", b"abc", 3)[:20],
        "truncated inside the header",
    ),
    "a block cut": (HEAD + b"parameters: {}\n...\n" + block(b"\0\0\0\0", b"abc", 3, 300), "should end at byte"),
    "a large block": (HEAD + b"parameters: {}\n...\n" + block(b"zlib", b"abc", 1 << 40), "take 1099511627776 bytes"),
    "unknown compression": (HEAD + b"parameters: {}\n...\n" + block(b"rle\0", b"abc", 3), "compressed as b'rle"),
    "no zlib": (HEAD + b"parameters: {}\n...\n" + block(b"zlib", b"abc", 3), "cannot be inflated"),
    "no bzp2": (HEAD + b"parameters: {}\n...\n" + block(b"bzp2", b"abcdefgh", 3), "cannot be inflated"),
    "zlib of less": (HEAD + b"parameters: {}\n...\n" + block(b"zlib", zlib.compress(b"abc"), 9), "inflates to 3 bytes"),
    "lz4 bomb": (
        HEAD + b"parameters: {}\n...\n" + block(b"lz4\0", struct.pack(">II", 12, 0) + struct.pack("<I", 3 << 30), 8),
        "cannot be inflated|inflates to",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_small_asdf_file_is_refused_by_name(name, tmp_path):
    content, expected = FILES[name]
    path = tmp_path / "pars.asdf"
    path.write_bytes(content)
    with pytest.raises(FileProblem, match=f"{path.name}.*({expected})"):
        verify.check_complete(path, parameters=True)


SCRIPT = """
import resource, sys
from pathlib import Path
from rampflow.crds import verify
from rampflow.io.files import FileProblem
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    verify.check_complete(Path(sys.argv[1]), parameters=sys.argv[2] == "pars")
except FileProblem as problem:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, problem)
"""


@pytest.mark.parametrize("role", ["pars", "reference"])
@pytest.mark.parametrize("compression", [b"zlib", b"bzp2"])
def test_a_bomb_is_not_inflated_into_memory(compression, role, tmp_path):
    content = bomb(compression)
    path = written(tmp_path / "pars.asdf", b"parameters: {}\n", block(compression, content, 4096))
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path), role],
        env={"PYTHONPATH": str(Path(verify.__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )
    kilobytes, _, text = run.stdout.partition(" ")
    assert "pars.asdf: a block inflates to" in text and "expected 4096" in text
    assert int(kilobytes) < 50_000


# --- what is one ------------------------------------------------------------------------------------------------


def test_values_become_those_of_json(tmp_path):
    body = (
        b"parameters: {a: .nan, b: .inf, c: 2024-01-01, d: !!binary aGk=, e: !!set {y, x}, f: {1: 2}, g: null, "
        b"h: '5.0', i: [1, [2.5, true]], j: &k [1], l: *k, name: n, class: c}\nsteps: []\n"
    )
    found = parameter_files.read(written(tmp_path / "pars.asdf", body))["parameters"]
    assert found == {
        "a": "nan",
        "b": "inf",
        "c": "2024-01-01",
        "d": "b'hi'",
        "e": ["x", "y"],
        "f": {"1": 2},
        "g": None,
        "h": "5.0",
        "i": [1, [2.5, True]],
        "j": [1],
        "l": [1],
    }


@pytest.mark.parametrize("compression", [None, "zlib", "bzp2"])
def test_a_reference_with_arrays_is_read_as_before(compression, tmp_path):
    path = tmp_path / "reference.asdf"
    tree = {"model": {"inline": [1, 2.5], "large": np.arange(100_000), "again": np.ones((3, 4), np.float32)}}
    asdf.AsdfFile(tree).write_to(path, all_array_compression=compression)
    assert verify.check_complete(path) == {}
    found, has_blocks = asdf_bounds.read(path, asdf_bounds.REFERENCE)
    assert has_blocks and found["model"]["inline"] == [1, 2.5]
    content = bytearray(path.read_bytes())
    content[-5000 if compression is None else -200] ^= 255
    path.write_bytes(content)
    with pytest.raises(FileProblem, match=r"reference\.asdf"):
        verify.check_complete(path)


def test_the_tree_is_what_asdf_reads(tmp_path):
    import asdf.util

    path = tmp_path / "pars.asdf"
    tree = {"parameters": {"a": 1, "b": [1.5, None, "x"], "c": {"d": True}}, "steps": [{"name": "e", "parameters": {}}]}
    asdf.AsdfFile(tree).write_to(path)
    assert asdf_bounds.read(path, asdf_bounds.PARAMETERS) == (asdf.util.load_yaml(path), False)
