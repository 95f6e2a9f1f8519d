"""What a board's rows show beside their dense row, and which of them lead: with Holm's correction over the board."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmark.claims import Measure, Row
from benchmark.types import Epsilon, Grid
from leaderboard.estimate import Column
from leaderboard.figures import CLEAN, Figures
from leaderboard.paired import Decision, Paired, decide, leaders
from leaderboard.statistics import holm

Place = tuple[str, Row, Measure]  # of a grid's name


@dataclass(frozen=True)
class Compared:
    """A row beside the dense row of the same training, on the seeds that both have; `p` is corrected."""

    difference: Paired
    decision: Decision
    p: float


@dataclass(frozen=True)
class Significance:
    """By grid, row and measure: the comparison with the dense row, and whether the row is among the leaders.

    Measures are clean accuracy and, for each norm, the union at the headline ε. Dense rows are not compared.
    """

    compared: Mapping[Place, Compared]
    leading: frozenset[Place]

    def leads(self, grid: str, row: Row, column: Column | None) -> bool:
        """Whether a row is among the leaders of a column; None: of clean accuracy."""
        if column is None:
            return (grid, row, CLEAN) in self.leading
        return column.attack is None and (grid, row, Measure(None, column.norm, column.eps)) in self.leading


def headlines(grid: Grid) -> list[Measure]:
    """Of each norm, the union at the headline ε of the networks' own attacks."""
    known: dict[str, dict[float, Epsilon]] = {}
    for attack in grid.attacks:
        if attack.runtime is None:
            for eps in attack.eps:
                known.setdefault(attack.norm, {}).setdefault(eps.value, eps)
    return [
        Measure(None, norm, by_value[grid.headline_of(norm)])
        for norm, by_value in known.items()
        if grid.headline_of(norm) in by_value
    ]


def dense(grid: Grid, row: Row) -> Row | None:
    """The row of the same training whose network is not compressed; None for itself, or without one."""
    names = [compression.name for compression in grid.compressions if not compression.steps]
    return (names[0], row[1]) if names and row[0] not in names else None


def significance(figures: Sequence[Figures], ranked: Container[tuple[str, Row]]) -> Significance:
    """Compare every row of every grid. Only rows in `ranked` (grid and row) that have every planned seed can lead."""
    differences = dict(_differences(figures))
    corrected = holm([difference.p for difference in differences.values()])
    deltas = {one.grid.name: one.grid.delta / 100 for one in figures}
    compared = {
        place: Compared(difference, decide(difference, deltas[place[0]], p), p)
        for (place, difference), p in zip(differences.items(), corrected, strict=True)
    }
    return Significance(compared, frozenset(place for one in figures for place in _leading(one, ranked)))


def _differences(figures: Sequence[Figures]) -> Iterator[tuple[Place, Paired]]:
    for one in figures:
        for measure in (CLEAN, *headlines(one.grid)):
            for row in rows(one.grid):
                reference = dense(one.grid, row)
                if reference:
                    pair = one.difference(reference, row, measure)
                    if pair:
                        yield (one.grid.name, row, measure), pair


def _leading(figures: Figures, ranked: Container[tuple[str, Row]]) -> Iterator[Place]:
    name = figures.grid.name
    for measure in (CLEAN, *headlines(figures.grid)):
        able = {row: figures.outcomes(row, measure) for row in rows(figures.grid) if (name, row) in ranked}
        able = {row: outcomes for row, outcomes in able.items() if len(outcomes) == len(figures.suite.seeds)}
        first = leaders(list(able.values()), figures.n)
        yield from ((name, row, measure) for row, leads in zip(able, first, strict=True) if leads)


def rows(grid: Grid) -> list[Row]:
    """In the suite's order."""
    return [(compression.name, training.name) for compression in grid.compressions for training in grid.trainings]
