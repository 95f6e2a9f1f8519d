"""A board of 1,009 images whose figures are all worked out again, from its records alone, by other means than its own.

Outcomes are unpacked by numpy; quantiles, tests and corrections are scipy's and statsmodels'.
"""

import base64
import statistics
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats
from statsmodels.stats.contingency_tables import mcnemar

from benchmark import outcomes
from benchmark.types import PROTOCOL, Attack, Compression, Grid, Recipe, Suite, Training
from benchmark.verification import KINDS, Kind, others
from leaderboard.match import places
from tests.synthetic_records import FGSM, LARGE, PGD, PRUNE, SMALL, STANDARD, grid, record, suite

N, SEEDS = 1009, (0, 1, 2)  # a prime: no mean over seeds lies halfway between two printed figures
ANEW, EIGHT = Recipe("compression", "reinitialise"), Recipe("compression", "quantize", (("bits", 8),))
COMPRESSIONS = (
    Compression("dense"),
    Compression("pruned", (PRUNE,)),
    Compression("scratch", (PRUNE, ANEW, STANDARD)),
    Compression("int8", (EIGHT,), "int8"),
)
TRAININGS = (Training("plain", STANDARD), Training("tuned", STANDARD, STANDARD))
ATTACKS = (Attack("pgd-20", PGD, "inf", (SMALL, LARGE)), Attack("one", FGSM, "inf", (SMALL, LARGE), iterative=False))
GRIDS = tuple(
    grid(name, ATTACKS, compressions=COMPRESSIONS, trainings=TRAININGS, delta=4.0) for name in ("first", "second")
)
HELD = {"dense": 0.6, "pruned": 0.52, "scratch": 0.3, "int8": 0.6}  # of the easiest images under PGD at the small ε

Bits = np.ndarray  # [N], whether the image is right


def bits(packed: str) -> Bits:
    return np.unpackbits(np.frombuffer(base64.b64decode(packed), np.uint8))[:N].astype(bool)


def draw(*of: object) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(repr(of).encode()))


def records(of: Suite, runtime: str | None = None) -> list[dict]:
    """Of every cell: images have their ease, networks and attacks stray from it."""
    made = []
    for own in of.grids:
        ease = draw(own.dataset).permutation(N) / N
        for cell in places(of, own, runtime):
            network, (attack, eps) = cell[:4], cell[4:]
            share = HELD.get(cell[1], 0.5) - 0.2 * (eps > 0.05) + 0.1 * (attack == "one")
            own_ease = ease + draw(network).normal(0, 0.05, N) + draw(network[-1], "seed").normal(0, 0.02)
            clean = own_ease < 0.92
            robust = clean & (own_ease + draw(network, attack).normal(0, 0.03, N) < share)
            made.append(record(of, cell, "0" * 10) | judged(clean, robust))
    return made


def judged(clean: Bits, robust: Bits) -> dict:
    """A record's fields that hang on its outcomes; every third image is of the same class."""
    every = {"n": np.ones(N, bool), "clean": clean, "robust": robust}
    counts = {name: [int(stands[place::3].sum()) for place in range(3)] for name, stands in every.items()}
    return {
        "n": N,
        "dataset": {"name": "digits", "arguments": {}, "fingerprint": "f00d", "test_total": N},
        "clean_correct": int(clean.sum()),
        "robust_correct": int(robust.sum()),
        "outcomes": {"clean": outcomes.pack(clean), "robust": outcomes.pack(robust)},
        "per_class": counts,
    }


def checks(of: Suite, lines: list[dict]) -> list[dict]:
    """Every check of every network, at full size, of the images that its attacks leave."""
    made = []
    grids = {own.name: own for own in of.grids}
    for own, seed in dict.fromkeys((row_of(line), line["seed"]) for line in lines):
        mine = [line for line in lines if row_of(line) == own and line["seed"] == seed]
        for kind in KINDS:
            counted = {attack.name for attack in grids[own[0]].attacks if kind.counts(attack)}
            standing = right(mine, "clean") & right(
                [line for line in mine if line["attack"] in counted], "robust", 0.05
            )
            rng = draw(own, seed, kind.name)
            examined, found = np.zeros(N, bool), np.zeros(N, bool)
            examined[rng.permutation(np.flatnonzero(standing))[: kind.size]] = True
            most = {"strong rerun": 3, "gradient-free": 2, "transfer": 4, "zero gradient": 5, "unbounded": kind.size}
            if (kind.name, own) == ("strong rerun", ("first", "pruned", "plain")):
                most = {"strong rerun": kind.size - 2}  # more than its attacks
            found[np.flatnonzero(examined)[: most.get(kind.name, 0)]] = True
            made.append(
                _check(grids[own[0]], own, seed, kind, {"standing": standing, "examined": examined, "found": found})
            )
    return made


def _check(grid: Grid, own: tuple, seed: int, kind: Kind, seen: dict[str, Bits]) -> dict:
    trained = {"epochs": 3, "fresh": True, "losses": [2.0, 0.1]}
    facts = {"trainings": [trained], "answers": 3, "commonest": 337, "size": {}, "dense": {}, "broken_promises": []}
    sources: list = [None]
    if kind.name == "transfer":
        compression, training = (
            next(one for one in ones if one.name == name)
            for ones, name in zip((grid.compressions, grid.trainings), own[1:], strict=True)
        )
        rows = others(grid, compression, training)
        sources = [{"compression": row and row.name, "training": under.name} for row, under in rows]
    spent = dict.fromkeys(("asked", "found", "forward", "backward", "violations"), 0)
    return {
        **dict(zip(("grid", "compression", "training"), own, strict=True)),
        **{
            "seed": seed,
            "check": kind.name,
            "norm": None if kind.whole else "inf",
            "eps": None if kind.whole else 0.05,
        },
        **{"protocol": PROTOCOL, "suite": "small", "fingerprint": "f00d", "level": "full", "size": kind.size, "n": N},
        **{name: int(images.sum()) for name, images in seen.items()},
        "radius": (kind.radius or 0.05) if kind.attacks else None,
        "outcomes": {name: outcomes.pack(images) for name, images in seen.items()},
        "trials": [{"attack": one.described(), "from": source} | spent for one in kind.attacks for source in sources],
        "facts": facts if kind.name == "trained" else {},
        "keys": {"network": f"net {(*own[1:], seed)}", "check": f"{kind.name} {own} {seed}"},
    }


def row_of(line: dict) -> tuple[str, str, str]:
    return line["grid"], line["compression"], line["training"]


def right(lines: list[dict], what: str, eps: float | None = None, attack: str | None = None) -> Bits:
    """The images that all of a network's records have right: at one ε or below, or of one attack there alone."""
    every = np.ones(N, bool)
    for line in lines:
        if eps is None or (line["eps"] == eps and attack == line["attack"]) or (line["eps"] <= eps and attack is None):
            every &= bits(line["outcomes"][what])
    return every


@dataclass(frozen=True)
class World:
    """A suite with its records and checks, to be asked for what the board must say."""

    of: Suite
    lines: list[dict]
    checks: list[dict]

    def networks(self, row: tuple) -> list[list[dict]]:
        mine = [line for line in self.lines if row_of(line) == row]
        return [[line for line in mine if line["seed"] == seed] for seed in self.of.seeds]

    def found(self, row: tuple, seed: int, eps: float) -> dict[str, Bits]:
        """By check, what it broke in a ball that lies in this one."""
        mine = [one for one in self.checks if row_of(one) == row and one["seed"] == seed]
        inside = [one for one in mine if one["radius"] is not None and one["radius"] == one["eps"] <= eps]
        return {one["check"]: bits(one["outcomes"]["found"]) for one in inside}

    def clean(self, row: tuple) -> list[Bits]:
        return [right(network, "clean") for network in self.networks(row)]

    def union(self, row: tuple, eps: float = 0.05) -> list[Bits]:
        """What stands, by seed, after the row's attacks and its checks."""
        left = [right(network, "robust", eps) for network in self.networks(row)]
        for seed, stands in zip(self.of.seeds, left, strict=True):
            for broken in self.found(row, seed, eps).values():
                stands &= ~broken
        return left


def world(seeds: Sequence[int] = SEEDS, checked: bool = True, **changes) -> World:
    of = suite(*GRIDS, seeds=tuple(seeds), **changes)
    lines = records(of)
    return World(of, lines, checks(of, lines) if checked else [])


@dataclass(frozen=True)
class Difference:
    """A row minus another on the same seeds and images, by hand."""

    estimate: float
    centres: list[float]
    variances: list[float]
    spread: float | None  # s²/S of the seeds; None: one or two, which speak for themselves
    p: float

    def bounds(self, level: float) -> tuple[float, float]:
        if self.spread is None:
            halves = [stats.norm.ppf((1 + level) / 2) * variance**0.5 for variance in self.variances]
            ends = [(c - half, c + half) for c, half in zip(self.centres, halves, strict=True)]
            return min(low for low, _ in ends), max(high for _, high in ends)
        half = cochran_cox(self.spread, statistics.fmean(self.variances), len(self.centres), level)
        return statistics.fmean(self.centres) - half, statistics.fmean(self.centres) + half

    def text(self, level: float = 0.95) -> str:
        low, high = self.bounds(level)
        return f"{points(self.estimate)} [{points(low)}, {points(high)}]"

    def equivalence(self, delta: float) -> float:
        """The p of two one-sided tests, by inverting the intervals: p for which one of 1 − 2p just touches ±δ."""

        def beyond(log_p: float) -> float:
            low, high = self.bounds(1 - 2 * np.exp(log_p))
            return max(-delta - low, high - delta)

        least, most = np.log(1e-12), np.log(0.4999)
        if beyond(most) >= 0:
            return 1.0
        return 1e-12 if beyond(least) <= 0 else float(np.exp(optimize.brentq(beyond, least, most)))

    def word(self, p: float, same: float, delta: float) -> str:
        """better, worse, same or undecided, as the board writes it; δ as a share, both p as corrected."""
        margin = f"within ±{100 * delta:g}"
        if p < 0.05:
            return ("better" if self.estimate > 0 else "worse") + (f", {margin}" if same < 0.05 else "")
        return f"same {margin}" if same < 0.05 else "undecided"


def cochran_cox(spread: float, images: float, seeds: int, level: float) -> float:
    """Half an interval: Student's quantile and the normal one, weighted by their variances (Cochran & Cox, 1957)."""
    t, z = stats.t.ppf((1 + level) / 2, seeds - 1), stats.norm.ppf((1 + level) / 2)
    return (spread * t + images * z) / (spread + images) * (spread + images) ** 0.5


def difference(reference: list[Bits], row: list[Bits]) -> Difference:
    lost = [int((a & ~b).sum()) for a, b in zip(reference, row, strict=True)]
    gained = [int((b & ~a).sum()) for a, b in zip(reference, row, strict=True)]
    raw = [(more - less) / N for less, more in zip(lost, gained, strict=True)]
    # Bonett & Price (2012): one image more is lost and one more gained
    shares = [((less + 1) / (N + 2), (more + 1) / (N + 2)) for less, more in zip(lost, gained, strict=True)]
    centres = [more - less for less, more in shares]
    variances = [(less + more - (more - less) ** 2) / (N + 2) for less, more in shares]
    if len(raw) < 3:
        p = max(mcnemar([[0, a], [b, 0]], exact=True).pvalue for a, b in zip(lost, gained, strict=True))
        p = 1.0 if len({b > a for a, b in zip(lost, gained, strict=True)}) > 1 else p
        return Difference(statistics.fmean(raw), centres, variances, None, p)
    spread, images, centre = statistics.variance(raw) / len(raw), statistics.fmean(variances), statistics.fmean(centres)

    def beyond(log_p: float) -> float:
        return cochran_cox(spread, images, len(raw), 1 - np.exp(log_p)) - abs(centre)

    least, most = np.log(1e-12), -1e-9
    if beyond(most) >= 0:
        p = 1.0
    else:
        p = 1e-12 if beyond(least) <= 0 else float(np.exp(optimize.brentq(beyond, least, most)))
    return Difference(statistics.fmean(raw), centres, variances, spread, p)


def points(share: float) -> str:
    shown = f"{100 * share:+.1f}".replace("-", "−")
    return "0.0" if shown in ("+0.0", "−0.0") else shown
