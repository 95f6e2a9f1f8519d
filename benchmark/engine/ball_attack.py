"""ART's contract, once for all our attacks: parameters, labels, numpy arrays or tensors, seeds."""

from abc import abstractmethod

import numpy as np
import torch
from art.attacks.attack import EvasionAttack
from art.estimators.classification.classifier import ClassifierMixin
from art.estimators.estimator import BaseEstimator

from benchmark.engine.crafting import Logits, State, decide, run_all
from benchmark.engine.estimator import Passes
from benchmark.engine.memory import Room
from benchmark.engine.norms import Bound, Norm, norm_named


class BallAttack(EvasionAttack):
    """Base of the attacks that look for the worst point of an ℓp ball.

    eps: the ball's radius, in pixels; targeted: y are labels to reach. What is given back depends on `mode`:

    - "last": the last point; of several restarts, the one with the largest margin max(z_other) − z_label.
    - "examples": every step is run, and of all points, starts included, the one with the largest margin is kept.
    - "decide": an example is done at its first success *confirmed by the fp32 judge* (a misclassified clean image comes
      back unchanged), and the next one takes its place in the batch; the others as in "examples".

    No global random state is read or changed, and the model is left as it was. A batch that does not fit into memory is
    halved, with a SmallerBatchWarning. Invalid parameters raise ValueError.
    """

    attack_params = [  # noqa: RUF012  (ART's convention)
        *EvasionAttack.attack_params,
        *("norm", "eps", "targeted", "batch_size", "mode", "seed"),
    ]
    norms: tuple[str, ...] = ("inf", "2", "1")
    modes: tuple[str, ...] = ("last", "examples", "decide")
    least = (("eps", 0), ("batch_size", 1))  # what a parameter is at least
    starts_clean = False
    _estimator_requirements = (BaseEstimator, ClassifierMixin)

    def __init__(self, estimator, **parameters):
        super().__init__(estimator=estimator)
        self._calls = 0
        self.set_params(**parameters)

    def generate(self, x, y=None, indices=None, seed=None):
        """Adversarial examples for x, float32, of the same shape and kind: numpy array, or tensor on the same device.

        x: [n, …] in the estimator's pixel range; y: labels int [n] or one-hot [n, classes], by default the model's
        predictions; indices: int [n], each example's own number, on which its random draws depend, by default
        0 … n − 1; seed: an int; by default the attack's own in its first call, and another one in each later call.
        """
        images = _copied(x, torch.float32)  # turns into the result, example by example
        if seed is None:
            seed = self.seed + (self._calls << 32)  # beyond any seed that a person chooses
            self._calls += 1
        if len(images):
            labels = self._labels(images, y).to(self.device)
            index = torch.arange(len(images)) if indices is None else _copied(indices, torch.int64)
            self._craft(images, labels, index.to(self.device), seed)
        return images if isinstance(x, torch.Tensor) else images.numpy()

    @property
    @abstractmethod
    def oracle(self) -> Logits:
        """Where the logits come from; its `forward` and `backward` count the passes since the attack was made."""

    @property
    @abstractmethod
    def runs(self) -> int:
        """How often an example is attacked, at most."""

    @property
    def passes(self) -> Passes:
        """Examples that went through the network, forward and backward, since the attack was made."""
        return Passes(self.oracle.forward, self.oracle.backward)

    @property
    def device(self) -> torch.device:
        """Where the attack computes."""
        return self.estimator.device

    @abstractmethod
    def begin(self, state: State, seed: int) -> None:
        """See `crafting.Walk`."""

    @abstractmethod
    def look(self, state: State) -> tuple[torch.Tensor | None, torch.Tensor]:
        """See `crafting.Walk`."""

    @abstractmethod
    def advance(self, state: State, gradient: torch.Tensor | None, logits: torch.Tensor) -> None:
        """See `crafting.Walk`."""

    def _craft(self, images: torch.Tensor, labels: torch.Tensor, index: torch.Tensor, seed: int) -> None:
        """Overwrites `images`; the others are on the attack's device."""
        if self.mode == "decide":
            decide(self, images, labels, index, seed)
        else:
            run_all(self, images, labels, index, seed, keep_best=self.mode == "examples")

    @property
    def _norm(self) -> Norm:
        return norm_named(self.norm)

    @property
    def _range(self) -> tuple[Bound, Bound]:
        if self.estimator.clip_values is None:
            return -torch.inf, torch.inf
        low, high = map(np.asarray, self.estimator.clip_values)
        if low.size == high.size == 1:
            return low.item(), high.item()
        return torch.tensor(low, device=self.device), torch.tensor(high, device=self.device)

    def _labels(self, images: torch.Tensor, y) -> torch.Tensor:
        if y is not None:
            labels = _copied(y)
            return (labels.argmax(1) if labels.ndim == 2 and labels.shape[1] > 1 else labels.flatten()).long()
        if self.targeted:
            raise ValueError("y is None; a targeted attack needs the labels to reach")
        return self._judged(images).argmax(1)

    def _judged(self, images: torch.Tensor) -> torch.Tensor:
        """The judge's logits, float32 [n, classes], on the attack's device."""
        room = Room()
        batches = (batch.to(self.device) for batch in images.split(self.batch_size))
        return torch.cat([room(self.oracle.judge, batch) for batch in batches])

    def _check_params(self) -> None:
        super()._check_params()
        for name, least in self.least:
            if not getattr(self, name) >= least:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        self._check_choice("mode", self.modes)
        if self._norm.name not in self.norms:
            raise ValueError(f"norm is {self.norm!r}; {type(self).__name__} takes {', '.join(self.norms)}")

    def _check_choice(self, name: str, known: tuple[str, ...]) -> None:
        if getattr(self, name) not in known:
            raise ValueError(f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(known)}")


def _copied(values, dtype: torch.dtype | None = None) -> torch.Tensor:
    """A tensor of its own memory, from a tensor or from anything that numpy takes."""
    if isinstance(values, torch.Tensor):
        return values.detach().to(dtype or values.dtype, copy=True)
    return torch.tensor(np.asarray(values), dtype=dtype)
