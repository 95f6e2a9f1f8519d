"""BatchNorm in eval mode is an affine map: fold it, in float64, into the layer before it.

Which layer is before it is seen by running the network, and a fold is believed only if it leaves the logits alone.
What no layer can take (BatchNorm before the convolution, say) can be replaced by its affine map instead.
"""

import copy
from functools import partial

import torch
from torch import nn

FOLDABLE = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
_BATCH_NORM = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_TOLERANCE = 1e-4  # of the largest logit: what rounding may do to a folded network; a wrong fold is off by far more

Folds = list[tuple[str, str]]  # names of a layer and of the BatchNorm that follows it


class ChannelAffine(nn.Module):
    """x · weight + bias, one number of each for a channel (dimension 1)."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor):
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shape = [-1] + [1] * (x.ndim - 2)
        return x * self.weight.view(shape) + self.bias.view(shape)


@torch.no_grad()
def foldable(module: nn.Module, example: torch.Tensor) -> Folds:
    """Which layers can take the BatchNorm that follows them; none if that would change the network's function.

    example: float32 [m, …], a few inputs on the module's device. The module is in eval mode, and is not modified.
    """
    calls: dict[str, list] = {}

    def note(part, inputs, output, name):
        calls.setdefault(name, []).append((inputs[0] if inputs else None, output))

    hooks = [
        part.register_forward_hook(partial(note, name=name))
        for name, part in module.named_modules()
        if isinstance(part, (*FOLDABLE, *_BATCH_NORM))
    ]
    module(example)
    for hook in hooks:
        hook.remove()
    once = {name: call[0] for name, call in calls.items() if len(call) == 1}
    layers = {name: output for name, (_, output) in once.items() if isinstance(module.get_submodule(name), FOLDABLE)}
    norms = {name: entry for name, (entry, _) in once.items() if _has_statistics(module.get_submodule(name))}
    folds = [(layer, norm) for layer, output in layers.items() for norm, entry in norms.items() if entry is output]
    return folds if folds and _same_function(module, folds, example) else []


def folded(layer: nn.Module, norm: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight and bias, in float64, of the one layer that does what `layer` and then `norm` do in eval mode."""
    scale, shift = _affine(norm)
    weight = layer.weight.double() * scale.view(-1, *[1] * (layer.weight.ndim - 1))
    return weight, shift if layer.bias is None else layer.bias.double() * scale + shift


@torch.no_grad()
def fold(module: nn.Module, folds: Folds) -> None:
    """Fold in place; a layer that was frozen stays so."""
    for name, norm in folds:
        layer = module.get_submodule(name)
        wanted = layer.weight.requires_grad
        for attribute, value in zip(("weight", "bias"), folded(layer, module.get_submodule(norm)), strict=True):
            layer.register_parameter(attribute, nn.Parameter(value.to(layer.weight.dtype), requires_grad=wanted))
        module.set_submodule(norm, nn.Identity())


def remaining(module: nn.Module) -> list[str]:
    """The names of the BatchNorms, with statistics of their own, that are in `module`."""
    return [name for name, part in module.named_modules() if _has_statistics(part)]


@torch.no_grad()
def straighten(module: nn.Module, norms: list[str]) -> None:
    """Replace BatchNorms in place by their affine maps, whose parameters can be trained."""
    for name in norms:
        norm = module.get_submodule(name)
        module.set_submodule(name, ChannelAffine(*(value.to(norm.running_mean.dtype) for value in _affine(norm))))


def _has_statistics(part: nn.Module) -> bool:
    return type(part) in _BATCH_NORM and part.running_mean is not None  # timm's subclasses activate, too


def _affine(norm: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale and shift of each channel, in float64."""
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight.double()
    shift = -norm.running_mean.double() * scale
    return scale, shift if norm.bias is None else shift + norm.bias.double()


def _same_function(module: nn.Module, folds: Folds, example: torch.Tensor) -> bool:
    """Whether folding leaves the logits alone, whatever the statistics; a layer's output may have other readers.

    Tried on a copy with other statistics: those of a new network make BatchNorm the identity, which hides a wrong fold.
    """
    trial = copy.deepcopy(module)
    generator = torch.Generator().manual_seed(0)
    for _, name in folds:
        norm = trial.get_submodule(name)
        factor, shift = torch.rand(2, norm.num_features, generator=generator).to(norm.running_mean.device) + 0.5
        norm.running_mean += shift * norm.running_var.sqrt()
        norm.running_var *= factor
        if norm.weight is not None:
            norm.weight.copy_(torch.where(norm.weight == 0, shift, norm.weight * shift))
            norm.bias.add_(factor * norm.weight)
    expected = trial(example)
    fold(trial, folds)
    return bool((trial(example) - expected).abs().max() <= _TOLERANCE * expected.abs().max())
