"""MobileNet v2 for small images: inverted residuals, stem and first stages of stride 1 (Sandler et al., 2018)."""

from typing import Annotated

import torch
from torch import nn

from benchmark.vision import torchvision

from ._network import centred, scaled

STEM, LAST = 32, 1280
# expansion, filters, blocks, stride: the paper's, but for the second stage's stride
PLAN = ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))

mobilenet = torchvision().models.mobilenetv2


class CifarMobileNetV2(nn.Module):
    """Pixels [n, channels, h, w] in [0, 1] → logits [n, classes]; torchvision's blocks and its parameters' names."""

    def __init__(self, classes: int, channels: int, width: float, normalise: bool):
        super().__init__()
        self.normalise = normalise
        inputs = scaled(STEM, width)
        layers: list[nn.Module] = [_convolution(channels, inputs, 3)]
        for expansion, filters, blocks, stride in PLAN:
            outputs = scaled(filters, width)
            for index in range(blocks):
                layers.append(mobilenet.InvertedResidual(inputs, outputs, 1 if index else stride, expansion))
                inputs = outputs
        last = scaled(LAST, width)
        self.features = nn.Sequential(*layers, _convolution(inputs, last, 1))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(last, classes))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(centred(pixels) if self.normalise else pixels).mean((2, 3)))


def _convolution(inputs: int, outputs: int, kernel: int) -> nn.Module:
    return mobilenet.Conv2dNormActivation(inputs, outputs, kernel, activation_layer=nn.ReLU6)


def model(
    *, classes: int, channels: int, size: int, width: Annotated[float, "width > 0"] = 1.0, normalise: bool = True
) -> nn.Module:
    """The paper's network but for its first two strides, at any `size`.

    `width` scales every layer, not rounded to eights, and the last convolution's 1280 too, which the paper keeps below
    width 1. `normalise` maps pixels to [−1, 1] first.
    """
    return CifarMobileNetV2(classes, channels, width, normalise)
