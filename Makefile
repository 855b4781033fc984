# Two commands: `make demo` and `make test`. Each sets up what it needs, alone, on a fresh machine.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# The CPU build of torch: a plain `pip install torch` would fetch several GB of CUDA on Linux.
TORCH  ?= torch==2.13.0
# What is installed is pinned and hashed there; `make install LOCK=` takes the newest that pyproject.toml allows.
LOCK   ?= requirements/lock.txt

EXTENSION := hatch_build.py labextension/package.json labextension/package-lock.json labextension/tsconfig.json \
  $(wildcard labextension/src/*.ts* labextension/src/*/*.ts* labextension/style/* labextension/schema/*)

.PHONY: help install demo test lint web lock sbom audit clean

help:
	@echo "make demo     document a notebook and generate code and tests into another, on a real model"
	@echo "make test     everything that CI runs"
	@echo "make install  only set up $(VENV), from the pinned and hashed packages of $(LOCK)"
	@echo "make lock     pin what pyproject.toml needs anew; UPGRADE=1 moves all pins to the newest that it allows"
	@echo "make sbom     what is installed, as CycloneDX JSON, and its licences, in dist/"
	@echo "make audit    known holes of the pinned packages (asks an advisory service)"

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml $(LOCK) $(EXTENSION)
	@command -v npm >/dev/null || echo "npm is not on PATH: installing without the JupyterLab extension (Node.js 20 or newer builds it)"
	$(PYTHON) -m venv $(VENV)
ifneq ($(LOCK),)
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r $(LOCK)
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
else
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	$(BIN)/python -m pip install --quiet -e ".[demo,test,browser,batch,hub]"
endif
	@touch $@

demo: install
	$(BIN)/python scripts/demo.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The TypeScript side: strict type check against JupyterLab's own packages, then its unit tests.
web:
	@if command -v npm >/dev/null; then cd labextension \
	  && { [ -d node_modules/@jupyterlab/notebook ] || npm ci --include=peer; } && npm run check && npm test; \
	elif [ -n "$$CI" ]; then echo "npm is not on PATH: in CI the TypeScript tests must run"; exit 1; \
	else echo "npm is not on PATH: the TypeScript tests are skipped"; fi

# A test that fails is run once more, and both are printed: a rerun is a race to be mended. Plain `pytest` runs once.
test: lint web
	$(BIN)/python -m pytest --reruns 1 --rerun-show-tracebacks

lock: install
	$(BIN)/python -m pip install --quiet -e ".[release]"
	$(BIN)/python scripts/lock.py $(if $(UPGRADE),--upgrade)

sbom: install
	$(BIN)/python scripts/sbom.py --output dist

audit: install
	$(BIN)/python -m pip install --quiet -e ".[release]"
	$(BIN)/python -m pip_audit --strict --require-hashes --disable-pip -r requirements/lock.txt

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
