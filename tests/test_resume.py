"""Kills at any moment lose the work in flight and nothing else: the records are those of an uninterrupted run."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmark.store import Store
from tests.conftest import Desk, small
from tests.nursery import Nursery

LONG = {"standard": {"epochs": 12, "lr": 0.05}}
SUITE = small(
    eps=[0.05, 0.1],
    trainings={"standard": {"before": LONG, "after": LONG}},
    compressions={"prune": [{"prune": {"ratio": 0.5}}]},
    attacks={"pgd": {"pgd": {"steps": 40}}},
)
PATIENCE = 60.0  # seconds


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as nursery:
        yield nursery


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> bytes:
    """The records, by this process, without a kill and without a checkpoint."""
    ran = Desk(tmp_path_factory.mktemp("uninterrupted")).run(SUITE)
    assert ran.status == 0, ran.complained
    return ran.records


def pieces(desk: Desk, pattern: str) -> dict[Path, int]:
    """The files of a pattern and when they were last written."""
    found = {}
    for path in (desk.folder / "store").glob(pattern):
        try:
            found[path] = path.stat().st_mtime_ns
        except FileNotFoundError:  # gone between the two calls
            continue
    return found


def until(happened: Callable[[], bool]) -> None:
    started = time.monotonic()
    while not happened():
        assert time.monotonic() - started < PATIENCE, "nothing happened"
        time.sleep(0.0005)


def kill_when_new(nursery: Nursery, desk: Desk, pattern: str, delay: float, by=signal.SIGKILL) -> int:
    """Start a run, kill it once a file of `pattern` is new or rewritten, and say how it ended."""
    before = pieces(desk, pattern)
    pid = nursery.start(desk.arguments(SUITE), desk.folder / "log")
    until(lambda: any(before.get(path) != when for path, when in pieces(desk, pattern).items()))
    time.sleep(delay)
    os.kill(pid, by)
    return nursery.wait(pid)


def test_killed_nine_times(nursery, desk, uninterrupted):
    for pattern in ("partial/*/checkpoint.pt", "writing/*/*", "partial/*/swept-*"):
        for delay in (0.0, 0.002, 0.004):
            assert kill_when_new(nursery, desk, pattern, delay) == -signal.SIGKILL, pattern
            store = Store(desk.folder / "store")
            for path in store.root.glob("artifacts/*/*"):
                store.verify(path.name)  # what is there is whole
            assert not (desk.folder / "out" / "records.jsonl").exists()
    ran = desk.run(SUITE)
    assert ran.status == 0, ran.complained
    assert ran.records == uninterrupted
    assert not list((desk.folder / "store" / "writing").iterdir())  # nothing is left lying about
    assert not list((desk.folder / "store" / "damaged").glob("*"))


def test_a_craft_goes_on_from_its_chunks(nursery, desk, uninterrupted):
    assert kill_when_new(nursery, desk, "partial/*/swept-*-0001*", 0.0) == -signal.SIGKILL
    kept = pieces(desk, "partial/*/swept-*-0000.safetensors")
    assert kept
    inodes = {path.stat().st_ino for path in kept}
    assert desk.run(SUITE).records == uninterrupted
    assert inodes & {path.stat().st_ino for path in (desk.folder / "store").glob("artifacts/*/*/chunk-0000*")}


def test_a_damaged_checkpoint_starts_the_training_again(nursery, desk, uninterrupted):
    kill_when_new(nursery, desk, "partial/*/checkpoint.pt", 0.0)
    (checkpoint,) = pieces(desk, "partial/*/checkpoint.pt")
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    assert desk.run(SUITE).records == uninterrupted


def test_interrupted(nursery, desk, uninterrupted):
    assert kill_when_new(nursery, desk, "partial/*/checkpoint.pt", 0.0, by=signal.SIGINT) == 130
    assert (desk.folder / "log").read_text() == "interrupted; the same command goes on from here\n"
    assert not list((desk.folder / "store" / "writing").iterdir())
    assert desk.run(SUITE).records == uninterrupted


def test_two_runs_at_once(nursery, desk, uninterrupted):
    pids = [nursery.start(desk.arguments(SUITE), desk.folder / "log") for _ in range(2)]
    assert [nursery.wait(pid) for pid in pids] == [0, 0], (desk.folder / "log").read_text()
    assert (desk.folder / "out" / "records.jsonl").read_bytes() == uninterrupted
