"""N:M sparsity: of every M weights along the inputs only the N largest stay, 2:4 by default (Zhou et al., 2021)."""

from typing import Annotated, Any

import torch
from torch import nn

from benchmark.engine.mask import mask
from benchmark.errors import CompressionError

from ._masks import apply, maskable


def compress(
    model: nn.Module, context: Any, *, n: Annotated[int, "n >= 1"] = 2, m: Annotated[int, "m >= 2"] = 4
) -> tuple[nn.Module, dict[str, Any]]:
    """A copy of `model` in which, of each `m` successive input channels of a filter's place, `n` weights stay.

    Layers whose number of inputs (for each group of a grouped convolution) `m` does not divide stay dense, as the first
    layer and depthwise convolutions do; `achieved` names them. Hardware that knows the pattern could use it; none does
    here, so latency stays as it was. Zeros stay through any training. Raises CompressionError if n is not less than m,
    if no layer can be masked, or if the network computes its weights otherwise.
    """
    if n >= m:
        raise CompressionError(f"n_m: n {n} of m {m} leaves every weight; give n below m")
    copied, layers = maskable(model, "n_m")
    kept = {
        name: _largest(layer.weight.detach(), n, m)
        for name, layer in layers.items()
        if not getattr(layer, "transposed", False) and layer.weight.shape[1] % m == 0
    }
    if not kept:
        raise CompressionError(f"n_m: no layer has a multiple of m {m} inputs; give a smaller m, or widen the model")
    return apply(copied, kept, {"asked": f"{n}:{m}"}, "n_m")


def rebuild(module: nn.Module, state: dict[str, Any]) -> nn.Module:
    """The structure that `compress` gave; which weights are kept is loaded with them."""
    mask(module, state["layers"])
    return module


def _largest(weight: torch.Tensor, n: int, m: int) -> torch.Tensor:
    """bool, of the shape of `weight` [outputs, inputs, …]: the n largest of each m successive inputs."""
    last = weight.abs().movedim(1, -1)
    groups = last.reshape(-1, m)
    chosen = groups.argsort(dim=1, descending=True, stable=True)[:, :n]
    kept = torch.zeros_like(groups, dtype=torch.bool).scatter_(1, chosen, True)
    return kept.view(last.shape).movedim(-1, 1).contiguous()
