"""PGD in ℓ∞ from one random start, by every implementation. Images in, the last (or the first successful) point out.

Everybody gets the same module, images, labels and batch size, and is set up anew for each chunk, as in a suite.
"""

import copy
import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType

import foolbox
import torch
import torch.nn.functional as F
import torchattacks
from art.attacks.evasion import ProjectedGradientDescentPyTorch

from benchmark.engine.pgd import PGD
from benchmark.stages.network import Network
from benchmark.vision import torchvision

STEP_RATIO, BATCH = 0.25, 256

# network, images float32 [n, c, h, w] and labels int64 [n] on its device, ε, steps → examples, gradients taken
Craft = Callable[[Network, torch.Tensor, torch.Tensor, float, int], tuple[torch.Tensor, int]]
Batch = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def _in_batches(attack: Batch, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return torch.cat([attack(x, y) for x, y in zip(images.split(BATCH), labels.split(BATCH), strict=True)])


def by_art(network: Network, images: torch.Tensor, labels: torch.Tensor, eps: float, steps: int):
    attack = ProjectedGradientDescentPyTorch(
        network.estimator(images.device.type),
        eps=eps,
        eps_step=STEP_RATIO * eps,
        max_iter=steps,
        num_random_init=1,
        batch_size=BATCH,
        verbose=False,
    )
    made = attack.generate(images.cpu().numpy(), labels.cpu().numpy())
    return torch.as_tensor(made, device=images.device), steps * len(images)


def by_torchattacks(network: Network, images: torch.Tensor, labels: torch.Tensor, eps: float, steps: int):
    attack = torchattacks.PGD(network.module, eps=eps, alpha=STEP_RATIO * eps, steps=steps)
    return _in_batches(attack, images, labels), steps * len(images)


def by_foolbox(network: Network, images: torch.Tensor, labels: torch.Tensor, eps: float, steps: int):
    model = foolbox.PyTorchModel(network.module, bounds=(0, 1), device=images.device)
    attack = foolbox.attacks.LinfPGD(rel_stepsize=STEP_RATIO, steps=steps)
    made = _in_batches(lambda x, y: attack.run(model, x, y, epsilon=eps), images, labels)
    return made, steps * len(images)


def by_adv_lib(network: Network, images: torch.Tensor, labels: torch.Tensor, eps: float, steps: int):
    attack = adv_lib().pgd_linf

    def batch(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return attack(network.module, x, y, eps, steps=steps, relative_step_size=STEP_RATIO)

    return _in_batches(batch, images, labels), steps * len(images)


def adv_lib() -> ModuleType:
    """adv-lib's attacks. It imports visdom, with which it can plot and we do not: it need not be installed."""
    torchvision()  # which adv-lib imports: beside a CPU torch, not without our help
    if "visdom" not in sys.modules and importlib.util.find_spec("visdom") is None:
        sys.modules["visdom"] = ModuleType("visdom")
    return importlib.import_module("adv_lib.attacks")


def bare(network: Network, images: torch.Tensor, labels: torch.Tensor, eps: float, steps: int):
    """The least that a PyTorch user would write: weights that ask for no gradient, eager, fp32."""
    module = copy.deepcopy(network.module).requires_grad_(False)

    def batch(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        point = (x + torch.empty_like(x).uniform_(-eps, eps)).clamp(0, 1)
        for _ in range(steps):
            point.requires_grad_(True)
            (gradient,) = torch.autograd.grad(F.cross_entropy(module(point), y, reduction="sum"), point)
            stepped = point.detach() + STEP_RATIO * eps * gradient.sign()
            point = torch.clamp(x + (stepped - x).clamp(-eps, eps), 0, 1)
        return point

    return _in_batches(batch, images, labels), steps * len(images)


def ours(mode: str, precision: str, batch_size: int = BATCH) -> Craft:
    """Our PGD in a mode and a precision of its own ("auto": bf16 where the hardware is faster at it)."""

    def craft(network: Network, images: torch.Tensor, labels: torch.Tensor, eps: float, steps: int):
        attack = PGD(
            network.estimator(images.device.type),
            eps=eps,
            eps_step=STEP_RATIO * eps,
            max_iter=steps,
            num_random_init=1,
            batch_size=batch_size,
            mode=mode,
            precision=precision,
        )
        return attack.generate(images, labels), attack.passes.backward

    return craft


PEERS: dict[str, Craft] = {"ART": by_art, "torchattacks": by_torchattacks, "foolbox": by_foolbox}
if importlib.util.find_spec("adv_lib") is not None:
    PEERS["adv-lib"] = by_adv_lib
MISSING = [name for name in ("adv-lib",) if name not in PEERS]
BARE = {"bare frozen loop, fp32": bare}
OURS: dict[str, Craft] = {
    "ours, every step, fp32": ours("last", "fp32"),
    "ours, every step": ours("last", "auto"),
    "ours, every step, best point": ours("examples", "auto"),
    "ours, decide, fp32": ours("decide", "fp32"),
    "ours, decide": ours("decide", "auto"),
}
EVERYBODY = PEERS | BARE | OURS
