"""What all attacks have in common that follow the gradient: where it comes from, and what of it is followed."""

import copy

import numpy as np
import torch

from benchmark.engine import twin
from benchmark.engine.ball_attack import BallAttack
from benchmark.engine.losses import CLASSES_NEEDED, LOSSES, Loss, score, succeeded
from benchmark.engine.memory import Room
from benchmark.engine.walk import State


class GradientAttack(BallAttack):
    """Base of the attacks that follow the input gradient inside an ℓp ball.

    estimator: an ART PyTorchClassifier whose model takes pixels (no ART preprocessing); targeted: by "ce" or "margin";
    precision: "auto", "fp32" or "bf16" (see `Oracle`).

    through_clips: whether a quantised twin is attacked by one restart more, whose gradients pass through clipped
    activations as if they were not clipped; it is kept for an example where the judge gives it the larger margin, and
    in "decide" mode only survivors are attacked again. "auto": if the twin has a layer of at most twin.LOW_BITS
    activation bits, most of whose inputs may be clipped, and `mode` is not "last"; "always": any twin, in any mode.
    A network that clips nothing is attacked as ever.
    """

    attack_params = [  # noqa: RUF012
        *BallAttack.attack_params,
        *("max_iter", "num_random_init", "loss", "precision", "through_clips"),
    ]
    losses: tuple[str, ...] = tuple(LOSSES)
    least = (*BallAttack.least, ("max_iter", 1), ("num_random_init", 0))

    @property
    def runs(self) -> int:
        return max(1, self.num_random_init)

    @property
    def starts_clean(self) -> bool:
        """The first point is the clean image."""
        return self.num_random_init == 0

    def objective(self, state: State) -> Loss:
        """What to ascend: the loss on the label, or for a target its negative."""
        loss = LOSSES[self.loss]
        return (lambda logits, labels: -loss(logits, labels)) if self.targeted else loss

    def look(self, state: State) -> tuple[torch.Tensor, torch.Tensor]:
        return self.oracle.gradient(state["point"], state["label"], self.objective(state))

    def steepest(self, gradient: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
        """The step of length 1 at `point` along which the objective rises fastest."""
        return self._norm.steepest(gradient, point, *self._range)

    def within(self, origin: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
        """`point` brought into the pixel range, then (as ART does) into the ball around `origin`."""
        return origin + self._norm.project(point.clamp(*self._range) - origin, float(self.eps))

    @property
    def descends(self) -> bool:
        return super().descends and not self._passes_clips()  # that restart is a descent of its own

    def prepare(self, images: torch.Tensor) -> None:
        Room()(self.oracle.refresh, images[:4].to(self.device))

    def _craft(self, images: torch.Tensor, labels: torch.Tensor, index: torch.Tensor, seed: int) -> None:
        self.prepare(images)
        clean = images.clone() if self._passes_clips() else None
        super()._craft(images, labels, index, seed)
        if clean is not None:
            self._craft_through_clips(images, clean, labels, index, seed)

    def _passes_clips(self) -> bool:
        through = "never" if (self.through_clips, self.mode) == ("auto", "last") else self.through_clips
        return twin.is_passed_through(self.estimator.model, through)

    def _craft_through_clips(
        self, images: torch.Tensor, clean: torch.Tensor, labels: torch.Tensor, index: torch.Tensor, seed: int
    ) -> None:
        before = score(self._judged(images), labels, self.targeted)
        done = succeeded(before, self.targeted) if self.mode == "decide" else torch.zeros_like(labels, dtype=torch.bool)
        rows = (~done).nonzero().squeeze(1)
        if not len(rows):
            return
        again = clean[rows.to(clean.device)]
        more = copy.copy(self)  # it counts its passes with ours
        more.num_random_init = min(1, self.num_random_init)
        with twin.passing_through_clips():
            super(GradientAttack, more)._craft(again, labels[rows], index[rows], seed + 2**62)  # from other starts
        better = score(self._judged(again), labels[rows], self.targeted) > before[rows]
        images[rows[better].to(images.device)] = again[better.to(images.device)]

    def _check_params(self) -> None:
        super()._check_params()
        self._check_choice("loss", self.losses)
        self._check_choice("through_clips", twin.THROUGH_CLIPS)
        if self.estimator.nb_classes < CLASSES_NEEDED[self.loss]:
            raise ValueError(f"loss is {self.loss!r}; for {self.estimator.nb_classes} classes use 'margin'")
        if self.targeted and self.loss.startswith("dlr"):  # its ratio is best where other classes lead the target
            raise ValueError(f"loss is {self.loss!r}, which has no use for a target; use ce or margin")
        if preprocesses(self.estimator):
            raise ValueError(
                "the estimator preprocesses; set preprocessing=None and normalise inside the model's forward"
            )


def preprocesses(estimator) -> bool:
    """Whether ART changes what it is given before the model sees it; its default, to subtract 0, does not."""
    operations = estimator.preprocessing_operations
    return any(np.any(getattr(op, "mean", 1)) or np.any(np.asarray(getattr(op, "std", 0)) != 1) for op in operations)
