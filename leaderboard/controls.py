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
from leaderboard.paired import Decision, Paired, decided
from leaderboard.significance import doubts, headlines
from leaderboard.verdict import NOT_YET, Verdict, Verdicts
from leaderboard.work import SCRATCH_B, SCRATCH_E


@dataclass(frozen=True)
class Control:
    """A row of a grid minus its control, on the seeds that both have; `p` is corrected over the board's controls.

    doubts: what verdict either has that is not sound. Where one is suspect nothing is decided, or tested.
    """

    grid: str
    row: Row
    control: Row
    measure: Measure
    difference: Paired
    decision: Decision | None
    p: float | None
    doubts: tuple[str, ...] = ()


def controls(figures: Sequence[Figures], verdicts: Verdicts) -> list[Control]:
    """Of all grids of a board, every row that has a control in its grid, in clean accuracy and in the unions at the
    headline ε."""
    found = [
        (one, row, control, measure, pair)
        for one in figures
        for row, control in pairs(one.grid)
        for measure in (CLEAN, *headlines(one.grid))
        if (pair := one.difference(control, row, measure))
    ]
    known = [[verdicts.get((of.grid.name, name), NOT_YET) for name in names] for of, *names, _, _ in found]
    tested = [
        (pair, one.grid.delta / 100) for (one, *_, pair), of in zip(found, known, strict=True) if not _suspect(of)
    ]
    judged = iter(decided(tested))
    made = []
    for (one, row, control, measure, pair), of in zip(found, known, strict=True):
        p, decision = (None, None) if _suspect(of) else next(judged)
        made.append(Control(one.grid.name, row, control, measure, pair, decision, p, doubts(*of, "control")))
    return made


def _suspect(verdicts: Sequence[Verdict]) -> bool:
    return any(one.suspect for one in verdicts)


def helps(beside: Sequence[tuple[str, Decision | None]]) -> str:
    """Whether a compression helps: only if its row is better than controls of both kinds. `beside`: kind, decision."""
    if any(decision is None for _, decision in beside):
        return "cannot be said of suspect rows"
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


def lone(grid: Grid) -> list[str]:
    """The compressions that are controls of no row of the grid."""
    beside = {control for _, (control, _) in pairs(grid)}
    return [one.name for one in grid.compressions if _without(one) is not None and one.name not in beside]


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
