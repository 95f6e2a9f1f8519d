"""A figure of a board, and the column that it stands in."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from benchmark.outcomes import bitmap
from benchmark.types import Epsilon
from leaderboard.match import Record
from leaderboard.statistics import Interval, accuracy


@dataclass(frozen=True)
class Estimate:
    """A figure of a row: one value per network (training seed) that has it, of the number planned.

    n: of how many images each value is the share; None for what is no such share (a size; the least of several).
    """

    values: tuple[float, ...]
    planned: int
    n: int | None = None

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def interval(self) -> Interval | None:
        """Of 95 %, from the choice of images and, of several networks, their spread; None for no share of images."""
        return accuracy([round(value * self.n) for value in self.values], self.n) if self.n and self.values else None


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
