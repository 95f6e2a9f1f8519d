"""A figure of a board, and the column that it stands in."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from benchmark.outcomes import bitmap
from benchmark.types import Epsilon
from leaderboard.match import Record


@dataclass(frozen=True)
class Estimate:
    """A figure of a row: one value per network (training seed) that has it, of the number planned."""

    values: tuple[float, ...]
    planned: int

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def std(self) -> float | None:
        """The sample standard deviation over the seeds; None for a single one."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None


@dataclass(frozen=True)
class Column:
    """Accuracy at one ε, over the examples that survive each of `attacks`; `attack` is None for the union of a norm."""

    attack: str | None
    norm: str
    eps: Epsilon
    attacks: tuple[str, ...]


def survivors(records: Iterable[Record]) -> float:
    """The share of the test images that are robust to every attack: exact, from the outcome of every image."""
    robust, n = ~0, 0
    for record in records:
        robust, n = robust & bitmap(record["outcomes"]["robust"], record["n"]), record["n"]
    return robust.bit_count() / n
