"""A board of a part of its suite's cells: how many of them were run, and the `--only` that asks for these alone."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmark.deployments import trials
from benchmark.types import Grid, Suite
from leaderboard.match import Place, place
from leaderboard.table import Board

AXES = ("grid", "compression", "training", "seed", "attack", "eps")
Cell = tuple[Place, str | None]  # and its runtime
Names = tuple[str, ...]  # of a cell, by axis, as --only takes them


@dataclass(frozen=True)
class Part:
    """`run` of `planned` cells have a record or a failure. `only`: the pairs (axis, name) that select these cells and
    no others; empty where none do.
    """

    run: int
    planned: int
    only: tuple[tuple[str, str], ...]


def part(board: Board, holes: Iterable[Mapping[str, Any]]) -> Part | None:
    """None of a board of its whole suite."""
    waiting = {(cell, None) for table in board.tables for cell in table.missing}
    waiting |= {(cell, one.runtime) for table in board.tables for one in table.deployed for cell in one.missing}
    waiting -= {(place(hole), hole["runtime"]) for hole in holes}
    cells = {cell: names for grid in board.suite.grids for cell, names in _cells(board.suite, grid)}
    if not waiting:
        return None
    run = [names for cell, names in cells.items() if cell not in waiting]
    return Part(len(run), len(cells), _only(run, list(cells.values())))


def _cells(suite: Suite, grid: Grid) -> Iterator[tuple[Cell, Names]]:
    for compression in grid.compressions:
        for training in grid.trainings:
            for seed in suite.seeds:
                for trial in trials(grid, compression):
                    for eps in trial.eps:
                        row = (grid.name, compression.name, training.name, seed, trial.attack.name)
                        yield ((*row, eps.value), trial.runtime), (*map(str, row), eps.label)


def _only(run: list[Names], planned: list[Names]) -> tuple[tuple[str, str], ...]:
    """Of each axis the names of what was run, if these do not name anything else; an axis that is whole is left out."""
    axes = [set(names) for names in zip(*run, strict=True)]
    if not run or sum(all(map(set.__contains__, axes, names)) for names in planned) != len(run):
        return ()
    whole = [set(names) for names in zip(*planned, strict=True)]
    ordered = [dict.fromkeys(names) for names in zip(*run, strict=True)]
    return tuple(
        (axis, name)
        for axis, own, names, every in zip(AXES, axes, ordered, whole, strict=True)
        for name in names
        if own != every
    )
