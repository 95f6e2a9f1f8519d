"""Records → leaderboard.csv, for programs: a line per record."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from benchmark.outcomes import count
from benchmark.types import canonical
from leaderboard.match import Record
from leaderboard.records import RECORD

RATES = ("clean_accuracy", "robust_accuracy")
CSV = (
    *("suite", "grid", "dataset", "compression", "training", "seed", "runtime", "attack", "from", "norm", "eps"),
    *("eps_written", "eps_label", "eps_space", "mode", "n", "test_total", "clean_correct", "robust_correct", *RATES),
    *("implied", "violations", "nonfinite", "forward", "backward", "parameters", "macs", "weight_bytes", "protocol"),
    *("precision", "artifact_bytes", "agree", "direct", "twin_clean_correct", "twin_robust_correct"),
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
