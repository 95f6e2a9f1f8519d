# Every target does its own set-up from a bare checkout: a virtual environment and pip, nothing by hand.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: quickstart fashion test parity attacks false-alarms deployed speed clean

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
	TQDM_DISABLE=1 $(BIN)/python -m tests.parity_apgd
	TQDM_DISABLE=1 $(BIN)/python -m tests.parity_trades

# Every attack beside other libraries', on two Fashion-MNIST networks, as one table. Hours; goes on after a kill.
attacks: $(VENV)/installed-test
	TQDM_DISABLE=1 $(BIN)/python -m tests.parity_attacks

# Networks with which nothing is wrong, verified in full: how many are called suspect? Goes on after a kill.
false-alarms: $(VENV)/installed-test
	$(BIN)/python -m tests.false_alarms

# Artifacts beside their networks: agreement, kernels, bytes, memory and latency. Wants an idle machine.
deployed: $(VENV)/installed-test
	$(BIN)/python -m tests.deployed

# The same work by us and by other libraries, interleaved in one run. Wants an idle machine and hours; goes on after a
# kill. On Fashion-MNIST, or with SPEED="--network both --data DIR" also on CIFAR-10.
speed: $(VENV)/installed-test
	TQDM_DISABLE=1 $(BIN)/python -m tests.speed $(SPEED)
	$(BIN)/python -m tests.speed.page

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: setup.cfg pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .[deploy,figures]
	touch $@

$(VENV)/installed-test: setup.cfg pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .[test]
	# a peer of `parity` and `speed`; without visdom, which does not build with today's setuptools and only plots
	$(BIN)/python -m pip install --quiet --no-deps "adv-lib>=0.2.8,<0.3"
	touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV) build *.egg-info
