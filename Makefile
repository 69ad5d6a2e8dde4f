# For everyone: make serve, make test. For developers: make check, fuzz, format, proto, lock, clean and more.

SHELL := /bin/sh
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
DATA_DIR ?= .data
PORT ?= 8400
ADMIN_PORT ?= 8401
PYTEST_ARGS ?=
JOBS ?= 3
FUZZ_TARGET ?= all
FUZZ_SECONDS ?= 600
SEED ?= 0
DIST ?= dist
SITE ?= .site
SOURCES := src client/src tests tools benchmarks docs/site

# The first Python that is new enough and can create a virtual environment.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v $$p; break; }; done)

.PHONY: help
help:
	@echo 'make serve        install everything and run the service on the embedded stores (DATA_DIR=.data PORT=8400 ADMIN_PORT=8401)'
	@echo 'make test         install everything and run all tests (JOBS=3 processes)'
	@echo 'make test-unit    run only the unit tests (on another Python: VENV=.venv-3.13 PYTHON=python3.13)'
	@echo 'make check        check format, lint, types, import contracts and generated code, as CI does beside the tests'
	@echo 'make fuzz         fuzz everything that parses foreign bytes (FUZZ_TARGET=all FUZZ_SECONDS=600 SEED=0)'
	@echo 'make mutants      mutation tests: change the code in one place at a time (AREA=all COUNT=40 SEED=1 MINUTES=30)'
	@echo 'make torture      inject faults into real processes and check their answers (SECONDS=300 STORES=both SEED=...)'
	@echo 'make soak         an hour of load with kills, which shows that nothing grows (MINUTES=60 RATE=30 SEED=1)'
	@echo 'make model        explore the slot protocol (MODEL_STATES=20000000 per scenario, 200 bytes of memory each)'
	@echo 'make bench        measure the service beside what its stores allow (QUICK=1: at most 2 minutes); docs/benchmarks.md'
	@echo 'make web          build the page that restores a backup in a browser, and serve it on this machine (WEB_PORT=8402)'
	@echo 'make bench-scale  measure what many rows and files cost (ROWS=10000000 FILES=1000000: hours, 12 GiB); docs/scale.md'
	@echo 'make docs         build the documentation site (SITE=.site)'
	@echo 'make dist         build the wheels and source archives of both packages (DIST=dist), the same bytes for the same commit'
	@echo 'make sbom         write a CycloneDX SBOM of each package (DIST=dist)'
	@echo 'make compose-env  write fresh passwords for compose.yaml to .env'
	@echo 'make setup | format | proto | notices | api | lock | clean | bench-compare | bench-plot'

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo 'Python 3.11 or newer with its venv module is required (Debian: apt-get install python3 python3-venv).' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# Wheels only, each checked against its hash. Then our own two packages, built with the pinned backend.
$(VENV)/.run: requirements/run.txt pyproject.toml client/pyproject.toml | $(BIN)/python
	@echo 'Installing the packages of the service and the client ...' >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: -r requirements/run.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . --editable client
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	@echo 'Installing the packages of the tests ...' >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: -r requirements/dev.txt
	@touch $@

# The fuzzer has wheels for few platforms only. On the others, its tests are skipped with a message.
$(VENV)/.fuzz: requirements/fuzz.txt $(VENV)/.dev
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: -r requirements/fuzz.txt \
		&& touch $@ || echo 'The fuzzer cannot be installed here (see requirements/fuzz.in).' >&2

$(VENV)/.sbom: requirements/sbom.txt $(VENV)/.dev
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: -r requirements/sbom.txt
	@touch $@

$(VENV)/.docs: requirements/docs.txt $(VENV)/.dev
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: -r requirements/docs.txt
	@touch $@

# Not for ordinary tests. Without yattag: it has no wheel, and cosmic-ray needs it only for reports that are not used here.
$(VENV)/.mutants: requirements/mutants.txt $(VENV)/.dev
	@echo 'Installing the mutation tester ...' >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: -r requirements/mutants.txt
	@touch $@

.PHONY: setup
setup: $(VENV)/.dev

.PHONY: serve
serve: $(VENV)/.run
	@exec $(BIN)/obscura-backup serve --data-dir $(DATA_DIR) --port $(PORT) --admin-port $(ADMIN_PORT) --welcome

.PHONY: test
test: $(VENV)/.dev $(VENV)/.fuzz $(VENV)/.sbom $(VENV)/.docs
	@$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

# Only the unit tests. On another Python, in an environment of its own: VENV=.venv-3.13 PYTHON=python3.13.
.PHONY: test-unit
test-unit: $(VENV)/.dev
	@$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder tests/unit $(PYTEST_ARGS)

# FUZZ_TARGET=mutants plants bugs, one at a time, and fails unless each is found. SEED=0: a new seed each time.
.PHONY: fuzz
fuzz: $(VENV)/.fuzz
	@PYTHONPATH=tests $(BIN)/python -m fuzz $(FUZZ_TARGET) --seconds $(FUZZ_SECONDS) --seed $(SEED)

# A seeded sample of mutants in a copy of the code, run against the tests that reach them. JSON=file writes a report in
# JSON; AGAIN=file tries only the survivors in such a report, with the same SEED.
AREA ?= all
COUNT ?= 40
JSON ?=
AGAIN ?=
.PHONY: mutants
mutants: $(VENV)/.mutants
	@PYTHONPATH=tests $(BIN)/python -m mutation $(AREA) --count $(COUNT) --seed $(if $(filter 0,$(SEED)),1,$(SEED)) --minutes $(or $(MINUTES),30) \
		$(if $(JSON),--json $(JSON)) $(if $(AGAIN),--again $(AGAIN))

# Real processes are killed, frozen, disconnected, left without disk space. SECONDS in total; the same SEED gives the same
# requests and faults (0: a new seed).
STORES ?= both
.PHONY: torture
torture: $(VENV)/.dev
	@PYTHONPATH=tests $(BIN)/python -m torture --seconds $(or $(SECONDS),300) --stores $(STORES) --seed $(SEED)

# An hour of load with kills, to show that nothing grows. MINUTES, RATE (calls per second), SEED; JSON=file, SVG=file.
RATE ?= 30
.PHONY: soak
soak: $(VENV)/.dev
	@PYTHONPATH=tests $(BIN)/python -m benchmarks.soak --minutes $(or $(MINUTES),60) --rate $(RATE) --seed $(if $(filter 0,$(SEED)),1,$(SEED)) \
		$(if $(JSON),--json $(JSON)) $(if $(SVG),--svg $(SVG))

# Every interleaving and fault of small sets of clients. Results: docs/decisions/0007-what-was-explored.md.
MODEL_STATES ?= 20000000
.PHONY: model
model: $(VENV)/.dev
	@PYTHONPATH=tests $(BIN)/python -m protocol $(MODEL_STATES)

# Times are measured here and never asserted in a test. BACKEND: memory, embedded, near, far; CASES: patterns such as
# upload-64KiB-16; SECONDS: per measurement. JSON of the run: RESULT.
BACKEND ?=
CASES ?=
LOOPS ?=
WORKERS ?= 1
QUICK ?=
RESULT ?= .bench/run.json
.PHONY: bench
bench: $(VENV)/.dev
	@mkdir -p $(dir $(RESULT))
	@PYTHONPATH=tests $(BIN)/python -m benchmarks --json $(RESULT) --workers $(WORKERS) $(if $(filter-out 0,$(QUICK)),--quick) \
		$(if $(SECONDS),--seconds $(SECONDS)) $(if $(MINUTES),--minutes $(MINUTES)) \
		$(if $(BACKEND),--backends '$(BACKEND)') $(if $(CASES),--cases '$(CASES)') $(if $(LOOPS),--loops '$(LOOPS)')

# Many rows and files: hours rather than minutes, and up to 12 GiB of disk, both less with smaller ROWS and FILES. STAGES:
# service, postgres, embedded. The tables of docs/scale.md come from benchmarks/scale/measured.json.
ROWS ?= 10000000
FILES ?= 1000000
STAGES ?= service postgres embedded
SCALE_RESULT ?= .bench/scale.json
.PHONY: bench-scale
bench-scale: $(VENV)/.dev
	@mkdir -p $(dir $(SCALE_RESULT))
	@PYTHONPATH=tests $(BIN)/python -m benchmarks.scale --json $(SCALE_RESULT) --rows $(ROWS) --files $(FILES) --stages '$(STAGES)' \
		$(if $(SECONDS),--seconds $(SECONDS))

.PHONY: bench-plot
bench-plot: $(VENV)/.dev
	@PYTHONPATH=tests $(BIN)/python -m benchmarks.plot $(RESULT)

# OLD and NEW: checkouts, each with `make setup` done. The way to measure any change of performance.
ROUNDS ?= 8
.PHONY: bench-compare
bench-compare: $(VENV)/.dev
	@PYTHONPATH=tests $(BIN)/python -m benchmarks.compare $(OLD) $(NEW) --rounds $(ROUNDS) --workers $(WORKERS) \
		$(if $(SECONDS),--seconds $(SECONDS)) $(if $(BACKEND),--backend $(BACKEND)) $(if $(CASES),--cases '$(CASES)') \
		$(if $(JSON),--json $(JSON))

.PHONY: check
check: $(VENV)/.dev
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/generate_protobuf.py --check
	$(BIN)/python tools/generate_format_vectors.py --check
	$(BIN)/python tools/generate_settings_page.py --check
	$(BIN)/python -m benchmarks.scale.page --check
	$(BIN)/python -m tools.generate_notices --check
	$(BIN)/python -m tools.generate_api_listing --check

.PHONY: format
format: $(VENV)/.dev
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

.PHONY: proto
proto: $(VENV)/.dev
	$(BIN)/python tools/generate_protobuf.py

# Versions and hashes for every platform and every Python from 3.11 on. The files name no package index.
UPGRADE ?=
LOCK = $(BIN)/uv pip compile $(UPGRADE) --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url
.PHONY: lock
lock: $(VENV)/.dev
	$(LOCK) pyproject.toml client/pyproject.toml requirements/build.in requirements/minio.in -o requirements/run.txt
	$(LOCK) pyproject.toml requirements/build.in -c requirements/run.txt -o requirements/server.txt
	$(LOCK) client/pyproject.toml -c requirements/run.txt -o requirements/client.txt
	$(LOCK) requirements/minio.in -c requirements/run.txt -o requirements/minio.txt
	$(LOCK) requirements/otel.in -c requirements/run.txt -o requirements/otel.txt
	$(LOCK) pyproject.toml client/pyproject.toml requirements/build.in requirements/minio.in requirements/otel.in --group dev -c requirements/run.txt -o requirements/dev.txt
	$(LOCK) requirements/fuzz.in -o requirements/fuzz.txt
	$(LOCK) requirements/sbom.in -c requirements/dev.txt -o requirements/sbom.txt
	$(LOCK) requirements/docs.in -c requirements/dev.txt -o requirements/docs.txt
	$(LOCK) requirements/mutants.in -c requirements/dev.txt --no-emit-package yattag -o requirements/mutants.txt

# The pages load nothing from elsewhere. A warning, such as a link that leads nowhere, is an error.
.PHONY: docs
docs: $(VENV)/.docs
	@$(BIN)/python -m sphinx -q -W --keep-going -b html -c docs/site -d $(SITE)/doctrees . $(SITE)/html
	@echo 'The site is in $(SITE)/html. Open index.html, or serve the folder by any web server.'

# The page for people in tests/interop/node. Packages are checked against their hashes, and run no scripts.
WEB_PORT ?= 8402
.PHONY: web
web: $(VENV)/.run
	@cd tests/interop/node && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && npm run --silent build
	@echo 'Open http://127.0.0.1:$(WEB_PORT). The service must allow it: OBSCURA_BACKUP_CORS_ORIGINS=http://127.0.0.1:$(WEB_PORT) make serve'
	@exec $(BIN)/python -m http.server $(WEB_PORT) --bind 127.0.0.1 --directory tests/interop/node/dist/web

# The time of the commit stands for the time of the build, so that anyone can build the same bytes from it.
.PHONY: dist
dist: $(VENV)/.dev
	@mkdir -p $(DIST)
	@SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)} && export SOURCE_DATE_EPOCH && dist=$$(realpath $(DIST)) && bin=$$(realpath $(BIN)) \
		&& for package in . client; do (cd $$package && $$bin/python -m hatchling build -d "$$dist") || exit 1; done

.PHONY: sbom
sbom: $(VENV)/.sbom
	@mkdir -p $(DIST)
	@SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)} && export SOURCE_DATE_EPOCH \
		&& $(BIN)/python -m tools.generate_sbom $(DIST)

# After a change of the dependencies, and after an intended change of the client's API.
.PHONY: api
api: $(VENV)/.dev
	$(BIN)/python -m tools.generate_api_listing

.PHONY: notices
notices: $(VENV)/.dev
	$(BIN)/python -m tools.generate_notices

# Fresh passwords for compose.yaml. Existing ones are kept.
.PHONY: compose-env
compose-env:
	@umask 077; touch .env; chmod 600 .env; \
	for name in POSTGRES_PASSWORD MINIO_ROOT_PASSWORD MINIO_SERVICE_PASSWORD OBSCURA_BACKUP_AUTH_SECRET; do \
		grep -q "^$$name=" .env || printf '%s=%s\n' "$$name" "$$(od -An -N20 -tx1 /dev/urandom | tr -d ' \n')" >> .env; \
	done; echo 'The passwords are in .env. Next: docker compose up --detach --wait'

.PHONY: clean
clean:
	rm -rf tests/interop/node/dist tests/interop/node/node_modules .venv .venv-* .site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
