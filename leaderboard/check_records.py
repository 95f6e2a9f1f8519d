"""Check records: a line for each check of each network, and what its fields owe each other. README.md documents it."""

from typing import Any

from benchmark.outcomes import bitmap
from benchmark.types import NORMS
from benchmark.verification import LEVELS
from leaderboard.records import COUNT, LENGTH, OBJECT, RECIPE, TEXT, WHOLE, Schema, Value

SETS = ("standing", "examined", "found")  # of test images, each a part of the one before
TRIAL = {
    "attack": RECIPE,
    "from": OBJECT,
    **dict.fromkeys(("asked", "found", "forward", "backward", "violations"), COUNT),
}


def _trial(value: Any) -> bool:
    if not isinstance(value, dict) or set(value) != set(TRIAL):
        return False
    return all(field.holds(value[name]) or (name == "from" and value[name] is None) for name, field in TRIAL.items())


def _or_null(value: Value) -> Value:
    return Value(f"{value.words}, or null", lambda given: given is None or value.holds(given))


def _consistent(check: dict[str, Any]) -> str:
    """What is wrong between the fields; empty when they agree."""
    n, before = check["n"], None
    for name in SETS:
        try:
            bits = bitmap(check["outcomes"][name], n)
        except ValueError as problem:
            return f"outcomes.{name}: {problem}"
        if bits.bit_count() != check[name]:
            return f"{name}: {check[name]}, but outcomes.{name} holds {bits.bit_count()}"
        if before is not None and bits & ~before:
            return f"outcomes.{name}: holds an image that is not among those before"
        before = bits
    if (check["norm"] is None) != (check["eps"] is None):
        return "norm, eps: both, or neither"
    return ""


CHECK = Schema(
    "check",
    {
        **{"grid": TEXT, "compression": TEXT, "training": TEXT, "seed": WHOLE, "check": TEXT},
        "norm": _or_null(Value(" or ".join(NORMS), lambda value: value in NORMS)),
        "eps": _or_null(LENGTH),
        **{"protocol": TEXT, "suite": TEXT, "fingerprint": TEXT},
        "level": Value(" or ".join(LEVELS[:2]), lambda value: value in LEVELS[:2]),
        "size": _or_null(COUNT),
        "radius": _or_null(LENGTH),
        **dict.fromkeys(("n", *SETS), COUNT),
        "outcomes": dict.fromkeys(SETS, TEXT),
        "trials": Value("a list of trials", lambda value: isinstance(value, list) and all(map(_trial, value))),
        "facts": OBJECT,
        "keys": {"network": TEXT, "check": TEXT},
    },
    order=("grid", "compression", "training", "seed", "check", "norm"),
    unique=True,
    check=_consistent,
)
