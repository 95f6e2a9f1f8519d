"""Each attack beside other implementations, on the same networks and examples: `python -m tests.parity_attacks`.

Ours is the plugin as a suite runs it. Robust accuracy at one ε; of minimum-norm attacks also the median distance, over
what is right on its clean image and broken. Whoever crafts, one judge decides. A peer that is not installed (adv-lib
is optional) is left out.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import torch

from benchmark.data import Prepared, prepare, search_roots
from benchmark.engine.ball import distance, inside
from benchmark.engine.judging import stands
from benchmark.plugins import Registry
from benchmark.stages.network import Network, fresh
from benchmark.types import Recipe
from tests.parity import OneRun
from tests.parity_peers import PEERS, Case

# how each network is trained from the one before, and ε that are neither trivial nor hopeless for it
NETWORKS = {
    "digits": {
        "standard": ({"epochs": 20, "lr": 0.05, "batch_size": 32}, {"inf": 0.075, "2": 0.45, "1": 1.0}),
        "pgd_at": ({"epochs": 3, "eps": 0.1, "lr": 0.02, "batch_size": 32}, {"inf": 0.15, "2": 0.65, "1": 1.5}),
    },
    "fashion_mnist": {
        "standard": ({"epochs": 4, "lr": 0.05}, {"inf": 0.02, "2": 0.3, "1": 2.0}),
        "pgd_at": ({"epochs": 1, "eps": 0.1, "lr": 0.02}, {"inf": 0.1, "2": 1.0, "1": 5.0}),
    },
}
TRAINING_IMAGES = {"digits": None, "fashion_mnist": 10_000}
MOST = {"hop_skip_jump": 100}  # examples, where an example takes thousands of queries


@dataclass(frozen=True)
class Row:
    """What one implementation made of one attack. distance: the median, None if the attack is not minimum-norm."""

    network: str
    attack: str
    norm: str
    eps: float
    peer: str
    n: int
    robust: float
    distance: float | None
    seconds: float


def networks(dataset: str, examples: int | None) -> Iterator[tuple[str, Network, Prepared, dict[str, float]]]:
    """The eight-layer CNN, standardly trained, and then adversarially: valid until the next is asked for."""
    registry = Registry()
    roots = search_roots()
    data = prepare(registry.find("dataset", dataset).load().dataset(roots), TRAINING_IMAGES[dataset], examples)
    network = fresh(registry, Recipe("model", "eight_layer_cnn"), data, "cpu", seed=0)
    for name, (options, eps) in NETWORKS[dataset].items():
        registry.find("training", name).load().train(network.estimator("cpu"), data.training, OneRun(0), **options)
        network.module.eval()
        yield name, network, data, eps


def rows(dataset: str, attacks: list[str], examples: int | None) -> Iterator[Row]:
    for name, network, data, eps in networks(dataset, examples):
        for (attack, norm), peers in PEERS.items():
            if attack in attacks:
                most = min(MOST.get(attack, len(data.test)), len(data.test))
                case = Case(network, prepare(data.dataset, data.train_limit, most), norm, eps[norm])
                minimum = Registry().find("attack", attack).constant("MINIMUM_NORM", default=False)
                for peer, run in peers.items():
                    if peer != "adv-lib" or find_spec("adv_lib"):
                        torch.manual_seed(0)
                        np.random.seed(0)
                        started = time.perf_counter()
                        made = run(case)
                        seconds = time.perf_counter() - started
                        yield Row(name, attack, norm, case.eps, peer, most, *judged(case, made, minimum), seconds)


def judged(case: Case, made: torch.Tensor, minimum: bool) -> tuple[float, float | None]:
    """Robust accuracy and median distance."""
    right = stands(case.network.module, case.images, case.labels)
    broken = ~stands(case.network.module, made, case.labels)
    robust = right & ~(broken & inside(made, case.images, case.norm, case.eps))
    found = distance(made, case.images, case.norm)[right & broken]
    return float(robust.float().mean()), float(found.median()) if minimum else None


def main() -> None:
    names = sorted({attack for attack, _ in PEERS})
    parser = argparse.ArgumentParser("python -m tests.parity_attacks", description=__doc__)
    parser.add_argument("--attack", action="append", choices=names, help="only this one (several may be given)")
    parser.add_argument("--examples", type=int, help="test images (default: all there are; of digits, 599)")
    parser.add_argument("--dataset", choices=list(NETWORKS), default="digits")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # the peers' own
    print(
        f"{'network':10} {'attack':14} {'norm':>4} {'ε':>6} {'n':>5} {'by':14} {'robust %':>8} {'median':>8} {'s':>7}"
    )
    for row in rows(options.dataset, options.attack or names, options.examples):
        median = "" if row.distance is None else f"{row.distance:.4f}"
        where = f"{row.network:10} {row.attack:14} {row.norm:>4} {row.eps:6g} {row.n:5}"
        print(f"{where} {row.peer:14} {100 * row.robust:8.1f} {median:>8} {row.seconds:7.1f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
