"""Suites and records that no run has made, for the board's tests, and the tables of the page that come of them."""

import re
from pathlib import Path

from benchmark import outcomes
from benchmark.types import BEFORE, PROTOCOL, Attack, Compression, Epsilon, Grid, Recipe, Suite, Training
from leaderboard import markdown
from leaderboard.match import places
from leaderboard.table import build

SMALL, LARGE = Epsilon(0.05, 0.05, "0.05"), Epsilon(0.1, 0.1, "0.1")
STANDARD = Recipe("training", "standard", (("epochs", 2),))
PRUNE = Recipe("compression", "prune", (("ratio", 0.5),))
PGD = Recipe("attack", "pgd", (("steps", 20),))
FGSM = Recipe("attack", "fgsm")
LABELS = [0, 0, 0, 1, 1, 1, 1, 2, 2, 2]  # the classes of the ten test images
CLEAN = "1111111100"


def grid(name="digits", attacks=None, **changes) -> Grid:
    return Grid(
        **{
            "name": name,
            "dataset": Recipe("dataset", "digits"),
            "model": Recipe("model", "eight_layer_cnn"),
            "compressions": (Compression("dense"), Compression("prune-50", (PRUNE, BEFORE))),
            "trainings": (Training("plain", STANDARD), Training("tuned", STANDARD, STANDARD)),
            "attacks": attacks or (Attack("pgd-20", PGD, "inf", (SMALL, LARGE)), Attack("one", FGSM, "inf", (LARGE,))),
        }
        | changes
    )


def suite(*grids: Grid, seeds=(0, 1), **changes) -> Suite:
    return Suite(Path("suites/small.yaml"), "small", seeds, grids or (grid(),), **changes)


def record(of: Suite, cell: tuple, robust: str, clean: str = CLEAN, **changes) -> dict:
    """The record of a cell of `of`; outcomes as texts of 0 and 1, one for each image."""
    own = next(grid for grid in of.grids if grid.name == cell[0])
    compression = next(one for one in own.compressions if one.name == cell[1])
    training = next(one for one in own.trainings if one.name == cell[2])
    attack = next(one for one in own.attacks if one.name == cell[4])
    eps = next(eps for eps in attack.eps if eps.value == cell[5])

    def classes(bits: str) -> list[int]:
        return [sum(bit == "1" for bit, label in zip(bits, LABELS, strict=True) if label == one) for one in range(3)]

    return {
        **dict(zip(("grid", "compression", "training", "seed", "attack", "eps"), cell, strict=True)),
        "protocol": PROTOCOL,
        "suite": of.name,
        "dataset": {"name": own.dataset.plugin, "arguments": {}, "fingerprint": "f00d", "test_total": 10},
        "model": own.model.described(),
        "steps": [(training.before if step == BEFORE else step).described() for step in compression.steps],
        "before": training.before.described(),
        "after": training.after.described() if training.after else None,
        "recipe": attack.recipe.described(),
        "from": None,
        "norm": attack.norm,
        "eps_written": eps.written,
        "eps_label": eps.label,
        "eps_space": of.eps_space,
        "mode": "decide",
        "runtime": None,
        "deployed": None,
        "boundary": False,
        "audit": None,
        "precision": "fp32",
        "recheck": None,
        "limit": vars(own.limit),
        "n": len(robust),
        "clean_correct": clean.count("1"),
        "robust_correct": robust.count("1"),
        "implied": 0,
        "violations": 0,
        "nonfinite": 0,
        "passes": {"forward": 400, "backward": 200},
        "size": {"parameters": 250_000, "macs": 1_000_000, "weight_bytes": 1_000_000}
        if compression.steps
        else {"parameters": 1_000_000, "macs": 8_000_000, "weight_bytes": 4_000_000},
        "achieved": [None for _ in compression.steps],
        "outcomes": {
            "clean": outcomes.pack(bit == "1" for bit in clean),
            "robust": outcomes.pack(b == "1" for b in robust),
        },
        "per_class": {"n": classes("1" * 10), "clean": classes(clean), "robust": classes(robust)},
        "keys": {"network": f"net {cell[1:4]}", "craft": f"craft {cell}", "judge": f"judge {cell}"},
    } | changes


def every(of: Suite, robust: str = "1111110000", **changes) -> list[dict]:
    return [record(of, cell, robust, **changes) for own in of.grids for cell in places(of, own)]


def page(of: Suite, lines: list[dict], measurements=(), holes=(), checks=()) -> str:
    return markdown.page(build(of, lines, checks), measurements, holes).replace("\u00a0", " ")


def tables(text: str) -> list[list[dict[str, str]]]:
    """The Markdown tables of a page, each a list of rows by head."""
    found = []
    for block in re.findall(r"(?:^\|.*\|$\n?)+", text, flags=re.M):
        lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.strip().split("\n")]
        found.append([dict(zip(lines[0], line, strict=True)) for line in lines[2:]])
    return found
