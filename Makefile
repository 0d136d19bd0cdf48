# Everything runs in .venv, which the first command makes from requirements.txt; the command rampflow is there, too.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES ?= 2
RESULTS ?= results
TESTED ?= -n 2 --dist loadfile
export PYTHONPATH := workflow

.PHONY: demo report check test fuzz kill-test cluster-test parity bench bench-compare bench-plot lint lint-snakemake manual rulegraph house clean

$(VENV)/installed: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rampflow needs Python 3.11 or later; name one with: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

# A small mock observing programme, the workflow on it, and the report, of a run that fails, too.
demo: $(VENV)/installed
	@test -f demo/programme.json || $(BIN)/python -m rampflow mock demo demo
	@status=0; $(BIN)/snakemake --cores $(CORES) --quiet host || status=$$?; \
	$(BIN)/python -m rampflow report; exit $$status
	@echo "Products: results/<exposure>/<exposure>_rate.fits, _rateints.fits and one file for each step that had something to do."

# One page about the results: results/report.html.
report: $(VENV)/installed
	$(BIN)/python -m rampflow report $(RESULTS)

# Whether results are still what their records say; make check CHECK="--again '*'" makes them again and compares.
check: $(VENV)/installed
	$(BIN)/python -m rampflow check $(RESULTS) $(CHECK)

# Two at once, since most of them wait for one process; TESTED="-n 0" is one after the other.
test: $(VENV)/installed
	$(BIN)/python -m pytest -m "not parity" $(TESTED) $(TESTS)

# Files with something wrong in them, thousands of each kind: refused in a line, or read, some through all steps;
# make fuzz FUZZ="--count 9 --chains 9 --seed 3".
fuzz: $(VENV)/installed
	PYTHONPATH=workflow:tests $(BIN)/python -m fuzz $(FUZZ)

# Kills runs at random moments, sixty times, and completes them: half an hour.
kill-test: $(VENV)/installed
	$(BIN)/python tests/run/kills.py $(KILLS)

# On a real Slurm, which it starts and ends (as root; installs it with apt-get where it is not): half an hour.
cluster-test: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[slurm]'
	$(BIN)/python -m pytest tests/cluster/on_slurm.py $(CLUSTER)

# The oracle (the jwst package) lives in environments of its own.
parity: $(VENV)/installed
	$(BIN)/python tests/parity/compare.py $(PARITY)

bench: $(VENV)/installed
	$(BIN)/python benchmarks/bench.py $(BENCH)

# The workflow of another commit and this one on the same exposures, in turn: make bench-compare BASE=v1.0 BENCH="twenty".
bench-compare: $(VENV)/installed
	$(BIN)/python benchmarks/commits.py "$(BASE)" $(BENCH)

# Draws what was measured commit by commit: benchmarks/history.html.
bench-plot: $(VENV)/installed
	$(BIN)/python benchmarks/history.py

lint: lint-snakemake
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile rules

# Without exposures, whatever there is: what a mode looks like is no matter of files.
lint-snakemake: $(VENV)/installed
	$(BIN)/snakemake --lint --config instrument=MIRI tso=False 'exposures=nowhere/*_uncal.fits'

# The tables of config/README.md that follow from schemas and releases.
manual: $(VENV)/installed
	$(BIN)/python -m rampflow.settings.manual

rulegraph: $(VENV)/installed
	$(BIN)/snakemake --rulegraph

# The drawing of which room of the package imports which: docs/house.md.
house: $(VENV)/installed
	$(BIN)/python docs/house.py

clean:
	rm -rf demo results .snakemake .rampflow
