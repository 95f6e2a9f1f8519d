"""The stored evidence: JSON Lines files of records, measurements and holes, checked on the way in and out.

A *record* is one judged cell at one ε, a *measurement* is one stage's time and bytes, a *hole* is a cell, or a check,
that could not be done. README.md, beside this file, documents every field. One object per line, in canonical JSON, in
an order that depends on nothing but the objects: the same results are the same bytes.
"""

import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.errors import RequestError, suggest
from benchmark.outcomes import bitmap
from benchmark.types import NORMS, RUNTIMES, canonical


@dataclass(frozen=True)
class Value:
    """What one field may hold: in words, and as a test."""

    words: str
    holds: Callable[[Any], bool]


@dataclass(frozen=True)
class Schema:
    """A kind of line: its fields (a Value, or a dict of fields), what orders lines, what fields owe each other."""

    name: str
    fields: dict[str, Any]
    order: tuple[str, ...]
    unique: bool = False  # no two lines agree in all of `order`
    check: Callable[[dict[str, Any]], str] = lambda item: ""

    def identity(self, item: dict[str, Any]) -> tuple[Any, ...]:
        return tuple("" if item[name] is None else item[name] for name in self.order)


def _number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _recipe(value: Any) -> bool:
    return (
        isinstance(value, dict) and len(value) == 1 and all(isinstance(arguments, dict) for arguments in value.values())
    )


def _list(item: Value, words: str) -> Value:
    return Value(words, lambda value: isinstance(value, list) and all(map(item.holds, value)))


def _or_null(item: Value) -> Value:
    return Value(f"{item.words}, or null", lambda value: value is None or item.holds(value))


def _one_of(*words: str) -> Value:
    return Value(" or ".join(words), lambda value: isinstance(value, str) and value in words)


TEXT = Value("a text", lambda value: isinstance(value, str))
WHOLE = Value("a whole number", lambda value: type(value) is int)
COUNT = Value("a whole number, 0 or more", lambda value: type(value) is int and value >= 0)
LENGTH = Value("a number above 0", lambda value: _number(value) and value > 0)
SPENT = Value("a number, 0 or more", lambda value: _number(value) and value >= 0)
OBJECT = Value("an object", lambda value: isinstance(value, dict))
RECIPE = Value("a recipe {plugin: {argument: value}}", _recipe)
COUNTS = _list(COUNT, "a list of whole numbers, 0 or more")
SOURCE = Value(
    "an object of grid, compression, training, seed",
    lambda value: isinstance(value, dict) and set(value) == {"grid", "compression", "training", "seed"},
)
AUDIT = Value(
    "an object of pairs, broken, independent",
    lambda value: isinstance(value, dict) and set(value) == {"pairs", "broken", "independent"},
)
TRAINED = Value(
    "an object of key, forward, backward, macs",
    lambda value: isinstance(value, dict) and set(value) == {"key", "forward", "backward", "macs"},
)
RECHECK = Value(
    "an object of eps, survivors, sampled, bf16, fp32, redone",
    lambda value: isinstance(value, dict) and set(value) == {"eps", "survivors", "sampled", "bf16", "fp32", "redone"},
)
ROW = {"grid": TEXT, "compression": TEXT, "training": TEXT, "seed": WHOLE, "attack": TEXT, "eps": LENGTH}
CELL = ROW | {"runtime": _or_null(_one_of(*RUNTIMES))}


def _consistent(record: dict[str, Any]) -> str:
    """What is wrong between the fields of a record; empty when they agree."""
    n, counts, bits = record["n"], {"n": record["n"]}, {}
    if not 0 < n <= record["dataset"]["test_total"]:
        return f"n: {n} is not in 1…{record['dataset']['test_total']} (dataset.test_total)"
    for name in ("clean", "robust"):
        counts[name] = record[f"{name}_correct"]
        try:
            bits[name] = bitmap(record["outcomes"][name], n)
        except ValueError as problem:
            return f"outcomes.{name}: {problem}"
        if bits[name].bit_count() != counts[name]:
            return f"{name}_correct: {counts[name]}, but outcomes.{name} holds {bits[name].bit_count()}"
    if bits["robust"] & ~bits["clean"]:
        return "outcomes.robust: an example is robust that is wrong on its clean image"
    for name, total in counts.items():
        if sum(record["per_class"][name]) != total:
            return f"per_class.{name}: sums to {sum(record['per_class'][name])}, not to {total}"
    if len({len(values) for values in record["per_class"].values()}) > 1:
        return "per_class: n, clean and robust differ in length"
    if wrong := _inconsistently_deployed(record):
        return wrong
    return f"implied: {record['implied']} is more than n, {n}" if record["implied"] > n else ""


def _inconsistently_deployed(record: dict[str, Any]) -> str:
    """What is wrong with a record's `deployed`; empty when it is right, or is not there and need not be."""
    deployed, n = record["deployed"], record["n"]
    if (deployed is None) != (record["runtime"] is None):
        return "deployed: an object if, and only if, there is a runtime"
    if deployed is None:
        return ""
    if wrong := _problem(deployed, DEPLOYED, "deployed."):
        return wrong
    if deployed["agree"] > n:
        return f"deployed.agree: {deployed['agree']} is more than n, {n}"
    if deployed["direct"] != (deployed["twin"]["robust"] is None):
        return "deployed.twin.robust: null if, and only if, the examples were made against the artifact"
    for name, packed in deployed["twin"].items():
        try:
            bitmap(packed or deployed["twin"]["clean"], n)
        except ValueError as problem:
            return f"deployed.twin.{name}: {problem}"
    return ""


DEPLOYED = {
    "key": TEXT,
    "precision": _one_of("fp32", "int8"),
    "bytes": COUNT,
    "kernels": OBJECT,
    "agree": COUNT,
    "direct": Value("true or false", lambda value: isinstance(value, bool)),
    "twin": {"clean": TEXT, "robust": _or_null(TEXT)},
}
RECORD = Schema(
    "record",
    {
        **CELL,
        "protocol": TEXT,
        "suite": TEXT,
        "dataset": {"name": TEXT, "arguments": OBJECT, "fingerprint": TEXT, "test_total": COUNT},
        "model": RECIPE,
        "steps": _list(RECIPE, "a list of recipes"),
        "before": RECIPE,
        "after": _or_null(RECIPE),
        "recipe": RECIPE,
        "from": _or_null(SOURCE),
        "norm": _one_of(*NORMS),
        "eps_written": LENGTH,
        "eps_label": TEXT,
        "eps_space": _or_null(LENGTH),
        "mode": _one_of("decide", "examples"),
        "boundary": Value("true or false", lambda value: isinstance(value, bool)),
        "limit": {"train": _or_null(COUNT), "test": _or_null(COUNT)},
        **dict.fromkeys(("n", "clean_correct", "robust_correct", "implied", "violations", "nonfinite"), COUNT),
        "audit": _or_null(AUDIT),
        "precision": _one_of("fp32", "bf16"),
        "recheck": _or_null(RECHECK),
        "passes": {"forward": COUNT, "backward": COUNT},
        "size": {"parameters": COUNT, "macs": COUNT, "weight_bytes": COUNT},
        "spent": _or_null(_list(TRAINED, "a list of objects of key, forward, backward, macs")),
        "achieved": _list(_or_null(OBJECT), "a list of objects or nulls"),
        "outcomes": {"clean": TEXT, "robust": TEXT},
        "per_class": {"n": COUNTS, "clean": COUNTS, "robust": COUNTS},
        "keys": {"network": TEXT, "craft": TEXT, "judge": TEXT},
        "deployed": _or_null(OBJECT),
    },
    order=tuple(CELL),
    unique=True,
    check=_consistent,
)
MEASUREMENT = Schema(
    "measurement",
    {
        **{"stage": TEXT, "key": TEXT, "label": TEXT, "seconds": SPENT, "bytes": COUNT, "machine": OBJECT},
        **{"joules": _or_null(SPENT), "latency": _or_null(OBJECT)},
    },
    order=("stage", "label", "key", "seconds", "bytes"),
)
EXAMPLE = Schema(
    "example",
    {
        **{name: CELL[name] for name in ("grid", "compression", "training", "seed", "attack", "eps")},
        **{"image": COUNT, "label": TEXT, "shape": COUNTS, "clean": TEXT, "attacked": TEXT},
    },
    order=("grid", "compression", "training", "seed", "attack", "eps", "image"),
    unique=True,
)
HOLE = Schema(
    "hole",
    CELL | {"attack": _or_null(TEXT), "eps": _or_null(LENGTH), "check": _or_null(TEXT), "reason": TEXT},
    order=("grid", "compression", "training", "seed", "attack", "check", "eps", "runtime", "reason"),
    check=lambda hole: "attack, check: one of them, not both" * ((hole["attack"] is None) == (hole["check"] is None)),
)


def default_out(suite: Path) -> Path:
    """Where a suite's board and its evidence lie unless --out says otherwise."""
    return Path("results") / Path(suite).stem


def problem(item: Any, schema: Schema = RECORD) -> str:
    """What is wrong with a line, naming the field and its value; empty when nothing is."""
    return _problem(item, schema.fields, "") or schema.check(item)


def _problem(item: Any, fields: dict[str, Any], where: str) -> str:
    if not isinstance(item, dict):
        return f"{where.rstrip('.') or 'the line'}: not an object"
    for name in item:
        if name not in fields:
            return f"{where}{name}: unknown field{suggest(name, fields)}"
    for name, wanted in fields.items():
        if name not in item:
            return f"{where}{name}: missing"
        if isinstance(wanted, dict):
            if found := _problem(item[name], wanted, f"{where}{name}."):
                return found
        elif not wanted.holds(item[name]):
            return f"{where}{name}: {json.dumps(item[name])[:60]} is not {wanted.words}"
    return ""


def _constant(word: str) -> None:
    raise ValueError(f"{word} is not a JSON number")


def read(path: Path, schema: Schema = RECORD) -> list[dict[str, Any]]:
    """The checked lines of a file. Raises RequestError, one line naming file, line and field, at the first bad one."""
    try:
        lines = Path(path).read_bytes().split(b"\n")
    except OSError as error:
        raise RequestError(f"{path}: no {schema.name}s can be read ({error.strerror}); run the suite first") from None
    items, seen = [], {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            item = json.loads(line, parse_constant=_constant)
        except ValueError as error:
            raise RequestError(f"{path}:{number}: not a line of JSON ({error})") from None
        wrong = problem(item, schema)
        if not wrong and schema.unique and (first := seen.setdefault(schema.identity(item), number)) != number:
            wrong = f"the same {schema.name} as line {first}"
        if wrong:
            raise RequestError(f"{path}:{number}: {wrong}")
        items.append(item)
    return items


def write(path: Path, items: Sequence[dict[str, Any]], schema: Schema = RECORD) -> None:
    """Write the lines, sorted, replacing the file whole. Raises ValueError for an item that `read` would refuse."""
    for item in items:
        if wrong := problem(item, schema):
            raise ValueError(f"{schema.name} {[item.get(name) for name in schema.order]}: {wrong}")
    ordered = sorted(items, key=schema.identity)
    save(path, "".join(canonical(item) + "\n" for item in ordered))


def save(path: Path, text: str) -> None:
    """Write a text file as UTF-8 with plain newlines; a reader sees the old file or the new one, never half of it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(text.encode("utf-8"))
    os.replace(beside, path)
