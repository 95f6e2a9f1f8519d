"""Networks and their quantised twins, for the tests of the twin and of its ranges."""

import copy
from functools import cache

import torch
from torch import nn

from benchmark.engine import fold, twin
from benchmark.engine.ranges import Calibration
from benchmark.engine.twin import Widths
from tests.small_networks import prepared, trained


def quantised(module: nn.Module, bits: int | None, activations: int | None = -1, **options) -> nn.Module:
    """A calibrated twin of a copy of `module`; `bits` of both, unless `activations` says otherwise."""
    method, learned = options.pop("method", "mse"), options.pop("learned", False)
    made = copy.deepcopy(module).eval()
    images = prepared().training.train.pixels(slice(200))
    fold.fold(made, fold.foldable(made, images[:4]))
    fold.straighten(made, fold.remaining(made))
    bits_in = bits if activations == -1 else activations
    layers = {name: Widths(bits, bits_in, signed, learned) for name, signed in twin.survey(made, images).items()}
    twin.quantise(made, layers, Calibration(method, **options))
    twin.calibrate(made, images)
    return made


@cache
def network() -> nn.Module:
    return trained(robust=False).model


def logits(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return module(x)


class Preactivated(nn.Module):
    """BatchNorm before a convolution, and one whose input has another reader: neither can be folded into a layer."""

    def __init__(self):
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(1), nn.Conv2d(1, 8, 3, padding=1)
        self.second, self.head = nn.BatchNorm2d(8), nn.Linear(512, 10)

    def forward(self, x):
        x = self.conv(self.norm(x))
        return self.head(torch.relu(x + self.second(x)).flatten(1))


@cache
def preactivated() -> nn.Module:
    torch.manual_seed(0)
    module = Preactivated().train()
    for x, _ in prepared().training.train.batches(64):
        module(x * 3)
    return module.eval()


# the same function, in fewer levels
