"""What pruning ranks, and by what: the layers whose output channels can go, and the importance of each channel."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
import torch_pruning
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from benchmark.errors import CompressionError

TAYLOR_BATCHES, TAYLOR_BATCH = 8, 64  # 512 training images


@dataclass(frozen=True)
class Layer:
    """A layer whose output channels can go; it stands for all layers that must lose the same channels with it."""

    name: str
    module: nn.Module
    gate: nn.Module  # what scales its channels last: its own BatchNorm, or itself
    tied: int  # of how many channels one is, if they must go together (grouped convolutions, GroupNorm); else 1


def width(module: nn.Module) -> int:
    """Output channels of a convolution, output features of a linear layer."""
    return module.out_channels if isinstance(module, _ConvNd) else module.out_features


def widths(model: nn.Module) -> dict[str, int]:
    """Layer → width, for every convolution and linear layer, in the network's order."""
    found = model.named_modules()
    return {name: width(module) for name, module in found if isinstance(module, (_ConvNd, nn.Linear))}


def classifier(model: nn.Module, classes: int) -> str:
    """The name of the last layer with one output per class; CompressionError if there is none."""
    names = [name for name, channels in widths(model).items() if channels == classes]
    if not names:
        raise CompressionError(f"prune: no layer has {classes} outputs, so the classifier cannot be told apart")
    return names[-1]


def prunable(model: nn.Module, graph: torch_pruning.DependencyGraph, head: str) -> list[Layer]:
    """The layers to rank, in the network's order; `head` keeps its outputs. CompressionError if there is none."""
    names = {module: name for name, module in model.named_modules()}
    layers = []
    for group in graph.get_all_groups(ignored_layers=[model.get_submodule(head)]):
        root = group[0].dep.target.module
        followers = [dep.target.module for dep, _ in group if dep.source.module is root]
        norms = (module for module in followers if isinstance(module, _BatchNorm) and module.affine)
        tied = math.lcm(*(_tied(dep.target.module) for dep, _ in group))
        layers.append(Layer(names[root], root, next(norms, root), tied))
    if not layers:
        raise CompressionError("prune: no layer besides the classifier has channels that could go")
    order = list(names.values())
    return sorted(layers, key=lambda layer: order.index(layer.name))


def _tied(module: nn.Module) -> int:
    if isinstance(module, _ConvNd) and module.groups != module.out_channels:  # a depthwise one follows its input
        return module.groups
    return module.num_groups if isinstance(module, nn.GroupNorm) else 1


def importance(model: nn.Module, layers: list[Layer], criterion: str, context: Any) -> dict[str, torch.Tensor]:
    """Layer → importance of each channel that can go by itself, float64 on the CPU; tied channels share their mean."""
    if criterion == "taylor":
        scores = _taylor(model, layers, context)
    elif criterion == "random":
        scores = [torch.rand(width(layer.module), generator=context.generator) for layer in layers]
    else:
        scores = [WEIGHTS[criterion](_filters(layer.module, layer.module.weight)) for layer in layers]
    for layer, score in zip(layers, scores, strict=True):
        if not score.isfinite().all():
            raise CompressionError(f"prune: layer {layer.name} has weights or gradients that are not finite")
    return {
        layer.name: score.double().view(layer.tied, -1).mean(0) for layer, score in zip(layers, scores, strict=True)
    }


def _filters(module: nn.Module, values: torch.Tensor) -> torch.Tensor:
    """A parameter of `module`, or its gradient, as float64 [channels, values of one channel] on the CPU."""
    if getattr(module, "transposed", False) and values.ndim > 1:
        values = values.transpose(0, 1)
    return values.detach().double().cpu().reshape(len(values), -1)


def _geometric_median(filters: torch.Tensor) -> torch.Tensor:
    """A filter near all others, so near their geometric median, is the one that the others can stand in for."""
    return torch.cdist(filters, filters, compute_mode="donot_use_mm_for_euclid_dist").sum(1)


WEIGHTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "l1": lambda filters: filters.abs().sum(1),
    "l2": lambda filters: filters.norm(dim=1),
    "geometric_median": _geometric_median,
}


def _taylor(model: nn.Module, layers: list[Layer], context: Any) -> list[torch.Tensor]:
    """(Σ weight · gradient)² over a channel's weights and bias in its gate, averaged over mini-batches.

    The sum is a · ∂L/∂a for the channel's output a: the first-order change of the loss when it becomes zero. The model
    is in eval mode: its BatchNorm statistics neither move nor depend on the mini-batch.
    """
    owners = [(i, layer.gate, p) for i, layer in enumerate(layers) for p in layer.gate.parameters(recurse=False)]
    total = [torch.zeros(width(layer.module), dtype=torch.float64) for layer in layers]
    for pixels, labels in islice(context.data.train.batches(TAYLOR_BATCH, context.generator), TAYLOR_BATCHES):
        with torch.enable_grad():
            loss = nn.functional.cross_entropy(model(pixels), labels)
            gradients = torch.autograd.grad(loss, [parameter for _, _, parameter in owners])
        change = [torch.zeros_like(score) for score in total]
        for (i, gate, parameter), gradient in zip(owners, gradients, strict=True):
            change[i] += _filters(gate, parameter * gradient).sum(1)
        total = [score + moved**2 for score, moved in zip(total, change, strict=True)]
    return total
