"""ART's contract, once for all our attacks: parameters, labels, numpy arrays or tensors, seeds, passes."""

from abc import abstractmethod
from typing import ClassVar

import numpy as np
import torch
from art.attacks.attack import EvasionAttack
from art.estimators.classification.classifier import ClassifierMixin
from art.estimators.estimator import BaseEstimator, LossGradientsMixin

from benchmark.engine.estimator import Passes
from benchmark.engine.memory import Room
from benchmark.engine.norms import Norm, norm_named
from benchmark.engine.oracle import PRECISIONS, Oracle


class Attack(EvasionAttack):
    """Base of all: those that walk in a ball, minimum-norm, universal and hard-label ones, and ensembles.

    estimator: an ART PyTorchClassifier whose model takes pixels in [0, 1]. norm: one of the class's `norms`; precision,
    where it is a parameter: "auto", "fp32" or "bf16" (see `Oracle`). y are the true labels. No global random state is
    read or changed, and the model is left as it was. Invalid parameters raise ValueError.
    """

    attack_params: ClassVar = [*EvasionAttack.attack_params, "norm", "batch_size", "seed"]
    norms: tuple[str, ...] = ("inf", "2", "1")
    least = (("batch_size", 1),)  # what a parameter is at least
    precision = "fp32"
    oracle_class = Oracle
    _estimator_requirements = (BaseEstimator, LossGradientsMixin, ClassifierMixin)

    def __init__(self, estimator, **parameters):
        super().__init__(estimator=estimator)
        self._calls = 0
        self._oracle: Oracle | None = None
        self._room = Room()
        self.set_params(**parameters)

    def generate(self, x, y=None, indices=None, seed=None):
        """Adversarial examples for x, float32, of the same shape and kind: numpy array, or tensor on the same device.

        x: [n, …] pixels; y: labels int [n] or one-hot [n, classes], by default the model's predictions; indices: int
        [n], each example's own number, on which its random draws depend, by default 0 … n − 1; seed: an int; by default
        the attack's own in its first call, and another one in each later call.
        """
        images = copied(x, torch.float32)  # turns into the result, example by example
        if seed is None:
            seed = self.seed + (self._calls << 32)  # beyond any seed that a person chooses
            self._calls += 1
        for name, given in (("y", y), ("indices", indices)):
            if given is not None and len(given) != len(images):
                raise ValueError(f"{name} has {len(given)} entries for {len(images)} images; give one for each")
        if len(images):
            index = torch.arange(len(images)) if indices is None else copied(indices, torch.int64)
            self._craft(images, self._labels(images, y).to(self.device), index.to(self.device), seed)
        return images if isinstance(x, torch.Tensor) else images.numpy()

    @abstractmethod
    def _craft(self, images: torch.Tensor, labels: torch.Tensor, index: torch.Tensor, seed: int) -> None:
        """Overwrite `images` with adversarial ones. labels, index: int64 [n], on the attack's device."""

    @property
    def oracle(self) -> Oracle:
        """Where gradients and the judge's word come from; it counts the passes since the attack was made."""
        model = self.estimator.model
        if self._oracle is None or self._oracle.module is not model or self._oracle.precision != self.precision:
            self._oracle = self.oracle_class(model, self.precision)
        return self._oracle

    @property
    def passes(self) -> Passes:
        """Examples that went through the network, forward and backward, since the attack was made."""
        return Passes(self.oracle.forward, self.oracle.backward)

    @property
    def device(self) -> torch.device:
        """Where the attack computes."""
        return self.estimator.device

    @property
    def _norm(self) -> Norm:
        return norm_named(self.norm)

    def _length(self, delta: torch.Tensor) -> torch.Tensor:
        """The norm of each perturbation, shape [m]."""
        return self._norm.length(delta).flatten()

    def _labels(self, images: torch.Tensor, y) -> torch.Tensor:
        if y is None:
            return self._judged(images).argmax(1)
        labels = copied(y)
        return (labels.argmax(1) if labels.ndim == 2 and labels.shape[1] > 1 else labels.flatten()).long()

    def _judged(self, images: torch.Tensor) -> torch.Tensor:
        """The judge's logits, float32 [n, classes], on the attack's device."""
        batches = (batch.to(self.device) for batch in images.split(self.batch_size))
        return torch.cat([self._room(self.oracle.judge, batch) for batch in batches])

    def _check_params(self) -> None:
        super()._check_params()
        for name, least in self.least:
            if not getattr(self, name) >= least:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        self._check_choice("precision", PRECISIONS)
        if self._norm.name not in self.norms:
            raise ValueError(f"norm is {self.norm!r}; {type(self).__name__} takes {', '.join(self.norms)}")

    def _check_choice(self, name: str, known: tuple[str, ...]) -> None:
        if getattr(self, name) not in known:
            raise ValueError(f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(known)}")


def columns(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """[m] → [m, 1, …, 1], to go with `like`."""
    return values.view(-1, *[1] * (like.ndim - 1))


def copied(values, dtype: torch.dtype | None = None) -> torch.Tensor:
    """A tensor of its own memory, from a tensor or from anything that numpy takes."""
    if isinstance(values, torch.Tensor):
        return values.detach().to(dtype or values.dtype, copy=True)
    return torch.tensor(np.asarray(values), dtype=dtype)
