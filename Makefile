# make run     both services on this machine, and a page that shows the camera filtered
# make test    the tests, headless Chromium and Firefox included; DETECTRON2=folder of a clone adds DensePose's
# make test-all  these, and those that take long
# make soak    calls that come and go on a bad network; memory, threads and descriptors: make soak MINUTES=30
# make fuzz    bad input made by atheris, for all that reads what others send: make fuzz MINUTES=10
# make models  what the filters made of known models need besides: torchvision, diffusers (some GB; docs/gallery.md)
# make check   lint, types, import rule; those of the JavaScript too where npm is installed (make js)
# make shim    static/p2pcamera.* from static/shim (needs npm; the results are committed)
# make package  the npm package of the shim: build/p2pcamera.tgz (make examples: what the examples for sites need besides)
# make extension  the browser extension, ready to load: build/p2pcamera-extension and .zip (docs/extension.md)
# make sbom    what each service is made of, as CycloneDX: build/sbom-*.cdx.json (docs/licences.md)
# make bench   latency, sessions per core and CPU, beside other designs (benchmarks/README.md)
#
# CPU=1 with run, models or test installs PyTorch's small build for hosts without a GPU.
# PORT, HOST, FILTER and every SIGNALING_... and INFERENCE_... variable reach the services:
#   make run PORT=8000 FILTER=invert
#   make run TLS=selfsigned HOST=0.0.0.0     for a telephone in the same network: its link as a QR code

PYTHON ?= python3
VENV ?= .venv
PIP_FLAGS ?=
comma := ,

export PORT HOST FILTER TLS DETECTRON2
ifeq ($(PORT),)
unexport PORT
endif
ifeq ($(HOST),)
unexport HOST
endif
ifeq ($(FILTER),)
unexport FILTER
endif
ifeq ($(TLS),)
unexport TLS
endif
ifeq ($(DETECTRON2),)
unexport DETECTRON2
endif

python := $(VENV)/bin/python
# pip, with the build of torch that this environment takes: flags for deploy/torch_build.py, then what is installed.
define pip
	@flags="$$($(python) deploy/torch_build.py $(if $(CPU),--cpu) $(1) $(VENV)/constraints.txt)" && set -x && \
	$(python) -m pip install --quiet --disable-pip-version-check --no-compile $(PIP_FLAGS) $$flags \
		-c $(VENV)/constraints.txt $(2)
endef

.PHONY: help install models run test test-all soak fuzz check lint types imports js shim shim-check format bench bench-fastrtc \
	extension package examples sbom clean
.DEFAULT_GOAL := help

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

install: $(VENV)/.test

models: $(VENV)/.models

# Replaced by the services' launcher, so that Ctrl-C and signals reach it and nothing else. An environment that has more
# than the services need is left as it is: the torch that goes with torchvision is another one.
run: $(firstword $(wildcard $(VENV)/.test $(VENV)/.models) $(VENV)/.run)
	@$(if $(CPU),$(python) deploy/torch_build.py --cpu --installed)
	@exec $(python) -m deploy.launch

# One run: while the tests with a browser wait, others compute (tests/order.py). A test that fails is tried once more,
# since a neighbour on a shared machine can take all of it for seconds; more than three such tests fail the run
# (tests/report.py).
pytest = CHROMIUM="$$(sh tests/find_chromium.sh)" && FIREFOX="$$(sh tests/find_firefox.sh)" && \
	export CHROMIUM FIREFOX && sh tests/in_namespace.sh $(python) -m pytest
PROCESSES ?= 3
every := --numprocesses $(PROCESSES) --reruns 1
PYTEST_FLAGS ?=

test: $(VENV)/.test $(if $(DETECTRON2),$(VENV)/.detectron2)
	@$(compile_own)
	@sh tests/find_chromium.sh >/dev/null && CHROMIUM_SHELL="$$(sh tests/find_chromium.sh --shell)" && \
	export CHROMIUM_SHELL && $(pytest) $(or $(PYTEST_FLAGS),$(every) -m "not slow")

test-all: $(VENV)/.fuzz $(if $(DETECTRON2),$(VENV)/.detectron2)
	@$(compile_own)
	@$(pytest) $(every)

soak: $(VENV)/.test
	@sh tests/in_namespace.sh $(python) -m benchmarks.soak --minutes $(or $(MINUTES),30)

fuzz: $(VENV)/.fuzz
	@$(python) -m tests.fuzz --minutes $(or $(MINUTES),10)

# Side by side; pip and npm too, where they have to install first.
check:
	@$(MAKE) --no-print-directory --jobs 4 $(if $(filter output-sync,$(.FEATURES)),--output-sync=line) lint types imports js

lint: $(VENV)/.test
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	@test ! -x $(VENV)/bin/hadolint || $(VENV)/bin/hadolint deploy/*.Dockerfile

types: $(VENV)/.test
	$(python) -m mypy
	$(python) -m mypy examples/afterglow

imports: $(VENV)/.test
	$(VENV)/bin/lint-imports

# Only developers need npm: what pages load is committed.
npm := $(shell command -v npm)

js: $(if $(npm),node_modules/.installed)
	@$(if $(npm),npm run --silent check,echo "The JavaScript is not checked: npm is not installed.")

shim: node_modules/.installed
	@npm run --silent shim

shim-check: node_modules/.installed
	@npm run --silent shim-check

format: $(VENV)/.test $(if $(npm),node_modules/.installed)
	$(python) -m ruff check --fix .
	$(python) -m ruff format .
	$(if $(npm),npm run --silent format)

bench: $(VENV)/.test
	@chromium="$$(sh tests/find_chromium.sh)" && \
	CHROMIUM="$$chromium" sh tests/in_namespace.sh $(python) -m benchmarks.goals $(BENCH_FLAGS)

# A peer to compare with: make bench-fastrtc, then make bench BENCH_FLAGS=--fastrtc
bench-fastrtc:
	$(PYTHON) -m venv .venv-fastrtc
	.venv-fastrtc/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) fastrtc

extension:
	@$(PYTHON) deploy/extension.py

package: node_modules/.installed
	@node deploy/npm_package.mjs
	@cd build && mv "$$(npm pack --silent ./npm)" p2pcamera.tgz
	@echo "the npm package: build/p2pcamera.tgz"

# What tests/examples builds; it fetches Vite, React and Next.
examples: package
	@for name in vite react next; do \
	  (cd examples/$$name && npm install --ignore-scripts --no-audit --no-fund --no-package-lock) || exit 1; \
	done

# The tool has an environment of its own, so that it is not in what it describes.
sbom: $(firstword $(wildcard $(VENV)/.test) $(VENV)/.all-services) .venv-sbom/.installed
	@.venv-sbom/bin/python -m deploy.sbom $(python)

clean:
	rm -rf $(VENV) .venv-fastrtc .venv-sbom node_modules build *.egg-info .mypy_cache .ruff_cache .pytest_cache

node_modules/.installed: package.json package-lock.json
	@test -n "$(npm)" || { echo "npm is needed for this (node 20 or newer)" >&2; exit 1; }
	npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "Python 3.11 or newer is needed: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(@D:/bin=)

# Compiled here, on all cores: some environments forbid Python to keep what it compiles, and then each process that
# imports torch compiles it anew for 4 s. Not what one or two processes import. Templates that some packages bring are not
# Python, so the exit status says nothing.
uncompiled := /site-packages/(transformers|diffusers|mypy|mypyc|pip|setuptools|pygments)/|/tests/|/torch/testing/_internal/
define compile
	$(python) -m compileall -q -j 0 -x '$(uncompiled)' $(VENV)/lib/python3*/site-packages || true
endef

# Tests start a hundred services, and in such an environment each would compile what it imports anew.
compile_own = $(python) -m compileall -q -j 0 shared signaling_service inference_service harness

$(VENV)/.run: pyproject.toml constraints.txt | $(python)
	@echo "Installing what the services need (once; a few minutes) ..."
	$(call pip,,-e '.[signaling$(comma)inference$(comma)cpu$(comma)run]')
	@$(compile)
	@touch $@

$(VENV)/.models: pyproject.toml constraints.txt constraints-models.txt | $(VENV)/.run
	@echo "Installing torchvision and diffusers (once; some GB) ..."
	$(call pip,--models,-e '.[signaling$(comma)inference$(comma)cpu$(comma)run$(comma)models]')
	@$(compile)
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt constraints-models.txt | $(python)
	@echo "Installing what the services and the tests need (once; a few minutes, some GB) ..."
	$(call pip,--models,-e '.[signaling$(comma)inference$(comma)cpu$(comma)run$(comma)models$(comma)test$(comma)dev]')
	@$(compile)
	@touch $@ $(VENV)/.run $(VENV)/.models

$(VENV)/.fuzz: pyproject.toml constraints.txt | $(VENV)/.test
	@echo "Installing what make fuzz and make test-all need (once) ..."
	$(call pip,--models,-e '.[fuzz]')
	@touch $@

$(VENV)/.all-services: pyproject.toml constraints.txt constraints-models.txt | $(python)
	@echo "Installing what the images install (once; a few minutes, some GB) ..."
	$(call pip,--models,-e '.[signaling$(comma)inference$(comma)cpu$(comma)models$(comma)traces]')
	@touch $@

.venv-sbom/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-sbom
	.venv-sbom/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) \
		-c constraints.txt "$$(sed -n 's/^sbom = \["\(.*\)"\]/\1/p' pyproject.toml)"
	@touch $@

# detectron2 itself is not on PyPI: the tests import it from the clone's folder.
$(VENV)/.detectron2: deploy/detectron2-needs.txt | $(VENV)/.test
	@echo "Installing what detectron2 needs (once) ..."
	$(call pip,--models,-r deploy/detectron2-needs.txt)
	@touch $@
