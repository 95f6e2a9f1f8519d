"""Unstructured pruning: single weights of small magnitude become zero (Han et al., 2015); latency stays as it was."""

from typing import Annotated, Any, Literal

import torch
from torch import nn

from benchmark.engine.mask import mask
from benchmark.errors import CompressionError

from ._masks import apply, maskable

TOLERANCE = 0.02  # how far the sparsity may be from the one asked for


def compress(
    model: nn.Module,
    context: Any,
    *,
    sparsity: Annotated[float, "0 < sparsity < 1"],
    scope: Literal["local", "global"] = "global",
) -> tuple[nn.Module, dict[str, Any]]:
    """A copy of `model` in which the weights of convolutions and linear layers that are nearest to zero are zero.

    `sparsity` is the share of those weights (biases and BatchNorm are left alone) that is zero in the end: of each
    layer's under scope local, of all together under global. Each layer's largest weight stays. A later step of a
    schedule asks for more than the step before, whose zeros stay; they stay through any training, too. The state's
    `achieved` counts what is left. Raises CompressionError if the network computes its weights otherwise, or if that
    sparsity cannot be had (it is that sparse already, or has few weights).
    """
    copied, layers = maskable(model, "unstructured")
    sizes = {name: layer.weight.detach().abs().flatten().cpu() for name, layer in layers.items()}
    if scope == "global":
        everywhere = _largest(torch.cat(list(sizes.values())), sparsity)
        kept = dict(zip(sizes, everywhere.split([len(size) for size in sizes.values()]), strict=True))
    else:
        kept = {name: _largest(size, sparsity) for name, size in sizes.items()}
    for name, size in sizes.items():
        kept[name][size.argmax()] = True
    kept = {name: where.view(layers[name].weight.shape) for name, where in kept.items()}
    lean, state = apply(copied, kept, {"asked": sparsity, "scope": scope}, "unstructured")
    if abs(state["achieved"]["sparsity"] - sparsity) > TOLERANCE:
        raise CompressionError(
            f"unstructured: asked for sparsity {sparsity:g}, but {state['achieved']['sparsity']:.3f} of the weights "
            "are zero; those that are zero already stay so"
        )
    return lean, state


def rebuild(module: nn.Module, state: dict[str, Any]) -> nn.Module:
    """The structure that `compress` gave; which weights are kept is loaded with them."""
    mask(module, state["layers"])
    return module


def _largest(sizes: torch.Tensor, sparsity: float) -> torch.Tensor:
    """bool [n]: all but the share `sparsity` that is smallest; what is zero already goes first."""
    kept = torch.ones_like(sizes, dtype=torch.bool)
    kept[sizes.argsort(stable=True)[: round(len(sizes) * sparsity)]] = False
    return kept
