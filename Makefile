# Every target does its own set-up from a bare checkout: a virtual environment and pip, nothing by hand.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: quickstart fashion test parity speed clean

quickstart: $(VENV)/installed
	$(BIN)/python -m benchmark.run suites/quickstart.yaml

fashion: $(VENV)/installed
	$(BIN)/python -m benchmark.run suites/fashion.yaml

test: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/python -m pytest

# The same attacks by other libraries, on the same models: are our numbers right?
parity: $(VENV)/installed-test
	TQDM_DISABLE=1 $(BIN)/python -m tests.parity

# The same work by us and by other libraries, interleaved in one run, on Fashion-MNIST. Wants an idle machine.
speed: $(VENV)/installed-test
	TQDM_DISABLE=1 $(BIN)/python -m tests.speed

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: setup.cfg pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/installed-test: setup.cfg pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .[test]
	touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV) build *.egg-info
