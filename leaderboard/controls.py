"""Compressed networks beside their controls: the same structure, its weights drawn anew and trained from scratch.

A compression has found something only if it beats that (Liu et al., 2019): with as many epochs (scratch-E), or with as
much work (scratch-B). The suite says which; the page prints how much work each took.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmark.claims import Measure, Row
from benchmark.recipes import REINITIALISE
from benchmark.types import Compression, Grid
from leaderboard.figures import CLEAN, Figures
from leaderboard.paired import Decision, Paired, decide
from leaderboard.significance import headlines
from leaderboard.statistics import holm
from leaderboard.work import SCRATCH_B, SCRATCH_E


@dataclass(frozen=True)
class Control:
    """A row of a grid minus its control, on the seeds that both have; `p` is corrected over the board's controls."""

    grid: str
    row: Row
    control: Row
    measure: Measure
    difference: Paired
    decision: Decision
    p: float


def controls(figures: Sequence[Figures]) -> list[Control]:
    """Of all grids of a board, every row that has a control in its grid, in clean accuracy and in the unions at the
    headline ε."""
    found = [
        (one, row, control, measure, pair)
        for one in figures
        for row, control in pairs(one.grid)
        for measure in (CLEAN, *headlines(one.grid))
        if (pair := one.difference(control, row, measure))
    ]
    corrected = holm([pair.p for *_, pair in found])
    return [
        Control(of.grid.name, *names, pair, decide(pair, of.grid.delta / 100, p), p)
        for (of, *names, pair), p in zip(found, corrected, strict=True)
    ]


def helps(beside: Sequence[tuple[str, Decision]]) -> str:
    """Whether a compression helps: only if its row is better than controls of both kinds. `beside`: kind, decision."""
    words = {decision.word for _, decision in beside}
    lacking = [kind for kind in (SCRATCH_E, SCRATCH_B) if kind not in dict(beside)]
    if words & {"worse", "same"}:
        return "does not help"
    if words != {"better"}:
        return "not shown to help"
    return f"not shown to help, without {' and '.join(lacking)}" if lacking else "helps"


def pairs(grid: Grid) -> Iterator[tuple[Row, Row]]:
    """(row, its control): the same steps but for a re-initialisation and the trainings that follow it at once."""
    for control in grid.compressions:
        plain = _without(control)
        for compression in grid.compressions:
            if plain is not None and compression.steps == plain:
                yield from (((compression.name, one.name), (control.name, one.name)) for one in grid.trainings)


def _without(control: Compression) -> tuple | None:
    """The steps that found the structure; None for what is no control."""
    steps = list(control.steps)
    drawn = [place for place, step in enumerate(steps) if step.plugin == REINITIALISE]
    if not drawn:
        return None
    end = drawn[-1] + 1
    while end < len(steps) and steps[end].kind == "training":
        end += 1
    return tuple(steps[: drawn[-1]] + steps[end:])
