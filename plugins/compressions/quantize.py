"""Quantisation of weights and activations, 16 … 1 bit, simulated by a twin that can be attacked and trained."""

from copy import deepcopy
from typing import Annotated, Any, Literal

import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils import prune as masks

from benchmark.engine import fold, twin
from benchmark.engine.ranges import Calibration
from benchmark.engine.twin import Widths
from benchmark.errors import CompressionError

# which parameters set widths, and of what: a network whose widths are all 8 can be deployed in integers
WIDTHS = {"weights": ("bits", "weights", "first_last"), "activations": ("bits", "activations", "first_last")}
IMAGES = 512  # training images that ranges are calibrated on
PIXELS = 2**21  # … at most, of all images together: they go through the network at once


def compress(
    model: nn.Module,
    context: Any,
    *,
    bits: Annotated[int | None, "1 <= bits <= 16"] = None,
    weights: Annotated[int | None, "1 <= weights <= 16"] = None,
    activations: Annotated[int | None, "1 <= activations <= 16"] = None,
    calibration: Literal["minmax", "percentile", "mse"] = "mse",
    percentile: Annotated[float | None, "50 <= percentile <= 100"] = None,
    first_last: Annotated[int | None, "1 <= first_last <= 16"] = None,
    learned_clipping: bool = False,
) -> tuple[nn.Module, dict[str, Any]]:
    """The quantised twin of `model`, its BatchNorm folded, and the state that rebuilds its structure.

    `bits` sets both widths; `weights` and `activations` set one each, and what is left out stays float32. Weights have
    a step for each output channel, activations (the inputs of convolutions and linear layers) one for each layer.
    `first_last` is the width of both in the first and in the last layer that run.

    A channel's weights reach to its largest one. calibration: activations, on training images, to the largest (minmax),
    to a `percentile` (99.99 by default), or as far as gives the least squared error (mse). learned_clipping: a training
    afterwards moves the ranges of activations (PACT, Choi et al., 2018), but not those that `first_last` sets. Ranges
    of more than 4 bits that are not learned are calibrated again after each training.

    With no training afterwards this is post-training quantisation; a training afterwards goes straight through the
    rounding (quantisation-aware training). Raises CompressionError if arguments contradict each other, if the network
    computes its weights (it is quantised already, say), or if a layer has more levels than its bits allow.
    """
    asked = _widths(bits, weights, activations)
    chosen = _calibration(calibration, percentile)
    if learned_clipping and not asked[1]:
        raise CompressionError("quantize: learned_clipping without activations; give them bits, or leave it out")
    _refuse_computed_weights(model)
    quantised = deepcopy(model).eval()
    images = _images(context)
    folds = fold.foldable(quantised, images[:4])
    fold.fold(quantised, folds)
    norms = fold.remaining(quantised)
    fold.straighten(quantised, norms)
    signed = twin.survey(quantised, images)
    ends = {next(iter(signed), None), next(reversed(signed), None)} if first_last else set()
    layers = {
        name: Widths(
            first_last if asked[0] and name in ends else asked[0],
            first_last if asked[1] and name in ends else asked[1],
            negative,
            learned_clipping and name not in ends,
        )
        for name, negative in signed.items()
    }
    twin.quantise(quantised, layers, chosen)
    twin.calibrate(quantised, images)
    return quantised, {
        "folds": folds,
        "norms": norms,
        "layers": {name: vars(widths) for name, widths in layers.items()},
        "calibration": vars(chosen),
        "achieved": _achieved(quantised, asked),
    }


def rebuild(module: nn.Module, state: dict[str, Any]) -> nn.Module:
    """The structure that `compress` gave, from the structure that it was given; weights are loaded afterwards."""
    fold.fold(module, state["folds"])
    fold.straighten(module, state["norms"])
    layers = {name: Widths(**widths) for name, widths in state["layers"].items()}
    twin.quantise(module, layers, Calibration(**state["calibration"]))
    return module


def settle(module: nn.Module, context: Any) -> None:
    """Calibrate activations of more than 4 bits again, unless their ranges are learned."""
    twin.calibrate(module.eval(), _images(context), again=True)


def _widths(bits: int | None, weights: int | None, activations: int | None) -> tuple[int | None, int | None]:
    """Bits of weights and of activations."""
    if bits and (weights or activations):
        other = "weights" if weights else "activations"
        raise CompressionError(f"quantize: bits {bits} and {other} {weights or activations}; give one or the other")
    if not (bits or weights or activations):
        raise CompressionError("quantize: no width is given; give bits, or weights and activations")
    return (bits, bits) if bits else (weights, activations)


def _calibration(method: str, percentile: float | None) -> Calibration:
    if percentile is None:
        return Calibration(method)
    if method != "percentile":
        raise CompressionError(
            f"quantize: percentile {percentile:g} and calibration {method}; say calibration: percentile"
        )
    return Calibration(method, percentile)


def _refuse_computed_weights(model: nn.Module) -> None:
    if getattr(model, "quantised_twin", False):
        raise CompressionError("quantize: the network is quantised already; quantise it once, to the bits you want")
    for name, module in model.named_modules():
        masked = not list(module.children()) and masks.is_pruned(module)
        if masked or parametrize.is_parametrized(module):
            raise CompressionError(f"quantize: layer {name} computes its weights (masked, say); make them plain first")


def _images(context: Any) -> torch.Tensor:
    """Training images, any of them, float32 [n, c, h, w] on the device."""
    height, width = context.example.shape[-2:]
    count = max(1, min(IMAGES, PIXELS // (height * width)))
    return next(context.data.train.batches(count, context.generator))[0]


def _achieved(quantised: nn.Module, asked: tuple[int | None, int | None]) -> dict[str, Any]:
    layers = twin.described(quantised)
    for layer in layers:
        if layer["weights"] and layer["weight_levels"] > 2 ** layer["weights"]:
            raise CompressionError(
                f"quantize: layer {layer['name']} has {layer['weight_levels']} levels in one channel, "
                f"more than {layer['weights']} bits can tell apart"
            )
    return {
        "weights_bits": asked[0],
        "activations_bits": asked[1],
        "theoretical_bytes": twin.weight_bytes(quantised),
        "layers": layers,
    }
