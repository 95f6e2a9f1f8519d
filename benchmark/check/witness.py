"""An attack under observation: made by the craft stage's own proposer, and looked at before and after it generates."""

import functools
import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmark.check.ground import EPS, Ground
from benchmark.check.verdict import Subject
from benchmark.deploy.estimator import Deployed
from benchmark.engine.ball import distance
from benchmark.engine.judging import stands
from benchmark.plugins import Registry
from benchmark.stages.deployment import Deployment
from benchmark.stages.propose import Counts, Proposer
from benchmark.stages.workplace import Workplace, seed_everything
from benchmark.types import CraftTask, Recipe


@dataclass(frozen=True)
class Seen:
    """What an attack did to its surroundings while it generated. Random states by the generator's owner."""

    accepts: frozenset[str]  # of indices and seed: an attack that takes both draws by the example
    states: tuple[dict[str, Any], dict[str, Any]]  # before and after
    changed: tuple[str, ...]  # of the network: tensors, modes, hooks
    wrote: bool  # into the images that it was given
    nonfinite: int


@dataclass(frozen=True)
class Made:
    """Examples for the first images of a ground, clipped as the engine does, and what the judge says of them."""

    clean: torch.Tensor
    labels: torch.Tensor
    examples: torch.Tensor
    counts: Counts
    seen: Seen
    right: torch.Tensor  # bool [n]: the clean image is recognised
    broken: torch.Tensor  # bool [n]: … and the example is not; of a minimum-norm attack, within ε

    def share(self) -> str:
        return f"{int(self.broken.sum())} of {int(self.right.sum())}"


class Witness(Proposer):
    """Makes examples as a craft does, and keeps what it saw of the last call. Tensors of the network are restored."""

    seen: Seen | None = None

    def _generate(self, attack: Any, *given: Any) -> Any:
        return super()._generate(_Watched(attack, self), *given)

    def watched(self, attack: Any, x: np.ndarray, y: np.ndarray, **draws: Any) -> np.ndarray:
        """What `attack` generates."""
        module = self.network.module
        images, tensors, traits, before = x.copy(), _tensors(module), _traits(module), _random_states()
        examples = attack.generate(x, y, **draws)
        after, now = _random_states(), _tensors(module)
        changed = [name for name in tensors if name not in now or not torch.equal(tensors[name], now[name])]
        changed += [name for name, trait in _traits(module).items() if traits.get(name) != trait]
        with torch.no_grad():
            for name, tensor in module.state_dict().items():
                if name in changed and name in tensors:
                    tensor.copy_(tensors[name])
        finite = np.isfinite(np.asarray(examples)).reshape(len(examples), -1).all(1)
        wrote = not np.array_equal(images, x)
        self.seen = Seen(frozenset(draws), (before, after), tuple(changed), wrote, int((~finite).sum()))
        return examples


class _Watched:
    """An attack whose `generate` is made by a witness; everything else is its own."""

    def __init__(self, attack: Any, witness: Witness):
        self._attack = attack
        self.generate = functools.wraps(attack.generate)(functools.partial(witness.watched, attack))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._attack, name)


class AttackSubject(Subject):
    """An attack in one norm, at an ε that breaks what is undefended. `images` are attacked in each check."""

    def __init__(self, registry: Registry, recipe: Recipe, norm: str, images: int):
        super().__init__(registry.find("attack", recipe.plugin))
        self.registry, self.recipe, self.norm, self.images = registry, recipe, norm, images
        self.eps = EPS[norm]
        self.minimum = bool(self.plugin.constant("MINIMUM_NORM", recipe, False))
        self.black_box = bool(self.plugin.constant("BLACK_BOX", recipe, False))

    def made(self, ground: Ground, time: int = 0, mode: str = "decide", **how: Any) -> Made:
        """What the attack makes on a ground; `time` tells apart what is made again in the same way."""
        key = (ground.name, time, mode, *sorted(how.items()))
        return self.once(key, lambda: make(self.registry, self.recipe, ground, self.norm, self.images, mode, **how))


def make(
    registry: Registry,
    recipe: Recipe,
    ground: Ground,
    norm: str,
    images: int,
    mode: str = "decide",
    batch: int | None = None,
    only: int | None = None,
    predictions: bool = False,
) -> Made:
    """Attack the first images of a ground, or `only` one of them, in one batch or in some of `batch`.

    predictions: the attack is given an estimator that predicts and does nothing else, as a deployed artifact's.
    """
    plugin = registry.find("attack", recipe.plugin)
    minimum = bool(plugin.constant("MINIMUM_NORM", recipe, False))
    eps = EPS[norm]
    task = CraftTask(Recipe("dataset", "digits"), images, recipe, norm, (eps,), mode, 0, minimum)
    network = ground.network()
    target = Deployment(Deployed(_artifact(network.module)), network.shape, network.classes) if predictions else network
    seed_everything(random.SystemRandom().randrange(2**32))  # whatever the state was: the engine seeds what it calls
    witness = Witness(task, Workplace(None, registry), target, ground.data, batch=batch or images)
    index = torch.arange(images) if only is None else torch.tensor([only])
    examples, counts = witness.propose(eps, index, 0)
    clean, labels = ground.data.test.pixels(index), ground.data.test.labels[index]
    right, stood = (stands(ground.module, pixels, labels) for pixels in (clean, examples))
    reached = distance(examples, clean, norm) <= eps if minimum else torch.ones_like(right)
    return Made(clean, labels, examples, counts, witness.seen, right, right & ~stood & reached)


def _artifact(module: nn.Module) -> Any:
    @torch.no_grad()
    def predict(images: np.ndarray) -> np.ndarray:
        return module(torch.from_numpy(images)).numpy()

    return predict


def _tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    named = [*module.named_parameters(), *module.named_buffers()]
    return {name: tensor.detach().clone() for name, tensor in named}


def _traits(module: nn.Module) -> dict[str, Any]:
    """What a network is beside its tensors."""
    return {
        **{f"training mode of {name or 'the network'}": part.training for name, part in module.named_modules()},
        **{
            f"hooks of {name or 'the network'}": (len(part._forward_hooks), len(part._forward_pre_hooks))
            for name, part in module.named_modules()
        },
        **{f"requires_grad of {name}": tensor.requires_grad for name, tensor in module.named_parameters()},
    }


def _random_states() -> dict[str, Any]:
    name, keys, *rest = np.random.get_state()
    return {
        "Python": random.getstate(),
        "numpy": (name, keys.tobytes(), *rest),
        "torch": torch.random.get_rng_state().numpy().tobytes(),
    }
