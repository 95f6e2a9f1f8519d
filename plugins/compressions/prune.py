"""Structured pruning: whole filters and neurons go, with what depends on them (Torch-Pruning, Fang et al., 2023)."""

from collections.abc import Callable
from copy import deepcopy
from typing import Annotated, Any, Literal

import torch
import torch_pruning
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils import prune as masks

from benchmark.errors import CompressionError

from ._importance import Layer, classifier, importance, prunable, widths

TOLERANCE = 0.02  # how far the share of parameters (or, under scope global, of channels) may be from the one asked for
CLOSE = 0.002  # as near as the search for a share of parameters goes
TRIALS = 12  # halvings of the channel ratio: to 1/4096, finer than one channel of most layers

Removed = dict[str, list[int]]  # layer → output channels that go


def compress(
    model: nn.Module,
    context: Any,
    *,
    ratio: Annotated[float, "0 < ratio < 1"],
    of: Literal["channels", "parameters"] = "channels",
    criterion: Literal["l1", "l2", "geometric_median", "taylor", "random"] = "l1",
    scope: Literal["local", "global"] = "local",
) -> tuple[nn.Module, dict[str, Any]]:
    """A copy of `model` without its least important channels, and the state that rebuilds its structure.

    `ratio` is the share of channels that goes (of each layer's under scope local, of all layers' together under
    global) or of parameters: then the channel ratio that comes nearest is searched for. The classifier keeps its
    classes, every other layer at least one channel. Layers that must shrink together, as along a residual stream, are
    ranked by the one that begins it (a projection shortcut, where there is one: Li et al., 2017).

    What goes first: l1 and l2, filters of small norm (Li et al., 2017); geometric_median, filters whose distances to
    the layer's other filters sum to least (He et al., 2019); taylor, channels whose loss, to first order and squared,
    changes least on training images when they go (Molchanov et al., 2019); random, any. Under scope global a layer's
    norms and distances are divided by their mean, because they grow with the size of a filter.

    The state holds the removed channels and, under `achieved`, what was measured on the pruned network: the share of
    channels that went, parameters before and after, and every layer's width. Raises CompressionError if the network
    cannot be pruned, or if that is not what was asked: ±1 channel in each layer under scope local, within 2 points for
    a share of parameters or of all channels.
    """
    _refuse_computed_weights(model)
    head = classifier(model, context.classes)
    probe = deepcopy(model).eval().requires_grad_(True)
    layers = prunable(probe, _graph(probe, context.example), head)
    scores = importance(probe, layers, criterion, context)
    if scope == "global" and criterion not in ("taylor", "random"):
        scores = {name: score / score.mean() for name, score in scores.items()}

    def removed_at(channel_ratio: float) -> Removed:
        return _removed(layers, scores, channel_ratio, scope)

    def cut(removed: Removed) -> nn.Module:
        return _cut(model, context.example, removed)

    removed = removed_at(ratio) if of == "channels" else _search(removed_at, cut, (1 - ratio) * _parameters(model))
    pruned = cut(removed)
    achieved = _achieved(model, pruned, layers)
    slack = max(layer.tied for layer in layers)
    if problem := _shortfall(widths(model), head, achieved, ratio, of, scope, slack):
        raise CompressionError(f"prune: asked for ratio {ratio:g} of {of} (scope {scope}), but {problem}")
    _check_runs(pruned, context)
    return pruned, {"input": list(context.example.shape), "removed": removed, "achieved": achieved}


def rebuild(module: nn.Module, state: dict[str, Any]) -> nn.Module:
    """The structure that `compress` gave, from the structure that it was given; weights are loaded afterwards."""
    return _cut(module, torch.zeros(state["input"], device=next(module.parameters()).device), state["removed"])


def _refuse_computed_weights(model: nn.Module) -> None:
    if getattr(model, "quantised_twin", False):
        raise CompressionError("prune: the network is quantised already; prune before that")
    for name, module in model.named_modules():
        masked = not list(module.children()) and masks.is_pruned(module)
        if masked or parametrize.is_parametrized(module):
            raise CompressionError(f"prune: layer {name} computes its weights (quantised or masked); prune before that")


def _graph(model: nn.Module, example: torch.Tensor) -> torch_pruning.DependencyGraph:
    """Which layers depend on which. Traced through autograd, so no weight may be frozen; leaves eval mode behind."""
    try:
        with torch.enable_grad():
            return torch_pruning.DependencyGraph().build_dependency(model, example)
    except Exception as error:  # its tracer fails in as many ways as there are operations that it does not know
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise CompressionError(f"prune: Torch-Pruning cannot trace this network ({reason})") from error


def _removed(layers: list[Layer], scores: dict[str, torch.Tensor], ratio: float, scope: str) -> Removed:
    """The channels that go at this channel ratio; those of a smaller ratio are among those of a larger one."""
    if scope == "local":
        counts = {name: min(len(score) - 1, round(len(score) * ratio)) for name, score in scores.items()}
    else:
        counts = _lowest_anywhere(scores, {layer.name: layer.tied for layer in layers}, ratio)
    removed = {}
    for layer in layers:
        score = scores[layer.name]
        channels = score.argsort(stable=True)[: counts[layer.name]]
        if len(channels):
            offsets = torch.arange(layer.tied).unsqueeze(1) * len(score)
            removed[layer.name] = (channels + offsets).flatten().sort().values.tolist()
    return removed


def _lowest_anywhere(scores: dict[str, torch.Tensor], tied: dict[str, int], ratio: float) -> dict[str, int]:
    """How many of each layer's scores are among the lowest of all, until `ratio` of all channels is reached."""
    # each layer's best channel is left out of the ranking, so that no layer is emptied
    ranked = sorted((value, name) for name, score in scores.items() for value in score.sort().values[:-1].tolist())
    counts = dict.fromkeys(scores, 0)
    left = round(sum(len(score) * tied[name] for name, score in scores.items()) * ratio)
    for _, name in ranked:
        if left <= 0:
            break
        counts[name] += 1
        left -= tied[name]
    return counts


def _search(removed_at: Callable[[float], Removed], cut: Callable[[Removed], nn.Module], target: float) -> Removed:
    """What to remove so that nearest to `target` parameters are left, by bisection of the channel ratio."""
    low, high, tried = 0.0, 1.0, []
    for _ in range(TRIALS):
        middle = (low + high) / 2
        removed = removed_at(middle)
        left = _parameters(cut(removed))
        tried.append((abs(left - target), len(tried), removed))
        if abs(left - target) <= CLOSE * target:
            break
        low, high = (middle, high) if left > target else (low, middle)
    return min(tried)[2]


def _cut(model: nn.Module, example: torch.Tensor, removed: Removed) -> nn.Module:
    """A copy of `model` without those channels; its training mode and its frozen weights are as they were."""
    pruned = deepcopy(model)
    frozen = [name for name, parameter in pruned.named_parameters() if not parameter.requires_grad]
    modes = {name: module.training for name, module in pruned.named_modules()}
    graph = _graph(pruned.requires_grad_(True), example)
    graph.load_pruning_history([[name, True, channels] for name, channels in removed.items()])
    for name in frozen:
        pruned.get_parameter(name).requires_grad_(False)
    for name, module in pruned.named_modules():
        module.training = modes[name]
    return pruned


def _parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _achieved(before: nn.Module, after: nn.Module, layers: list[Layer]) -> dict[str, Any]:
    dense, lean = widths(before), widths(after)
    kept = sum(lean[layer.name] for layer in layers) / sum(dense[layer.name] for layer in layers)
    return {
        "channel_ratio": 1 - kept,
        "parameters_before": _parameters(before),
        "parameters_after": _parameters(after),
        "widths": lean,
    }


def _shortfall(
    dense: dict[str, int], head: str, achieved: dict[str, Any], ratio: float, of: str, scope: str, slack: int
) -> str | None:
    """How what was achieved differs from what was asked, if it does. Torch-Pruning itself skips layers silently."""
    before, after, lean = achieved["parameters_before"], achieved["parameters_after"], achieved["widths"]
    if lean[head] != dense[head]:
        return f"the classifier {head} has {lean[head]} outputs left of {dense[head]}"
    if after >= before:
        return f"no channel went: all {before:,} parameters are left; ask for more, or widen the model"
    if of == "parameters" and abs(1 - after / before - ratio) > TOLERANCE:
        return f"the nearest that this network allows is {1 - after / before:.3f} ({after:,} of {before:,} left)"
    if of == "channels" and scope == "global" and abs(achieved["channel_ratio"] - ratio) > TOLERANCE:
        return f"{achieved['channel_ratio']:.3f} is the most that leaves every layer a channel"
    if of == "channels" and scope == "local":
        for name in dense:  # every layer, not only those that were ranked
            if name != head and abs(lean[name] - dense[name] * (1 - ratio)) > slack:
                return f"layer {name} kept {lean[name]} of its {dense[name]} channels"
    return None


def _check_runs(pruned: nn.Module, context: Any) -> None:
    try:
        with torch.no_grad():
            logits = deepcopy(pruned).eval()(context.example)
    except RuntimeError as error:  # a transformer's heads, say, that it cut without telling the code that splits them
        reason = " ".join(str(error).split())
        raise CompressionError(f"prune: Torch-Pruning does not cut this network as a whole ({reason})") from error
    if logits.shape != (len(context.example), context.classes) or not logits.isfinite().all():
        raise CompressionError(
            f"prune: the pruned network's logits are {list(logits.shape)}, finite: {bool(logits.isfinite().all())}, "
            f"instead of {context.classes} finite ones for each image"
        )
