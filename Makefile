# One command each; `make` alone lists them. They run in .venv, which is made when it is first needed.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTHON ?= $(shell for python in python3.11 python3; do $$python -c '' 2>/dev/null && echo $$python && break; done)

SDK := sdk/js
SDK_READY := $(SDK)/node_modules/.ready
NPM := $(shell command -v npm)
CHROMIUM ?= /usr/bin/chromium

MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help demo test test-js test-browser check bench soak fuzz protos envoy vectors sdk compose-check constraints clean

# List these commands.
help:
	@awk '/^# / { if (!text) text = substr($$0, 3); next } \
	  /^[a-z-]+:/ && text { sub(/:.*/, ""); printf "  make %-14s %s\n", $$0, text } { text = "" }' Makefile

# Show one sealed order through a real Envoy, on loopback, and stay up. ARGS=--check: end after it.
demo: $(READY)
	@$(BIN)/extproc demo $(ARGS)

# Run the tests, on every core. ARGS="tests/link -k cookies": some of them.
# A file's tests stay in one process, so that what they share (an Envoy, say) starts once.
test: $(READY)
	@$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile $(ARGS)

# Check and test the JavaScript SDK in Node.js: format, lint, types, floors, vectors, size. ARGS=test/wire/*: some tests.
test-js: $(READY) $(SDK_READY)
	@cd $(SDK) && npm run --silent check
	@cd $(SDK) && node --import tsx --test $(or $(ARGS),$$(find test -name '*.test.ts'))

# Test the JavaScript SDK and the demo's page in Chromium, through a real gateway. ARGS=test/browser/NAME: some tests.
test-browser: $(READY) $(SDK_READY) $(CHROMIUM)
	@cd $(SDK) && CHROMIUM=$(CHROMIUM) node --import tsx --test --test-concurrency=2 --test-reporter=spec $(or $(ARGS),test/browser/*.browser.ts)

# Check format, lint, types, floors and sizes, and that generated files are in step.
check: $(READY) $(if $(NPM),$(SDK_READY))
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/test_house.py
	@$(BIN)/python tools/generate.py --check
	@$(BIN)/python tools/draw_states.py --check

# Measure the whole gateway. OUT=file.json: a list of the rows; ARGS=--quick: a shorter run.
bench: $(READY)
	@$(BIN)/python -m bench $(if $(OUT),--out "$(OUT)") $(ARGS)

# Wear the whole gateway out, for a quarter of an hour: slow transfers, aborts, kills. ARGS=--quick: a minute.
soak: $(READY)
	@$(BIN)/python -m bench.soak $(ARGS)

# Feed the wire transport what no peer should send, for ten minutes. ARGS="--seconds 60": for one.
fuzz: $(READY)
	@$(BIN)/python -m tests.wire.fuzz $(ARGS)

# Generate extproc/link/pb from protos/.
protos: $(READY)
	@$(BIN)/python tools/generate.py protos

# Generate envoy/envoy.yaml from envoy/gateway.yaml.
envoy: $(READY)
	@$(BIN)/python tools/generate.py envoy

# Build the JavaScript SDK, sdk/js/dist, and the page of the demo, extproc/demo/page.
sdk: $(READY) $(SDK_READY)
	@$(BIN)/python tools/generate.py sdk-protos page
	@cd $(SDK) && npm run --silent build

# Generate the test vectors, tests/vectors/, from their recorded inputs.
vectors: $(READY)
	@$(BIN)/python tools/generate.py vectors

# Check docker-compose.yml. No engine is needed, only the Compose tool.
compose-check:
	@if docker compose version >/dev/null 2>&1; then docker compose config --quiet; \
	elif command -v docker-compose >/dev/null; then docker-compose config --quiet; \
	else echo "compose-check needs docker-compose, which is not installed (Debian: apt install docker-compose)" >&2; exit 2; fi

# Resolve every dependency anew, and write the versions to constraints.txt.
constraints:
	@rm -rf build/constraints && "$(PYTHON)" -m venv build/constraints
	@build/constraints/bin/pip install -qq --disable-pip-version-check --editable '.[dev]'
	@{ echo "# The exact versions that were tested; 'make constraints' writes this file."; \
	  build/constraints/bin/pip freeze --all --exclude pip --exclude-editable; } > build/constraints.txt
	@mv build/constraints.txt constraints.txt && rm -rf build/constraints

# Remove .venv, caches and build products. Keys and state stay.
clean:
	@rm -rf $(VENV) $(SDK)/node_modules $(SDK)/dist build dist extproc.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find bench extproc tests tools -name __pycache__ -prune -exec rm -rf {} +

# pip hands PIP_CONSTRAINT, or PIP_BUILD_CONSTRAINT since 25.3, on to the building of the project itself.
$(READY): export PIP_CONSTRAINT := constraints.txt
$(READY): export PIP_BUILD_CONSTRAINT := constraints.txt
$(READY): pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo \
	  "Python 3.11 or newer is needed, and $(or $(PYTHON),python3) is not that. Name one: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@echo "Setting up $(VENV), once" >&2
	@"$(PYTHON)" -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.[dev]'
	@touch $@

$(CHROMIUM):
	@{ test "$$(id -u)" = 0 && echo "Installing Chromium, once" >&2 && \
	  apt-get update -qq && apt-get install -y -qq chromium >/dev/null && test -x $@; } || { echo \
	  "Chromium is needed at $@, and can't be installed from here (Debian: apt install chromium; else make CHROMIUM=/path/to/it)" >&2; exit 2; }

$(SDK_READY): $(SDK)/package-lock.json
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null && command -v npm >/dev/null || { echo \
	  "Node.js 20 or newer is needed, with npm (Debian: apt install nodejs npm)" >&2; exit 2; }
	@echo "Setting up $(SDK)/node_modules, once" >&2
	@cd $(SDK) && npm ci --silent --no-audit --no-fund
	@touch $@
