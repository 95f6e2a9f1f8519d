"""Figures of a grid whose true accuracies are known: four compressions × two trainings × two attacks."""

import random

from benchmark import outcomes
from benchmark.types import Attack, Compression, Recipe, Training
from leaderboard.figures import Figures
from leaderboard.match import places
from tests.synthetic_records import FGSM, LARGE, PGD, PRUNE, STANDARD, grid, suite

PGD_AT = Recipe("training", "pgd_at", (("epochs", 2),))
N = 2000
ROWS = grid(
    compressions=(
        Compression("dense"),
        Compression("half", (PRUNE,)),
        Compression("most", (PRUNE, PRUNE)),
        Compression("all", (PRUNE, PRUNE, PRUNE)),
    ),
    trainings=(Training("standard", STANDARD), Training("adversarial", PGD_AT)),
    attacks=(Attack("pgd-20", PGD, "inf", (LARGE,)), Attack("one", FGSM, "inf", (LARGE,))),
)


def evidence(shares: dict, seeds=(0, 1, 2), lacking=()) -> Figures:
    """Records in which each image has a difficulty, and a row has the easiest `clean` and `robust` of them right."""
    of = suite(ROWS, seeds=seeds)
    found = {}
    for cell in places(of, ROWS):
        if cell[1:4] in lacking:
            continue
        clean, robust = shares.get(cell[1:3], (0.9, 0.5))
        draw = random.Random(f"{cell[1:4]}")
        ease = [(image + 0.5) / N + draw.gauss(0, 0.01) for image in range(N)]
        found[cell] = {
            "n": N,
            "norm": "inf",
            "outcomes": {
                "clean": outcomes.pack(one < clean for one in ease),
                "robust": outcomes.pack(one < (robust if cell[4] == "pgd-20" else 0.95) for one in ease),
            },
        }
    return Figures(of, ROWS, found)
