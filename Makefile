# Nothing but Python 3.11+ and make is assumed; everything else is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
LOCK := pip compile --quiet --universal --python-version 3.11 --no-header --generate-hashes
.DEFAULT_GOAL := help
.PHONY: help demo up migrate test drill bench lint clean settings-reference lock install install-dev

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: install ## start everything, run the daily ingestion once, deliver its alerts, print a summary, stop
	@$(BIN)/python -m local demo

up: install ## start everything and keep running: Airflow on http://127.0.0.1:8080; Ctrl-C stops it all
	@$(BIN)/python -m local up

migrate: install ## bring the leads database (DATABASE_URL, or the local one) to the newest schema
	@$(BIN)/python -m local migrate

test: install-dev ## run the test suite against real servers that it starts itself
	@$(BIN)/python -m pytest -n 3 --dist worksteal -m "not drill" $(PYTEST)

drill: install-dev ## run the long tests: kill matrix, real scheduler, the whole demo
	@$(BIN)/python -m pytest -m drill $(PYTEST)

bench: install-dev ## run every benchmark, on servers with the demo's settings (takes minutes)
	@$(BIN)/python -m bench

lint: install-dev ## run ruff, mypy, import-linter and codespell
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache --no-logo
	@$(BIN)/codespell

clean: ## stop what runs and remove all local state (.venv stays)
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m local clean; \
	elif [ -e .local ]; then echo "make clean needs .venv to stop what may run: run make install first" >&2; exit 1; fi

settings-reference: install ## rewrite .env.example and docs/reference/settings.md from the settings classes
	@$(BIN)/python -m local.settings_reference

lock: install ## recompile the requirements locks, with hashes
	@$(BIN)/python -m uv $(LOCK) --extra batch --extra local pyproject.toml -o requirements.txt
	@$(BIN)/python -m uv $(LOCK) -c requirements.txt pyproject.toml -o requirements-notifier.txt
	@$(BIN)/python -m uv $(LOCK) -c requirements.txt --group dev -o requirements-dev.txt
	@$(BIN)/python -m uv $(LOCK) --group installer -o requirements-installer.txt

install: ## create .venv and install requirements.txt (the other targets do this first)
	@$(PYTHON) -m local.install

install-dev: ## also install what lint and tests need
	@$(PYTHON) -m local.install --dev
