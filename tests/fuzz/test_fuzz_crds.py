"""A sample of the mutants of parameter files and references; all of them by `make fuzz`."""

import faulthandler
import os

import pytest

from fuzz import parameter_files, references

#: Mutants of each kind.
NUMBER = int(os.environ.get("FUZZ_MUTANTS", "60"))
#: Seconds for one of them, after which all threads are shown and the process ends: what hangs in C takes no signal.
PATIENCE = 60


@pytest.mark.parametrize("room", [parameter_files, references], ids=lambda room: room.__name__)
def test_a_mutant_is_read_or_refused_in_one_line(room, tmp_path):
    faults = []
    for mutant in room.mutants(os.environ.get("FUZZ_SEED", "1"), NUMBER):
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        try:
            faults += filter(None, [room.check(mutant, tmp_path)])
        finally:
            faulthandler.cancel_dump_traceback_later()
    assert faults == []
