"""Tables → leaderboard.md, for people, and leaderboard.csv, for programs. The same inputs give the same bytes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from benchmark.outcomes import count
from benchmark.types import BEFORE, Recipe, canonical
from leaderboard.checks_page import checks_section
from leaderboard.deployed_page import sections
from leaderboard.evidence import claims_section, how_sure
from leaderboard.legend import holes_section, legend, spent_section
from leaderboard.match import Record
from leaderboard.records import RECORD
from leaderboard.significance import significance
from leaderboard.table import Board, Column, Row, Table
from leaderboard.text import (
    MISSING,
    NORM,
    SPACE,
    at,
    epsilon,
    escape,
    of_seeds,
    percent,
    quantity,
    seeds_missing,
    subset,
    title,
)
from leaderboard.transfer_page import transfer_section

RATES = ("clean_accuracy", "robust_accuracy")
CSV = (
    *("suite", "grid", "dataset", "compression", "training", "seed", "runtime", "attack", "from", "norm", "eps"),
    *("eps_written", "eps_label", "eps_space", "mode", "n", "test_total", "clean_correct", "robust_correct", *RATES),
    *("implied", "violations", "nonfinite", "forward", "backward", "parameters", "macs", "weight_bytes", "protocol"),
    *("precision", "artifact_bytes", "agree", "direct", "twin_clean_correct", "twin_robust_correct"),
)
PASSES = "Crafting passes (forward / backward)"
WIDE = 8  # accuracy columns; with more, every attack gets a table of its own

Cell = Callable[[Row], str]
Lines = Iterable[Mapping[str, Any]]


def page(board: Board, measurements: Lines, holes: Lines, registered: Mapping[str, int] | None = None) -> str:
    """leaderboard.md. `registered`: when the suite's claims were fixed, as `claims.registered` gives it."""
    suite = board.suite
    blocks = [f"# {escape(suite.name)}"]
    if suite.source:
        blocks.append(f"Source: {escape(suite.source)}")
    blocks.append(
        "Accuracies in %, mean ± standard deviation over training seeds. "
        "Rows are in the suite's order: unverified rows are not ranked."
    )
    measurements = list(measurements)
    found = significance(board.figures, {(table.grid.name, row.name) for table in board.tables for row in _able(table)})
    for table, figures in zip(board.tables, board.figures, strict=True):
        blocks += [*_grid(board, table), *how_sure(suite, figures, found)]
        blocks += [*checks_section(suite, table, figures), *sections(board, table, measurements)]
        blocks.append(recipes(table))
    blocks += transfer_section(board.transfers)
    blocks += claims_section(suite, board.figures, registered)
    blocks += holes_section(board, holes) + spent_section(measurements) + legend(board)
    return "\n\n".join(blocks) + "\n"


def _able(table: Table) -> list[Row]:
    """The rows that can lead: nothing speaks against them."""
    return [row for row in table.rows if not row.verdict.suspect]


def _grid(board: Board, table: Table) -> list[str]:
    attacks = [attack.name for attack in table.grid.attacks if attack.runtime is None]
    faulty = [name for name in attacks if any(column.attack == name for row in table.rows for column in row.faults)]
    wide = len(table.columns) + 1 > WIDE
    blocks = [f"## {escape(table.grid.name)}", _facts(board, table)]
    shown = table.unions if wide else table.columns
    blocks.append(_rows(board, table, shown, table.middles, _sizes(table), faulty))
    for name in attacks if wide else ():
        own = [column for column in table.columns if column.attack == name]
        blocks += [f"### {escape(name)}", _rows(board, table, own, [], {PASSES: _passes(name)}, faulty)]
    for number, name in enumerate(faulty, start=1):
        blocks.append(f"<sup>{number}</sup> {escape(name)}: {_faults(board, table, name)}.")
    return blocks


def _facts(board: Board, table: Table) -> str:
    """What every figure of the grid's tables rests on."""
    grid, suite = table.grid, board.suite
    n = subset(table)
    lines = [
        " · ".join(
            [
                f"dataset {_recipe(grid.dataset)}",
                f"model {_recipe(grid.model)}",
                f"{'seed' if len(suite.seeds) == 1 else 'seeds'} {', '.join(map(str, suite.seeds))}",
                f"norm {', '.join(dict.fromkeys(NORM[attack.norm] for attack in grid.attacks))}",
                f"**{n}**" if table.n != table.total else n,
            ]
        )
    ]
    if suite.eps_space is not None:
        both = {epsilon(suite, column.eps): None for column in table.columns}
        lines.append(
            f"ε as the source writes it, for images divided by {suite.eps_space:g}, and in pixels of [0, 1]: "
            f"{escape(', '.join(both))}"
        )
    unions: dict[tuple[str, ...], list[str]] = {}
    for column in table.unions:
        unions.setdefault(column.attacks, []).append(at(suite, table, column))
    over = [f"{', '.join(attacks)} @ {', '.join(labels)}" for attacks, labels in unions.items()]
    lines += [f"The union is over: {escape('; '.join(over))}"] * bool(over)
    for one in table.deployed:
        judged = [f"{', '.join(c.attacks)} @ {at(suite, table, c)}" for c in one.columns if c.attack is None]
        lines.append(f"That of artifacts on {one.runtime}: {escape('; '.join(judged))}")
    missing = len(table.missing) + sum(len(one.missing) for one in table.deployed)
    planned = table.planned + sum(len(one.missing) + one.found for one in table.deployed)
    if missing:
        lines.append(f"Incomplete: {missing} of {planned} cells have no result (see Holes)")
    return "  \n".join(lines)


def _sizes(table: Table) -> dict[str, Cell]:
    """The cells behind a row's accuracies."""
    return {
        "Parameters": _size(table, "parameters"),
        "MACs": _size(table, "macs"),
        "Weights": _size(table, "weight_bytes", "B"),
        PASSES: _passes(None),
        "Verdict": lambda row: escape(str(row.verdict)),
    }


def _size(table: Table, name: str, unit: str = "") -> Cell:
    """A size and, except for an uncompressed row, its share of the dense one's."""

    def cell(row: Row) -> str:
        if not row.size[name].values:
            return MISSING
        shown, dense = quantity(row.size[name].mean, unit), table.dense(row)
        if dense is None or dense.compression == row.compression or not dense.size[name].mean:
            return shown
        return f"{shown} ({100 * row.size[name].mean / dense.size[name].mean:.3g}{SPACE}%)"

    return cell


def _passes(attack: str | None) -> Cell:
    def cell(row: Row) -> str:
        if attack not in row.passes:  # every attack is made for artifacts
            return MISSING
        forward, backward = (row.passes[attack][way] for way in ("forward", "backward"))
        return f"{quantity(forward.mean)} / {quantity(backward.mean)}" if forward.values else MISSING

    return cell


def _rows(
    board: Board,
    table: Table,
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
    for row in table.rows:
        figures = [row.clean, *(row.accuracy[column] for column in columns), *(row.worst[column] for column in worst)]
        mark, each = seeds_missing(figures)
        shown = [percent(figure, of_seeds(figure) if each else "") for figure in figures]
        for place, column in enumerate(columns, start=1):
            shown[place] += f"<sup>{faulty.index(column.attack) + 1}</sup>" if column in row.faults else ""
        others_shown = [cell(row) for cell in others.values()]
        lines.append([escape(row.compression), escape(row.training) + mark, *shown, *others_shown])
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


def _recipe(recipe: Recipe) -> str:
    if recipe == BEFORE:
        return "the training before it, once more"
    arguments = ", ".join(f"{name.rstrip('_')} {canonical(value)}" for name, value in recipe.arguments)
    return escape(recipe.plugin + (f" ({arguments})" if arguments else ""))


def recipes(table: Table) -> str:
    """What the names in the tables stand for, folded away."""
    lines = []
    for compression in table.grid.compressions:
        steps = ", then ".join(map(_recipe, compression.steps)) or "nothing is done"
        lines.append(f"- compression **{escape(compression.name)}**: {steps}")
    for training in table.grid.trainings:
        after = f"; after the compression {_recipe(training.after)}" if training.after else ""
        lines.append(f"- training **{escape(training.name)}**: {_recipe(training.before)}{after}")
    for attack in table.grid.attacks:
        crafted = "on the row's own network"
        if attack.runtime:
            crafted = f"for the row's artifact on {attack.runtime}: "
            crafted += "against itself" if attack.black_box else "on its network, and replayed"
        if attack.source:
            named = [f"{axis} {value}" for axis, value in vars(attack.source).items() if value is not None]
            crafted = f"on another network ({escape(', '.join(named))}), the rest being the row's own"
        lines.append(
            f"- attack **{escape(attack.name)}**: {_recipe(attack.recipe)}, {NORM[attack.norm]}, crafted {crafted}"
        )
    return "<details><summary>Recipes</summary>\n\n" + "\n".join(lines) + "\n\n</details>"


def csv(records: Iterable[Record]) -> str:
    """leaderboard.csv: a line per record, in the order of records.jsonl, with rates (0 to 1) beside their counts."""
    lines = []
    for record in sorted(records, key=RECORD.identity):
        line = {name: value for name, value in record.items() if name in CSV}
        line |= {"dataset": record["dataset"]["name"], "test_total": record["dataset"]["test_total"]}
        line |= {name: record[f"{name.partition('_')[0]}_correct"] / record["n"] for name in RATES}
        line |= {"from": canonical(record["from"]) if record["from"] else ""} | record["passes"] | record["size"]
        lines.append(line | _artifact(record))
    return pd.DataFrame(lines, columns=list(CSV), dtype=object).to_csv(index=False, lineterminator="\n")


def _artifact(record: Record) -> dict[str, Any]:
    """The CSV's fields of a deployed network's record."""
    made = record["deployed"]
    if made is None:
        return {}
    twin = {f"twin_{name}_correct": packed and count(packed, record["n"]) for name, packed in made["twin"].items()}
    return {name: made[name] for name in ("precision", "agree", "direct")} | {"artifact_bytes": made["bytes"]} | twin
