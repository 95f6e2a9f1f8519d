"""What iterative attacks have in common: ART's contract, restarts, the choice of the iterate, the active set.

An attack is a state machine that each example walks through by itself: `_begin` sets the first point of a run, `_advance`
takes one step, both on a batch of examples that may be at different steps. The two drivers here do the rest.
"""

from abc import abstractmethod

import numpy as np
import torch
from art.attacks.attack import EvasionAttack
from art.estimators.classification.classifier import ClassifierMixin
from art.estimators.estimator import BaseEstimator, LossGradientsMixin

from benchmark.engine.losses import CLASSES_NEEDED, LOSSES, Loss, score, succeeded
from benchmark.engine.norms import Bound, norm_named
from benchmark.engine.oracle import PRECISIONS, Oracle

MODES = ("last", "examples", "decide")

State = dict[str, torch.Tensor]  # one row an example: position, index, label, origin, point, best, score, run, step, …


class GradientAttack(EvasionAttack):
    """Base of the attacks that follow the input gradient inside an ℓp ball.

    estimator: an ART PyTorchClassifier without preprocessing; eps: the ball's radius, in pixels; loss: "ce", "dlr" or
    "margin"; targeted: y are labels to reach. Which iterate is given back depends on `mode`:

    - "last": the last one; of several restarts, the one with the largest margin max(z_other) − z_label.
    - "examples": every step is run, and of all iterates, starts included, the one with the largest margin is kept.
    - "decide": an example is done at its first success *confirmed by the fp32 judge* (at once, if the clean image is
      misclassified: it comes back unchanged), and another one takes its place in the batch. The rest as in "examples".

    precision: "auto", "fp32" or "bf16" (see `Oracle`, which is at `oracle` and counts the passes). No global random
    state is read or changed, and the model is left as it was.
    """

    attack_params = [  # noqa: RUF012  (ART's own convention)
        *EvasionAttack.attack_params,
        *("norm", "eps", "max_iter", "num_random_init", "targeted", "loss", "batch_size", "mode", "precision", "seed"),
    ]
    _estimator_requirements = (BaseEstimator, LossGradientsMixin, ClassifierMixin)

    def __init__(self, estimator, norm, eps, max_iter, num_random_init, targeted, loss, batch_size, mode, precision, seed):
        super().__init__(estimator=estimator)
        self.norm, self.eps, self.max_iter, self.num_random_init = norm, eps, max_iter, num_random_init
        self.targeted, self.loss, self.batch_size = targeted, loss, batch_size
        self.mode, self.precision, self.seed = mode, precision, seed
        self._oracle: Oracle | None = None
        self._calls = 0

    def generate(self, x, y=None, indices=None, seed=None):
        """Adversarial examples for x: float32, of the same shape and kind (numpy array, or tensor on the same device).

        x: [n, …] in the estimator's pixel range; y: labels int [n] or one-hot [n, classes], by default the model's
        predictions; indices: int [n], each example's own number, on which its random starts depend, by default 0 … n − 1;
        seed: by default another one in every call, counted from the attack's own.
        """
        images = _copied(x, torch.float32)  # becomes the result, example by example
        if not len(images):
            return x
        self.oracle.refresh(images[:4].to(self.estimator.device))
        labels = self._labels(images, y)
        index = torch.arange(len(images)) if indices is None else _copied(indices, torch.int64)
        if seed is None:
            seed = (self.seed << 32) + self._calls
            self._calls += 1
        drive = self._decide if self.mode == "decide" else self._run_all
        drive(images, labels.to(self.estimator.device), index.to(self.estimator.device), seed)
        return images if isinstance(x, torch.Tensor) else images.numpy()

    @property
    def oracle(self) -> Oracle:
        """Where the gradients of the estimator's model come from, and the count of passes so far."""
        model = self.estimator.model
        if self._oracle is None or self._oracle.module is not model or self._oracle.precision != self.precision:
            self._oracle = Oracle(model, self.precision)
        return self._oracle

    @property
    def runs(self) -> int:
        """How often an example is attacked, at most."""
        return max(1, self.num_random_init)

    @abstractmethod
    def _begin(self, state: State, seed: int) -> None:
        """Set `point`, and whatever else the attack keeps for an example, at the start of each example's `run`."""

    @abstractmethod
    def _advance(self, state: State, gradient: torch.Tensor, logits: torch.Tensor) -> None:
        """Replace each `point` by the next, given the objective's gradient and the logits there; modify no tensor."""

    def _objective(self, state: State) -> Loss:
        """What to ascend."""
        loss = LOSSES[self.loss]
        return (lambda logits, labels: -loss(logits, labels)) if self.targeted else loss

    def _within(self, origin: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
        """The nearest thing to `point` in the pixel range and in the ball around `origin`."""
        delta = point.clamp(*self._range) - origin
        return origin + norm_named(self.norm).project(delta, float(self.eps))

    @property
    def _range(self) -> tuple[Bound, Bound]:
        if self.estimator.clip_values is None:
            return -torch.inf, torch.inf
        low, high = map(np.asarray, self.estimator.clip_values)
        if low.size == high.size == 1:
            return low.item(), high.item()
        return tuple(torch.as_tensor(bound, device=self.estimator.device) for bound in (low, high))

    def _run_all(self, images: torch.Tensor, labels: torch.Tensor, index: torch.Tensor, seed: int) -> None:
        """Every step of every run, in batches; without a host synchronisation inside one."""
        for position in torch.arange(len(images)).split(self.batch_size):
            state = _entered(images, labels, index, position.to(labels.device))
            for _ in range(self.runs):
                self._begin(state, seed)
                for _ in range(self.max_iter):
                    gradient, logits = self.oracle.gradient(state["point"], state["label"], self._objective(state))
                    if self.mode == "examples":
                        _keep(state, state["point"], score(logits, state["label"], self.targeted))
                    self._advance(state, gradient, logits)
                    state["step"] = state["step"] + 1
                if self.mode == "last" and self.runs == 1:
                    state["best"] = state["point"]
                else:
                    logits = self.oracle.logits(state["point"])
                    _keep(state, state["point"], score(logits, state["label"], self.targeted))
                _next_run(state)
            images[position.to(images.device)] = state["best"].to(images.device)

    def _decide(self, images: torch.Tensor, labels: torch.Tensor, index: torch.Tensor, seed: int) -> None:
        """Every example until its first confirmed success or its last step, in batches that stay full.

        A row's score is a success only if the judge says so, since `_scores` lets no such word of the view pass.
        """
        queue = self._unbroken(images, labels)
        active: State = {}
        again: State = {}
        while True:
            room = self.batch_size - _size(active) - _size(again)
            fresh = _joined(again, _entered(images, labels, index, queue[:room]))
            queue = queue[room:]
            self._begin(fresh, seed)
            active = _joined(active, fresh)
            if not _size(active):
                return
            seen = active["point"]
            gradient, logits = self.oracle.gradient(seen, active["label"], self._objective(active))
            _keep(active, seen, self._scores(seen, active["label"], logits))
            self._advance(active, gradient, logits)
            active["step"] = active["step"] + 1
            ended = active["step"] == self.max_iter
            self._judge_last(active, ended)
            leaving = succeeded(active["score"], self.targeted) | (ended & (active["run"] + 1 == self.runs))
            done = _taken(active, leaving)
            images[done["position"].to(images.device)] = done["best"].to(images.device)
            again = _next_run(_taken(active, ended & ~leaving))
            active = _taken(active, ~ended & ~leaving)

    def _unbroken(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Positions of the clean images that are no success yet; all, if every run starts at the clean image."""
        everything = torch.arange(len(images), device=labels.device)
        if not self.num_random_init:
            return everything
        scores = []
        for position in everything.split(self.batch_size):
            clean = images[position.to(images.device)].to(labels.device)
            scores.append(self._scores(clean, labels[position], self.oracle.logits(clean)))
        return everything[~succeeded(torch.cat(scores), self.targeted)]

    def _scores(self, points: torch.Tensor, labels: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """Scores of the view's logits, those that would be a success replaced by the judge's."""
        scores = score(logits, labels, self.targeted)
        proposed = succeeded(scores, self.targeted).nonzero().squeeze(1)
        if len(proposed):
            scores[proposed] = score(self.oracle.judge(points[proposed]), labels[proposed], self.targeted)
        return scores

    def _judge_last(self, state: State, ended: torch.Tensor) -> None:
        """No gradient is wanted at the last point of a run: the judge alone looks at it."""
        rows = ended.nonzero().squeeze(1)
        if len(rows):
            scores = torch.full_like(state["score"], -torch.inf)
            scores[rows] = score(self.oracle.judge(state["point"][rows]), state["label"][rows], self.targeted)
            _keep(state, state["point"], scores)

    def _labels(self, images: torch.Tensor, y) -> torch.Tensor:
        if y is not None:
            labels = _copied(y, None)
            return (labels.argmax(1) if labels.ndim == 2 and labels.shape[1] > 1 else labels.flatten()).long()
        if self.targeted:
            raise ValueError("a targeted attack needs y, the labels to reach")
        batches = (batch.to(self.estimator.device) for batch in images.split(self.batch_size))
        return torch.cat([self.oracle.judge(batch).argmax(1) for batch in batches])

    def _check_params(self) -> None:
        norm_named(self.norm)
        for name, least in (("eps", 0), ("max_iter", 1), ("num_random_init", 0), ("batch_size", 1)):
            if not getattr(self, name) >= least:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        for name, known in (("loss", CLASSES_NEEDED), ("mode", MODES), ("precision", PRECISIONS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} {getattr(self, name)!r} is unknown; it is one of {', '.join(known)}")
        needed = CLASSES_NEEDED[self.loss]
        if self.estimator.nb_classes < needed:
            raise ValueError(f"loss {self.loss!r} needs {needed} classes, there are {self.estimator.nb_classes}; use margin")
