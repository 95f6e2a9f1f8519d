"""Costs and controls as Markdown: what a row takes beside the dense one, and beside the same structure from scratch."""

from collections.abc import Iterable, Mapping
from typing import Any

from tabulate import tabulate

from benchmark.claims import Measure
from benchmark.claims import Row as Name
from leaderboard.controls import Control, controls, helps, lone
from leaderboard.efficiency import Cost, costs, fronts, reference, relative
from leaderboard.estimate import Column
from leaderboard.evidence import title
from leaderboard.figures import CLEAN, Figures
from leaderboard.rows import PASSES, passes
from leaderboard.significance import headlines
from leaderboard.table import Board, Row, Table
from leaderboard.text import MISSING, SPACE, at, escape, quantity
from leaderboard.wording import decided

FRONT, OPEN = "◆", "◇"
HOW = (
    "**Parameters, MACs, Weights**: of the network as judged; MACs for one image, weights as stored; in brackets the "
    "share of the dense row's, of work and seconds that of the same training's.",
    "**Training, Fine-tuning**: passes × MACs, forward and backward passes of images counted alike, those of the "
    "training's own attack included: of all trainings, and of those after the first. Of a control only those since its "
    "weights were drawn. **Training time**: of this machine, and no share of what another took. **Training energy**: "
    "of the whole processor, by its own counter, where there is one.",
    f"**{FRONT}**: on the Pareto front of robust accuracy and this cost: no other sound row is at least as robust for "
    f"at most as much, and better in one of the two. **{OPEN}**: on that of all rows but the suspect ones, so that it "
    "is open whether it will stand.",
    "**Crafting passes**: what crafting a row's examples took, mean over seeds; examples that rows share count in "
    "each of them.",
)


def efficiency(board: Board, table: Table, measurements: Iterable[Mapping[str, Any]]) -> list[str]:
    """A grid's costs, as Markdown blocks."""
    found = costs(table, measurements)
    if not found:
        return []
    unions = table.middles[:1]  # a board of artifacts alone has none
    marks = {cost.name: _marks(table, unions[0], cost) if unions and cost.compares else {} for cost in found}
    heads = ["Compression", "Training"] + [f"Robust @ {at(board.suite, table, union)}" for union in unions]
    heads += [_head(cost) for cost in found] + [PASSES]
    lines = []
    for row in table.ordered:
        line = [escape(row.labelled), escape(row.training)]
        robust = [row.accuracy[union] for union in unions]
        line += [f"{100 * one.mean:.1f}" if one.values else MISSING for one in robust]
        line += [shown(table, cost, row) + marks[cost.name].get(row.name, "") for cost in found]
        lines.append([*line, passes(None)(row)])
    sides = ["left", "left"] + ["right"] * (len(heads) - 2)
    heads = [escape(head) for head in heads]
    return ["### Efficiency", tabulate(lines, heads, tablefmt="pipe", disable_numparse=True, colalign=sides)]


def _marks(table: Table, union: Column, cost: Cost) -> dict[Name, str]:
    """What stands behind the cost of a row on a front."""
    sound, every = fronts(table, union, cost)
    return dict.fromkeys(every, f"{SPACE}{OPEN}") | dict.fromkeys(sound, f"{SPACE}{FRONT}")


def _head(cost: Cost) -> str:
    return f"{cost.name} (passes × MACs)" if cost.name in ("Training", "Fine-tuning") else cost.name


def shown(table: Table, cost: Cost, row: Row) -> str:
    """A cost and, except for an uncompressed row, its share of the dense one's."""
    share = of_dense(table, cost, row)
    return amount(cost, row) + (f" ({share})" if share else "")


def amount(cost: Cost, row: Row) -> str:
    if row.name not in cost.of:
        return MISSING
    value = cost.of[row.name]
    if cost.unit == "s":
        return f"{1000 * value:.3g}{SPACE}ms" if value < 1 else f"{value:.3g}{SPACE}s"
    return quantity(value, cost.unit)


def of_dense(table: Table, cost: Cost, row: Row) -> str:
    """The share of the dense row's; nothing for a dense row, a dash where that is not known or of another machine."""
    share, dense = relative(table, cost, row), reference(table, cost, row)
    if share is not None:
        return f"{100 * share:.3g}{SPACE}%"
    return MISSING if dense and cost.of.get(row.name) and cost.of.get(dense) != 0 else ""


def beside_controls(board: Board, table: Table, figures: Figures) -> list[str]:
    """The rows that have a control of their own structure, and the controls of no row, as Markdown blocks."""
    found: dict[tuple[Name, Name], list[Control]] = {}
    for one in controls(board.figures, board.verdicts):
        if one.grid == table.grid.name:
            found.setdefault((one.row, one.control), []).append(one)
    head, alone = "### Beside a re-initialised network of the same structure", lone(table.grid)
    needs = "a control needs a row of the same steps, but for its `reinitialise` and the training that follows at once"
    unmatched = [f"Beside no row: {escape(', '.join(alone))} ({needs})."] * bool(alone)
    if not found:
        return [head, *unmatched] if alone else []
    measures = [CLEAN, *headlines(figures.grid)]
    heads = ["Compression", "Control", "Training", "Control's work"]
    heads += [f"Δ to its control: {_measure(board, measure, len(measures) - 1)}" for measure in measures]
    rows = {row.name: row for row in table.rows}
    lines = []
    for (row, control), ones in found.items():
        by_measure = {one.measure: one for one in ones}
        line = [escape(row[0]), escape(rows[control].labelled), escape(row[1]), _work(rows[row], rows[control])]
        lines.append([*line, *(_difference(by_measure.get(measure), figures) for measure in measures)])
    drawn = tabulate(lines, [escape(head) for head in heads], tablefmt="pipe", disable_numparse=True)
    about = (
        "The row minus its *control*: a network of the same structure whose weights were drawn anew and trained from "
        "scratch, with the work that is given as a multiple of the row's. *better*: the compression has kept something "
        "that the structure alone does not give. Holm over the board's controls. A compression *helps* if its row is "
        "better than both a scratch-E and a scratch-B. Where one of the two is suspect there is no word."
    )
    robust: dict[tuple[Name, Measure], list[Control]] = {}
    for one in (one for ones in found.values() for one in ones if one.measure != CLEAN):
        robust.setdefault((one.row, one.measure), []).append(one)
    words = [_helps(board, figures, rows, ones) for ones in robust.values()]
    return [head, drawn, about, "\n".join(words), *unmatched]


def _helps(board: Board, figures: Figures, rows: Mapping[Name, Row], beside: list[Control]) -> str:
    """Whether a row's compression helps at a union, and what that rests on: `beside` is of one row and measure."""
    row, measure = beside[0].row, beside[0].measure
    word = helps([(rows[one.control].control, one.decision) for one in beside])
    shown = [f"{rows[one.control].control} {_difference(one, figures)}" for one in beside]
    where = _measure(board, measure, len(headlines(figures.grid)))
    return f"- {escape(' / '.join(row))}, {escape(where)}: **{word}** ({escape('; '.join(shown))})"


def _measure(board: Board, measure: Measure, norms: int) -> str:
    name = title(board.suite, measure, norms)
    return name[0].lower() + name[1:]


def _work(row: Row, control: Row) -> str:
    own, other = row.work["training"], control.work["training"]
    return f"{other.mean / own.mean:.3g}{SPACE}×" if own.values and other.values and own.mean else MISSING


def _difference(one: Control | None, figures: Figures) -> str:
    if one is None:
        return MISSING
    return decided(one.difference, one.decision, figures.grid.delta / 100, len(figures.suite.seeds), one.doubts)
