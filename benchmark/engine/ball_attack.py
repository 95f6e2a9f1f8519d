"""What the attacks have in common that walk in an ℓp ball: budget, targets, pixel range, and which point is kept."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from benchmark.engine.attack import Attack, copied
from benchmark.engine.crafting import Rung, decide, run_all
from benchmark.engine.estimator import Passes
from benchmark.engine.norms import Bound
from benchmark.engine.walk import State


@dataclass(frozen=True)
class Descent:
    """What an attack made at one ε: examples [n, …] like the images, who was attacked (bool [n]), and the passes."""

    examples: torch.Tensor
    attacked: torch.Tensor
    passes: Passes


class BallAttack(Attack):
    """Base of the attacks that look for the worst point of an ℓp ball.

    eps: the ball's radius, in pixels; targeted: y are labels to reach. What is given back depends on `mode`:

    - "last": the last point; of several restarts, the one with the largest margin max(z_other) − z_label.
    - "examples": every step is run, and of all points, starts included, the one with the largest margin is kept.
    - "decide": an example is done at its first success *confirmed by the fp32 judge* (a misclassified clean image comes
      back unchanged), and the next one takes its place in the batch; the others as in "examples".

    The estimator's own pixel range is obeyed. A batch that does not fit into memory is halved, with a
    SmallerBatchWarning.
    """

    attack_params: ClassVar = [*Attack.attack_params, "eps", "targeted", "mode"]
    modes: tuple[str, ...] = ("last", "examples", "decide")
    least = (("eps", 0), *Attack.least)
    starts_clean = False

    @property
    @abstractmethod
    def runs(self) -> int:
        """How often an example is attacked, at most."""

    @abstractmethod
    def begin(self, state: State, seed: int) -> None:
        """See `crafting.Walk`."""

    @abstractmethod
    def look(self, state: State) -> tuple[torch.Tensor | None, torch.Tensor]:
        """See `crafting.Walk`."""

    @abstractmethod
    def advance(self, state: State, gradient: torch.Tensor | None, logits: torch.Tensor) -> None:
        """See `crafting.Walk`."""

    @property
    def descends(self) -> bool:
        """Whether it may be one of those that `descend` runs together."""
        return self.mode == "decide"

    def prepare(self, images: torch.Tensor) -> None:
        """Get ready for the network as it is now, given some images."""

    def descend(self, smaller: Sequence["BallAttack"], x, y, indices, seeds: Sequence[int]) -> list[Descent]:
        """This attack at several ε, from the largest down, each on what the one before broke: see `crafting.decide`.

        smaller: attacks like this one, at smaller ε; seeds: one for each, this one first. All must say that they
        `descends`. The rest is as in `generate`; the outcomes are those of attacks one after another.
        """
        images = copied(x, torch.float32)
        if not len(images):
            return [Descent(images, torch.zeros(0, dtype=torch.bool), Passes(0, 0)) for _ in seeds]
        self.prepare(images)
        for attack in smaller:
            attack._oracle = self.oracle  # they are in one batch
        attacks = (self, *smaller)
        rungs = [Rung(attack, images.clone(), seed) for attack, seed in zip(attacks, seeds, strict=True)]
        decide(rungs, self._labels(images, y).to(self.device), copied(indices, torch.int64).to(self.device))
        return [_made(rung) for rung in rungs]

    def _craft(self, images: torch.Tensor, labels: torch.Tensor, index: torch.Tensor, seed: int) -> None:
        if self.mode == "decide":
            decide([Rung(self, images, seed)], labels, index)
        else:
            run_all(self, images, labels, index, seed, keep_best=self.mode == "examples")

    @property
    def _range(self) -> tuple[Bound, Bound]:
        if self.estimator.clip_values is None:
            return -torch.inf, torch.inf
        low, high = map(np.asarray, self.estimator.clip_values)
        if low.size == high.size == 1:
            return low.item(), high.item()
        return torch.tensor(low, device=self.device), torch.tensor(high, device=self.device)

    def _labels(self, images: torch.Tensor, y) -> torch.Tensor:
        if y is None and self.targeted:
            raise ValueError("y is None; a targeted attack needs the labels to reach")
        return super()._labels(images, y)

    def _check_params(self) -> None:
        super()._check_params()
        self._check_choice("mode", self.modes)


def _made(rung: Rung) -> Descent:
    attacked = torch.zeros(len(rung.images), dtype=torch.bool)
    attacked[torch.cat(rung.attacked or [torch.arange(0)])] = True
    return Descent(rung.images, attacked, Passes(rung.forward, rung.backward))
