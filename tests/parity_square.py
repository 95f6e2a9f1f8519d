"""Square Attack's robust accuracy beside other implementations', at equal queries: `python -m tests.parity_square`.

torchattacks' Square is the port of the original authors' own, and spares the last row and column, which matters on
small images: so ours is run that way, too. ART's is shown for comparison, at as many iterations, each of which asks the
network three times. Every implementation draws its own numbers, so each is run from several seeds; whoever crafts, one
judge decides.
"""

import argparse
import statistics
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torchattacks
from art.attacks.evasion import SquareAttack

from benchmark.engine.estimator import Classifier, counting
from benchmark.engine.judging import stands
from benchmark.engine.square import Square
from benchmark.engine.square_search import L2Search, LInfSearch
from tests.parity import networks

EPS = {"standard": {"inf": 0.075, "2": 0.5}, "pgd_at": {"inf": 0.15, "2": 0.9}}

Attack = Callable[[Classifier, torch.Tensor, torch.Tensor, str, float, int, int], torch.Tensor]


class Sparing(Square):
    """Windows where the original draws them."""

    searches = {"inf": LInfSearch(spared=1), "2": L2Search(spared=1)}  # noqa: RUF012


def by(kind: type[Square]) -> Attack:
    def attack(estimator, x, y, norm, eps, queries, seed):
        built = kind(estimator, norm=norm, eps=eps, queries=queries, seed=seed, batch_size=256)
        return built.generate(x, y)

    return attack


def by_torchattacks(estimator, x, y, norm, eps, queries, seed):
    name = {"inf": "Linf", "2": "L2"}[norm]
    attack = torchattacks.Square(estimator.model, norm=name, eps=eps, n_queries=queries - 1, seed=seed)
    with torch.random.fork_rng():
        return attack(x, y)


def by_art(estimator, x, y, norm, eps, queries, seed):
    np.random.seed(seed)
    attack = SquareAttack(estimator, norm=float(norm), eps=eps, max_iter=queries - 1, batch_size=256, verbose=False)
    return torch.as_tensor(attack.generate(x.numpy(), y.numpy()))


OURS, SPARING, ORIGINAL, ART = "ours", "ours, sparing", "torchattacks", "ART"
PEERS: dict[str, Attack] = {OURS: by(Square), SPARING: by(Sparing), ORIGINAL: by_torchattacks, ART: by_art}


@dataclass(frozen=True)
class Found:
    """Robust accuracy in %, one for each seed, and forward passes for an example, the mean of the seeds."""

    robust: list[float]
    passes: float


def found(
    peer: str, estimator: Classifier, x: torch.Tensor, y: torch.Tensor, norm: str, eps: float, queries: int, seeds: int
) -> Found:
    robust = []
    with counting(estimator.model) as spent:
        for seed in range(seeds):
            examples = PEERS[peer](estimator, x, y, norm, eps, queries, seed).detach().float()
            robust.append(100 * float(stands(estimator.model, examples, y).float().mean()))
    return Found(robust, spent.forward / len(x) / seeds - 1)  # without the judge's


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # the peers' own
    print(
        f"Square Attack, {given.queries} queries: robust accuracy in %, mean of {given.seeds} seeds "
        "(least–most; forward passes an example)"
    )
    print(f"{'network':10} {'norm':>4} {'ε':>6} {'n':>5} " + " ".join(f"{peer:>24}" for peer in PEERS))
    for name, network, test in networks():
        estimator, x, y = network.estimator("cpu"), test.pixels(), test.labels
        for norm, eps in EPS[name].items():
            cells = []
            for peer in PEERS:
                made = found(peer, estimator, x, y, norm, eps, given.queries, given.seeds)
                spread = f"{min(made.robust):.1f}–{max(made.robust):.1f}"
                cells.append(f"{statistics.mean(made.robust):.1f} ({spread}; {made.passes:.0f})")
            print(f"{name:10} {norm:>4} {eps:6} {len(x):5} " + " ".join(f"{cell:>24}" for cell in cells), flush=True)


if __name__ == "__main__":
    sys.exit(main())
