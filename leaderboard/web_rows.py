"""A grid's table for leaderboard.html, as JSON values: its columns, its rows, and what is behind each row."""

from collections.abc import Iterable, Mapping
from typing import Any

from leaderboard.efficiency import Cost, costs
from leaderboard.efficiency_page import amount, of_dense
from leaderboard.estimate import Estimate
from leaderboard.figures import CLEAN, Figures
from leaderboard.legend import command
from leaderboard.recipes import crafted, described, steps
from leaderboard.significance import Significance, headlines
from leaderboard.table import Board, Column, Row, Table
from leaderboard.text import MISSING, NORM, at, between, epsilon, of_seeds, printable, title
from leaderboard.verdict import SOUND, SUSPECT, UNVERIFIED
from leaderboard.wording import decided

RANK, NAME, TEXT, SHARE, NUMBER = "rank", "name", "text", "share", "number"  # kinds of columns
STANDING = (SOUND, UNVERIFIED, SUSPECT)  # from above, however rows are sorted

Lines = Iterable[Mapping[str, Any]]


def key_of(row: tuple[str, str]) -> str:
    """A row's name as one text that no other row has."""
    return "\n".join(row)


def grid_data(board: Board, table: Table, figures: Figures, found: Significance, measurements: Lines) -> dict[str, Any]:
    """What board.js takes."""
    known = costs(table, measurements)
    ranked = any(map(table.ranks, table.rows))
    columns = [{"name": "Rank", "kind": RANK}] * ranked + _columns(board, table, known)
    rows = []
    for place, row in enumerate(table.ordered, start=1):
        rank = [{"text": str(place), "value": place} if table.ranks(row) else _text(MISSING)] * ranked
        rows.append(
            {
                "key": key_of(row.name),
                "standing": STANDING.index(row.verdict.word),
                "cells": rank + _cells(table, figures, found, known, row),
                "recipe": _recipe(table, row),
                "attacks": _attacks(board, table, row),
                "curves": _curves(board, table, row),
                "checks": _checks(row),
                "command": command(board, _only(table, row)),
            }
        )
    filters = [
        {"column": place, "names": list(dict.fromkeys(row["cells"][place]["text"] for row in rows))}
        for place, column in enumerate(columns)
        if column["kind"] in (NAME, TEXT)
    ]
    names = {"name": table.grid.name, "title": printable(table.grid.name)}
    note = printable(_note(board, table, ranked))
    return names | {"note": note, "columns": columns, "rows": rows, "filters": filters}


def _note(board: Board, table: Table, ranked: bool) -> str:
    by = f"Ranks are by {title(board.suite, table, table.middles[0])}, of sound rows alone." if ranked else ""
    return (
        f"{by or 'No row is ranked.'} Sorted by any column, sound rows stay above unverified ones, and those above "
        "suspect ones."
    )


def _columns(board: Board, table: Table, known: Iterable[Cost]) -> list[dict[str, str]]:
    """Heads, and how each is sorted and aligned; `_cells` goes by the same order."""
    shares = ["Clean accuracy", *(title(board.suite, table, union) for union in table.unions)]
    worst = [f"Worst class @ {at(board.suite, table, union)}" for union in table.middles]
    kinds = {NAME: ["Compression", "Training"], SHARE: shares, NUMBER: worst, TEXT: ["Verdict"]}
    columns = [{"name": printable(name), "kind": kind} for kind, names in kinds.items() for name in names]
    return columns + [{"name": cost.name, "kind": NUMBER} for cost in known]


def _cells(
    table: Table, figures: Figures, found: Significance, known: Iterable[Cost], row: Row
) -> list[dict[str, Any]]:
    cells = [_text(row.compression) | ({"between": row.control} if row.control else {}), _text(row.training)]
    for column in (None, *table.unions):
        estimate = row.clean if column is None else row.accuracy[column]
        said = [*_seeds(estimate), *_beside(figures, found, row, column), f"Verdict: {printable(str(row.verdict))}"]
        leads = found.leads(table.grid.name, row.name, column)
        cells.append(_share(estimate) | {"tip": "\n".join(said)} | ({"leads": True} if leads else {}))
    cells += [_share(row.worst[column]) for column in table.middles]
    cells.append(_verdict(row))
    for cost in known:
        small = {"between": share} if (share := of_dense(table, cost, row)) else {}
        cells.append({"text": amount(cost, row), "value": cost.of.get(row.name)} | small)
    return cells


def _text(text: str) -> dict[str, Any]:
    return {"text": printable(text), "value": None}


def _verdict(row: Row) -> dict[str, Any]:
    """Its word, and its reasons."""
    verdict = row.verdict
    why = {"between": printable("; ".join(verdict.reasons))} if verdict.reasons else {}
    return {"text": verdict.word, "value": None, "mood": verdict.word} | why


def _share(estimate: Estimate) -> dict[str, Any]:
    if not estimate.values:
        return {"text": MISSING, "value": None}
    cell = {"text": f"{100 * estimate.mean:.1f}{of_seeds(estimate)}", "value": round(100 * estimate.mean, 3)}
    return cell | ({"between": between(estimate.interval).strip()} if estimate.interval else {})


def _seeds(estimate: Estimate) -> list[str]:
    if not estimate.values:
        return ["no result"]
    each = ", ".join(f"{100 * value:.1f}" for value in estimate.values)
    networks = "network" if len(estimate.values) == 1 else "networks"
    return [f"95 % interval:{between(estimate.interval)}", f"{len(estimate.values)} {networks}: {each}"]


def _beside(figures: Figures, found: Significance, row: Row, column: Column | None) -> list[str]:
    """The difference to the dense row, and what decided the union, where they are known."""
    measures = {measure.eps and (measure.norm, measure.eps.value): measure for measure in headlines(figures.grid)}
    measure = CLEAN if column is None else measures.get((column.norm, column.eps.value))
    compared = found.compared.get((figures.grid.name, row.name, measure)) if measure else None
    lines = []
    if compared:
        said = decided(
            compared.difference, compared.decision, figures.grid.delta / 100, len(figures.suite.seeds), compared.doubts
        )
        lines.append(f"Δ to dense: {said}")
    decider = figures.decider(row.name, measure) if measure and measure.eps else None
    return lines + ([f"Decided by {printable(decider.label)}"] if decider else [])


def _recipe(table: Table, row: Row) -> list[list[str]]:
    grid = table.grid
    compression = next(one for one in grid.compressions if one.name == row.compression)
    training = next(one for one in grid.trainings if one.name == row.training)
    lines = [["dataset", described(grid.dataset)], ["model", described(grid.model)]]
    lines += [["before", described(training.before)], ["compression", steps(compression)]]
    lines += [["after", described(training.after)]] if training.after else []
    lines += [[one.name, crafted(one)] for one in grid.attacks]
    return [[printable(name), printable(text)] for name, text in lines]


def _attacks(board: Board, table: Table, row: Row) -> list[list[str]]:
    lines = []
    for column, estimate in row.accuracy.items():
        if column.attack and estimate.values:
            name = f"{column.attack} ({NORM[column.norm]})"
            mean, bounds = f"{100 * estimate.mean:.1f}", between(estimate.interval).strip()
            lines.append([printable(name), printable(epsilon(board.suite, column.eps)), mean, bounds])
    return lines


def _curves(board: Board, table: Table, row: Row) -> list[dict[str, Any]]:
    """By norm: the union over ε of the row and of its dense row; nothing of a norm with but one ε."""
    dense = table.dense(row)
    others = [dense] if dense and dense.name != row.name and dense.training == row.training else []
    found = []
    for norm in dict.fromkeys(column.norm for column in table.unions):
        unions = [column for column in table.unions if column.norm == norm and row.accuracy[column].values]
        lines = [
            {"name": printable(one.compression), "points": [_point(0.0, "0", one.clean), *_points(one, unions)]}
            for one in (row, *others)
            if one.clean.values
        ]
        if len(unions) > 1 and lines:
            space = "" if board.suite.eps_space is None else ", as the source writes it"
            across = f"ε{space}"
            found.append({"title": f"Robust accuracy (union), {NORM[norm]}", "lines": lines, "across": across})
    return found


def _points(row: Row, unions: Iterable[Column]) -> list[list[Any]]:
    return [
        _point(column.eps.written, column.eps.label, row.accuracy[column])
        for column in unions
        if row.accuracy[column].values
    ]


def _point(x: float, label: str, estimate: Estimate) -> list[Any]:
    bounds = (estimate.interval.low, estimate.interval.high)
    return [x, round(100 * estimate.mean, 2), *(round(100 * bound, 2) for bound in bounds), printable(label)]


def _checks(row: Row) -> list[list[str]]:
    """What each check found, by network."""
    return [
        [
            printable(text)
            for text in (
                f"{one.check} ({NORM[one.norm]})" if one.norm else one.check,
                str(one.seed),
                f"{one.word}: {one.reason}" if one.reason else one.word,
                *(one.numbers, one.test, one.power),
            )
        ]
        for one in row.verdict.findings
    ]


def _only(table: Table, row: Row) -> list[tuple[str, str]]:
    return [("grid", table.grid.name), ("compression", row.compression), ("training", row.training)]
