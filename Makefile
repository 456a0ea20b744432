# `make demo` and `make test` need only Python (3.11 or newer, with its venv module) and make.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
BENCH_VENV ?= .venv-bench
BENCH ?=
PYTEST_ARGS ?=

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
ENGINE ?= $(firstword $(foreach engine,podman docker buildah,$(if $(shell command -v $(engine) 2>/dev/null),$(engine))))
IMAGE ?= patchlang:$(VERSION)
IMAGE_ARGS ?=
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null)$(if $(shell git status --porcelain 2>/dev/null),-changed)
SOAK_ARGS ?=

# the tests that start processes and wait for them take as long as all the others
PROCESSES = tests/limits tests/real tests/repo tests/shim
PYTEST = $(BIN)/python -m pytest $(PYTEST_ARGS)

PIP_INSTALL = python -m pip --disable-pip-version-check --no-input install --quiet --quiet
PIP = $(BIN)/$(PIP_INSTALL)

## demo: start the sidecar with an example patch, call it as virt-launcher does, and show the diff
.PHONY: demo
demo: setup
	@$(BIN)/python examples/demo.py

## test: all checks, as in CI: lint, types, contracts, unit
.PHONY: test
test: lint types contracts unit

## lint: ruff, including code formatting
.PHONY: lint
lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check --quiet

## types: mypy --strict
.PHONY: types
types: setup
	$(BIN)/mypy

## contracts: check which module may import which (import-linter)
.PHONY: contracts
contracts: setup
	$(BIN)/lint-imports --no-logo

## unit: pytest; select tests with PYTEST_ARGS, e.g. PYTEST_ARGS="tests/repo -x"
.PHONY: unit
unit: setup
ifneq ($(filter-out -q -r% -v,$(PYTEST_ARGS)),)
	$(BIN)/python -m pytest $(PYTEST_ARGS)
else
	tools/side_by_side.sh "$(PYTEST) $(PROCESSES)" "$(PYTEST) $(PROCESSES:%=--ignore=%)"
endif

## quick: the most telling tests, in under a minute: cases, unit tests, the schema, the documents
.PHONY: quick
quick: setup
	$(BIN)/python -m pytest -q tests/test_cases.py tests/test_cloudinit_cases.py tests/unit tests/test_schema.py tests/docs $(PYTEST_ARGS)

## test-real: check with libvirt, QEMU, cloud-init, and the image; SUITE=sid also uses the libvirt of that Debian suite
.PHONY: test-real
test-real: setup
	$(BIN)/python -m pytest tests/real -q -rs $(PYTEST_ARGS)
	$(if $(SUITE),tests/real/newer.sh $(SUITE) $(BIN)/python -m pytest tests/real -q -rs $(PYTEST_ARGS))

## setup: create the virtual environment $(VENV), again only if a lock has changed
.PHONY: setup
setup: $(VENV)/.installed

$(VENV)/.locked: requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, e.g. make PYTHON=python3.12")'
	@echo "Setting up $(VENV) ..."
	@$(PYTHON) -m venv --clear $(VENV) || { echo "On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(PIP) --require-hashes --only-binary :all: --requirement requirements/dev.txt
	@touch $@

$(VENV)/.installed: $(VENV)/.locked pyproject.toml
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

## bench: measure everything and write docs/performance.md; BENCH="engine call" selects groups and only prints
.PHONY: bench
bench: setup $(BENCH_VENV)/.installed
	@$(BENCH_VENV)/run/bin/python -m compileall -q benchmarks patchlang shim
	@$(BENCH_VENV)/run/bin/python -m benchmarks --tools $(BENCH_VENV)/tools/bin $(BENCH)

# Two environments: one with the image's packages and this checkout, one with the tools that we compare with.
$(BENCH_VENV)/.installed: requirements/runtime.txt requirements/bench.txt
	@echo "Setting up $(BENCH_VENV) ..."
	@$(PYTHON) -m venv --clear $(BENCH_VENV)/run && $(PYTHON) -m venv --clear $(BENCH_VENV)/tools
	@$(BENCH_VENV)/run/bin/$(PIP_INSTALL) --require-hashes --only-binary :all: --requirement requirements/runtime.txt
	@$(BENCH_VENV)/tools/bin/$(PIP_INSTALL) --require-hashes --requirement requirements/bench.txt
	@echo "$(CURDIR)" > "$$($(BENCH_VENV)/run/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/checkout.pth"
	@touch $@

## lock: regenerate requirements/*.txt; UPGRADE=1 takes the newest releases
.PHONY: lock
lock:
	PYTHON=$(PYTHON) UPGRADE=$(UPGRADE) tools/lock.sh

## stubs: generate shim/stubs from proto/
.PHONY: stubs
stubs: setup
	$(BIN)/python tools/generate_stubs.py

## docs: build the documentation site in build/site, and check links and anchors
.PHONY: docs
docs: setup
	@$(BIN)/python tools/docs_site.py

## playground-bundle: build the page of the playground from web/ (needs npm), into the package
.PHONY: playground-bundle
playground-bundle:
	cd web && npm ci --ignore-scripts --silent && node build.mjs

## man: generate man/patchlang.1, the man page, from the commands' help
.PHONY: man
man: setup
	$(BIN)/python tools/man.py >man/patchlang.1.new && mv man/patchlang.1.new man/patchlang.1

## image: build $(IMAGE) with podman, docker, or buildah (ENGINE); IMAGE_ARGS are passed to the build
.PHONY: image
image:
	@test -n "$(ENGINE)" || { echo "make image needs podman, docker, or buildah" >&2; exit 1; }
	$(ENGINE) build --tag $(IMAGE) --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) $(IMAGE_ARGS) .

## soak: 20,000 calls to one sidecar within its limits (as root; at least 15 minutes); SOAK_ARGS="--output FILE" saves the figures
.PHONY: soak
soak: setup
	$(BIN)/python benchmarks/soak.py $(SOAK_ARGS)

## fuzz: 1,000,000 inputs (at least half an hour); FUZZ_ARGS="--target cel --inputs 50000 --seed 7"; REPLAY=FILE replays a find
.PHONY: fuzz
fuzz: setup
	PYTHONPATH=tests $(BIN)/python -m fuzz $(if $(REPLAY),--replay $(REPLAY)) $(FUZZ_ARGS)

## libvirt-domains: check validate against the domains of libvirt's own tests, and wrong values in them
.PHONY: libvirt-domains
libvirt-domains: setup .libvirt-domains
	$(BIN)/python tools/check_libvirt_domains.py --libvirt 11.3.0 --faults 1000 .libvirt-domains

# libvirt's sources, from Debian 13 with apt; none of them are committed
.libvirt-domains:
	tools/fetch_libvirt.sh trixie $@

## clean: remove what the targets above created
.PHONY: clean
clean:
	rm -rf $(VENV) $(BENCH_VENV) .demo web/node_modules .libvirt-domains fuzz-finds build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .grimp_cache
	find benchmarks patchlang shim tests tools examples -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help
help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)
