# Everything runs in .venv, which the first target makes; only Python >= 3.11 and make are needed.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
export OMP_WAIT_POLICY ?= PASSIVE
export PYTHONDONTWRITEBYTECODE ?= 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-external lint types format pictures bench clean dist

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(VENV)/ready: pyproject.toml
	@echo "installing into $(VENV): about 6 GB, most of it PyTorch; once"
	@test -x $(BIN)/uv || ( $(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "Clipproof needs Python 3.11, 3.12 or 3.13: make PYTHON=python3.12 …")' \
	  && $(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet --disable-pip-version-check uv )
	@UV_PROJECT_ENVIRONMENT=$(VENV) $(BIN)/uv sync --quiet --inexact --no-progress
	@touch $@

demo: $(VENV)/ready  ## one clip from a prompt: generated, marked, signed, audited, traced home
	@$(BIN)/python -m clipproof.demo

# Collection order: the slow files, which start the server, come first.
test: $(VENV)/ready  ## the whole test-suite (no network, server or GPU)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not external"

test-external: $(VENV)/ready  ## what needs Chromium, Ray or Dask (installs the Python parts)
	UV_PROJECT_ENVIRONMENT=$(VENV) $(BIN)/uv sync --quiet --inexact --no-progress --group external --extra dask --extra ray
	$(BIN)/python -m pytest -m external

lint: $(VENV)/ready  ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/ready  ## mypy
	$(BIN)/mypy

format: $(VENV)/ready  ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

pictures: $(VENV)/ready  ## the README's pictures
	$(BIN)/python benchmarks/pictures.py

bench: $(VENV)/ready  ## the tables of docs/ (some minutes)
	@for script in benchmarks/produce.py benchmarks/verify.py benchmarks/imports.py benchmarks/audit.py; do \
	  echo "== $$script"; $(BIN)/python $$script || exit 1; done
	$(BIN)/python -m benchmarks.watermark
	$(BIN)/python -m benchmarks.policy
	$(BIN)/python -m benchmarks.detection

dist: $(VENV)/ready  ## sdist, and the wheel built from it
	rm -rf dist && $(BIN)/python -m build --installer uv --outdir dist

clean:  ## everything that make made
	rm -rf $(VENV) demo out dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
