"""ART's contract, once for all gradient attacks: parameters, labels, numpy arrays or tensors, seeds."""

from abc import abstractmethod

import numpy as np
import torch
from art.attacks.attack import EvasionAttack
from art.estimators.classification.classifier import ClassifierMixin
from art.estimators.estimator import BaseEstimator, LossGradientsMixin

from benchmark.engine.crafting import State, decide, run_all
from benchmark.engine.estimator import Passes
from benchmark.engine.losses import CLASSES_NEEDED, LOSSES, Loss
from benchmark.engine.norms import Bound, Norm, norm_named
from benchmark.engine.oracle import PRECISIONS, Oracle

MODES = ("last", "examples", "decide")


class GradientAttack(EvasionAttack):
    """Base of the attacks that follow the input gradient inside an ℓp ball.

    estimator: an ART PyTorchClassifier whose model takes pixels (no ART preprocessing); eps: the ball's radius, in
    pixels; targeted: y are labels to reach, by "ce" or "margin". What is given back depends on `mode`:

    - "last": the last point; of several restarts, the one with the largest margin max(z_other) − z_label.
    - "examples": every step is run, and of all points, starts included, the one with the largest margin is kept.
    - "decide": an example is done at its first success *confirmed by the fp32 judge* (a misclassified clean image comes
      back unchanged), and the next one takes its place in the batch; the others as in "examples".

    precision: "auto", "fp32" or "bf16" (see `Oracle`). No global random state is read or changed, and the model is left
    as it was. Invalid parameters raise ValueError.
    """

    attack_params = [  # noqa: RUF012  (ART's convention)
        *EvasionAttack.attack_params,
        *("norm", "eps", "max_iter", "num_random_init", "targeted", "loss", "batch_size", "mode", "precision", "seed"),
    ]
    losses: tuple[str, ...] = tuple(LOSSES)
    norms: tuple[str, ...] = ("inf", "2", "1")
    _estimator_requirements = (BaseEstimator, LossGradientsMixin, ClassifierMixin)

    def __init__(self, estimator, **parameters):
        super().__init__(estimator=estimator)
        self._oracle: Oracle | None = None
        self._calls = 0
        self.set_params(**parameters)

    def generate(self, x, y=None, indices=None, seed=None):
        """Adversarial examples for x, float32, of the same shape and kind: numpy array, or tensor on the same device.

        x: [n, …] in the estimator's pixel range; y: labels int [n] or one-hot [n, classes], by default the model's
        predictions; indices: int [n], each example's own number, on which its random starts depend, by default
        0 … n − 1; seed: an int; by default the attack's own in its first call, and another one in each later call.
        """
        images = _copied(x, torch.float32)  # turns into the result, example by example
        device = self.estimator.device
        if seed is None:
            seed = self.seed + (self._calls << 32)  # beyond any seed that a person chooses
            self._calls += 1
        if len(images):
            self.oracle.refresh(images[:4].to(device))
            labels = self._labels(images, y).to(device)
            index = (torch.arange(len(images)) if indices is None else _copied(indices, torch.int64)).to(device)
            if self.mode == "decide":
                decide(self, images, labels, index, seed)
            else:
                run_all(self, images, labels, index, seed, keep_best=self.mode == "examples")
        return images if isinstance(x, torch.Tensor) else images.numpy()

    @property
    def oracle(self) -> Oracle:
        """Where the gradients come from; its `forward` and `backward` count the passes since the attack was made."""
        model = self.estimator.model
        if self._oracle is None or self._oracle.module is not model or self._oracle.precision != self.precision:
            self._oracle = Oracle(model, self.precision)
        return self._oracle

    @property
    def passes(self) -> Passes:
        """Examples that went through the network, forward and backward, since the attack was made."""
        return Passes(self.oracle.forward, self.oracle.backward)

    @property
    def runs(self) -> int:
        return max(1, self.num_random_init)

    @property
    def starts_clean(self) -> bool:
        return self.num_random_init == 0

    @abstractmethod
    def begin(self, state: State, seed: int) -> None:
        """See `crafting.Walk`."""

    @abstractmethod
    def advance(self, state: State, gradient: torch.Tensor, logits: torch.Tensor) -> None:
        """See `crafting.Walk`."""

    def objective(self, state: State) -> Loss:
        """The loss on the label, or for a target its negative."""
        loss = LOSSES[self.loss]
        return (lambda logits, labels: -loss(logits, labels)) if self.targeted else loss

    def steepest(self, gradient: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
        """The step of length 1 at `point` along which the objective rises fastest."""
        return self._norm.steepest(gradient, point, *self._range)

    def within(self, origin: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
        """`point` brought into the pixel range, then (as ART does) into the ball around `origin`."""
        return origin + self._norm.project(point.clamp(*self._range) - origin, float(self.eps))

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
        return torch.tensor(low, device=self.estimator.device), torch.tensor(high, device=self.estimator.device)

    def _labels(self, images: torch.Tensor, y) -> torch.Tensor:
        if y is not None:
            labels = _copied(y)
            return (labels.argmax(1) if labels.ndim == 2 and labels.shape[1] > 1 else labels.flatten()).long()
        if self.targeted:
            raise ValueError("y is None; a targeted attack needs the labels to reach")
        batches = (batch.to(self.estimator.device) for batch in images.split(self.batch_size))
        return torch.cat([self.oracle.judge(batch).argmax(1) for batch in batches])

    def _check_params(self) -> None:
        super()._check_params()
        for name, least in (("eps", 0), ("max_iter", 1), ("num_random_init", 0), ("batch_size", 1)):
            if not getattr(self, name) >= least:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        for name, known in (("loss", self.losses), ("mode", MODES), ("precision", PRECISIONS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(known)}")
        if self._norm.name not in self.norms:
            raise ValueError(f"norm is {self.norm!r}; {type(self).__name__} takes {', '.join(self.norms)}")
        if self.estimator.nb_classes < CLASSES_NEEDED[self.loss]:
            raise ValueError(f"loss is {self.loss!r}; for {self.estimator.nb_classes} classes use 'margin'")
        if self.targeted and self.loss.startswith("dlr"):  # its ratio is best where other classes lead the target
            raise ValueError(f"loss is {self.loss!r}, which has no use for a target; use ce or margin")
        if _preprocesses(self.estimator):
            raise ValueError(
                "the estimator preprocesses; set preprocessing=None and normalise inside the model's forward"
            )


def _preprocesses(estimator) -> bool:
    """ART's default preprocessing subtracts 0 and divides by 1, which changes nothing."""
    operations = estimator.preprocessing_operations
    return any(np.any(getattr(op, "mean", 1)) or np.any(np.asarray(getattr(op, "std", 0)) != 1) for op in operations)


def _copied(values, dtype: torch.dtype | None = None) -> torch.Tensor:
    """A tensor of its own memory, from a tensor or from anything that numpy takes."""
    if isinstance(values, torch.Tensor):
        return values.detach().to(dtype or values.dtype, copy=True)
    return torch.tensor(np.asarray(values), dtype=dtype)
