# Everything runs in .venv, which the first command makes from requirements.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES ?= 2
export PYTHONPATH := workflow

.PHONY: demo test parity bench lint rulegraph clean

$(VENV)/installed: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rampflow needs Python 3.11 or later; name one with: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

# A small mock observing programme and the workflow on it.
demo: $(VENV)/installed
	@test -f demo/programme.json || $(BIN)/python -m rampflow.mock demo demo
	$(BIN)/snakemake --cores $(CORES) --quiet rules host
	@echo "Products: results/<exposure>/<exposure>_rate.fits, _rateints.fits and one file per step."

test: $(VENV)/installed
	$(BIN)/python -m pytest -m "not parity" $(TESTS)

# The oracle (the jwst package) lives in environments of its own.
parity: $(VENV)/installed
	$(BIN)/python tests/parity/compare.py $(PARITY)

bench: $(VENV)/installed
	$(BIN)/python benchmarks/bench.py $(BENCH)

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint --config instrument=MIRI tso=False

rulegraph: $(VENV)/installed
	$(BIN)/snakemake --rulegraph

clean:
	rm -rf demo results .snakemake .rampflow
