"""Make mutants of good files, one after the other and each from its own number, and judge what becomes of them."""

import contextlib
import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Kind:
    """A kind of files to be fuzzed.

    Attributes
    ----------
    name : str
        Its name.
    seeds : callable
        Returns the good files: name to bytes. The name of a mutant's file begins with that of its seed.
    mutators : dict
        Name to function of a `random.Random` and bytes, which returns other bytes.
    judge : callable
        Called with the path of a mutant; returns a word for what became of it ("refused", "accepted"), and raises
        AssertionError, or whatever the code raises, where it should not.
    """

    name: str
    seeds: Callable
    mutators: dict
    judge: Callable


@dataclass
class Outcome:
    """What became of mutants."""

    counts: Counter = field(default_factory=Counter)  #: (mutator, word) to number
    failures: list = field(default_factory=list)  #: (number, how it was made, what it raised)


def mutant(kind, number, seed=0):
    """Return a mutant: how it was made, the name of its file, its bytes. The same number gives the same one."""
    choose = random.Random(f"{kind.name} {seed} {number}")
    seeds = kind.seeds()
    name = choose.choice(sorted(seeds))
    content, made = seeds[name], []
    # Mostly one change: several together are mostly refused for the first of them.
    for _ in range(choose.choice((1, 1, 1, 2, 3))):
        if not content:
            break
        how = choose.choice(sorted(kind.mutators))
        content = kind.mutators[how](choose, content)
        made.append(how)
    return " + ".join(made), name, content


def run(kind, count, folder, seed=0, first=0):
    """Judge mutants; failures are collected, and their files stay in the folder."""
    outcome = Outcome()
    for number in range(first, first + count):
        made, name, content = mutant(kind, number, seed)
        path = Path(folder) / f"{number}_{name}"
        path.write_bytes(content)
        try:
            word = kind.judge(path)
        except Exception as error:
            outcome.failures.append((number, made, error))
            word = "FAILED"
        else:
            path.unlink()
        outcome.counts[made if " + " not in made else "several", word] += 1
    return outcome


@contextlib.contextmanager
def counted_reads():
    """Count the bytes that are asked for of files by position; the list has one number for each call."""
    read, pread = [], os.pread

    def counting(descriptor, size, offset):
        found = pread(descriptor, size, offset)
        read.append(len(found))
        return found

    os.pread = counting
    try:
        yield read
    finally:
        os.pread = pread


def fault_of(problem, path, what):
    """Say what is wrong with how a file was refused, or None: a refusal is a line that names the file.

    Parameters
    ----------
    problem : Exception
        What was raised.
    path : `~pathlib.Path`
        The file.
    what : str
        How it was made.
    """
    text = str(problem)
    if path.name not in text or "\n" in text or len(text) > 2000:
        return f"{what}: not a line that names the file: {text[:300]!r}"
    return None
