"""ResNet for small images: 3×3 stem, no max-pooling (He et al., 2016, with the customary CIFAR stem)."""

from typing import Annotated, Literal

import torch
from torch import nn

from benchmark.vision import torchvision

resnet = torchvision().models.resnet

STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}  # blocks
FILTERS = (64, 128, 256, 512)


class CifarResNet(nn.Module):
    """Pixels [n, channels, h, w] in [0, 1] → logits [n, classes]; torchvision's blocks and its parameters' names.

    Weights start as PyTorch's layers do by default, so `reset_parameters` on every layer is this network's own start.
    """

    def __init__(self, depth: int, classes: int, channels: int, width: float, normalise: bool):
        super().__init__()
        self.normalise = normalise
        block = resnet.Bottleneck if depth >= 50 else resnet.BasicBlock
        filters = [max(1, round(number * width)) for number in FILTERS]
        self.conv1 = nn.Conv2d(channels, filters[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters[0])
        self.relu = nn.ReLU(inplace=True)
        inputs = filters[0]
        for stage, (blocks, outputs) in enumerate(zip(STAGES[depth], filters, strict=True), start=1):
            setattr(self, f"layer{stage}", _stage(block, blocks, inputs, outputs, stride=1 if stage == 1 else 2))
            inputs = outputs * block.expansion
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        x = (pixels - 0.5) / 0.5 if self.normalise else pixels
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


def _stage(block: type[nn.Module], blocks: int, inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """`blocks` residual blocks; the first one strides, and projects its shortcut if its shape changes."""
    expanded = outputs * block.expansion
    shortcut = None
    if stride != 1 or inputs != expanded:
        shortcut = nn.Sequential(resnet.conv1x1(inputs, expanded, stride), nn.BatchNorm2d(expanded))
    rest = [block(expanded, outputs) for _ in range(blocks - 1)]
    return nn.Sequential(block(inputs, outputs, stride, shortcut), *rest)


def model(
    *,
    classes: int,
    channels: int,
    size: int,
    depth: Literal[18, 34, 50] = 18,
    width: Annotated[float, "width > 0"] = 1.0,
    normalise: bool = True,
) -> nn.Module:
    """ResNet of `depth` layers; `width` scales every layer's filters; works at any `size` from 8 pixels.

    `normalise` maps pixels to [−1, 1] first.
    """
    return CifarResNet(depth, classes, channels, width, normalise)
