"""One ART classifier per model, built so that none of ART's traps is open."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from art.estimators.classification import PyTorchClassifier


class Classifier(PyTorchClassifier):
    """ART's PyTorchClassifier for a module that maps [0, 1] pixels to logits, normalisation inside.

    Everything of ART's that takes a PyTorchClassifier takes this. It adds one thing: the optimizer can be replaced, as
    it must be after surgery on the model, and as every training wants its own.
    """

    def __init__(self, model: torch.nn.Module, shape: tuple[int, int, int], classes: int, device: str = "cpu"):
        super().__init__(
            model=model,
            loss=torch.nn.CrossEntropyLoss(),
            input_shape=shape,
            nb_classes=classes,
            clip_values=(0.0, 1.0),
            preprocessing=None,
            device_type="gpu" if device == "cuda" else "cpu",
        )
        if self.device.type != device:  # ART falls back to the CPU without a word
            raise RuntimeError(f"ART put the model on {self.device}, not on {device}")
        self.model.eval()

    def _apply_preprocessing(self, x, y, fit=False, no_grad=True):
        # some of ART's attacks hand over float64 images, on which a float32 model fails late
        x = x.astype(np.float32, copy=False) if isinstance(x, np.ndarray) else x
        return super()._apply_preprocessing(x, y, fit=fit, no_grad=no_grad)

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        if self._optimizer is None:
            raise ValueError("set estimator.optimizer before training")
        return self._optimizer

    @optimizer.setter
    def optimizer(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer


@dataclass
class Passes:
    """Examples that went through a model: forward, and backward to its input or weights."""

    forward: int = 0
    backward: int = 0


@contextmanager
def unheard(model: torch.nn.Module) -> Iterator[None]:
    """Inside, the model's own hooks do not fire: a look at how it is built is no pass that somebody paid for."""
    hooks, model._forward_hooks = model._forward_hooks, OrderedDict()
    try:
        yield
    finally:
        model._forward_hooks = hooks


@contextmanager
def counting(model: torch.nn.Module, passes: Passes | None = None) -> Iterator[Passes]:
    """Count the passes of a model while the block runs, whoever makes them; a copy made inside counts as well.

    passes: counted on from here.
    """
    passes = Passes() if passes is None else passes

    def backward(gradient):
        passes.backward += len(gradient)

    def forward(module, arguments, logits):
        passes.forward += len(logits)
        if logits.requires_grad:
            logits.register_hook(backward)

    handle = model.register_forward_hook(forward)
    try:
        yield passes
    finally:
        handle.remove()
