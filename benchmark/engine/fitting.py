"""The half of a training that moves weights: one step of the optimizer on a batch, in bf16 where it pays."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from art.estimators.classification import PyTorchClassifier

from benchmark.engine.oracle import PRECISIONS, has_bf16

Network = Callable[[torch.Tensor], torch.Tensor]  # pixels [m, c, h, w] → float32 logits [m, classes]
# (network, clean batch, the same batch attacked, labels int64 [m]) → the loss, 0-dimensional
Objective = Callable[[Network, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


class Fitting:
    """Steps of `classifier.optimizer` down an objective, the model in train mode.

    classifier: an ART PyTorchClassifier whose model takes pixels. precision: "bf16" computes under autocast (weights,
    their gradients, BatchNorm's statistics and the loss stay float32), "auto" does so where the device multiplies bf16
    faster; a quantised twin is always trained in fp32.
    """

    def __init__(self, classifier: PyTorchClassifier, objective: Objective, precision: str = "auto"):
        if precision not in PRECISIONS:
            raise ValueError(f"precision is {precision!r}; it must be one of {', '.join(PRECISIONS)}")
        self.classifier, self.objective, self.precision = classifier, objective, precision

    @property
    def bf16(self) -> bool:
        if getattr(self.classifier.model, "quantised_twin", False):
            return False
        return self.precision == "bf16" or (self.precision == "auto" and has_bf16(self.classifier.device))

    def network(self, x: torch.Tensor) -> torch.Tensor:
        """The model as it is trained: float32 logits of float32 pixels."""
        if not self.bf16:
            return self.classifier.model(x)
        with torch.autocast(x.device.type, torch.bfloat16):
            return self.classifier.model(x.contiguous(memory_format=torch.channels_last)).float()

    def update(self, x: torch.Tensor, x_adv: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """One step on one batch; the loss before it, detached and on the device."""
        self.classifier.model.train()
        loss = self.objective(self.network, x, x_adv, y)
        self.classifier.optimizer.zero_grad()
        loss.backward()
        self.classifier.optimizer.step()
        return loss.detach()

    @contextmanager
    def formatted(self) -> Iterator[None]:
        """Inside, weights lie in memory as a bf16 step wants them (channels_last); no value changes."""
        if not self.bf16:  # channels_last does not pay for every network in fp32
            yield
            return
        model = self.classifier.model.to(memory_format=torch.channels_last)
        try:
            yield
        finally:
            model.to(memory_format=torch.contiguous_format)
