# Two commands do everything: `make demo` and `make test`. Both make their own .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES = $(strip $(shell sed 's/\#.*//' packages.apt))

.DEFAULT_GOAL := help
.PHONY: help system demo test check chaos bench wheel-demo clean

help: ## Show what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

$(VENV)/made:
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/run: $(VENV)/made pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/test: $(VENV)/run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

$(VENV)/lint: $(VENV)/test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,lint]'
	@touch $@

system: ## Install the Debian packages that real pods and the tests use (as root)
	@[ "$$(id -u)" = 0 ] || { echo "make system installs Debian packages: run it as root, or install them by hand: $(PACKAGES)"; exit 1; }
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(PACKAGES)

demo: $(VENV)/run ## A shop of real programs under load, a broken version, a node lost; says what was observed
	$(BIN)/callboard demo

test: $(VENV)/test ## Run all the tests
	$(BIN)/python -m pytest -n 2 $(ARGS)

check: $(VENV)/lint ## Lint, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

chaos: $(VENV)/run ## Break small clusters on purpose for a minute, then the program itself; fails on anything found that should not be
	$(BIN)/callboard chaos run --schedules 600 --out build/chaos-failures
	$(BIN)/callboard chaos mutants --quick --schedules 120 --control 100

bench: $(VENV)/run ## Measure pods per second, messages per second, start-up, memory
	$(BIN)/callboard bench run $(ARGS)

wheel-demo: $(VENV)/made ## Build a wheel, install it in an empty environment, run the demo from there
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'build>=1.2,<2'
	rm -rf build/wheel && mkdir -p build/wheel
	$(BIN)/python -m build --wheel --outdir build/wheel . > build/wheel/log
	$(PYTHON) -m venv build/wheel/venv
	build/wheel/venv/bin/python -m pip install --quiet --disable-pip-version-check build/wheel/*.whl
	cd build/wheel && venv/bin/callboard demo

clean: ## Remove what was made
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
