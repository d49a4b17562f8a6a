# Every target works on a bare clone: it makes .venv from the hash-locked requirements first.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Set in many containers; here it would have each of a dozen processes compile every module again at its start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test lint chaos spark bench lock docs clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1|/' | column -t -s '|'

# One stamp per lock file: an edited lock installs again, an unchanged one costs nothing.
$(VENV)/.runtime: requirements/runtime.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=python3.x" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "python3-venv is missing: install it (Debian: apt install python3-venv)" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

demo: $(VENV)/.runtime ## the whole story on embedded servers; ends with a report to open
	@$(BIN)/customer-merge demo $(ARGS)

lint: $(VENV)/.dev ## style, types and import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: $(VENV)/.dev ## every check that must be green to land, on real PostgreSQL and real Kafka
	@$(BIN)/python tests/rig/run.py $(ARGS)

chaos: $(VENV)/.dev ## the long fault run, and new examples for every property
	@$(BIN)/python -m pytest tests -m "chaos or hypothesis" --hypothesis-profile=chaos -o timeout=7200 $(ARGS)

spark: $(VENV)/.dev .bench/spark/.made ## a base exported, scored by Splink on a real Spark, and its pairs loaded back
	@$(BIN)/python -m pytest tests/spark -m spark -s $(ARGS)

.bench/spark/.made: requirements/spark.txt
	@command -v java >/dev/null || { echo "Spark needs Java 17 or newer: install it (Debian: apt install openjdk-17-jre-headless)" >&2; exit 1; }
	@$(PYTHON) -m venv --clear .bench/spark
	.bench/spark/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/spark.txt
	@touch $@

bench: $(VENV)/.dev ## figures, each beside its reference, measured here (docs/performance.md)
	@$(BIN)/python -m bench $(ARGS)

docs: $(VENV)/.dev ## the generated pages and contracts
	$(BIN)/python -m customer_events.documents
	$(BIN)/python -m merge_engine.rules_page
	$(BIN)/python tests/parity/parity_table.py

lock: ## the lock files, from pyproject.toml
	@command -v uv >/dev/null || { echo "uv is needed to make the lock files: pip install uv" >&2; exit 1; }
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --group build pyproject.toml --output-file requirements/runtime.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --group build --group dev --extra plots --constraint requirements/runtime.txt pyproject.toml --output-file requirements/dev.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header requirements/spark.in --output-file requirements/spark.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header requirements/bench-splink.in --output-file requirements/bench-splink.txt

clean: ## remove what the targets made
	rm -rf $(VENV) .bench .kafka out dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
