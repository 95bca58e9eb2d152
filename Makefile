# `make build` makes 50,000 labelled synthetic digits and evaluates them; `make test` checks the code. Both install what they need first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint .ci/constraints.txt
INSTALLED := $(VENV)/installed
DEVELOPED := $(VENV)/installed-dev

.PHONY: build test install docs audit clean

build: $(INSTALLED)
	$(BIN)/synthgen build --per-class 5000

test: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest

install: $(DEVELOPED)

$(INSTALLED): pyproject.toml .ci/constraints.txt
	@$(PYTHON) -c 'import sys; (3, 11) <= sys.version_info < (3, 14) or sys.exit("synthgen needs Python 3.11 to 3.13, as TensorFlow does, found " + sys.version.split()[0] + ": make PYTHON=python3.13 ...")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	@touch $@

$(DEVELOPED): $(INSTALLED)
	$(PIP) --editable '.[dev]'
	@touch $@

docs: install
	$(BIN)/python -m tests.test_docs

# Known weaknesses of the versions in .ci/constraints.txt. It asks pypi.org, and says of each package that it cannot ask about that it was not audited.
audit: $(INSTALLED)
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/pip install --quiet --disable-pip-version-check pip-audit
	$(VENV)/audit/bin/pip-audit --requirement .ci/constraints.txt --no-deps --disable-pip --strict

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
