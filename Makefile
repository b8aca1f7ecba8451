# Everything starts here: `make demo` shows it, `make test` proves it. `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3.11
BIN := .venv/bin
PY := $(BIN)/python
MVN := mvn -q -B -ntp -Dstyle.color=never
SOURCES := jobs udfs schemas tests
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-build-isolation

COLLECTOR_BUILDER := v0.155.0

.PHONY: help setup fmt lint test test-fast test-flink e2e chaos demo bench scorecard fuzz golden up down zip collector lock clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.requirements .venv/.package build/jars/kafka/.fetched build/jars/flink/.fetched  ## Make .venv with the `anomasec` command, fetch the jars
	@echo "ready: $(BIN)/anomasec --help"

# One line per missing thing, before anything is fetched.
build/.machine:
	@command -v $(PYTHON) >/dev/null && $(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null \
	  || { echo "anomasec: there is no Python 3.11 ($(PYTHON)); install it, or name one: make setup PYTHON=/path/to/python3.11" >&2; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	  || { echo "anomasec: $(PYTHON) has no venv module; install it (on Debian: apt-get install python3.11-venv)" >&2; exit 2; }
	@java=$${JAVA_HOME:+$$JAVA_HOME/bin/}java; version=$$("$$java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -1 || true); \
	  [ -n "$$version" ] && [ "$$version" -ge 17 ] \
	  || { echo "anomasec: there is no Java 17 ($$java$${version:+ is Java $$version}); install a Java 17 runtime, or set JAVA_HOME to one" >&2; exit 2; }
	@command -v mvn >/dev/null \
	  || { echo "anomasec: there is no Maven, which fetches the jars; install it (on Debian: apt-get install maven)" >&2; exit 2; }
	@free=$$(df -Pm . | awk 'NR==2 {print $$4}'); [ "$$free" -ge 6000 ] \
	  || { echo "anomasec: only $$free MB are free on the disk of $$PWD, 6000 are needed; free some, or clone to another disk" >&2; exit 2; }
	@mkdir -p build && touch $@

.venv/.requirements: requirements/build.txt requirements/lock.txt | build/.machine
	@echo "installing Python packages into .venv (about 2 minutes the first time)"
	@[ -x $(PY) ] || $(PYTHON) -m venv .venv
	@$(PIP) -r requirements/build.txt
	@$(PIP) -r requirements/lock.txt
	@touch $@

.venv/.package: setup.cfg pyproject.toml requirements/runtime.in .venv/.requirements
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

build/jars/%/.fetched: pom.xml | build/.machine
	@echo "fetching the jars of $*"
	@rm -rf build/jars/$* && $(MVN) -P $* dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=build/jars/$*
	@touch $@

fmt: setup  ## Format the code
	@$(BIN)/ruff check --quiet --fix-only $(SOURCES) && $(BIN)/ruff format --quiet $(SOURCES)

lint: setup  ## Lint, formatting, types
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/mypy

test: lint  ## Everything: lint, types, unit, property, mini-cluster and end-to-end tests
	@$(PY) -m pytest

test-fast: setup  ## Tests that start no cluster and no broker
	@$(PY) -m pytest -m "not flink and not e2e and not chaos"

test-flink: setup  ## Tests on a Flink mini cluster
	@$(PY) -m pytest -m "flink and not chaos"

e2e: setup  ## Tests on the real broker, store and cluster
	@$(PY) -m pytest -m "e2e and not chaos"

chaos: setup  ## Kill every part under load; counts must still be exact
	@$(PY) -m pytest -m chaos

demo: setup  ## Start everything, stream a world with planted faults, show what was found
	@$(BIN)/anomasec demo

bench: setup  ## Lines per second and CPU-seconds per million lines
	@$(PY) -m tests.bench
	@$(PY) -m tests.bench --rivals

scorecard: setup  ## How well reading and detection do on the tuning data
	@$(PY) -m tests.scorecard

fuzz: setup  ## A million mutated lines of all formats: nothing may crash, hang or be lost
	@$(PY) -W ignore -m tests.fuzz --lines 1000000 --seed 1

golden: setup  ## Write the expected rows of tests/golden anew; look at the diff
	@$(PY) -m pytest --update-golden tests/golden

up: setup  ## Start the local stack
	@$(BIN)/anomasec up

down: setup  ## Stop the local stack
	@$(BIN)/anomasec down

zip: setup  ## build/anomasec.zip, for `flink run -pyfs`
	@$(PY) -c 'from pathlib import Path; from jobs.submit import product_zip; print(product_zip(Path("build")))'

collector:  ## build/collector/otelcol, the OpenTelemetry Collector of the tests and `make bench` (needs Go)
	@command -v go >/dev/null || { echo "anomasec: there is no Go, which builds the collector; install Go 1.25 or later" >&2; exit 2; }
	@mkdir -p build/collector
	@GOBIN=$$PWD/build/collector GOFLAGS=-buildvcs=false go install go.opentelemetry.io/collector/cmd/builder@$(COLLECTOR_BUILDER)
	@CGO_ENABLED=0 GOFLAGS="-buildvcs=false -p=$${GO_JOBS:-1}" build/collector/builder --config docker/collectors/builder.yaml --ldflags="-s -w"
	@echo "ready: build/collector/otelcol"

lock:  ## Resolve the requirements anew (needs uv)
	@uv pip compile --quiet --generate-hashes --python-version 3.11 --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" requirements/build.in -o requirements/build.txt
	@uv pip compile --quiet --generate-hashes --python-version 3.11 --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" requirements/runtime.in requirements/dev.in -o requirements/lock.txt

clean:  ## Remove what was built; .venv and the local stack's data stay
	@rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
