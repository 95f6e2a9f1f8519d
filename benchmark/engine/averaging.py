"""An exponential moving average of a network's weights, BatchNorm's statistics included."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel


class Average:
    """The moving average of `model`'s state: after each step of the optimizer, kept · d + now · (1 − d).

    d is `decay`, but (1 + t) / (10 + t) in early steps t, so that a short training forgets where it began. Integer
    buffers (BatchNorm's count) are copied. Has the `state_dict` that a checkpoint wants.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.model = model
        self._averaged = AveragedModel(model, multi_avg_fn=_warm(decay), use_buffers=True)

    def update(self) -> None:
        self._averaged.update_parameters(self.model)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the model has the average for its weights."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def adopt(self) -> None:
        """Leave the average in the model for good."""
        self.model.load_state_dict(self._averaged.module.state_dict())

    def state_dict(self) -> dict:
        return self._averaged.state_dict()

    def load_state_dict(self, state: dict) -> None:
        self._averaged.load_state_dict(state)

    def _swap(self) -> None:
        own = copied(self.model)
        self.model.load_state_dict(self._averaged.module.state_dict())
        self._averaged.module.load_state_dict(own)


def copied(model: nn.Module) -> dict[str, torch.Tensor]:
    """The model's state, in memory of its own."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def _warm(decay: float):
    @torch.no_grad()
    def average(kept: list[torch.Tensor], now: list[torch.Tensor], updates: torch.Tensor) -> None:
        if kept[0].is_floating_point():
            done = int(updates)
            torch._foreach_lerp_(kept, now, 1 - min(decay, (1 + done) / (10 + done)))
        else:
            for old, new in zip(kept, now, strict=True):
                old.copy_(new)

    return average
