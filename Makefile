# `./run` and `./test` do the same as `make run` and `make test` for people without make.
SHELL := /bin/bash
VENV ?= .venv
PYTHON_VENV = $(VENV)/bin/python
export VENV

.PHONY: help run test format assets lock bench campaign

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Make the virtualenv, install the locked packages, migrate and serve
	@./run

test: ## Install what the tests need, then lint, types, arrows and every test
	@./test

format: ## Rewrite the Python code in the house format
	@scripts/venv dev
	@$(PYTHON_VENV) -m ruff check --fix .
	@$(PYTHON_VENV) -m ruff format .

assets: ## Build static/dist (commit the result)
	@scripts/npm
	@npm run --silent check
	@npm run --silent build

lock: ## Resolve the dependencies of pyproject.toml and package.json again
	@scripts/lock

bench: ## Compare speed with the frozen baselines (SIZE=full for the long run)
	@scripts/venv dev
	@scripts/npm
	@scripts/chromium
	@status=0; for part in bench bench.deliveries bench.functions bench.pages bench.visible; do \
		SIZE=$(or $(SIZE),small) $(PYTHON_VENV) -m $$part || status=1; \
	done; exit $$status

campaign: ## Kill, starve and race the running service, time its signature check; takes minutes, not part of `make test`
	@scripts/venv dev
	@$(PYTHON_VENV) -m pytest -m campaign -o faulthandler_timeout=0
