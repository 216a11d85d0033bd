# `make help` lists the targets. Everything runs in .venv, which is made on first use.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed
export HF_HUB_OFFLINE := 1

.PHONY: help demo test lint style benchmark-env clean
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(STAMP)  ## train a small classifier, quantize it, compare both (about 4 minutes, no download)
	$(BIN)/nc-trainer demo

test: $(STAMP)  ## run the tests
	$(BIN)/python -m pytest

lint: $(STAMP)  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

style: $(STAMP)  ## repair what the linter can repair
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark-env: .venv-peers/installed  ## make .venv-peers, which benchmarks/engine/compare_peers.py runs in

clean:  ## remove .venv, caches and the demo's output
	rm -rf .venv .venv-peers .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist demo_output *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is touched last, so an install that failed is tried again.
$(STAMP): setup.cfg constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	  || { echo "nc_trainer needs Python 3.10 or newer; '$(PYTHON)' is not. Try: make PYTHON=python3.11" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@echo "Installing nc_trainer and what it needs into .venv; this can take some minutes"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,lint]'
	touch $@

# torch first and from the constraints, so that nothing can bring another one.
.venv-peers/installed: setup.cfg constraints.txt benchmarks/engine/requirements.txt
	@.venv-peers/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	  -e . -r benchmarks/engine/requirements.txt
	touch $@
