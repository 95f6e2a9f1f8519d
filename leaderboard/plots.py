"""Board → what its pictures show, as plain numbers: `draw` makes images of them, tests compare them with the records.

Accuracies are in %, with the bounds of their 95 % intervals.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmark.types import Grid, Recipe, Training, canonical
from leaderboard.efficiency import costs, fronts, worth
from leaderboard.estimate import Estimate
from leaderboard.table import Board, Table
from leaderboard.text import NORM, at

CLEAN, ROBUST = "clean", "robust"
READABLE = 30  # lines, ticks, rows: with more, a picture is a blot and is not drawn; the tables have it all
ALIKE = 1.02  # costs that differ by no more make no picture


@dataclass(frozen=True)
class Series:
    """A line of accuracies over x: numbers, or places among a panel's `ticks`. look: clean or robust accuracy."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    look: str = ROBUST


@dataclass(frozen=True)
class Panel:
    title: str
    series: tuple[Series, ...]
    ticks: tuple[str, ...] = ()  # names of the places 0, 1, … on the x-axis; empty: x are numbers


@dataclass(frozen=True)
class Lines:
    title: str
    across: str  # what x is
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Point:
    name: str
    group: str
    x: float
    y: float
    leads: bool  # on the front of the sound rows
    open: bool  # on the front of all rows that are not suspect


@dataclass(frozen=True)
class Front:
    """Points of robust accuracy over one cost, less of which is better."""

    title: str
    unit: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Fronts:
    title: str
    groups: tuple[str, ...]  # of all points
    panels: tuple[Front, ...]


@dataclass(frozen=True)
class Matrix:
    """Accuracies by row and column; None where there is none."""

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True)
class Matrices:
    title: str
    down: str
    across: str
    panels: tuple[Matrix, ...]


Plot = Lines | Fronts | Matrices


def plots(board: Board, table: Table, measurements: Iterable[Mapping[str, Any]]) -> dict[str, Plot]:
    """The pictures that a grid's results fill, by a short name that a file can have."""
    found: dict[str, Plot | None] = {"compression": _over_compression(board, table)}
    for norm in dict.fromkeys(column.norm for column in table.unions):
        found[f"epsilon-{norm}"] = _over_epsilon(board, table, norm)
    found |= {"epochs": _over_epochs(board, table), "pareto": _fronts(board, table, measurements)}
    return {name: plot for name, plot in found.items() if plot is not None}


def _series(name: str, points: Iterable[tuple[float, Estimate]], look: str = ROBUST) -> Series:
    """Of the estimates that have a value."""
    known = [(x, estimate) for x, estimate in points if estimate.values]
    bounds = [estimate.interval for _, estimate in known]
    return Series(
        name,
        tuple(x for x, _ in known),
        tuple(100 * estimate.mean for _, estimate in known),
        tuple(100 * interval.low for interval in bounds),
        tuple(100 * interval.high for interval in bounds),
        look,
    )


def _lines(title: str, across: str, panels: Iterable[Panel], least: int) -> Lines | None:
    """None unless some line has `least` points, and where there are too many lines or ticks to tell apart."""
    panels = [Panel(one.title, tuple(line for line in one.series if line.x), one.ticks) for one in panels]
    panels = [panel for panel in panels if panel.series]
    longest = max((len(line.x) for panel in panels for line in panel.series), default=0)
    crowded = any(max(len(one.ticks), len({line.name for line in one.series})) > READABLE for one in panels)
    return Lines(title, across, tuple(panels)) if longest >= least and not crowded else None


def _over_compression(board: Board, table: Table) -> Lines | None:
    """The figure of the papers: every compression, a line for each training, clean and robust."""
    names = tuple(compression.name for compression in table.grid.compressions)
    panels = []
    for union in table.middles:
        series = []
        for training in table.grid.trainings:
            rows = [(names.index(row.compression), row) for row in table.rows if row.training == training.name]
            series.append(_series(training.name, [(x, row.clean) for x, row in rows], CLEAN))
            series.append(_series(training.name, [(x, row.accuracy[union]) for x, row in rows]))
        title = f"robust: union @ {at(board.suite, table, union)}"
        panels.append(Panel(title, tuple(series), names))
    return _lines("Clean and robust accuracy over compression", "compression", panels, 2)


def _over_epsilon(board: Board, table: Table, norm: str) -> Lines | None:
    """A panel for each training, a line for each compression; ε 0 is clean accuracy."""
    unions = [column for column in table.unions if column.norm == norm]
    panels = []
    for training in table.grid.trainings:
        rows = [row for row in table.rows if row.training == training.name]
        series = [
            _series(row.compression, [(0.0, row.clean), *((one.eps.written, row.accuracy[one]) for one in unions)])
            for row in rows
        ]
        panels.append(Panel(training.name, tuple(series)))
    space = "" if board.suite.eps_space is None else ", as the source writes it"
    return _lines("Robust accuracy (union) over ε", f"ε ({NORM[norm]}{space})", panels, 3)


def _over_epochs(board: Board, table: Table) -> Lines | None:
    """Trainings that differ in nothing but how many epochs come after the compression."""
    if not table.middles:
        return None
    union, panels = table.middles[0], []
    for title, epochs in _same_but_epochs(table.grid):
        series = []
        for compression in table.grid.compressions:
            rows = {row.training: row for row in table.rows if row.compression == compression.name}
            points = [(count, rows[training]) for count, training in epochs]
            series.append(_series(compression.name, [(x, row.clean) for x, row in points], CLEAN))
            series.append(_series(compression.name, [(x, row.accuracy[union]) for x, row in points]))
        panels.append(Panel(f"{title}; robust: union @ {at(board.suite, table, union)}", tuple(series)))
    return _lines("Accuracy over epochs of fine-tuning", "epochs after the compression", panels, 2)


def _same_but_epochs(grid: Grid) -> Iterator[tuple[str, list[tuple[int, str]]]]:
    """What follows the compression, and (epochs, training) in ascending order; none at all is 0 epochs."""

    def kind(recipe: Recipe) -> str:
        return canonical([recipe.plugin, {name: value for name, value in recipe.arguments if name != "epochs"}])

    families: dict[tuple[str, str], list[Training]] = {}
    for training in grid.trainings:
        if training.after and "epochs" in training.after.kwargs:
            families.setdefault((canonical(training.before.described()), kind(training.after)), []).append(training)
    for (before, _), trainings in families.items():
        epochs = [(one.after.kwargs["epochs"], one.name) for one in trainings]
        bare = [one.name for one in grid.trainings if not one.after and canonical(one.before.described()) == before]
        if len(trainings) + len(bare[:1]) > 1:
            yield trainings[0].after.plugin, sorted(epochs + [(0, name) for name in bare[:1]])


def _fronts(board: Board, table: Table, measurements: Iterable[Mapping[str, Any]]) -> Fronts | None:
    if not table.middles:
        return None
    union = table.middles[0]
    value = worth(table, union)
    panels = []
    for cost in costs(table, measurements):
        known = [name for name in value if cost.of.get(name)]  # above zero: the axis is logarithmic
        if cost.compares and known and max(map(cost.of.get, known)) > ALIKE * min(map(cost.of.get, known)):
            sound, every = fronts(table, union, cost)
            points = [
                Point(name[0], name[1], cost.of[name], 100 * value[name], name in sound, name in every)
                for name in known
            ]
            panels.append(Front(cost.name, cost.unit, tuple(points)))
    title = f"Robust accuracy (union @ {at(board.suite, table, union)}) over cost"
    groups = tuple(training.name for training in table.grid.trainings)
    return Fronts(title, groups, tuple(panels)) if panels else None


def transfers(board: Board) -> Matrices | None:
    """Whose examples fool whom, over all grids."""
    panels = []
    for one in board.transfers:
        values = tuple(
            tuple(_mean(one.cells.get((source, target))) for target in one.targets) for source in one.sources
        )
        title = f"{', '.join(one.names)} @ {one.eps_label} ({NORM[one.norm]})"
        if max(len(one.sources), len(one.targets)) <= READABLE:
            panels.append(Matrix(title, tuple(one.labels(one.sources)), tuple(one.labels(one.targets)), values))
    title = "Robust accuracy by where the examples are crafted"
    return Matrices(title, "crafted on", "judged on", tuple(panels)) if panels else None


def _mean(estimate: Estimate | None) -> float | None:
    return 100 * estimate.mean if estimate and estimate.values else None
