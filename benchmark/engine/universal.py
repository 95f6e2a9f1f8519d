"""A universal perturbation: one for all images, fitted on training images (Moosavi-Dezfooli et al., 2017).

Found as Shafahi et al. (2020) find it: by steepest ascent over shuffled minibatches, on a cross-entropy that is cut off
so that no single image can dominate.
"""

from typing import ClassVar

import numpy as np
import torch
from torch.nn import functional

from benchmark.engine import twin
from benchmark.engine.attack import Attack
from benchmark.engine.losses import score, succeeded


class UniversalPerturbation(Attack):
    """`fit` finds the perturbation, `generate` adds it; without a fit there is none to add.

    epochs: over at most `images` training images; step_ratio: the first step, as a share of eps, which falls linearly
    to nothing; ceiling: where the cross-entropy is cut off. Of the epochs' perturbations the one that fools the most of
    those images is kept; of a quantised twin of few bits, of one more fit as well, whose gradients pass through clipped
    activations. Before it is added it lies in the ball of radius eps, after it the image in the pixel range.
    """

    attack_params: ClassVar = [
        *Attack.attack_params,
        *("eps", "epochs", "images", "step_ratio", "ceiling", "precision"),
    ]
    least = (*Attack.least, ("eps", 0), ("epochs", 1), ("images", 1), ("step_ratio", 1e-6), ("ceiling", 1e-6))

    def __init__(
        self,
        estimator,
        norm: str | float = "inf",
        eps: float = 0.1,
        epochs: int = 20,
        images: int = 2000,
        step_ratio: float = 0.1,
        ceiling: float = 9.0,
        batch_size: int = 128,
        precision: str = "auto",
        seed: int = 0,
    ):
        super().__init__(
            estimator,
            norm=norm,
            eps=eps,
            epochs=epochs,
            images=images,
            step_ratio=step_ratio,
            ceiling=ceiling,
            batch_size=batch_size,
            precision=precision,
            seed=seed,
        )
        self.perturbation: torch.Tensor | None = None  # float32 [c, h, w]

    def fit(self, x: np.ndarray, y: np.ndarray) -> "UniversalPerturbation":
        """Find the perturbation. x: float32 [n, c, h, w] in [0, 1], training images; y: int [n], their labels."""
        generator = torch.Generator().manual_seed(self.seed)
        chosen = torch.randperm(len(x), generator=generator)[: self.images]
        clean = torch.as_tensor(x)[chosen].to(self.device)
        labels = self._labels(clean, torch.as_tensor(y)[chosen]).to(self.device)
        self.oracle.refresh(clean[:4])
        best, most = self._ascended(clean, labels, generator)
        if twin.is_passed_through(self.estimator.model, "auto"):
            with twin.passing_through_clips():
                other, fooled = self._ascended(clean, labels, generator)
            best = other if fooled > most else best
        self.perturbation = best[0]
        return self

    def _ascended(
        self, clean: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, int]:
        """The best epoch's perturbation, [1, …], and how many of the images it fools."""
        delta = torch.zeros_like(clean[:1])
        steps = self.epochs * -(-len(clean) // self.batch_size)
        best, most, step = delta, -1, 0
        for _ in range(self.epochs):
            for part in torch.randperm(len(clean), generator=generator).split(self.batch_size):
                gradient = self._ascent(clean[part], labels[part], delta)
                size = float(self.eps) * self.step_ratio * (1 - step / steps)
                delta = self._norm.project(delta + size * self._norm.steepest(gradient, delta, -1, 1), float(self.eps))
                step += 1
            fooled = self._fooled(clean, labels, delta)
            best, most = (delta, fooled) if fooled > most else (best, most)
        return best, most

    def _craft(self, images: torch.Tensor, labels: torch.Tensor, index: torch.Tensor, seed: int) -> None:
        if self.perturbation is None:
            raise ValueError("the perturbation is not fitted; call fit with training images first")
        images.add_(self.perturbation.to(images.device)).clamp_(0, 1)

    def _ascent(self, clean: torch.Tensor, labels: torch.Tensor, delta: torch.Tensor) -> torch.Tensor:
        """The gradient of a minibatch's mean loss with respect to the perturbation, [1, …]."""

        def cut(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            return functional.cross_entropy(logits, labels, reduction="none").clamp_max(self.ceiling)

        point = clean + delta
        gradient, _ = self.oracle.gradient(point.clamp(0, 1), labels, cut)
        return gradient.masked_fill((point < 0) | (point > 1), 0).mean(0, keepdim=True)

    def _fooled(self, clean: torch.Tensor, labels: torch.Tensor, delta: torch.Tensor) -> int:
        return int(succeeded(score(self._judged((clean + delta).clamp(0, 1)), labels)).sum())
