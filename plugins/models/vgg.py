"""VGG with BatchNorm for small images: one linear layer after the convolutions (Simonyan & Zisserman, 2015)."""

from typing import Annotated, Literal

import torch
from torch import nn

from benchmark.vision import torchvision

from ._network import centred, scaled

PLANS = {11: "A", 13: "B", 16: "D", 19: "E"}  # the paper's names of its configurations


class CifarVGG(nn.Module):
    """Pixels [n, channels, h, w] in [0, 1] → logits [n, classes]; torchvision's plans and names of its features."""

    def __init__(self, depth: int, classes: int, channels: int, width: float, normalise: bool):
        super().__init__()
        self.normalise = normalise
        layers: list[nn.Module] = []
        for filters in torchvision().models.vgg.cfgs[PLANS[depth]]:
            if filters == "M":
                layers.append(nn.MaxPool2d(2, ceil_mode=True))  # rounded up: 28 pixels are halved five times
            else:
                filters = scaled(filters, width)
                layers += [nn.Conv2d(channels, filters, 3, padding=1), nn.BatchNorm2d(filters), nn.ReLU()]
                channels = filters
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(centred(pixels) if self.normalise else pixels).mean((2, 3)))


def model(
    *,
    classes: int,
    channels: int,
    size: int,
    depth: Literal[11, 13, 16, 19] = 16,
    width: Annotated[float, "width > 0"] = 1.0,
    normalise: bool = True,
) -> nn.Module:
    """VGG-`depth`-BN; `width` scales every layer's filters; works at any `size`.

    `normalise` maps pixels to [−1, 1] first.
    """
    return CifarVGG(depth, classes, channels, width, normalise)
