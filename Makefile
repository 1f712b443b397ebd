# The project's own environment is .venv, with the exact versions of requirements-dev.txt.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

# Where Python may not keep what it compiled, each step and each test's process compiles MLflow anew: 12 s instead of 3.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help env run test check lint types pytest samples ui dashboard notebook docs clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

env: .venv/.ready ## make .venv; enter it with: . .venv/bin/activate

.venv/.ready: requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
		{ echo "Python 3.11 is needed; name it with: make env PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "Python's venv module is needed (Debian: apt-get install python3-venv)"; exit 1; }
	$(BIN)/python -m pip install --quiet uv==$(shell sed -n 's/^uv==//p' requirements-dev.txt)
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements-dev.txt
	@touch $@

run: env ## run the chain on the shipped samples
	PATH="$(CURDIR)/$(BIN):$$PATH" mlflow run . --env-manager=local

ui: env ## browse the runs on http://127.0.0.1:5000
	$(BIN)/mlflow ui --host 127.0.0.1 --backend-store-uri sqlite:///mlflow.db

dashboard: env ## show the latest run on http://127.0.0.1:8050
	$(BIN)/python dashboard.py

notebook: env ## open results.ipynb, the analysis of the latest run, in the browser
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint requirements-dev.txt jupyterlab
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/jupyter lab results.ipynb

check: lint types ## lint and type-check

test: lint ## lint, type-check and run all tests
	$(MAKE) --no-print-directory --jobs=2 types pytest

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: env
	$(BIN)/mypy

pytest: env
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

docs: env ## make docs/entry_points.md anew, from MLproject and the scripts
	$(BIN)/python -m loadprofiles.entry_points

samples: env ## make the sample inputs and their truth anew; the same bytes each time
	$(BIN)/python -m loadprofiles.synthetic --out .

clean: ## remove the environment and what runs wrote
	rm -rf .venv .cache mlruns mlflow.db dtw alerts.db alerts.db.lock scores.parquet
