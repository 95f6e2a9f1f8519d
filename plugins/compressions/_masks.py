"""What the plugins that set single weights to zero share."""

from copy import deepcopy
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils import prune as torch_masks

from benchmark.engine.mask import LAYERS, mask, mask_of
from benchmark.errors import CompressionError


def maskable(model: nn.Module, plugin: str) -> tuple[nn.Module, dict[str, nn.Module]]:
    """A copy of `model`, and its convolutions and linear layers by name.

    CompressionError if a layer computes its weight in another way than by such a mask.
    """
    if getattr(model, "quantised_twin", False):
        raise CompressionError(f"{plugin}: the network is quantised already; mask its weights before that")
    for name, module in model.named_modules():
        theirs = not list(module.children()) and torch_masks.is_pruned(module)
        if theirs or (parametrize.is_parametrized(module) and mask_of(module) is None):
            raise CompressionError(f"{plugin}: layer {name} computes its weights; mask them before that")
    copied = deepcopy(model)
    return copied, {name: part for name, part in copied.named_modules() if isinstance(part, LAYERS)}


@torch.no_grad()
def apply(
    copied: nn.Module, kept: dict[str, torch.Tensor], asked: dict[str, Any], plugin: str
) -> tuple[nn.Module, dict[str, Any]]:
    """`copied` with those weights kept, and the state that rebuilds its structure; what is kept lies in the weights.

    CompressionError if nothing became zero.
    """
    mask(copied, list(kept))
    for name, where in kept.items():
        mask_of(copied.get_submodule(name)).kept &= where  # what an earlier mask took does not come back
    counted = {name: part.weight for name, part in copied.named_modules() if isinstance(part, LAYERS)}
    weights = sum(weight.numel() for weight in counted.values())
    nonzero = sum(int(weight.count_nonzero()) for weight in counted.values())
    if nonzero == weights:
        raise CompressionError(f"{plugin}: none of {weights:,} weights became zero; ask for more")
    achieved = {
        **asked,
        "structure": "unchanged",
        "latency": "unchanged: the zeros are multiplied as any weight is",
        "weights": weights,
        "nonzero_weights": nonzero,
        "sparsity": 1 - nonzero / weights,
        "unmasked_layers": [name for name in counted if name not in kept],
    }
    return copied, {"layers": list(kept), "achieved": achieved}
