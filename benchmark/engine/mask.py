"""Weight masks: zeros that no training fills. The structure, and so the latency, stays as it was.

A mask is a parametrisation of a layer's weight with a boolean buffer: it is deep-copied, stored and reloaded as any
other tensor is, its zeros get no gradient, and an attack's view takes the masked weight for the layer's own.
"""

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils import parametrize

LAYERS = (_ConvNd, nn.Linear)


class Mask(nn.Module):
    """Weight → the weight where it is kept, 0 elsewhere. `kept`: bool, of the weight's shape."""

    def __init__(self, like: torch.Tensor):
        super().__init__()
        self.register_buffer("kept", torch.ones_like(like, dtype=torch.bool))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight.where(self.kept, 0.0)


def mask_of(layer: nn.Module) -> Mask | None:
    """The layer's mask, if it has one."""
    chain = layer.parametrizations.weight if parametrize.is_parametrized(layer, "weight") else ()
    return next((part for part in chain if isinstance(part, Mask)), None)


def mask(module: nn.Module, names: list[str]) -> None:
    """Give these layers masks that keep everything; one that has a mask keeps it."""
    for name in names:
        layer = module.get_submodule(name)
        if mask_of(layer) is None:
            parametrize.register_parametrization(layer, "weight", Mask(layer.weight))
