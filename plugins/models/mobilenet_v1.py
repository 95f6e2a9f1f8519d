"""MobileNet v1 for small images: depthwise separable convolutions, stem of stride 1 (Howard et al., 2017)."""

from typing import Annotated

import torch
from torch import nn

from ._network import centred, scaled

STEM = 32
PLAN = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))


class MobileNetV1(nn.Module):
    """Pixels [n, channels, h, w] in [0, 1] → logits [n, classes]."""

    def __init__(self, classes: int, channels: int, width: float, normalise: bool):
        super().__init__()
        self.normalise = normalise
        inputs = scaled(STEM, width)
        layers = _convolution(channels, inputs, 3)
        for filters, stride in PLAN:  # filters, stride
            outputs = scaled(filters, width)
            layers += _convolution(inputs, inputs, 3, stride, groups=inputs) + _convolution(inputs, outputs, 1)
            inputs = outputs
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(inputs, classes)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(centred(pixels) if self.normalise else pixels).mean((2, 3)))


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    layer = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False)
    return [layer, nn.BatchNorm2d(outputs), nn.ReLU()]


def model(
    *, classes: int, channels: int, size: int, width: Annotated[float, "width > 0"] = 1.0, normalise: bool = True
) -> nn.Module:
    """The paper's network but for its stem's stride, at any `size`; `width` is its multiplier α.

    `normalise` maps pixels to [−1, 1] first.
    """
    return MobileNetV1(classes, channels, width, normalise)
