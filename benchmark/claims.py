"""A suite's `claims`: what its paper says of the rows, as comparisons that records can decide.

    claims:
      - text: Adversarial fine-tuning of a compressed network matches adversarial training of the dense one
        comparable: {rows: prune-80/tuned, to: dense/adversarial, attack: pgd-20, eps: 0.05}

A row is COMPRESSION/TRAINING; `*` stands for every one of the grid, in the suite's order, and in `to` for the row's
own. A claim is about robust accuracy, of one attack or else of the union, at `eps` or else the headline ε; or it is
`of: clean`.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmark.errors import suggest
from benchmark.schema import number, text
from benchmark.types import NORMS, Epsilon, Grid, Suite, canonical
from benchmark.yaml_nodes import Node

MEASURE = ("of", "attack", "norm", "eps")
KINDS = {  # kind → the keys that it takes beside grid and rows
    "comparable": (*MEASURE, "to", "over"),
    "better": (*MEASURE, "to", "delta"),
    "no worse than": (*MEASURE, "to", "delta"),
    "within": (*MEASURE, "to", "delta"),
    "monotone": (*MEASURE, "direction", "delta"),
    "knee before": (*MEASURE, "delta"),
    "lighter": ("of", "to", "by"),
}
SIZES = {"parameters": "parameters", "MACs": "macs", "bytes": "weight_bytes"}  # of a claim → in a record
DIRECTIONS = ("falls", "rises")
DELTA = (0.1, 50.0)  # points; a share such as 0.02 is a mistake
# what a suite's claims look like, for messages
PAIR, SERIES = "{rows: prune-50/standard, to: dense/standard}", "{rows: [dense/standard, prune-50/standard]}"
CLAIM = f"{{better: {PAIR}}}"

Row = tuple[str, str]  # compression, training


@dataclass(frozen=True)
class Measure:
    """An accuracy of a row: clean (eps is None), under one attack at one ε, or under the union (attack is None)."""

    attack: str | None = None
    norm: str | None = None
    eps: Epsilon | None = None


@dataclass(frozen=True)
class Claim:
    """What a suite says of its rows, to be decided by the records.

    kind: one of KINDS. to: the row that each of `rows` is compared with; empty where the rows are an order. delta:
    points of accuracy, the grid's unless it has its own; comparable goes by another. over: of comparable, the row
    that adversarial training is measured against. rises: of monotone, the direction.
    """

    kind: str
    text: str
    grid: str
    rows: tuple[Row, ...]
    to: tuple[Row, ...]
    measure: Measure
    delta: float = 2.0
    over: Row | None = None
    rises: bool = False


@dataclass(frozen=True)
class Lighter(Claim):
    """That each of `rows` has at least the share `by` fewer `what` (one of SIZES) than the row it is compared with."""

    what: str = "parameters"
    by: float = 0.0


def read(node: Node, grids: Sequence[Grid], scale: float) -> tuple[Claim, ...]:
    """The claims of a suite; SuiteError with the line of a mistake. `scale`: pixels per unit of the suite's ε."""
    return tuple(_claim(item, {grid.name: grid for grid in grids}, scale) for item in node.elements(f"[{CLAIM}]"))


def delta(node: Node) -> float:
    """The largest difference that does not matter, in points of accuracy."""
    value = node.read(number)
    if not DELTA[0] <= value <= DELTA[1]:
        raise node.error(f"is in points of accuracy, {DELTA[0]:g} to {DELTA[1]:g}, not {node.value}")
    return value


def fingerprint(suite: Suite) -> str:
    """A short hash of everything that a suite's claims say, and of what the rows are that they say it of.

    Seeds, data, networks, recipes, attacks and δ are in it: a claim that keeps its words about other rows is another.
    """
    said = {
        "claims": [asdict(claim) for claim in suite.claims],
        "seeds": suite.seeds,
        "grids": [asdict(grid) for grid in suite.grids],  # all: examples may come from any
    }
    return hashlib.sha256(canonical(_without_places(said)).encode()).hexdigest()[:12]


def _without_places(value: Any) -> Any:
    """The same without `file` where a recipe has its `sha256` too: where a file lies says nothing of what is in it."""
    if isinstance(value, list | tuple):
        named = {one[0] for one in value if isinstance(one, list | tuple) and len(one) == 2}
        kept = value if not {"file", "sha256"} <= named else [one for one in value if one[0] != "file"]
        return [_without_places(one) for one in kept]
    return {name: _without_places(one) for name, one in value.items()} if isinstance(value, dict) else value


def _claim(node: Node, grids: dict[str, Grid], scale: float) -> Claim:
    keys = node.keys(("text", *KINDS), form=CLAIM)
    kinds = [key for key in keys if key in KINDS]
    if len(kinds) != 1:
        raise node.error(f"must make one comparison, not {len(kinds)}; it takes {', '.join(KINDS)}")
    kind = kinds[0]
    paired = "to" in KINDS[kind]
    own = keys[kind].keys(("grid", "rows", *KINDS[kind]), ("rows",), PAIR if paired else SERIES)
    grid = _grid(keys[kind], own, grids)
    rows = _rows(own["rows"], grid)
    to: list[Row] = []
    if paired:
        if "to" not in own:
            raise keys[kind].error("needs 'to', the row to compare with")
        rows, to = _against(own, rows, grid)
    elif len(rows) < 2:
        raise own["rows"].error("needs two rows or more, in their order")
    if kind == "knee before" and "of" in own:
        raise own["of"].at_key().error("knee before is of robust accuracy, before clean accuracy; leave `of` out")
    over = _rows(own["over"], grid) if "over" in own else [None]
    if len(over) > 1:
        raise own["over"].error("must be one row")
    about = (kind, " ".join(keys["text"].read(text).split()) if "text" in keys else "")
    if kind == "lighter":
        return Lighter(*about, grid.name, tuple(rows), tuple(to), Measure(), **_lighter(keys[kind], own))
    return Claim(
        *about,
        grid.name,
        tuple(rows),
        tuple(to),
        _measure(keys[kind], own, grid, scale),
        delta(own["delta"]) if "delta" in own else grid.delta,
        over[0],
        rises="direction" in own and _direction(own["direction"]) == "rises",
    )


def _grid(node: Node, keys: dict[str, Node], grids: dict[str, Grid]) -> Grid:
    if "grid" not in keys:
        if len(grids) > 1:
            raise node.error(f"needs 'grid', one of {', '.join(grids)}")
        return next(iter(grids.values()))
    name = keys["grid"].read(text)
    if name not in grids:
        raise keys["grid"].error(f"unknown grid {name!r}{suggest(name, grids)}")
    return grids[name]


def _rows(node: Node, grid: Grid) -> list[Row]:
    """The rows that a text, or each text of a list, names; a row stands once."""
    found: dict[Row, None] = {}
    for item in node.elements() if node.is_list else [node]:
        compressions, trainings = _names(item, grid)
        found |= dict.fromkeys((compression, training) for compression in compressions for training in trainings)
    if not found:
        raise node.error("is empty; name a row as COMPRESSION/TRAINING")
    return list(found)


def _names(node: Node, grid: Grid) -> tuple[list[str], list[str]]:
    parts = node.read(text, "prune-50/standard, or [prune-50/standard, prune-80/standard]").split("/")
    if len(parts) != 2:
        raise node.error(f"must name a row as COMPRESSION/TRAINING, not {node.value}")
    axes = {"compression": grid.compressions, "training": grid.trainings}
    found = []
    for part, (axis, entries) in zip(parts, axes.items(), strict=True):
        names = [entry.name for entry in entries]
        if part != "*" and part not in names:
            raise node.error(f"unknown {axis} {part!r} of grid {grid.name!r}{suggest(part, names)}")
        found.append([part] if part in names else names)
    return found[0], found[1]


def _against(keys: dict[str, Node], rows: list[Row], grid: Grid) -> tuple[list[Row], list[Row]]:
    """The rows, and the one that each is compared with; a row that `*` would compare with itself is left out."""
    node = keys["to"]
    if node.is_list:
        raise node.error("must be one row; write one claim for each")
    _names(node, grid)
    named = node.read(text).split("/")
    pairs = [(row, tuple(own if part == "*" else part for own, part in zip(row, named, strict=True))) for row in rows]
    pairs = [(row, to) for row, to in pairs if row != to]
    if not pairs:
        raise node.error("compares a row with itself")
    return [row for row, _ in pairs], [to for _, to in pairs]


def _lighter(node: Node, keys: dict[str, Node]) -> dict[str, Any]:
    for key in ("of", "by"):
        if key not in keys:
            raise node.error(f"needs {key!r}, {'one of ' + ', '.join(SIZES) if key == 'of' else 'in %'}")
    what, by = keys["of"].read(text), keys["by"].read(number)
    if what not in SIZES:
        raise keys["of"].error(f"unknown size {what!r}{suggest(what, SIZES)}")
    if not 0 < by < 100:
        raise keys["by"].error(f"is in %, above 0 and below 100, not {keys['by'].value}")
    return {"what": what, "by": by / 100}


def _measure(node: Node, keys: dict[str, Node], grid: Grid, scale: float) -> Measure:
    of = keys["of"].read(text) if "of" in keys else "robust"
    if of not in ("clean", "robust"):
        raise keys["of"].error(f"unknown accuracy {of!r}{suggest(of, ('clean', 'robust'))}")
    if of == "clean":
        for key in ("attack", "norm", "eps"):
            if key in keys:
                raise keys[key].at_key().error("does not go with clean accuracy")
        return Measure()
    attacks = [attack for attack in grid.attacks if attack.runtime is None]
    name = None
    if "attack" in keys:
        name = keys["attack"].read(text)
        if name not in [attack.name for attack in attacks]:
            raise keys["attack"].error(f"unknown attack {name!r}{suggest(name, [attack.name for attack in attacks])}")
        attacks = [attack for attack in attacks if attack.name == name]
        scale = attacks[0].eps_space or 1.0  # of its own ε, the space is its own
    norms = list(dict.fromkeys(attack.norm for attack in attacks))
    norm = keys["norm"].read(text) if "norm" in keys else norms[0] if len(norms) == 1 else None
    if norm not in norms:
        where, problem = (keys["norm"], f"no attack here has norm {norm}") if norm else (node, "needs 'norm'")
        raise where.error(f"{problem}; it takes {', '.join(sorted(norms, key=NORMS.index))}")
    known = {eps.value: eps for attack in attacks if attack.norm == norm for eps in attack.eps}
    return Measure(name, norm, _eps(node, keys, known, grid.headline_of(norm), scale))


def _eps(node: Node, keys: dict[str, Node], known: dict[float, Epsilon], headline: float, scale: float) -> Epsilon:
    labels = ", ".join(known[value].label for value in sorted(known))
    if "eps" not in keys:
        if headline not in known:
            raise node.error(f"needs 'eps', one of {labels}")
        return known[headline]
    asked = keys["eps"].read(number) * scale
    for value, eps in known.items():
        if math.isclose(value, asked, rel_tol=1e-9):
            return eps
    raise keys["eps"].error(f"ε {keys['eps'].value} is not among those of the attack; it takes {labels}")


def _direction(node: Node) -> str:
    direction = node.read(text)
    if direction not in DIRECTIONS:
        raise node.error(f"unknown direction {direction!r}{suggest(direction, DIRECTIONS)}")
    return direction
