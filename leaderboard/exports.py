"""For programs: records → leaderboard.csv, a line per record; a board → leaderboard-rows.csv, a line per row and ε."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from benchmark.claims import Measure
from benchmark.outcomes import count
from benchmark.types import canonical
from leaderboard.estimate import Estimate
from leaderboard.figures import Figures
from leaderboard.markdown import compared
from leaderboard.match import Record
from leaderboard.records import RECORD
from leaderboard.significance import Compared
from leaderboard.table import Board, Column, Row, Table

RATES = ("clean_accuracy", "robust_accuracy")
CSV = (
    *("suite", "grid", "dataset", "compression", "training", "seed", "runtime", "attack", "from", "norm", "eps"),
    *("eps_written", "eps_label", "eps_space", "mode", "n", "test_total", "clean_correct", "robust_correct", *RATES),
    *("implied", "violations", "nonfinite", "forward", "backward", "parameters", "macs", "weight_bytes", "protocol"),
    *("precision", "artifact_bytes", "agree", "direct", "twin_clean_correct", "twin_robust_correct"),
)
ROWS = (
    *("suite", "grid", "dataset", "compression", "training", "verdict", "reasons", "norm", "eps", "eps_label"),
    *("headline", "n", "seeds", "planned_seeds", "clean", "clean_low", "clean_high"),
    *("union", "union_low", "union_high", "decided_by", "worst_class"),
    *("delta", "delta_low", "delta_high", "delta_p", "delta_word"),
    *("parameters", "macs", "weight_bytes", "training_work", "tuning_work", "protocol"),
)


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


def rows_csv(board: Board) -> str:
    """leaderboard-rows.csv: a line per row and union of a norm at one ε, in the board's order, with its verdict."""
    found = compared(board).compared
    lines = []
    for table, figures in zip(board.tables, board.figures, strict=True):
        for row in table.ordered:
            for column in table.unions:
                union = Measure(None, column.norm, column.eps)
                lines.append(
                    {"suite": board.suite.name, "protocol": " ".join(board.protocols)}
                    | _row(table, figures, row, column)
                    | _difference(found.get((table.grid.name, row.name, union)))
                )
    return pd.DataFrame(lines, columns=list(ROWS), dtype=object).to_csv(index=False, lineterminator="\n")


def _row(table: Table, figures: Figures, row: Row, column: Column) -> dict[str, Any]:
    union, decider = row.accuracy[column], figures.decider(row.name, Measure(None, column.norm, column.eps))
    costs = {name: _mean(row.size[name]) for name in ("parameters", "macs", "weight_bytes")}
    costs |= {f"{name}_work": _mean(work) for name, work in row.work.items()}
    return {
        "grid": table.grid.name,
        "dataset": table.grid.dataset.plugin,
        "compression": row.compression,
        "training": row.training,
        "verdict": row.verdict.word,
        "reasons": "; ".join(row.verdict.reasons),
        "norm": column.norm,
        "eps": column.eps.value,
        "eps_label": column.eps.label,
        "headline": column in table.middles,
        "n": table.n,
        "seeds": len(union.values),
        "planned_seeds": union.planned,
        **_accuracy("clean", row.clean),
        **_accuracy("union", union),
        "worst_class": _mean(row.worst[column]),
        "decided_by": decider.label if decider else "",
    } | costs


def _accuracy(name: str, estimate: Estimate) -> dict[str, Any]:
    interval = estimate.interval
    bounds = {f"{name}_low": interval.low, f"{name}_high": interval.high} if interval else {}
    return {name: _mean(estimate)} | bounds


def _mean(estimate: Estimate) -> float | None:
    return estimate.mean if estimate.values else None


def _difference(compared: Compared | None) -> dict[str, Any]:
    """To the dense row of the same training, at the headline."""
    if compared is None:
        return {}
    interval = compared.difference.interval()
    bounds = {"delta_low": interval.low, "delta_high": interval.high}
    word = compared.decision and compared.decision.word
    return {"delta": compared.difference.estimate, "delta_p": compared.p, "delta_word": word} | bounds
