"""TRADES' inner problem beside a plain loop and torchattacks' TPGD: `python -m tests.parity_trades`.

KL(f(x) ‖ f(x′)) ascended from x + 0.001 · N(0, 1), as the authors' own code does (Zhang et al., 2019). So near the
image the divergence is nearly flat, and the start decides where an example ends: the plain loop has ours; torchattacks
draws its own, and clips it to the pixel range. What is compared is what was reached: the divergence on average, and how
many examples the judge finds robust.
"""

import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
import torchattacks

from benchmark.data import Images
from benchmark.engine.judging import stands
from benchmark.engine.losses import divergence
from benchmark.engine.nearby import NearbyPGD
from benchmark.engine.random_start import Draws
from benchmark.stages.network import Network
from benchmark.stages.workplace import seed_everything
from tests.parity import networks

EPS, STEPS, STEP_RATIO = 0.1, 10, 0.25
SEED = 0

Attack = Callable[[Network, Images], torch.Tensor]


def ours(network: Network, test: Images, precision: str = "fp32") -> torch.Tensor:
    options = {"eps": EPS, "eps_step": STEP_RATIO * EPS, "max_iter": STEPS, "batch_size": 256}
    attack = NearbyPGD(network.estimator("cpu"), loss="kl", precision=precision, **options)
    return attack.generate(test.pixels(), test.labels, seed=SEED)


def in_bf16(network: Network, test: Images) -> torch.Tensor:
    return ours(network, test, "bf16")


def plain(network: Network, test: Images) -> torch.Tensor:
    """The inner loop of the authors' `trades_loss`."""
    clean = test.pixels()
    noise = Draws(SEED, torch.arange(len(test))).normal(clean[0].numel()).view_as(clean)
    examples = clean + 0.001 * noise
    believed = F.softmax(network.module(clean), dim=1).detach()
    for _ in range(STEPS):
        examples.requires_grad_(True)
        loss = F.kl_div(F.log_softmax(network.module(examples), dim=1), believed, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, examples)
        stepped = examples.detach() + STEP_RATIO * EPS * gradient.sign()
        examples = torch.clamp(torch.min(torch.max(stepped, clean - EPS), clean + EPS), 0, 1)
    return examples


def by_torchattacks(network: Network, test: Images) -> torch.Tensor:
    return torchattacks.TPGD(network.module, eps=EPS, alpha=STEP_RATIO * EPS, steps=STEPS)(test.pixels())


OURS, BF16, PLAIN = "ours", "ours, bf16", "plain loop"
PEERS: dict[str, Attack] = {OURS: ours, BF16: in_bf16, PLAIN: plain, "torchattacks": by_torchattacks}


@dataclass(frozen=True)
class Row:
    """What each implementation reached: the divergence on average, and robust accuracy."""

    network: str
    n: int
    divergence: dict[str, float]
    robust: dict[str, float]


def rows() -> Iterator[Row]:
    for name, network, test in networks():
        reached, robust = {}, {}
        with torch.no_grad():
            clean = network.module(test.pixels())
        for peer, attack in PEERS.items():
            seed_everything(SEED)
            examples = attack(network, test).detach()
            with torch.no_grad():
                reached[peer] = float(divergence(network.module(examples), clean).mean())
            robust[peer] = float(stands(network.module, examples, test.labels).float().mean())
        yield Row(name, len(test), reached, robust)


def main() -> None:
    warnings.simplefilter("ignore")  # the peers' own
    print(f"\nTRADES' inner problem, ℓ∞, ε {EPS}, {STEPS} steps: KL reached on average (robust accuracy in %)")
    print(f"{'network':10} {'n':>5} " + " ".join(f"{peer:>16}" for peer in PEERS))
    for row in rows():
        cells = (f"{row.divergence[peer]:.4f} ({100 * row.robust[peer]:.1f})" for peer in PEERS)
        print(f"{row.network:10} {row.n:5} " + " ".join(f"{cell:>16}" for cell in cells))


if __name__ == "__main__":
    sys.exit(main())
