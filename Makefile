# Two commands set everything up on a machine with Python 3.11 or newer: `make demo` (the base, no torch) and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SOURCES := pyproject.toml constraints.txt src/superfine/version.py

.PHONY: demo test lint types arrows unit clean

demo: $(VENV)/.base
	@mkdir -p demo-output
	$(BIN)/superfine upscale examples/kitten.png -o demo-output --overwrite

test: lint types arrows unit

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

arrows: $(VENV)/.dev
	$(BIN)/lint-imports

unit: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --maxprocesses 8

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: $(SOURCES) | $(BIN)/python
	$(PIP) install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.dev: $(SOURCES) | $(BIN)/python
	$(PIP) install --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $@ $(VENV)/.base

clean:
	rm -rf $(VENV) demo-output build dist
