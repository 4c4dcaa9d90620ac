# make party        set everything up and start a party on port 8080
# make test         set everything up and run every check: the one gate
# make screenshots  write a picture of every screen, page and terminal, to screenshots/
# make bench        measure LoudSync, its peers and nodes on NATS; takes half an hour
# make soak         let 2,000 members come and go for SOAK_MINUTES=10
# make drills       kill nodes and NATS servers while people join, DRILL_ROUNDS=20 times each
# make fuzz         throw FUZZ_FACTOR=10 times as many bytes at it as make test does
# make format       let ruff format the code
# make clean        remove what the above made

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix clients/js
NODE_MODULES := clients/js/node_modules/.installed
PARTY ?= The Party
ARGS ?=
BENCH_ARGS ?=
CLUSTER_ARGS ?=
SOAK_MINUTES ?= 10
SOAK_ARGS ?=
DRILL_ROUNDS ?= 20
DRILL_ARGS ?=
FUZZ_FACTOR ?= 10
CORE_TESTS := tests/core tests/protocol
CROWD_TESTS := tests/soak tests/faults

.DEFAULT_GOAL := help
.PHONY: help party test lint types layers unit guard screenshots bench bench-cluster soak drills fuzz format clean

help:
	@sed -n 's/^# //p' Makefile

party: $(VENV)/.installed
	@$(BIN)/loudsync host "$(PARTY)" $(ARGS)

test: lint types layers unit guard

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .

types: $(VENV)/.installed-dev $(NODE_MODULES)
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 src
	$(BIN)/mypy --platform darwin src
	$(NPM) run --silent types

layers: $(VENV)/.installed-dev
	$(BIN)/lint-imports --no-logo

# With their bytecode kept, also where that is switched off: the tests are compiled once,
# not by each of the processes that run them, and LoudSync not by each that it is run in.
unit: export PYTHONDONTWRITEBYTECODE :=
unit: $(VENV)/.installed-dev $(NODE_MODULES)
	LOUDSYNC_CHROMIUM="$$($(BIN)/python scripts/find_chromium.py --install)" && \
	export LOUDSYNC_CHROMIUM && \
	$(BIN)/coverage run -m pytest $(CORE_TESTS) && \
	$(BIN)/coverage report --fail-under=100 && \
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder \
		$(CROWD_TESTS) && \
	$(BIN)/python -m pytest --numprocesses=4 --dist=loadfile --no-loadscope-reorder \
		$(CORE_TESTS:%=--ignore=%) $(CROWD_TESTS:%=--ignore=%) tests

guard: $(VENV)/.installed-dev
	$(BIN)/python -m bench.guard

bench: $(VENV)/.installed-dev
	$(BIN)/python -m bench.scale docs/performance.md
	$(BIN)/python -m bench --json docs/benchmark.json --picture docs/images/bench.svg \
		--write README.md docs/performance.md $(BENCH_ARGS)
	$(MAKE) --no-print-directory bench-cluster

bench-cluster: $(VENV)/.installed-dev
	PYTHONPATH=tests/support $(BIN)/python -m bench.cluster --json docs/benchmark-cluster.json \
		--write docs/performance.md docs/cluster.md $(CLUSTER_ARGS)

screenshots: $(VENV)/.installed-dev
	LOUDSYNC_CHROMIUM="$$($(BIN)/python scripts/find_chromium.py --install)" \
	PYTHONPATH=tests/support $(BIN)/python -m page_screenshots screenshots && \
	PYTHONPATH=tests/support $(BIN)/python -m terminal_screenshots screenshots

soak: $(VENV)/.installed-dev
	PYTHONPATH=tests/support $(BIN)/python -m soak --minutes $(SOAK_MINUTES) $(SOAK_ARGS)

drills: $(VENV)/.installed-dev
	PYTHONPATH=tests/support $(BIN)/python -m drills --rounds $(DRILL_ROUNDS) $(DRILL_ARGS)

fuzz: $(VENV)/.installed-dev
	LOUDSYNC_FUZZ_FACTOR=$(FUZZ_FACTOR) $(BIN)/python -m pytest tests/fuzz

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) clients/js/node_modules bench/node_modules bench/.build screenshots .coverage* .hypothesis .import_linter_cache .mypy_cache \
		.pytest_cache .ruff_cache build dist

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "LoudSync needs Python 3.11 or newer; name one with PYTHON=..." >&2; exit 1; }
	@echo "Setting up in $(VENV) (once; takes a minute)"
	@$(PYTHON) -m venv $(VENV) || \
		{ echo "Python can't make a virtual environment; install python3-venv" >&2; exit 1; }

$(VENV)/.installed: $(BIN)/python pyproject.toml constraints.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

# Node.js itself is one of the dev packages.
$(NODE_MODULES): $(VENV)/.installed-dev clients/js/package.json clients/js/package-lock.json
	@$(NPM) ci --silent --ignore-scripts --no-audit --no-fund
	@touch $@
