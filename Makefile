# Two commands: `make demo` and `make test`. Each sets up what it needs, alone, on a fresh machine.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# The CPU build of torch: a plain `pip install torch` would fetch several GB of CUDA on Linux.
TORCH  ?= torch==2.13.0

.PHONY: help install demo test lint clean

help:
	@echo "make demo     document a notebook and generate code and tests into another, on a real model"
	@echo "make test     everything that CI runs"
	@echo "make install  only set up $(VENV)"

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	$(BIN)/python -m pip install --quiet -e ".[demo,test,browser,batch]"
	@touch $@

demo: install
	$(BIN)/python scripts/demo.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
