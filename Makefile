# `make help` lists the targets. Everything runs in .venv, which is made on first use.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed
TRANSFORMERS4 := .venv-transformers4
INSTALL := -m pip install --quiet --disable-pip-version-check
export HF_HUB_OFFLINE := 1
# One process a core; each computes on one thread (tests/conftest.py). More than four gain little and need 2 GB each.
IN_PARALLEL := -n logical --maxprocesses 4 --dist worksteal

.PHONY: help demo test test-fast test-transformers4 test-ecosystem families fuzz-directories torture lint style docs
.PHONY: transformers4-env benchmark-env clean
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(STAMP)  ## train a small classifier, quantize it, compare both (about 4 minutes, no download)
	$(BIN)/nc-trainer demo

test: $(STAMP)  ## run the tests, on transformers 5
	$(BIN)/python -m pytest $(IN_PARALLEL)

test-fast: $(STAMP)  ## run the tests that are not marked slow, in less than two minutes
	$(BIN)/python -m pytest $(IN_PARALLEL) -m "not slow"

test-transformers4: $(TRANSFORMERS4)/installed  ## run the tests on transformers 4.57, in .venv-transformers4
	$(TRANSFORMERS4)/bin/python -m pytest $(IN_PARALLEL)

test-ecosystem: .venv-ecosystem/installed  ## run the tests with packages such as sentence-transformers, in .venv-ecosystem
	.venv-ecosystem/bin/python -m pytest tests/ecosystem

fuzz-directories: $(STAMP)  ## load 10,000 damaged int8 directories: one clear error each, or the same answers (minutes)
	cd tests && PYTHONPATH=.. ../$(BIN)/python -m helpers.fuzzed_directories 10000

torture: $(STAMP)  ## kill 200 saves and 100 searches: nothing is lost (minutes)
	cd tests && PYTHONPATH=.. ../$(BIN)/python -m helpers.killed_saves 200
	cd tests && PYTHONPATH=.. ../$(BIN)/python -m helpers.killed_searches 100

families: $(STAMP) $(TRANSFORMERS4)/installed  ## try every class of both lines of transformers, and write docs/families.md
	cd tests && PYTHONPATH=.. ../$(BIN)/python -m helpers.families.page ../docs/families.md
	cd tests && PYTHONPATH=.. ../$(TRANSFORMERS4)/bin/python -m helpers.families.page ../docs/families.md

lint: $(STAMP)  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

style: $(STAMP)  ## repair what the linter can repair
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP)  ## write the tables of docs/reference/, and the documentation as a site to site/
	$(BIN)/python docs/generate_reference.py
	$(BIN)/properdocs build --strict --quiet
	@echo "Open site/index.html"

transformers4-env: $(TRANSFORMERS4)/installed  ## make .venv-transformers4, with transformers 4.57

benchmark-env: .venv-peers/installed  ## make .venv-peers, which benchmarks/engine/compare_peers.py runs in

clean:  ## remove .venv, caches and the demo's output
	rm -rf .venv .venv-ecosystem .venv-peers $(TRANSFORMERS4)
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist site demo_output *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Makes the virtual environment $(1), unless it is there.
define make_venv
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
  || { echo "nc_trainer needs Python 3.10 or newer; '$(PYTHON)' is not. Try: make PYTHON=python3.11" >&2; exit 1; }
@$(1)/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(1)
@echo "Installing nc_trainer and what it needs into $(1); this can take some minutes"
endef

# The stamp is touched last, so an install that failed is tried again.
$(STAMP): setup.cfg constraints.txt
	$(call make_venv,.venv)
	$(BIN)/python $(INSTALL) -c constraints.txt -e '.[test,lint,docs]'
	touch $@

# The pins of constraints-transformers4.txt take the place of those of constraints.txt.
$(TRANSFORMERS4)/installed: setup.cfg constraints.txt constraints-transformers4.txt
	$(call make_venv,$(TRANSFORMERS4))
	awk -F == 'NR == FNR {own[$$1]; print; next} !($$1 in own)' constraints-transformers4.txt constraints.txt \
	  > $(TRANSFORMERS4)/constraints.txt
	$(TRANSFORMERS4)/bin/python $(INSTALL) -c $(TRANSFORMERS4)/constraints.txt -e '.[test]'
	touch $@

.venv-ecosystem/installed: setup.cfg constraints.txt
	$(call make_venv,.venv-ecosystem)
	.venv-ecosystem/bin/python $(INSTALL) -c constraints.txt -e '.[test,ecosystem,onnx,openvino]'
	touch $@

# torch first and from the constraints, so that nothing can bring another one.
.venv-peers/installed: setup.cfg constraints.txt benchmarks/engine/requirements.txt
	$(call make_venv,.venv-peers)
	.venv-peers/bin/python $(INSTALL) -c constraints.txt torch
	.venv-peers/bin/python $(INSTALL) -c constraints.txt -e . -r benchmarks/engine/requirements.txt
	touch $@
