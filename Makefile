# `make build` makes 50,000 labelled synthetic digits and evaluates them; `make test` checks the code. Both install first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

.PHONY: build test install docs clean

build: install
	$(BIN)/synthgen build --per-class 5000

test: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest

install: $(INSTALLED)

$(INSTALLED): pyproject.toml .ci/constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("synthgen needs Python 3.11 or newer, found " + sys.version.split()[0] + ": make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint .ci/constraints.txt --editable '.[dev]'
	@touch $(INSTALLED)

docs: install
	$(BIN)/python -m tests.test_docs

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
