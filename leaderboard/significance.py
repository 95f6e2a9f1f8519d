"""What a board's rows show beside their dense row, and which of them lead: with Holm's correction over the board."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmark.claims import Measure, Row
from benchmark.types import Epsilon, Grid
from leaderboard.estimate import Column
from leaderboard.figures import CLEAN, Figures
from leaderboard.paired import Decision, Paired, decided, leaders
from leaderboard.verdict import NOT_YET, Verdict, Verdicts

Place = tuple[str, Row, Measure]  # of a grid's name


@dataclass(frozen=True)
class Compared:
    """A row beside the dense row of the same training, on the seeds that both have; `p` is corrected.

    doubts: what verdict either row has that is not sound. Where one is suspect nothing is decided, or tested.
    """

    difference: Paired
    decision: Decision | None
    p: float | None
    doubts: tuple[str, ...] = ()


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


def significance(figures: Sequence[Figures], verdicts: Verdicts) -> Significance:
    """Compare every row of every grid. Only sound rows that have every planned seed can lead."""
    grids, differences = {one.grid.name: one.grid for one in figures}, dict(_differences(figures))
    suspect = {place for place in differences if any(one.suspect for one in _verdicts(verdicts, grids, place))}
    tested = [place for place in differences if place not in suspect]
    pairs = [(differences[place], grids[place[0]].delta / 100) for place in tested]
    found = dict(zip(tested, decided(pairs), strict=True))
    compared = {}
    for place, difference in differences.items():
        p, decision = found.get(place, (None, None))
        compared[place] = Compared(difference, decision, p, doubts(*_verdicts(verdicts, grids, place)))
    return Significance(compared, frozenset(place for one in figures for place in _leading(one, verdicts)))


def _verdicts(verdicts: Verdicts, grids: Mapping[str, Grid], place: Place) -> tuple[Verdict, Verdict]:
    """Of a row, and of the dense row that it is compared with."""
    grid, row, _ = place
    return verdicts.get((grid, row), NOT_YET), verdicts.get((grid, dense(grids[grid], row)), NOT_YET)


def doubts(row: Verdict, reference: Verdict, name: str = "dense row") -> tuple[str, ...]:
    """What verdict a row, and the one of that name that it is compared with, have that is not sound."""
    own = () if row.sound else (row.word,)
    return own if reference.sound or reference.word == row.word else (*own, f"{name} {reference.word}")


def _differences(figures: Sequence[Figures]) -> Iterator[tuple[Place, Paired]]:
    for one in figures:
        for measure in (CLEAN, *headlines(one.grid)):
            for row in rows(one.grid):
                reference = dense(one.grid, row)
                if reference:
                    pair = one.difference(reference, row, measure)
                    if pair:
                        yield (one.grid.name, row, measure), pair


def _leading(figures: Figures, verdicts: Verdicts) -> Iterator[Place]:
    name = figures.grid.name
    sound = [row for row in rows(figures.grid) if verdicts.get((name, row), NOT_YET).sound]
    for measure in (CLEAN, *headlines(figures.grid)):
        able = {row: figures.outcomes(row, measure) for row in sound}
        able = {row: outcomes for row, outcomes in able.items() if len(outcomes) == len(figures.suite.seeds)}
        first = leaders(list(able.values()), figures.n)
        yield from ((name, row, measure) for row, leads in zip(able, first, strict=True) if leads)


def rows(grid: Grid) -> list[Row]:
    """In the suite's order."""
    return [(compression.name, training.name) for compression in grid.compressions for training in grid.trainings]
