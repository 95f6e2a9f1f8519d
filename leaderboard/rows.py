"""A grid's main tables as Markdown: every row's accuracies with their intervals, and what hangs on them."""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from leaderboard.significance import Significance
from leaderboard.table import Board, Column, Row, Table
from leaderboard.text import MISSING, SPACE, at, epsilon, escape, of_seeds, percent, quantity, seeds_missing, title

PASSES = "Crafting passes (forward / backward)"
WIDE = 6  # accuracy columns; with more, every attack gets a table of its own

Cell = Callable[[Row], str]


def tables(board: Board, table: Table, found: Significance) -> list[str]:
    """Markdown: the table of all rows; of a wide grid also one for each attack; notes on what attacks proposed."""
    attacks = [attack.name for attack in table.grid.attacks if attack.runtime is None]
    faulty = [name for name in attacks if any(column.attack == name for row in table.rows for column in row.faults)]
    wide = len(table.columns) + 1 > WIDE
    ends = {"Parameters": parameters(table), "Verdict": lambda row: escape(str(row.verdict))}
    blocks = [_rows(board, table, found, table.unions if wide else table.columns, table.middles, ends, faulty)]
    for name in attacks if wide else ():
        own = [column for column in table.columns if column.attack == name]
        blocks += [f"### {escape(name)}", _rows(board, table, found, own, [], {PASSES: passes(name)}, faulty)]
    for number, name in enumerate(faulty, start=1):
        blocks.append(f"<sup>{number}</sup> {escape(name)}: {_faults(board, table, name)}.")
    return blocks


def parameters(table: Table) -> Cell:
    """Their number and, of a masked network, how many of them are not zero."""

    def cell(row: Row) -> str:
        masked = f", {quantity(row.size['nonzero'].mean)} nonzero" if row.size["nonzero"].values else ""
        return size(table, "parameters")(row) + masked

    return cell


def size(table: Table, name: str, unit: str = "") -> Cell:
    """A size and, except for an uncompressed row, its share of the dense one's."""

    def cell(row: Row) -> str:
        if not row.size[name].values:
            return MISSING
        shown, dense = quantity(row.size[name].mean, unit), table.dense(row)
        if dense is None or dense.compression == row.compression or not dense.size[name].mean:
            return shown
        return f"{shown} ({100 * row.size[name].mean / dense.size[name].mean:.3g}{SPACE}%)"

    return cell


def passes(attack: str | None) -> Cell:
    """What crafting a row's examples of an attack (None: of all) took, forward / backward."""

    def cell(row: Row) -> str:
        if attack not in row.passes:  # every attack is made for artifacts
            return MISSING
        forward, backward = (row.passes[attack][way] for way in ("forward", "backward"))
        return f"{quantity(forward.mean)} / {quantity(backward.mean)}" if forward.values else MISSING

    return cell


def _rows(
    board: Board,
    table: Table,
    found: Significance,
    columns: Sequence[Column],
    worst: Sequence[Column],
    others: Mapping[str, Cell],
    faulty: Sequence[str],
) -> str:
    """A Markdown table with a line per row: clean accuracy, `columns`, the worst class at `worst`, `others`."""
    names = [title(board.suite, table, column) for column in columns]
    names += [f"Worst class @ {at(board.suite, table, column)}" for column in worst]
    heads = ["Compression", "Training", "Clean accuracy", *map(escape, names), *others]
    lines = []
    for row in table.ordered:
        figures = [row.clean, *(row.accuracy[column] for column in columns), *(row.worst[column] for column in worst)]
        mark, each = seeds_missing(figures)
        shown = [percent(figure) for figure in figures]
        for place, column in enumerate((None, *columns)):
            if found.leads(table.grid.name, row.name, column):
                shown[place] = f"**{shown[place]}**"
            if column in row.faults:
                shown[place] += f"<sup>{faulty.index(column.attack) + 1}</sup>"
        shown = [cell + of_seeds(figure) * each for cell, figure in zip(shown, figures, strict=True)]
        others_shown = [cell(row) for cell in others.values()]
        lines.append([escape(row.labelled), escape(row.training) + mark, *shown, *others_shown])
    sides = ["left" if head in ("Compression", "Training", "Verdict") else "right" for head in heads]
    frame = pd.DataFrame(lines, columns=heads)
    return frame.to_markdown(index=False, tablefmt="pipe", disable_numparse=True, colalign=sides)


def _faults(board: Board, table: Table, attack: str) -> str:
    """Where an attack proposed what it may not, over all seeds of a row."""
    found = []
    for row in table.rows:
        for column, (outside, nonfinite) in row.faults.items():
            if column.attack == attack:
                counts = [f"{outside} proposals outside the ball, clipped"] * bool(outside)
                counts += [f"{nonfinite} not finite, replaced by the clean image"] * bool(nonfinite)
                where = f"{row.compression} / {row.training} @ {epsilon(board.suite, column.eps)}"
                found.append(f"{' and '.join(counts)} ({escape(where)})")
    return "; ".join(found)
