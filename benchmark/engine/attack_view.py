"""The frozen copy of a network that gradients are taken through: the same function, cheaper to differentiate.

BatchNorm is folded into the convolution or linear layer before it (in float64), parametrised weights are baked, the
memory format is channels_last, weights ask for no gradient, and on request the body computes in bf16 and only its last
linear layer in fp32. When training moves the original's weights, `refresh` copies them over and keeps the structure.
"""

import copy
from functools import partial

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrize

_FOLDABLE = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
_BATCH_NORM = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_TOLERANCE = 1e-4  # of the largest logit: what rounding may do to a folded network; a wrong fold is off by far more

Folds = list[tuple[str, str]]  # names of a layer and of the BatchNorm that follows it


class AttackView:
    """A copy of `module` to attack through; the original is not run, and must be in eval mode while it is read.

    example: float32 [m, c, h, w], a few inputs on the module's device, to see which layer follows which.
    bf16: compute the body in bfloat16. fold: fold BatchNorm; off where rounding decides (quantised twins).
    """

    def __init__(self, module: nn.Module, example: torch.Tensor, bf16: bool = False, fold: bool = True):
        self.bf16 = bf16
        self._structure = structure(module)
        self._body = _bare_copy(module)
        folds, head = _neighbours(self._body, example)
        if not (fold and folds and _same_function(self._body, folds, example)):
            folds = []
        _fold_in_place(self._body, folds)
        if bf16:
            _narrow(self._body, head)
        self._body.to(memory_format=torch.channels_last)
        self._folded = [
            (module.get_submodule(layer), module.get_submodule(norm), self._body.get_submodule(layer))
            for layer, norm in folds
        ]
        self._copied = [
            (module.get_submodule(name), attribute, tensor)
            for name, part in self._body.named_modules()
            if name not in dict(folds)
            for attribute, tensor in (part._parameters | part._buffers).items()
            if tensor is not None
        ]
        self.refresh()

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """float32 [m, c, h, w] → float32 logits [m, classes]."""
        if x.ndim == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.bf16):
            return self._body(x).float()

    def is_of(self, module: nn.Module) -> bool:
        """Whether this is still a view of `module`, whose structure pruning, say, changes in place."""
        return self._structure == structure(module)

    @torch.no_grad()
    def refresh(self) -> None:
        """Copy the original's weights, always: version counters would miss what is written through `.data`."""
        for source, attribute, target in self._copied:
            target.copy_(getattr(source, attribute))
        for layer, norm, target in self._folded:
            weight, bias = _folded(layer, norm)
            target.weight.copy_(weight)
            target.bias.copy_(bias)


def structure(module: nn.Module) -> list[tuple]:
    """What a view depends on beside the values of the weights: submodules, and each tensor's shape, type and device."""
    parts = [(name, id(part), type(part)) for name, part in module.named_modules()]
    tensors = (*module.named_parameters(), *module.named_buffers())
    return parts + [(name, tensor.shape, tensor.dtype, tensor.device) for name, tensor in tensors]


def _bare_copy(module: nn.Module) -> nn.Module:
    """A deep copy in eval mode, without gradients, its parametrised weights replaced by their values."""
    try:
        body = copy.deepcopy(module)
    except RuntimeError as error:
        raise ValueError(f"cannot copy {type(module).__name__} to attack it: {error}".splitlines()[0]) from None
    body.eval().requires_grad_(False)
    for part in list(body.modules()):
        if parametrize.is_parametrized(part):
            _bake(part)
    return body


def _bake(part: nn.Module) -> None:
    # not torch's remove_parametrizations: it edits the class, which a deep copy shares with its original
    values = {name: getattr(part, name).detach().clone() for name in part.parametrizations}
    part.__class__ = parametrize.type_before_parametrizations(part)
    del part.parametrizations
    for name, value in values.items():
        part.register_parameter(name, nn.Parameter(value, requires_grad=False))


@torch.no_grad()
def _neighbours(body: nn.Module, example: torch.Tensor) -> tuple[Folds, str | None]:
    """Which layers' outputs go into a BatchNorm, and which linear layer gives the logits; each called exactly once."""
    calls: dict[str, list] = {}

    def note(part, inputs, output, name):
        calls.setdefault(name, []).append((inputs[0] if inputs else None, output))

    hooks = [
        part.register_forward_hook(partial(note, name=name))
        for name, part in body.named_modules()
        if isinstance(part, (*_FOLDABLE, *_BATCH_NORM))
    ]
    logits = body(example)
    for hook in hooks:
        hook.remove()
    once = {name: call[0] for name, call in calls.items() if len(call) == 1}
    layers = {name: output for name, (_, output) in once.items() if isinstance(body.get_submodule(name), _FOLDABLE)}
    norms = {name: entry for name, (entry, _) in once.items() if _has_statistics(body.get_submodule(name))}
    folds = [(layer, norm) for layer, output in layers.items() for norm, entry in norms.items() if entry is output]
    heads = [layer for layer, output in layers.items() if output is logits]
    linear = [layer for layer in heads if isinstance(body.get_submodule(layer), nn.Linear)]
    return folds, linear[0] if linear else None


def _has_statistics(part: nn.Module) -> bool:
    return isinstance(part, _BATCH_NORM) and part.running_mean is not None


def _folded(layer: nn.Module, norm: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight and bias, in float64, of the one layer that does what `layer` and then `norm` do in eval mode."""
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight.double()
    weight = layer.weight.double()
    bias = -norm.running_mean.double() if layer.bias is None else layer.bias.double() - norm.running_mean.double()
    bias = bias * scale if norm.bias is None else bias * scale + norm.bias.double()
    return weight * scale.view(-1, *[1] * (weight.ndim - 1)), bias


def _fold_in_place(body: nn.Module, folds: Folds) -> None:
    for name, norm in folds:
        layer = body.get_submodule(name)
        for attribute, value in zip(("weight", "bias"), _folded(layer, body.get_submodule(norm)), strict=True):
            layer.register_parameter(attribute, nn.Parameter(value.to(layer.weight.dtype), requires_grad=False))
        parent, _, child = norm.rpartition(".")
        setattr(body.get_submodule(parent), child, nn.Identity())


@torch.no_grad()
def _same_function(body: nn.Module, folds: Folds, example: torch.Tensor) -> bool:
    """Whether folding leaves the logits alone, whatever the statistics; a layer's output may have other readers.

    Tried on a copy with other statistics: those of a new network make BatchNorm the identity, which hides a wrong fold.
    """
    trial = copy.deepcopy(body)
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
    _fold_in_place(trial, folds)
    return bool((trial(example) - expected).abs().max() <= _TOLERANCE * expected.abs().max())


def _narrow(body: nn.Module, head: str | None) -> None:
    """Store the body's weights in bf16, once, instead of casting them in every pass; the head computes in fp32."""
    for name, part in body.named_modules():
        if name == head:
            part.forward = partial(_linear_in_fp32, part)
        elif isinstance(part, _FOLDABLE):
            part.to(torch.bfloat16)


def _linear_in_fp32(layer: nn.Linear, x: torch.Tensor) -> torch.Tensor:
    with torch.autocast(x.device.type, enabled=False):
        return functional.linear(x.float(), layer.weight, layer.bias)
