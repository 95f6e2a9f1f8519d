"""Do the board's intervals cover, and do its tests keep their level? Outcomes with a known truth, many times over.

    python -m tests.coverage_simulation

An image i is right under seed s when √a·A_s + √b·B_i + √(1 − a − b)·E_si < Φ⁻¹(μ), all standard normal: crossed effects
of seeds and images whose expected accuracy is exactly μ, whatever the shares a of the seeds and b of the images are.
In a pair of rows both are judged on the same B, and a share r of the seed's effect is common to both.

Exit status: 0, every interval covers at no less than nominal − 2 points and every test is wrong at no more than its α
+ 2 points (of 1,000 simulations themselves 0.7 is one standard error); 1, one does not, and it is named.
"""

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from leaderboard.paired import FEW, Paired, decide
from leaderboard.statistics import ALPHA, LEVEL, accuracy

SEEDS = (2, 3, 5)
SLACK = 0.02  # that coverage may fall short of its level, and a test's errors exceed theirs
WRONG = ("false differs", "false same")
CHUNK = 100  # simulations at once: what fits a processor's cache


@dataclass(frozen=True)
class World:
    """A truth to be found: one row's accuracy, or a dense row's and the difference to it."""

    mu: float
    a: float
    b: float
    n: int = 500
    delta: float = 0.0
    r: float = 0.0  # of a pair's seed effect, the share that the two rows have in common

    def rows(self, seeds: int, simulations: int, rng: np.random.Generator, both: bool) -> Iterator[np.ndarray]:
        """Outcomes [simulations, seeds, images], of the dense row and of the other."""

        def normal(*shape: int) -> np.ndarray:
            return rng.standard_normal((simulations, *shape), dtype=np.float32)

        common, image = normal(seeds, 1), normal(1, self.n)
        for mu in (self.mu, self.mu + self.delta) if both else (self.mu,):
            seed = math.sqrt(self.r) * common + math.sqrt(1 - self.r) * normal(seeds, 1)
            rest = math.sqrt(1 - self.a - self.b) * normal(seeds, self.n)
            yield math.sqrt(self.a) * seed + math.sqrt(self.b) * image + rest < norm.ppf(mu)

    def accuracies(self, seeds: int, simulations: int, rng: np.random.Generator) -> list[list[int]]:
        """Per simulation, how many images each seed has right."""
        counts = []
        for _ in range(simulations // CHUNK):
            (right,) = self.rows(seeds, CHUNK, rng, both=False)
            counts += right.sum(2).tolist()
        return counts

    def pairs(self, seeds: int, simulations: int, rng: np.random.Generator) -> list[Paired]:
        found = []
        for _ in range(simulations // CHUNK):
            dense, row = self.rows(seeds, CHUNK, rng, both=True)
            lost, gained = (dense & ~row).sum(2).tolist(), (row & ~dense).sum(2).tolist()
            found += [Paired(tuple(x), tuple(y), self.n) for x, y in zip(lost, gained, strict=True)]
        return found


Found = tuple[World, dict[str, float]]  # a truth, and how often what


def cover(world: World, seeds: int, simulations: int, rng: np.random.Generator) -> dict[str, float]:
    """Of an accuracy's interval: how often it holds μ, how wide it is beside ±z true standard errors, and
    Satterthwaite's."""
    counts = world.accuracies(seeds, simulations, rng)
    intervals = [accuracy(count, world.n) for count in counts]
    inside = [interval.low <= world.mu <= interval.high for interval in intervals]
    shares = np.array(counts) / world.n
    truth = 2 * norm.ppf((1 + LEVEL) / 2) * shares.mean(1).std()
    width = np.mean([interval.high - interval.low for interval in intervals]) / truth if truth else math.inf
    return {"covers": float(np.mean(inside)), "width": float(width), "Satterthwaite": satterthwaite(shares, world)}


def satterthwaite(shares: np.ndarray, world: World) -> float:
    """The coverage of mean ± t·SE with Satterthwaite's (1946) degrees of freedom, for comparison."""
    seeds = shares.shape[1]
    spread, binomial = shares.var(1, ddof=1) / seeds, (shares * (1 - shares)).mean(1) / world.n
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = (spread + binomial) ** 2 / (spread**2 / (seeds - 1) + binomial**2 / (world.n - 1))
    half = np.nan_to_num(student.ppf((1 + LEVEL) / 2, freedom) * np.sqrt(spread + binomial))
    return float(np.mean(abs(shares.mean(1) - world.mu) <= half))


def judge(world: World, delta: float, seeds: int, simulations: int, rng: np.random.Generator) -> dict[str, float]:
    """Of a pair: how often the interval holds the true difference; how often one is found, truly or falsely; and how
    often it is claimed to be within ±δ, truly or falsely (where it is exactly δ)."""
    pairs = world.pairs(seeds, simulations, rng)
    intervals = [pair.interval() for pair in pairs]
    words = [decide(pair, delta) for pair in pairs]
    found = float(np.mean([decision.word in ("better", "worse") for decision in words]))
    within = float(np.mean([decision.within for decision in words]))
    truth = {"differs": found, "false same": within} if world.delta else {"false differs": found, "same": within}
    return {"covers": float(np.mean([i.low <= world.delta <= i.high for i in intervals]))} | truth


def accuracy_worlds() -> list[World]:
    return [World(mu, a, b) for mu, a, b in product((0.02, 0.5, 0.9), (0, 0.001, 0.005, 0.05), (0, 0.5, 0.9))]


def paired_worlds(seeds: int, delta: float) -> list[World]:
    """Without a difference, and with one of exactly δ, in either way; two seeds speak of their own networks, whose true
    difference is the world's only where the two share their seed's effect."""
    few = seeds < FEW
    worlds = [
        World(mu, 0 if few and difference else a, b, 2000, difference, r=float(few))
        for difference in (0.0, delta, -delta)
        for mu, a, b in product((0.1, 0.5), (0, 0.0005, 0.005), (0.5, 0.95))
    ]
    return list(dict.fromkeys(worlds))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; the exit status is described above."""
    parser = argparse.ArgumentParser(prog="python -m tests.coverage_simulation", description=__doc__.split("\n")[0])
    parser.add_argument("--simulations", type=int, default=1000, help="of each truth (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the simulation (default: %(default)s)")
    asked = parser.parse_args(arguments)
    if asked.simulations < CHUNK:
        parser.error(f"--simulations {asked.simulations}: must be at least {CHUNK}")
    rng, delta = np.random.default_rng(asked.seed), 0.02
    wrong: list[str] = []
    for seeds in SEEDS:
        lines = [(world, cover(world, seeds, asked.simulations, rng)) for world in accuracy_worlds()]
        _table(f"Accuracy, {seeds} seeds: {LEVEL:.0%} intervals", lines)
        wrong += faults(f"accuracy, {seeds} seeds", lines)
    for seeds in SEEDS:
        lines = [(world, judge(world, delta, seeds, asked.simulations, rng)) for world in paired_worlds(seeds, delta)]
        few = " (these networks)" if seeds < FEW else ""
        _table(f"Difference of two rows, {seeds} seeds{few}; δ = {delta:g}", lines)
        wrong += faults(f"difference, {seeds} seeds", lines)
    for line in wrong:
        print(line)
    return int(bool(wrong))


def faults(what: str, lines: Sequence[Found]) -> list[str]:
    """A line for each rate that is not as it should be."""
    found = []
    for world, rates in lines:
        where = f"{what}, {world}"
        found += [f"{where}: covers {rates['covers']:.3f}"] * (rates["covers"] < LEVEL - SLACK)
        found += [f"{where}: {name} {rates[name]:.3f}" for name in WRONG if rates.get(name, 0.0) > ALPHA + SLACK]
    return found


def _table(title: str, lines: Sequence[Found]) -> None:
    print(f"\n{title}")
    names = list(dict.fromkeys(name for _, found in lines for name in found))
    print("".join(f"{name:>8}" for name in ("μ", "seeds", "images", "n", "Δ")), *(f"{name:>14}" for name in names))
    for world, found in lines:
        shown = [f"{found[name]:14.3f}" if name in found else " " * 14 for name in names]
        print(f"{world.mu:8g}{world.a:8g}{world.b:8g}{world.n:8}{world.delta:8g}", *shown)
    for word, choose in (("least", min), ("most", max)):
        extremes = [choose(found[name] for _, found in lines if name in found) for name in names]
        print(f"{word:>40}", *(f"{extreme:14.3f}" for extreme in extremes))


if __name__ == "__main__":
    sys.exit(main())
