"""Suites and records that no run has made, for the board's tests, and the tables of the page that come of them."""

import math
import re
import statistics
from pathlib import Path

from scipy import optimize, stats

from benchmark import outcomes
from benchmark.types import BEFORE, PROTOCOL, Attack, Compression, Epsilon, Grid, Recipe, Suite, Training, repeated
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
        "steps": [repeated(step, training.before).described() for step in compression.steps],
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
        "spent": spent(compression, training),
        "achieved": [None for _ in compression.steps],
        "outcomes": {
            "clean": outcomes.pack(bit == "1" for bit in clean),
            "robust": outcomes.pack(b == "1" for b in robust),
        },
        "per_class": {"n": classes("1" * 10), "clean": classes(clean), "robust": classes(robust)},
        "keys": {"network": f"net {cell[1:4]}", "craft": f"craft {cell}", "judge": f"judge {cell}"},
    } | changes


def spent(compression: Compression, training: Training) -> list[dict]:
    """A training takes 1,000 + 500 passes of 8 M MACs; one that follows a compression 100 + 100 of 1 M."""
    trainings = [step for step in compression.steps if step.kind == "training"]
    trainings += [training.after] if training.after else []
    first = {"key": f"train {training.name}", "forward": 1000, "backward": 500, "macs": 8_000_000}
    macs = 1_000_000 if compression.steps else 8_000_000
    later = [
        {"key": f"tune {compression.name} {training.name} {number}", "forward": 100, "backward": 100, "macs": macs}
        for number, _ in enumerate(trainings)
    ]
    return [first, *later]


def every(of: Suite, robust: str = "1111110000", **changes) -> list[dict]:
    return [record(of, cell, robust, **changes) for own in of.grids for cell in places(of, own)]


def page(of: Suite, lines: list[dict], measurements=(), holes=(), checks=()) -> str:
    return markdown.page(build(of, lines, checks), measurements, holes).replace("\u00a0", " ")


def shown(*counts: int, n: int = 10) -> str:
    """Mean and 95 % interval of how many of n images each network has right, in %, as the page prints it.

    By its definition: the accuracies that the mean's distance from is at most t standard errors, found by bisection.
    """
    shares = [count / n for count in counts]
    mean, spread = statistics.fmean(shares), statistics.variance(shares) / len(shares) if len(shares) > 1 else 0.0
    binomial = statistics.fmean(share * (1 - share) / n for share in shares)
    quantiles = [float(stats.norm.ppf(0.975))] + [float(stats.t.ppf(0.975, len(shares) - 1))] * (len(shares) > 1)
    weights = [binomial, spread][: len(quantiles)]
    t = sum(map(math.prod, zip(weights, quantiles, strict=True))) / sum(weights) if sum(weights) else quantiles[0]

    def beyond(share: float) -> float:
        return (share - mean) ** 2 - t**2 * (spread + share * (1 - share) / n)

    def bound(end: float) -> float:
        beside = mean + (1e-9 if end else -1e-9)  # at 0 or 1 the mean itself is a root
        return end if beyond(end) <= 0 else optimize.brentq(beyond, *sorted((end, beside)), xtol=1e-12)

    low, high = (mean if mean == end else bound(end) for end in (0.0, 1.0))
    return f"{100 * mean:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def tables(text: str) -> list[list[dict[str, str]]]:
    """The Markdown tables of a page, each a list of rows by head."""
    found = []
    for block in re.findall(r"(?:^\|.*\|$\n?)+", text, flags=re.M):
        lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.strip().split("\n")]
        found.append([dict(zip(lines[0], line, strict=True)) for line in lines[2:]])
    return found
