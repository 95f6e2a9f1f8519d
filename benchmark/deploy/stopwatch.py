"""Latency: artifacts in processes of their own, timed in short turns, one after another, round after round.

A machine that is busy for a while slows every artifact of those rounds alike, so that the ratios of two artifacts in
the same round still mean something; how busy it is with other work is measured before and after.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from benchmark.errors import DeployError
from benchmark.source import HOME

BATCHES = (1, 64)
ROUNDS = 20
WARM_UP = 0.05  # seconds for each artifact and batch
TURN = 0.01  # seconds for each artifact and batch in a round, and one run at least
WATCHED = 0.25  # seconds that the machine is watched while nothing of ours runs


def latencies(
    folders: Sequence[Path],
    runtime: str,
    shape: tuple[int, int, int],
    threads: int,
    tell: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> dict[str, Any]:
    """What the artifacts in `folders` took, as JSON values; seconds, and bytes of memory.

    `artifacts`, in the order given: `memory` (peak of its process) and, by batch size, `p10`, `median` and `p90` of all
    runs, how many `runs`, and `rounds`, the median of each. `busy`: cores busy with other work before and after; None
    where that cannot be told.
    """
    with ExitStack() as stack:
        workers = [stack.enter_context(_Worker(folder, runtime, threads)) for folder in folders]
        for worker in workers:
            worker.answer()
        before = _busy_cores()
        turns = [(worker, batch) for batch in BATCHES for worker in workers]
        for worker, batch in turns:
            worker.run(batch, shape, WARM_UP)
        taken = {turn: [] for turn in turns}
        for number in range(ROUNDS):
            tell(number, ROUNDS, "rounds")
            for turn in turns:
                taken[turn].append(turn[0].run(turn[1], shape, TURN))
        tell(ROUNDS, ROUNDS, "rounds")
        found = [
            {"memory": worker.memory()} | {str(batch): _summary(taken[worker, batch]) for batch in BATCHES}
            for worker in workers
        ]
        return {"artifacts": found, "threads": threads, "busy": [before, _busy_cores()]}


def _summary(rounds: list[list[float]]) -> dict[str, Any]:
    runs = sorted(seconds for one in rounds for seconds in one)

    def share(part: float) -> float:
        return runs[round(part * (len(runs) - 1))]

    quantiles = {"p10": share(0.1), "median": share(0.5), "p90": share(0.9)}
    return quantiles | {"runs": len(runs), "rounds": [statistics.median(one) for one in rounds]}


class _Worker:
    """A process that holds one artifact; idle, it takes no time of the machine's."""

    def __init__(self, folder: Path, runtime: str, threads: int):
        self.folder = folder.resolve()
        self.command = [sys.executable, "-m", "benchmark.deploy.worker", str(self.folder), runtime, str(threads)]

    def __enter__(self) -> "_Worker":
        paths = [str(HOME), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.said = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.said,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        )
        return self

    def __exit__(self, *problem) -> None:
        self.process.kill()
        self.process.communicate()
        self.said.close()

    def run(self, batch: int, shape: tuple[int, int, int], seconds: float) -> list[float]:
        return self.ask(" ".join(map(str, (batch, *shape, seconds))))

    def memory(self) -> int:
        return self.ask("")

    def ask(self, line: str) -> Any:
        with suppress(BrokenPipeError):  # it has ended: `answer` says why
            print(line, file=self.process.stdin, flush=True)
        return self.answer()

    def answer(self) -> Any:
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.said.seek(0)
            last = (self.said.read().strip().splitlines() or ["it said nothing"])[-1]
            raise DeployError(f"{self.folder}: its process ended while it was timed: {last}")
        return json.loads(line)


def _busy_cores() -> float | None:
    """How many cores are busy while we wait."""
    try:
        before = _ticks()
        time.sleep(WATCHED)
        after = _ticks()
    except (OSError, ValueError):  # not Linux
        return None
    passed, idle = (new - old for new, old in zip(after, before, strict=True))
    return round((passed - idle) / passed * (os.cpu_count() or 1), 2) if passed else None


def _ticks() -> tuple[int, int]:
    """Of all cores since the machine started: all ticks, and idle ones (or waiting for a disk)."""
    _, *ticks = Path("/proc/stat").read_text().splitlines()[0].split()
    return sum(map(int, ticks[:8])), int(ticks[3]) + int(ticks[4])
