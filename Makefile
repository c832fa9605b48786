# make run     both services on this machine, and a page that shows the camera filtered
# make test    every test, headless Chromium included
# make models  what the filters made of known models need besides: torchvision, diffusers (some GB; docs/gallery.md)
# make check   lint, types, import rule
# make extension  the browser extension, ready to load: build/p2pcamera-extension and .zip (docs/extension.md)
# make bench   latency, sessions per core and CPU, beside other designs (benchmarks/README.md)
#
# PORT, HOST, FILTER and every SIGNALING_... and INFERENCE_... variable reach the services:
#   make run PORT=8000 FILTER=invert

PYTHON ?= python3
VENV ?= .venv
PIP_FLAGS ?=
# The tests of the filters that need torchvision or diffusers have an environment of their own, so that all others show
# that nothing else needs them.
MODELS_VENV ?= .venv-models

export PORT HOST FILTER
ifeq ($(PORT),)
unexport PORT
endif
ifeq ($(HOST),)
unexport HOST
endif
ifeq ($(FILTER),)
unexport FILTER
endif

python := $(VENV)/bin/python
pip := $(python) -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) -c constraints.txt

.PHONY: help install models run test check lint types imports format bench bench-fastrtc extension clean
.DEFAULT_GOAL := help

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

install: $(VENV)/.test $(MODELS_VENV)/.test-models

models: $(VENV)/.models

# Replaced by the services' launcher, so that Ctrl-C and signals reach it and nothing else.
run: $(VENV)/.run
	@exec $(python) -m deploy.run

# Three at a time, mostly waiting; files of tests/e2e two, for what their tests share. Once more where one fails, since a
# neighbour on a shared machine can take all of it for seconds: a fault of ours fails again.
pytest := sh tests/in_namespace.sh $(python) -m pytest
ifeq ($(PYTEST_FLAGS),)
tests := $(pytest) --numprocesses 3 --reruns 1 --ignore tests/e2e && \
	$(pytest) --numprocesses 2 --dist loadfile tests/e2e && \
	sh tests/in_namespace.sh $(MODELS_VENV)/bin/python -m pytest -m models --numprocesses 2 --dist loadfile --reruns 1
else
tests := $(pytest) $(PYTEST_FLAGS)
endif

test: $(VENV)/.test $(MODELS_VENV)/.test-models
	@CHROMIUM="$$(sh tests/find_chromium.sh)" && export CHROMIUM && $(tests)

check: lint types imports

lint: $(VENV)/.test
	$(python) -m ruff check .
	$(python) -m ruff format --check .

types: $(VENV)/.test
	$(python) -m mypy

imports: $(VENV)/.test
	$(VENV)/bin/lint-imports

format: $(VENV)/.test
	$(python) -m ruff check --fix .
	$(python) -m ruff format .

bench: $(VENV)/.test
	@chromium="$$(sh tests/find_chromium.sh)" && \
	CHROMIUM="$$chromium" sh tests/in_namespace.sh $(python) -m benchmarks.bench $(BENCH_FLAGS)

# A peer to compare with: make bench-fastrtc, then make bench BENCH_FLAGS=--fastrtc
bench-fastrtc:
	$(PYTHON) -m venv .venv-fastrtc
	.venv-fastrtc/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) fastrtc

extension:
	@$(PYTHON) deploy/extension.py

clean:
	rm -rf $(VENV) $(MODELS_VENV) .venv-fastrtc build *.egg-info .mypy_cache .ruff_cache .pytest_cache

$(VENV)/bin/python $(MODELS_VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "Python 3.11 or newer is needed: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(@D:/bin=)

$(VENV)/.run: pyproject.toml constraints.txt | $(python)
	@echo "Installing what the services need (once; a few minutes) ..."
	$(pip) -e '.[signaling,inference]'
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(python)
	@echo "Installing what the services and the tests need (once; a few minutes) ..."
	$(pip) -e '.[signaling,inference,test,dev]'
	@touch $@ $(VENV)/.run

# constraints.txt, but for the torch that goes with torchvision.
define with_models
	@echo "Installing torchvision and diffusers (once; some GB) ..."
	sed '/^torch\(vision\)\?==/d' constraints.txt | cat - constraints-models.txt > $(@D)/constraints.txt
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile $(PIP_FLAGS) -c $(@D)/constraints.txt
endef

$(VENV)/.models: pyproject.toml constraints.txt constraints-models.txt | $(VENV)/.run
	$(with_models) -e '.[signaling,inference,models]'
	@touch $@

$(MODELS_VENV)/.test-models: pyproject.toml constraints.txt constraints-models.txt | $(MODELS_VENV)/bin/python
	$(with_models) -e '.[signaling,inference,models,test]'
	@touch $@
