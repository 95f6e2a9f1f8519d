"""Which epoch's weights a training leaves: chosen on the validation split under PGD, never on test data.

A watch looks at the network after each epoch. What it keeps is part of the training's checkpoints.
"""

from typing import Any, Protocol

import torch

from benchmark.data import Images
from benchmark.engine.averaging import copied
from benchmark.engine.estimator import Classifier
from benchmark.engine.evasion import GradientAttack
from benchmark.engine.judging import stands
from benchmark.engine.oracle import evaluating
from benchmark.engine.pgd import PGD

MOST = 1000  # validation images that a watch looks at: ± 1.6 points
STEPS = 10  # of the PGD that it attacks them with
STEP_RATIO = 0.25  # of eps
_COLLAPSE = 0.5  # PGD accuracy below this share of its best, and of FGSM's …
_LOSS = 0.1  # … and at least so far below its best: among networks that know nothing yet, a half is noise


class Watch(Protocol):
    """Looks at a network after each epoch."""

    def look(self) -> dict[str, float]:
        """Judge the network as it is now; what to report of it."""

    @property
    def stop(self) -> bool:
        """Whether the training should end here."""

    def conclude(self) -> None:
        """After the last epoch: put the weights in place that the training should leave."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class _Keeper:
    """One epoch's weights, and the robust accuracy that they had."""

    def __init__(self, estimator: Classifier, validation: Images, norm: str, eps: float, batch_size: int):
        count = min(MOST, len(validation))
        index = torch.arange(count) * len(validation) // count  # spread: a folder's images lie class by class
        self.estimator = estimator
        self.images, self.labels = validation.pixels(index), validation.labels[index].to(validation.device)
        common = {"norm": norm, "eps": eps, "batch_size": batch_size, "mode": "decide", "precision": "fp32"}
        self.pgd = PGD(estimator, eps_step=STEP_RATIO * eps, max_iter=STEPS, num_random_init=1, **common)
        self.fgsm = PGD(estimator, eps_step=eps, max_iter=1, **common)
        self.score = -1.0
        self.weights: dict[str, torch.Tensor] = {}

    stop = False

    def accuracy(self, attack: GradientAttack) -> float:
        """The share of the images that stand, the same random starts every time."""
        with evaluating(self.estimator.model):
            examples = attack.generate(self.images, self.labels, seed=0)
            standing = [
                stands(self.estimator.model, x, y)
                for x, y in zip(examples.split(MOST // 4), self.labels.split(MOST // 4), strict=True)
            ]
        return float(torch.cat(standing).float().mean())

    def keep(self, score: float) -> None:
        self.score, self.weights = score, copied(self.estimator.model)

    def conclude(self) -> None:
        self.estimator.model.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        return {"score": self.score, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.score, self.weights = state["score"], dict(state["weights"])


class Best(_Keeper):
    """The epoch with the highest accuracy under PGD, the first of several (Rice et al., 2020)."""

    def look(self) -> dict[str, float]:
        robust = self.accuracy(self.pgd)
        if robust > self.score:
            self.keep(robust)
        return {"validation_robust_accuracy": robust}


class Collapse(_Keeper):
    """Catastrophic overfitting (Wong et al., 2020): accuracy under FGSM stays, that under PGD goes within one epoch.

    It is seen when the second is less than half of the first, and less than half and 10 points below the best that it
    has been, the start included. Then the training stops, and the last weights before remain.
    """

    def __init__(self, *given, **more):
        super().__init__(*given, **more)
        self.top = self.accuracy(self.pgd)
        self.keep(self.top)

    def look(self) -> dict[str, float]:
        single, robust = self.accuracy(self.fgsm), self.accuracy(self.pgd)
        self.stop = robust < min(_COLLAPSE * single, _COLLAPSE * self.top, self.top - _LOSS)
        if not self.stop:
            self.keep(robust)
            self.top = max(self.top, robust)
        return {
            "validation_fgsm_accuracy": single,
            "validation_robust_accuracy": robust,
            "catastrophic_overfitting": float(self.stop),
        }

    def conclude(self) -> None:
        if self.stop:
            super().conclude()

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"top": self.top}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.top = state["top"]
