"""What the tests share: one thread, a tiny suite on the real digits, and the command line run in this process."""

import copy
import io
import os
import signal
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import yaml

from benchmark.plan import Plan, plan
from benchmark.plugins import Registry
from benchmark.run import main
from benchmark.store import Store
from benchmark.suite import load
from benchmark.types import Suite

# of the processes that tests start: torch repeats its bits for one thread count
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
# a job in a shell's background ignores interrupts, and hands that down to the processes that tests interrupt
signal.signal(signal.SIGINT, signal.default_int_handler)

FIXTURES = Path(__file__).parent / "fixtures"
STANDARD = {"standard": {"epochs": 4, "lr": 0.1, "batch_size": 32}}
TINY = {
    "name": "tiny",
    "seeds": [0],
    "eps": [0.1, 0.2],
    "dataset": "digits",
    "model": "tiny_cnn",
    "compressions": {"dense": [], "prune-50": [{"prune": {"ratio": 0.5}}]},
    "trainings": {
        "standard": {"before": STANDARD},
        "standard+ft": {"before": STANDARD, "after": {"pgd_at": {"epochs": 1, "eps": 0.1, "steps": 2}}},
    },
    "attacks": {"fgsm": "fgsm", "pgd": {"pgd": {"steps": 2}}},
}
SMALL = {  # one network, one attack
    "compressions": {"dense": []},
    "trainings": {"standard": {"before": STANDARD}},
    "attacks": {"pgd": {"pgd": {"steps": 2}}},
    "eps": [0.1],
}


def tiny(**changes) -> dict:
    """The tiny suite with some of its keys replaced."""
    return copy.deepcopy(TINY | changes)


def small(**changes) -> dict:
    """The tiny suite cut down to one cell, with some of its keys replaced."""
    return tiny(**SMALL | changes)


@dataclass(frozen=True)
class Ran:
    """What became of a command."""

    status: int
    printed: str
    complained: str
    out: Path
    records: bytes  # as the command left them


@dataclass
class Desk:
    """A folder with a store, in which suites are written and run."""

    folder: Path

    @property
    def store(self) -> Store:
        return Store(self.folder / "store")

    def write(self, suite: dict) -> Path:
        path = self.folder / f"{suite['name']}.yaml"
        path.write_text(yaml.safe_dump(suite, sort_keys=False))
        return path

    def arguments(self, suite: dict, *options: str) -> list[str]:
        places = ["--store", self.folder / "store", "--out", self.folder / "out", "--plugins", FIXTURES]
        return [str(part) for part in (self.write(suite), *places, "--quiet", "--device", "cpu", *options)]

    def run(self, suite: dict, *options: str) -> Ran:
        printed, complained = io.StringIO(), io.StringIO()
        with redirect_stdout(printed), redirect_stderr(complained):
            status = main(self.arguments(suite, *options))
        path = self.folder / "out" / "records.jsonl"
        records = path.read_bytes() if path.exists() else b""
        return Ran(status, printed.getvalue(), complained.getvalue(), path.parent, records)

    def plan(self, suite: dict, *folders: Path) -> tuple[Suite, Plan]:
        registry = Registry([FIXTURES, *folders])
        read = load(self.write(suite), registry)
        return read, plan(read, registry, "cpu")


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    """Where the digits networks of `tests.speed.grounds` are kept, trained once for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def desk(tmp_path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Desk:
    """A desk on which the tiny suite has been run. Its tests only read it."""
    desk = Desk(tmp_path_factory.mktemp("finished"))
    ran = desk.run(tiny())
    assert ran.status == 0, ran.complained
    return desk
