"""The half of a training that moves weights: one step of the optimizer on a batch, in bf16 if that is asked for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property

import torch
from art.estimators.classification import PyTorchClassifier
from torch.nn.modules.conv import _ConvNd

from benchmark.engine.estimator import unheard
from benchmark.engine.oracle import PRECISIONS, evaluating

Network = Callable[[torch.Tensor], torch.Tensor]  # pixels [m, c, h, w] → float32 logits [m, classes]
# (network, clean batch, the same batch attacked, labels int64 [m]) → the loss, 0-dimensional
Objective = Callable[[Network, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


class Fitting:
    """Steps of `classifier.optimizer` down an objective, the model in train mode.

    classifier: an ART PyTorchClassifier whose model takes pixels. precision: "bf16" computes under autocast (weights,
    their gradients, BatchNorm's statistics and the loss stay float32); "fp32" and "auto" do not, since a network
    without BatchNorm may diverge in bf16 at a learning rate that fp32 bears. A quantised twin is trained in fp32
    whatever is asked for, and so is a network that convolves single pixels (see `convolves_single_pixels`).
    """

    def __init__(self, classifier: PyTorchClassifier, objective: Objective, precision: str = "auto"):
        if precision not in PRECISIONS:
            raise ValueError(f"precision is {precision!r}; it must be one of {', '.join(PRECISIONS)}")
        self.classifier, self.objective, self.precision = classifier, objective, precision

    @cached_property
    def bf16(self) -> bool:
        model = self.classifier.model
        if self.precision != "bf16":
            return False
        example = torch.zeros(1, *self.classifier.input_shape, device=self.classifier.device)
        return not getattr(model, "quantised_twin", False) and not convolves_single_pixels(model, example)

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


@torch.no_grad()
def convolves_single_pixels(model: torch.nn.Module, example: torch.Tensor) -> bool:
    """Whether a convolution wider than a pixel is given feature maps that are one pixel high or wide.

    At stride 2 torch 2.13 gives uninitialised memory as such a layer's weight gradient, in bf16 on a CPU.
    """
    found = []

    def look(layer, inputs):
        found.append(max(layer.kernel_size) > 1 and min(inputs[0].shape[2:]) == 1)

    layers = [layer for layer in model.modules() if isinstance(layer, _ConvNd)]
    hooks = [layer.register_forward_pre_hook(look) for layer in layers]
    with evaluating(model), unheard(model):
        model(example)
    for hook in hooks:
        hook.remove()
    return any(found)
