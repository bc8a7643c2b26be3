# What a person types. Needs Python 3.11 or newer and make; all else is installed here.
PYTHON ?= python3.11
PYTHON := $(or $(shell command -v $(PYTHON)),python3)
BIN := .venv/bin
READY := .venv/ready

.PHONY: setup demo materialize ui console test test-long lint bench screenshots cli-reference site lock clean

setup: $(READY)

# Locked dependencies with their hashes; pip compiles the bytecode, which halves a start.
$(READY): requirements.lock pyproject.toml
	@echo "Setting up .venv (about two minutes the first time) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--compile -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--no-build-isolation --editable .
	@$(BIN)/python -m compileall -q d118_pipelines
	@touch $(READY)

# The history that make ui shows, without what Dagster's own commands say of themselves.
demo ui materialize: export DAGSTER_HOME := $(or $(DAGSTER_HOME),$(CURDIR))
demo ui materialize: export PYTHONWARNINGS := ignore

# Every asset over a made-up district: no server, no credential, files in var/outbox.
demo: $(READY)
	@echo "Materializing every asset over the demonstration district ..."
	@$(BIN)/d118 run --all
	@echo
	@$(BIN)/d118 status --files
	@echo "See lineage and run history: make ui, then open http://127.0.0.1:3000"

# Some assets by Dagster's own command: make materialize SELECT='+group:hr_records'
materialize: $(READY)
	@$(BIN)/dagster asset materialize -m d118_pipelines.definitions \
		--select '$(SELECT)' --config-json '{"loggers": {"console": {}}}'

# Dagster's UI behind the guard, with its daemon; D118_UI_PORT chooses another port.
ui: $(READY)
	@$(BIN)/python -m d118_pipelines.service.services

# The console for people and programs, with Dagster behind its sign-in (docs/console.md).
console: $(READY)
	@$(BIN)/d118 serve

PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto --dist loadfile --durations=25
LINT := $(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

# The suite, and beside it what reads the source; both must pass. A test whose real part
# is missing is skipped by name and listed.
test: $(READY)
	@linted=$$(mktemp) && trap 'rm -f "$$linted"' EXIT; \
	{ $(LINT); } >"$$linted" 2>&1 & lint=$$!; \
	$(PYTEST) -m "not long"; tested=$$?; \
	wait $$lint; clean=$$?; cat "$$linted"; \
	test $$tested -eq 0 && test $$clean -eq 0

# What takes more than a second: several processes, browsers, every kill point, every
# property with many examples, all of the store on PostgreSQL. Much of it waits for other
# processes, which leaves room for one test process more than there are cores.
test-long: $(READY)
	$(PYTEST) -n $$(($$(nproc) + 1)) -m "long or hypothesis" --hypothesis-profile=long

lint: $(READY)
	$(LINT)

bench: $(READY)
	$(BIN)/python -m bench.run
	$(BIN)/python -m bench.roster_run
	$(BIN)/python -m bench.oneroster_export
	$(BIN)/python -m bench.results
	$(BIN)/python -m bench.scim
	$(BIN)/python -m bench.draft

screenshots: $(READY)
	$(BIN)/python -m d118_pipelines_tests.browser.screenshots docs/images

# Rewrites the pages that are made from the code: commands, columns, settings, assets.
cli-reference: $(READY)
	$(BIN)/python -m d118_pipelines.cli.cli_reference > docs/cli.md
	$(BIN)/python -m d118_pipelines.cli.column_reference > docs/reference/readable_columns.md
	$(BIN)/python -m d118_pipelines.cli.settings_reference > docs/reference/settings.md
	$(BIN)/python -W ignore -m d118_pipelines.cli.asset_reference > docs/reference/assets.md

# The pages of docs/ as a site, in build/site; every link must lead somewhere.
site: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir build/site

# Rewrites requirements.lock from pyproject.toml; needs uv.
lock:
	uv pip compile pyproject.toml --extra dev --extra scim --python-version 3.11 --universal \
		--generate-hashes --no-emit-index-url --no-header --output-file requirements.lock

clean:
	rm -rf .venv .dagster var build *.egg-info .pytest_cache .mypy_cache .ruff_cache
