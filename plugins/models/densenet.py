"""DenseNet for small images: 3×3 stem, no max-pooling (Huang et al., 2017, with the customary CIFAR stem)."""

from typing import Annotated, Literal

import torch
from torch import nn

from benchmark.vision import torchvision

from ._network import centred, scaled, start_plainly

BLOCKS = {121: (6, 12, 24, 16), 169: (6, 12, 32, 32), 201: (6, 12, 48, 32)}  # layers in each dense block
GROWTH = 32  # channels that a layer adds; the stem has twice as many


class CifarDenseNet(torchvision().models.DenseNet):
    """Pixels [n, channels, h, w] in [0, 1] → logits [n, classes]; torchvision's network but for its stem."""

    def __init__(self, depth: int, classes: int, channels: int, width: float, normalise: bool):
        growth = scaled(GROWTH, width)
        super().__init__(growth, BLOCKS[depth], num_init_features=2 * growth, num_classes=classes)
        self.normalise = normalise
        self.features.conv0 = nn.Conv2d(channels, 2 * growth, 3, padding=1, bias=False)
        self.features.pool0 = nn.Identity()
        start_plainly(self)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return super().forward(centred(pixels) if self.normalise else pixels)


def model(
    *,
    classes: int,
    channels: int,
    size: int,
    depth: Literal[121, 169, 201] = 121,
    width: Annotated[float, "width > 0"] = 1.0,
    normalise: bool = True,
) -> nn.Module:
    """DenseNet of `depth` layers; `width` scales its growth of 32; works at any `size` from 8 pixels.

    `normalise` maps pixels to [−1, 1] first.
    """
    return CifarDenseNet(depth, classes, channels, width, normalise)
