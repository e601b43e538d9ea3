# make run | test | test-slow | examples | fuzz | bench | lint | docs | bindings | clean; each sets up .venv by itself.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
COCOTB := $(VENV)/.cocotb

DEMO := examples/demo/digits_qat_uint8.tflite
SAMPLES := examples/demo/digits_samples.npz
DEMO_SCHEMES := int8 symmetric symmetric-po2
DEMO_OUT := build/demo

RUFF := --isolated --line-length 100 --target-version py310 --extend-exclude _generated
# Tools put the repository on their path before they import from it.
EXCEPT := --per-file-ignores 'tools/*:E402'
RULES := E,F,W,I,B,UP,C4
# Tools have no .py in their names; ruff finds only what it is told.
SOURCES := tflite_requant tests examples $(shell grep -lsE '^\#!.*python' tools/*)

empty :=
space := $(empty) $(empty)
comma := ,

.PHONY: run test test-slow examples fuzz bench lint format docs bindings clean
.DELETE_ON_ERROR:

run: $(READY)
	mkdir -p $(DEMO_OUT)
	$(BIN)/python -m tflite_requant $(DEMO) \
	  --scheme $(subst $(space),$(comma),$(DEMO_SCHEMES)) --calibration $(SAMPLES):calibration \
	  --output $(DEMO_OUT)
	$(BIN)/python tools/accuracy $(DEMO) $(DEMO_SCHEMES) --samples $(SAMPLES)

test: $(READY)
	$(BIN)/python -m pytest

test-slow: $(READY)
	$(BIN)/python -m pytest -m slow

# Simulates RTL and runs C on golden vectors; what is not installed is skipped, and said.
examples: $(READY) $(COCOTB)
	$(BIN)/python examples/c/bench.py
	$(BIN)/python examples/rtl/bench.py
	$(BIN)/python examples/rtl/run_cocotb.py

fuzz: $(READY)
	$(BIN)/python tools/fuzz $(DEMO) --count 2000

bench: $(READY)
	$(BIN)/python tools/bench

lint: $(READY)
	$(BIN)/ruff check $(RUFF) --select $(RULES) $(EXCEPT) $(SOURCES)

format: $(READY)
	$(BIN)/ruff format $(RUFF) $(SOURCES)

docs: $(READY)
	for tool in tools/generate_*_doc; do $(BIN)/python $$tool || exit 1; done

bindings: $(READY)
	$(BIN)/python tools/generate_bindings

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .hypothesis .ruff_cache
	find tflite_requant tests tools -name __pycache__ -type d -exec rm -rf {} +

$(READY): setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	  || { echo 'make: need Python 3.10 or later; set PYTHON=/path/to/python3'; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo 'make: $(PYTHON) cannot make virtual environments; install its venv package (Debian: apt install python3-venv)'; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,dev]'
	touch $@

$(COCOTB): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[cocotb]' \
	  || echo 'cocotb cannot be installed; its bench will be skipped'
	touch $@
