"""Check records that no run has made, of what the attacks of other such records leave: of whose networks they are."""

from itertools import product

from benchmark.outcomes import pack, unpack
from benchmark.types import PROTOCOL, Suite
from benchmark.verification import KINDS, Kind, others
from leaderboard import records
from tests.synthetic_records import CLEAN, FGSM, every

LEARNED, SAME = ({"fresh": True, "epochs": 3, "losses": [2.0, last]} for last in (0.1, 2.0))
FACTS = {"trainings": [LEARNED], "answers": 3, "commonest": 4, "size": {}, "dense": {}, "broken_promises": []}
BY_NAME = {kind.name: kind for kind in KINDS}


def check(
    of: Suite, cell: tuple, kind: Kind, found: str = "0" * 10, level: str = "full", lines=None, norm="inf", **changes
) -> dict:
    """The record of a check of the network of a cell, which looks at all that stands; `found` as a text of 0 and 1.

    What stands is what the records `lines` (without any, of `every`) leave at the headline ε of the norm.
    """
    grid = next(grid for grid in of.grids if grid.name == cell[0])
    eps = None if kind.whole else grid.headline_of(norm)
    standing = CLEAN if kind.whole else _left(grid, cell, kind, norm, lines or every(of))
    found = standing if kind.name == "unbounded" else found
    outcomes = {"standing": standing, "examined": standing, "found": found}
    return {
        **dict(zip(("grid", "compression", "training", "seed"), cell, strict=False)),
        "check": kind.name,
        "norm": None if kind.whole else norm,
        "eps": eps,
        "protocol": PROTOCOL,
        "suite": of.name,
        "fingerprint": "f00d",
        "level": level,
        "size": kind.size and (kind.size if level == "full" else kind.size // 10),
        "radius": (kind.radius or eps) if kind.attacks else None,
        "n": 10,
        **{name: bits.count("1") for name, bits in outcomes.items()},
        "outcomes": {name: pack(bit == "1" for bit in bits) for name, bits in outcomes.items()},
        "trials": [_trial(*one) for one in product(kind.attacks, _sources(grid, cell, kind))],
        "facts": FACTS if kind.name == "trained" else {},
        "keys": {"network": f"net {cell[1:4]}", "check": f"{kind.name} {cell}"},
    } | changes


def all_checks(of: Suite, lines=None, **changes) -> list[dict]:
    cells = dict.fromkeys(tuple(line[name] for name in records.CELL)[:4] for line in lines or every(of))
    norms = {own.name: dict.fromkeys(attack.norm for attack in own.attacks) for own in of.grids}
    return [
        check(of, cell, kind, lines=lines, norm=norm, **changes)
        for cell in cells
        for kind in KINDS
        for norm in (["inf"] if kind.whole else norms[cell[0]])
        if norm in kind.norms
    ]


def _left(grid, cell: tuple, kind: Kind, norm: str, lines: list[dict]) -> str:
    """Those that all counted attacks of the network leave, as 0 and 1."""
    free = {attack.name for attack in grid.attacks if attack.black_box}
    eps, left = grid.headline_of(norm), [True] * 10
    for line in lines:
        own = tuple(line[name] for name in records.CELL)[:4] == cell[:4] and (line["norm"], line["eps"] <= eps) == (
            norm,
            True,
        )
        unseen = (kind.of == "gradient" and line["attack"] in free) or (
            kind.of == "iterative" and line["recipe"] == FGSM.described()
        )
        outcome = unpack(line["outcomes"]["clean" if unseen else "robust"], 10)
        left = [x and y for x, y in zip(left, outcome, strict=True)] if own else left
    return "".join("01"[stands] for stands in left)


def _sources(grid, cell: tuple, kind: Kind) -> list:
    if kind.name != "transfer":
        return [None]
    compression = next(one for one in grid.compressions if one.name == cell[1])
    training = next(one for one in grid.trainings if one.name == cell[2])
    found = others(grid, compression, training)
    return [{"compression": row and row.name, "training": under.name} for row, under in found]


def _trial(attack, source) -> dict:
    counts = dict.fromkeys(("asked", "found", "forward", "backward", "violations"), 0)
    return {"attack": attack.described(), "from": source} | counts
