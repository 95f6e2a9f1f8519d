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

from benchmark.engine import one_channel
from benchmark.engine.estimator import unheard
from benchmark.engine.fold import FOLDABLE, foldable, folded
from benchmark.engine.fold import fold as fold_in_place


class AttackView:
    """A copy of `module` to attack through; the original is not run, and must be in eval mode while it is read.

    example: float32 [m, c, h, w], a few inputs on the module's device, to see which layer follows which.
    bf16: compute the body in bfloat16. fold: fold BatchNorm; off where rounding decides (quantised twins).
    """

    def __init__(self, module: nn.Module, example: torch.Tensor, bf16: bool = False, fold: bool = True):
        self.bf16 = bf16
        self._structure = structure(module)
        self._body = _bare_copy(module)
        with unheard(self._body):
            folds = foldable(self._body, example) if fold else []
            fold_in_place(self._body, folds)
            if bf16:
                _narrow(self._body, _head(self._body, example))
        if example.device.type == "cpu":
            for part in self._body.modules():
                if one_channel.fits(part):
                    part.forward = partial(one_channel.convolved, part)
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
            weight, bias = folded(layer, norm)
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
def _head(body: nn.Module, example: torch.Tensor) -> str | None:
    """The linear layer that gives the logits, if there is one."""
    outputs: dict[str, torch.Tensor] = {}
    linear = [(name, part) for name, part in body.named_modules() if isinstance(part, nn.Linear)]
    hooks = [
        part.register_forward_hook(lambda _, inputs, output, name=name: outputs.update({name: output}))
        for name, part in linear
    ]
    logits = body(example)
    for hook in hooks:
        hook.remove()
    return next((name for name, output in outputs.items() if output is logits), None)


def _narrow(body: nn.Module, head: str | None) -> None:
    """Store the body's weights in bf16, once, instead of casting them in every pass; the head computes in fp32."""
    for name, part in body.named_modules():
        if name == head:
            part.forward = partial(_linear_in_fp32, part)
        elif isinstance(part, FOLDABLE):
            part.to(torch.bfloat16)


def _linear_in_fp32(layer: nn.Linear, x: torch.Tensor) -> torch.Tensor:
    with torch.autocast(x.device.type, enabled=False):
        return functional.linear(x.float(), layer.weight, layer.bias)
