"""Board → what its pictures show, as plain numbers: `draw` makes images of them, tests compare them with the records.

No row is dropped because there are many: what cannot be told apart in one panel is shown in several, and what is left
out is said in the picture.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from benchmark.types import Grid, Recipe, Training, canonical
from leaderboard.efficiency import Cost, costs, fronts, worth
from leaderboard.estimate import Column, Estimate
from leaderboard.families import Axis, axis, dense, families, together
from leaderboard.shapes import CLEAN, ROBUST, Front, Fronts, Lines, Matrices, Matrix, Panel, Plot, Point, Series
from leaderboard.table import Board, Row, Table
from leaderboard.text import NORM, at

READABLE = 8  # lines of a panel: as many as there are colours that the colour-blind tell apart
TICKS = 24  # names on an axis
PANELS = 12  # of lines: a page holds as many
CELLS = 30  # rows or columns of a matrix
COLUMNS = 3  # panels side by side
ALIKE = 1.02  # costs that differ by no more make no picture

Reading = tuple[float, Estimate, bool]  # x, an accuracy there, and whether its row is suspect


def plots(board: Board, table: Table, measurements: Iterable[Mapping[str, Any]]) -> dict[str, Plot]:
    """The pictures that a grid's results fill, by a short name that a file can have."""
    found: dict[str, Plot | None] = {"compression": _over_compression(board, table)}
    for norm in dict.fromkeys(column.norm for column in table.unions):
        found[f"epsilon-{norm}"] = _over_epsilon(board, table, norm)
    found |= {"epochs": _over_epochs(board, table), "pareto": _fronts(board, table, measurements)}
    return {name: plot for name, plot in found.items() if plot is not None}


def _series(
    name: str,
    readings: Iterable[Reading],
    look: str = ROBUST,
    curves: Iterable[Sequence[float]] | None = None,
    again: Iterable[Reading] = (),
) -> Series:
    """Of the estimates that have a value. curves: which x a line joins, all of them if None; again: places beside the
    points, where one of them is repeated."""
    known = [reading for reading in readings if reading[1].values]
    bounds = [estimate.interval for _, estimate, _ in known]
    shown = known + [reading for reading in again if reading[1].values]
    places = {x: 100 * estimate.mean for x, estimate, _ in shown}
    joined = [
        [(x, places[x]) for x in curve if x in places] for curve in ([list(places)] if curves is None else curves)
    ]
    return Series(
        name,
        tuple(x for x, _, _ in known),
        tuple(100 * estimate.mean for _, estimate, _ in known),
        tuple(100 * interval.low for interval in bounds),
        tuple(100 * interval.high for interval in bounds),
        look,
        tuple(tuple(curve) for curve in joined if len(curve) > 1),
        tuple((x, places[x]) for x, _, suspect in shown if suspect),
    )


def _lines(title: str, across: str, panels: Iterable[Panel], least: int, columns: int = COLUMNS) -> Lines | None:
    """None unless some line has `least` points."""
    panels = [Panel(one.title, tuple(line for line in one.series if line.x), one.ticks) for one in panels]
    panels = [panel for panel in panels if panel.series]
    longest = max((len(line.x) for panel in panels for line in panel.series), default=0)
    note = f"The first {PANELS} of {len(panels)} panels; the tables have the rest." if len(panels) > PANELS else ""
    return Lines(title, across, tuple(panels[:PANELS]), columns, note) if longest >= least else None


def _over_compression(board: Board, table: Table) -> Lines | None:
    """The figure of the papers: every compression, clean and robust, a line for each training and curve."""
    start, panels = dense(table.grid.compressions), []
    trainings = _pieces(table.grid.trainings, READABLE // 2)  # clean and robust
    groups = together(families(table.grid.compressions), TICKS)
    for union in table.middles:
        for group in groups:
            own = axis(group, start)
            for piece in trainings:
                series = [line for training in piece for line in _along(table, union, training, own, start)]
                title = f"robust: union @ {at(board.suite, table, union)}"
                panels.append(Panel(title, tuple(series), own.ticks))
    return _lines("Clean and robust accuracy over compression", "compression", panels, 2)


def _along(table: Table, union: Column, training: Training, own: Axis, start: str | None) -> Iterator[Series]:
    """A training's clean and robust accuracy along an axis of compressions."""
    rows = [row for row in table.rows if row.training == training.name]
    shown = [(own.places[row.compression], row) for row in rows if row.compression in own.places]
    again = [(place, row) for row in rows if row.compression == start for place in own.again]
    for look in (CLEAN, ROBUST):
        points, repeated = _read(shown, union, look), _read(again, union, look)
        yield _series(training.name, points, look, own.curves, repeated)


def _read(rows: Iterable[tuple[float, Row]], union: Column, look: str) -> list[Reading]:
    """A reading at each x of a row's clean accuracy, or its union."""
    return [(x, row.clean if look == CLEAN else row.accuracy[union], row.verdict.suspect) for x, row in rows]


def _over_epsilon(board: Board, table: Table, norm: str) -> Lines | None:
    """A panel for each training, a line for each compression; ε 0 is clean accuracy."""
    unions = [column for column in table.unions if column.norm == norm]
    panels = []
    for names, part in _parts(table.grid, READABLE):
        for training in table.grid.trainings:
            rows = {row.compression: row for row in table.rows if row.training == training.name}
            series = [_over(rows[name], unions) for name in names if name in rows]
            panels.append(Panel(training.name + part, tuple(series)))
    space = "" if board.suite.eps_space is None else ", as the source writes it"
    trainings = len(table.grid.trainings)
    columns = trainings if 1 < trainings <= COLUMNS else COLUMNS  # the parts of a training are below each other
    return _lines("Robust accuracy (union) over ε", f"ε ({NORM[norm]}{space})", panels, 3, columns)


def _over(row: Row, unions: Iterable[Column]) -> Series:
    readings = [(0.0, row.clean), *((one.eps.written, row.accuracy[one]) for one in unions)]
    return _series(row.compression, [(eps, estimate, row.verdict.suspect) for eps, estimate in readings])


def _over_epochs(board: Board, table: Table) -> Lines | None:
    """Trainings that differ in nothing but how many epochs come after the compression.

    Clean and robust accuracy share a panel where their lines can be told apart.
    """
    if not table.middles:
        return None
    union, panels = table.middles[0], []
    few = 2 * len(table.grid.compressions) <= READABLE
    for names, part in _parts(table.grid, READABLE):
        for title, epochs in _same_but_epochs(table.grid):
            for looks in [(CLEAN, ROBUST)] if few else [(ROBUST,), (CLEAN,)]:
                series = [_tuned(table, union, name, epochs, look) for name in names for look in looks]
                panels.append(Panel(f"{title}{'' if few else f': {looks[0]}'}{part}", tuple(series)))
    title = f"Accuracy over epochs of fine-tuning (robust: union @ {at(board.suite, table, union)})"
    return _lines(title, "epochs after the compression", panels, 2, COLUMNS if few else 2)


def _tuned(table: Table, union: Column, name: str, epochs: Iterable[tuple[int, str]], look: str) -> Series:
    rows = {row.training: row for row in table.rows if row.compression == name}
    return _series(name, _read([(count, rows[training]) for count, training in epochs], union, look), look)


def _parts(grid: Grid, most: int) -> list[tuple[tuple[str, ...], str]]:
    """Names of compressions, at most so many at a time, and which part they are: families stay together, and the dense
    network stands in each."""
    names = tuple(one.name for one in grid.compressions)
    if len(names) <= most:
        return [(names, "")]
    start = dense(grid.compressions)
    first = () if start is None else (start,)
    others = families([one for one in grid.compressions if one.name != start])
    groups = together(others, most - len(first))
    parts = [(*first, *(name for family in group for name in family.names)) for group in groups]
    return [(part, f" ({number} of {len(parts)})") for number, part in enumerate(parts, start=1)]


def _pieces(trainings: Sequence[Training], most: int) -> list[Sequence[Training]]:
    return [trainings[start : start + most] for start in range(0, len(trainings), most)]


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
    panels = [panel for cost in costs(table, measurements) if (panel := _front(table, union, cost))]
    title = f"Robust accuracy (union @ {at(board.suite, table, union)}) over cost"
    suspect = sum(row.verdict.suspect for row in table.rows)
    note = f"Left out: {suspect} suspect row{'s' * (suspect > 1)}." if suspect else ""
    groups = tuple(training.name for training in table.grid.trainings)
    return Fronts(title, groups, tuple(panels), note) if panels else None


def _front(table: Table, union: Column, cost: Cost) -> Front | None:
    """None where a cost makes no difference, or is not to be compared."""
    value = worth(table, union)
    known = [name for name in value if name in cost.of]
    spent = [cost.of[name] for name in known]
    if not cost.compares or not spent or max(spent) <= ALIKE * min(spent):
        return None
    sound, every = fronts(table, union, cost)
    points = [Point(*name, cost.of[name], 100 * value[name], name in sound, name in every) for name in known]
    unknown = len(value) - len(known)
    return Front(cost.name, cost.unit, tuple(points), f"not known of {unknown} of {len(value)} rows" * bool(unknown))


def transfers(board: Board) -> Matrices | None:
    """Whose examples fool whom, over all grids."""
    panels, large = [], []
    for one in board.transfers:
        values = tuple(
            tuple(_mean(one.cells.get((source, target))) for target in one.targets) for source in one.sources
        )
        title = f"{', '.join(one.names)} @ {one.eps_label} ({NORM[one.norm]})"
        if max(len(one.sources), len(one.targets)) <= CELLS:
            panels.append(Matrix(title, tuple(one.labels(one.sources)), tuple(one.labels(one.targets)), values))
        else:
            large.append(title)
    title = "Robust accuracy by where the examples are crafted"
    note = f"Left out, as too large: {'; '.join(large)}." if large else ""
    return Matrices(title, "crafted on", "judged on", tuple(panels), note) if panels else None


def _mean(estimate: Estimate | None) -> float | None:
    return 100 * estimate.mean if estimate and estimate.values else None
