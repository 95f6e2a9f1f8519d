"""APGD's robust accuracy beside torchattacks' and adv-lib's at equal steps and restarts: `python -m tests.parity_apgd`.

APGD-CE, APGD-DLR and APGD-T on the digits networks of `tests.parity`. Every implementation draws its own random starts,
which move a single run by a point, so each is run from several seeds; whoever crafts, one judge decides. ART's APGD is
shown for comparison: it gives back its last point, not its best.
"""

import statistics
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torchattacks
from art.attacks.evasion import AutoProjectedGradientDescent

from benchmark.data import Images
from benchmark.engine.apgd import APGD
from benchmark.engine.judging import stands
from benchmark.stages.network import Network
from benchmark.stages.workplace import seed_everything
from tests.parity import networks
from tests.speed.peers import MISSING, adv_lib

EPS, STEPS, RESTARTS, TARGETS = 0.1, 20, 1, 4
SEEDS = 4
LOSSES = {"APGD-CE": "ce", "APGD-DLR": "dlr", "APGD-T": "dlr-targeted"}

Attack = Callable[[Network, Images, str, int], torch.Tensor | None]  # loss, seed; None: it has no such loss


def ours(network: Network, test: Images, loss: str, seed: int) -> torch.Tensor:
    attack = APGD(
        network.estimator("cpu"),
        eps=EPS,
        max_iter=STEPS,
        num_random_init=RESTARTS,
        loss=loss,
        targets=TARGETS,
        mode="decide",
        precision="fp32",
        seed=seed,
    )
    return attack.generate(test.pixels(), test.labels)


def by_torchattacks(network: Network, test: Images, loss: str, seed: int) -> torch.Tensor:
    options = {"eps": EPS, "steps": STEPS, "n_restarts": RESTARTS, "seed": seed}
    if loss == "dlr-targeted":
        attack = torchattacks.APGDT(network.module, n_classes=TARGETS + 1, **options)
    else:
        attack = torchattacks.APGD(network.module, loss=loss, **options)
    return attack(test.pixels(), test.labels)


def by_adv_lib(network: Network, test: Images, loss: str, seed: int) -> torch.Tensor:
    options = {"eps": EPS, "norm": float("inf"), "n_iter": STEPS, "n_restarts": RESTARTS}
    images, labels = test.pixels(), test.labels
    if loss == "dlr-targeted":
        return adv_lib().apgd_targeted(network.module, images, labels, num_targets=TARGETS, **options)
    return adv_lib().apgd(network.module, images, labels, loss_function=loss, **options)


def by_art(network: Network, test: Images, loss: str, seed: int) -> torch.Tensor | None:
    if loss == "dlr-targeted":
        return None
    attack = AutoProjectedGradientDescent(
        network.estimator("cpu"),
        eps=EPS,
        eps_step=2 * EPS,
        max_iter=STEPS,
        nb_random_init=RESTARTS,
        loss_type={"ce": "cross_entropy", "dlr": "difference_logits_ratio"}[loss],
        batch_size=len(test),
        verbose=False,
    )
    return torch.as_tensor(attack.generate(test.pixels().numpy(), test.labels.numpy()))


OURS = "ours"
PEERS: dict[str, Attack] = {OURS: ours, "torchattacks": by_torchattacks}
PEERS |= {"adv-lib": by_adv_lib} if "adv-lib" not in MISSING else {}
SHOWN = PEERS | {"ART": by_art}


@dataclass(frozen=True)
class Row:
    """Robust accuracy by each implementation, from each seed."""

    network: str
    attack: str
    n: int
    robust: dict[str, list[float]]

    def mean(self, peer: str) -> float:
        return statistics.mean(self.robust[peer])


def rows(peers: dict[str, Attack] = PEERS, seeds: int = SEEDS, only: str | None = None) -> Iterator[Row]:
    """On both networks, or on the one that is named."""
    for name, network, test in networks():
        for attack, loss in LOSSES.items() if only in (None, name) else ():
            robust = {peer: list(_found(craft, network, test, loss, seeds)) for peer, craft in peers.items()}
            yield Row(name, attack, len(test), robust)


def _found(craft: Attack, network: Network, test: Images, loss: str, seeds: int) -> Iterator[float]:
    for seed in range(seeds):
        seed_everything(seed)
        examples = craft(network, test, loss, seed)
        if examples is not None:
            clean, attacked = (stands(network.module, x, test.labels) for x in (test.pixels(), examples.detach()))
            yield float((clean & attacked).float().mean())  # adv-lib's APGD-T may mend what was wrong


def main() -> None:
    warnings.simplefilter("ignore")  # the peers' own
    print(f"\nAPGD, ℓ∞, ε {EPS}, {STEPS} steps, {RESTARTS} restart (APGD-T: {TARGETS} targets)")
    print(f"Robust accuracy in %: mean (least to most) of {SEEDS} seeds")
    print(f"{'network':10} {'attack':9} {'n':>5} " + " ".join(f"{peer:>18}" for peer in SHOWN))
    for row in rows(SHOWN):
        print(f"{row.network:10} {row.attack:9} {row.n:5} " + " ".join(f"{_told(row, peer):>18}" for peer in SHOWN))
    if MISSING:
        print("adv-lib is not installed and is left out: pip install --no-deps adv-lib")


def _told(row: Row, peer: str) -> str:
    found = [100 * value for value in row.robust[peer]]
    return f"{statistics.mean(found):.1f} ({min(found):.1f} to {max(found):.1f})" if found else "—"


if __name__ == "__main__":
    sys.exit(main())
