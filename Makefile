# Everything a developer or operator starts. Needs Python 3.11 to 3.14, a shell and the package index.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TEST_PROCESSES ?= 2
PYTEST := $(BIN)/pytest --numprocesses $(TEST_PROCESSES) --dist loadscope --no-loadscope-reorder
INSTALL := $(BIN)/python -m pip --disable-pip-version-check install --quiet
HASHED := $(INSTALL) --require-hashes --no-deps --only-binary :all: --requirement
PROJECT := $(INSTALL) --no-deps --no-build-isolation --editable .

.DELETE_ON_ERROR:
.PHONY: setup run test quick chaos bench bench-quick bench-plots eval check format lock docs clean

setup: $(VENV)/laptop.stamp  ## make the environment

run: $(VENV)/laptop.stamp  ## start everything on this machine
	@exec $(BIN)/alonchat up

test: $(VENV)/dev.stamp  ## run all tests
	@tests/runtimes.sh
	$(PYTEST) $(ARGS)

quick: $(VENV)/dev.stamp  ## run the tests that need no server, in under a minute
	$(PYTEST) -m quick $(ARGS)

chaos: $(VENV)/dev.stamp  ## kill things under load for ten minutes, then audit
	$(BIN)/python -m tests.chaos $(ARGS)

bench: $(VENV)/dev.stamp  ## measure beside other servers: table, JSON and plots in .bench
	$(BIN)/python -m tests.bench $(ARGS)

bench-quick: $(VENV)/dev.stamp  ## measure the main ratios and say which ones moved
	$(BIN)/python -m tests.bench --quick

bench-plots: $(VENV)/dev.stamp  ## draw the figures measured last into docs/performance
	$(BIN)/python -m tests.bench.plot docs/performance

eval: $(VENV)/dev.stamp  ## ask the labelled questions: table, JSON and plots in .eval
	$(BIN)/python -m tests.eval $(ARGS)

check: $(VENV)/dev.stamp  ## format, lint, types, import rules, documents as the code, vulnerabilities
	$(BIN)/ruff format --check . && $(BIN)/ruff check .
	$(BIN)/mypy && $(BIN)/lint-imports
	$(BIN)/python -m tests.documents.interfaces --check
	$(BIN)/python requirements/audit.py

format: $(VENV)/dev.stamp  ## rewrite the code as `check` wants it
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lock: $(VENV)/dev.stamp  ## pin the newest packages that pyproject.toml allows
	$(INSTALL) 'uv>=0.13,<0.14' && PATH="$(CURDIR)/$(BIN):$$PATH" requirements/lock.sh

docs: $(VENV)/dev.stamp  ## write what is made from the code: settings, docs/openapi.json, docs/asyncapi.json
	$(BIN)/python -m tests.deploy.settings_table
	$(BIN)/python -m tests.documents.interfaces

clean:  ## remove the environment and caches; the data directory stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) requirements/supported.py
	$(PYTHON) -m venv $(VENV)

$(VENV)/%.stamp: requirements/%.txt pyproject.toml | $(BIN)/python
	@echo "Installing requirements/$*.txt into $(VENV); the first time takes a minute or two."
	@$(HASHED) requirements/$*.txt && $(PROJECT) && touch $@
