"""The quantised twin: a network that computes with quantised weights and layer inputs, and can be differentiated.

Every convolution and linear layer's weight is a multiple of one step per output channel, and its input a multiple of
one step; both steps are floats and nothing has a zero point, as in an integer runtime. Backwards, rounding is the
identity (straight-through, Bengio et al., 2013) and a clipped input has no gradient. The twin holds no observer and
does the same in train and eval mode: ranges move only in `calibrate`, or by an optimizer's step if they are learned.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from math import ceil

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils import parametrize

from benchmark.engine.ranges import Calibration, input_range

LAYERS = (_ConvNd, nn.Linear)
LOW_BITS = 4  # at these and fewer a layer's function is more the quantiser's than the weights'
THROUGH_CLIPS = ("auto", "never", "always")
_SMALLEST = 1e-12  # what a range is at least: a channel of zeros has none

_through_clips: ContextVar[bool] = ContextVar("through_clips", default=False)


@dataclass(frozen=True)
class Widths:
    """How a layer is quantised: bits (1 … 16) of its weights and of its input; None: float32.

    signed: the input can be negative. learned: its range is a parameter (PACT, Choi et al., 2018).
    """

    weights: int | None
    activations: int | None
    signed: bool = True
    learned: bool = False


class WeightQuantiser(nn.Module):
    """Weight → quantised weight, as a parametrisation: the stored float32 weight is what training moves.

    The step of each output channel (dimension `axis`) follows the weights: max|w| / (2^(bits − 1) − 1). One bit is
    sign(w) · mean|w| (Rastegari et al., 2016).
    """

    def __init__(self, bits: int, axis: int):
        super().__init__()
        self.bits, self.axis = bits, axis

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return _straight_through(self.quantised(weight.detach()), weight)

    def quantised(self, weight: torch.Tensor) -> torch.Tensor:
        others = [axis for axis in range(weight.ndim) if axis != self.axis]
        if self.bits == 1:
            size = weight.abs().mean(others, keepdim=True)
            return torch.where(weight >= 0, size, -size)
        highest = 2 ** (self.bits - 1) - 1
        step = weight.abs().amax(others, keepdim=True).clamp(min=_SMALLEST) / highest
        if torch.jit.is_tracing():
            step = step.flatten()
            none = torch.zeros_like(step, dtype=torch.int32)
            return torch.fake_quantize_per_channel_affine(weight, step, none, self.axis, -highest, highest)
        return weight.mul(step.reciprocal()).round_().mul_(step)


class InputQuantiser(nn.Module):
    """Layer input → quantised input: 2^bits levels from 0 to `clip`, or if signed 2^bits − 1 from −clip to clip.

    One signed bit is ± clip / 2. Clipped values pass no gradient to the input; if `clip` is learned, it gets theirs.
    """

    def __init__(self, bits: int, signed: bool, learned: bool):
        super().__init__()
        self.bits, self.signed, self.learned = bits, signed, learned
        if learned:
            self.clip = nn.Parameter(torch.ones(()))
        else:
            self.register_buffer("clip", torch.ones(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        clip = self.clip.abs().clamp(min=_SMALLEST)  # an optimizer's step may cross zero
        inside = self.clipped(x, clip)
        return _straight_through(self.quantised(inside.detach(), clip.detach()), x if _through_clips.get() else inside)

    def clipped(self, x: torch.Tensor, clip: torch.Tensor) -> torch.Tensor:
        return x.clamp(-clip if self.signed else torch.zeros_like(clip), clip)

    def quantised(self, x: torch.Tensor, clip: torch.Tensor) -> torch.Tensor:
        """The nearest levels to `x`, which is clipped already."""
        if self.bits == 1 and self.signed:
            return torch.where(x >= 0, clip / 2, -clip / 2)
        highest = 2 ** (self.bits - 1) - 1 if self.signed else 2**self.bits - 1
        step = clip / highest
        if torch.jit.is_tracing():  # the operator that runtimes recognise: the same bits, at ten times the price
            none = torch.zeros_like(step, dtype=torch.int32)
            return torch.fake_quantize_per_tensor_affine(x, step, none, -highest if self.signed else 0, highest)
        return x.mul(step.reciprocal()).round_().mul_(step)


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx, value, path):
        return value.view_as(value)

    @staticmethod
    def backward(ctx, gradient):
        return None, gradient


def _straight_through(value: torch.Tensor, path: torch.Tensor) -> torch.Tensor:
    """`value`, to the bit, with the gradient of `path`; an exported network has none."""
    return value if torch.jit.is_tracing() else _StraightThrough.apply(value, path)


@contextmanager
def passing_through_clips() -> Iterator[None]:
    """Inside, clipped inputs pass gradients as if they were not clipped: for attacks on few bits, where most are.

    Holds for every twin and every copy of one, in this thread; what a twin computes does not change.
    """
    before = _through_clips.set(True)
    try:
        yield
    finally:
        _through_clips.reset(before)


def is_passed_through(module: nn.Module, through_clips: str) -> bool:
    """Whether attacks try `passing_through_clips` as well: on any quantised input if through_clips is "always", and if
    it is "auto" where some layer's has at most LOW_BITS, so that most of it may be clipped."""
    bits = [part.bits for part in module.modules() if isinstance(part, InputQuantiser)]
    return through_clips != "never" and bool(bits) and (through_clips == "always" or min(bits) <= LOW_BITS)


@torch.no_grad()
def survey(module: nn.Module, images: torch.Tensor) -> dict[str, bool]:
    """The layers that the network calls, in the order of its first calls → whether the input is ever negative."""
    signed: dict[str, bool] = {}
    names = {part: name for name, part in module.named_modules() if isinstance(part, LAYERS)}

    def note(layer, inputs):
        signed[names[layer]] = signed.get(names[layer], False) or bool(inputs[0].min() < 0)

    hooks = [layer.register_forward_pre_hook(note) for layer in names]
    module(images)
    for hook in hooks:
        hook.remove()
    return signed


def quantise(module: nn.Module, layers: dict[str, Widths], calibration: Calibration) -> None:
    """Make `module` a twin, in place: the structure alone, its ranges are those of `calibrate` or of stored weights."""
    for name, widths in layers.items():
        layer = module.get_submodule(name)
        if widths.activations:
            layer.entry = InputQuantiser(widths.activations, widths.signed, widths.learned).to(layer.weight.device)
            layer.register_forward_pre_hook(_quantise_input)
        if widths.weights:
            parametrize.register_parametrization(layer, "weight", WeightQuantiser(widths.weights, _axis(layer)))
    module.quantised_twin = True
    module.calibration = calibration


def _axis(layer: nn.Module) -> int:
    """The dimension of a layer's weight that its output channels are."""
    return 1 if getattr(layer, "transposed", False) else 0


def _quantise_input(layer: nn.Module, inputs: tuple) -> tuple:
    return layer.entry(inputs[0]), *inputs[1:]


@torch.no_grad()
def calibrate(module: nn.Module, images: torch.Tensor, again: bool = False) -> None:
    """Set the ranges of layer inputs, in one pass: a layer sees what the layers before it give once they are quantised.

    images: float32 [n, c, h, w] on the module's device, all at once. again: after a training, which has set learned
    ranges and has fitted the weights to those of LOW_BITS, so that both stay (with new ones a 1-bit network loses all).
    """
    seen: dict[nn.Module, torch.Tensor] = {}

    def observe(quantiser, inputs):
        found = input_range(inputs[0], quantiser, module.calibration)
        seen[quantiser] = torch.maximum(seen.get(quantiser, found), found)  # a layer may be called more than once
        quantiser.clip.copy_(seen[quantiser])

    parts = [part for part in module.modules() if isinstance(part, InputQuantiser)]
    moving = [part for part in parts if not again or not (part.learned or part.bits <= LOW_BITS)]
    hooks = [part.register_forward_pre_hook(observe) for part in moving]
    module(images)
    for hook in hooks:
        hook.remove()


def described(module: nn.Module) -> list[dict[str, object]]:
    """Each layer's name, bits (None: float32), and the most levels that one channel's weights take, as JSON values."""
    layers = [(name, layer) for name, layer in module.named_modules() if isinstance(layer, LAYERS)]
    return [
        {
            "name": name,
            "weights": layer.parametrizations.weight[0].bits if parametrize.is_parametrized(layer) else None,
            "activations": layer.entry.bits if hasattr(layer, "entry") else None,
            "weight_levels": _levels(layer),
        }
        for name, layer in layers
    ]


@torch.no_grad()
def _levels(layer: nn.Module) -> int:
    values = layer.weight.transpose(0, _axis(layer)).flatten(1).sort(1).values
    return int((values.diff(dim=1) > 0).sum(1).max()) + 1


def weight_bytes(module: nn.Module) -> int:
    """Bytes that the twin's tensors take at their own widths: weights packed, with one float32 step a channel."""
    total = 0
    for part in module.modules():
        if isinstance(part, parametrize.ParametrizationList):
            weight, quantiser = part.original, part[0]
            total += ceil(weight.numel() * quantiser.bits / 8) + 4 * weight.shape[quantiser.axis]
        else:
            own = [*part.parameters(recurse=False), *part.buffers(recurse=False)]
            total += sum(tensor.numel() * tensor.element_size() for tensor in own)
    return total
