# `make demo` and `make test` set up what they need: a virtual environment in .venv with the pinned CPU build of PyTorch.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNS := runs/demo
BACKEND ?= torch

.PHONY: demo test test-all test-release docs lint types clean

$(VENV)/ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet torch==2.13.0 \
	  --retries 0 --timeout 10 --extra-index-url https://download.pytorch.org/whl/cpu
	$(BIN)/pip install --quiet -e '.[dev]'
	$(BIN)/python -m compileall -q archspec backends cli
	touch $@

demo: $(VENV)/ready
	for net in plain8 resnet8 plain56 resnet56; do \
	  $(BIN)/archspec train digits_resnet:$$net --backend $(BACKEND) --out $(RUNS)/$$net --force || exit 1; \
	done
	$(BIN)/archspec compare $(RUNS)/plain8 $(RUNS)/resnet8 $(RUNS)/plain56 $(RUNS)/resnet56 \
	  --out $(RUNS)/curves.png --title "Plain and residual nets of 8 and 56 layers on 8x8 digits"

# Python may keep the modules of tests as pytest rewrites them, whatever the environment says: that is half of their start.
test: $(VENV)/ready
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto -q

# The long loops: random nets by the thousand, kills by the hundred, dozens of starts and ends of many processes, engines of sweeps for
# real, nets compiled for TPUs, the oldest frameworks and the newest PyTorch, loggers. What is large comes meanwhile: its tests wait.
test-all: $(VENV)/ready-all
	$(BIN)/python tests/frameworks_aside.py loggers oldest-torch newest-torch & \
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto --dist worksteal -q --long --timeout 1200 --durations 20

# Before a release: the whole zoo in every backend and for TPUs, in single precision too; all tests of trainers with other frameworks.
test-release: $(VENV)/ready-release
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto --dist worksteal -q --release --cold --timeout 1800 --durations 20

# Libraries whose nets ours are compared with stand aside, since nothing else may need them; so do other releases of frameworks,
# and the compiler for TPUs, beside which JAX would look for chips in every process.
$(VENV)/ready-all: $(VENV)/ready tests/frameworks_aside.py
	$(BIN)/pip install --quiet -e '.[ray]'
	$(BIN)/pip install --quiet --no-deps --upgrade --target $(VENV)/peers torchvision==0.28.0 timm==1.0.31
	$(BIN)/python tests/frameworks_aside.py libtpu oldest-flax
	touch $@

$(VENV)/ready-release: $(VENV)/ready-all $(VENV)/ready-docs
	$(BIN)/python tests/frameworks_aside.py oldest-torch newest-torch
	touch $@

# The site in site/: pages that are written and pages that are made are gathered below build/, and a link that leads nowhere fails.
# With PLAY=1, each spec of them opens in the playground at site/play/, whose Python for browsers comes from npm and PyPI.
docs: $(VENV)/ready-docs
	PYTHONPATH=docs $(BIN)/python -m website build/docs $(if $(PLAY),--play)
	rm -rf site  # so that no page is of another navigation
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --jobs auto -c docs/website -d build/doctrees build/docs site
	$(if $(PLAY),$(BIN)/archspec play --export site/play)

$(VENV)/ready-docs: $(VENV)/ready
	$(BIN)/pip install --quiet -e '.[docs]'
	touch $@

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/ready
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist runs site
