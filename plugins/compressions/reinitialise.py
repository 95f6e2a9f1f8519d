"""Fresh weights in the same structure: the control that a pruned network has to beat (Liu et al., 2019)."""

from copy import deepcopy
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from benchmark.errors import CompressionError


def compress(model: nn.Module, context: Any) -> nn.Module:
    """A copy of `model` as if it had never been trained; BatchNorm's statistics start anew, too.

    Every module's own `reset_parameters` is called, children first, so that a network may define its own start.
    The weights follow from the context's generator and are drawn on the CPU, whatever the device. Raises
    CompressionError for a module with weights of its own but no `reset_parameters`, and for one that computes its
    weights, where a reset would be without effect.
    """
    if getattr(model, "quantised_twin", False):
        raise CompressionError("reinitialise: the network is quantised already; reinitialise before that")
    fresh = deepcopy(model)
    for name, module in fresh.named_modules():
        where = f"reinitialise: module {name or type(module).__name__}"
        if parametrize.is_parametrized(module):
            raise CompressionError(f"{where} computes its weights (quantised?); reinitialise before that")
        if list(module.parameters(recurse=False)) and not hasattr(module, "reset_parameters"):
            raise CompressionError(f"{where} ({type(module).__name__}) has weights but no reset_parameters; define it")
    fresh.cpu()
    seed = int(torch.randint(2**62, (), generator=context.generator))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # not torch.manual_seed, which would reach the GPUs' generators
        for module in reversed(list(fresh.modules())):  # a child comes after its parent in modules()
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
    return fresh.to(context.example.device)
