"""Pre-activation residual networks: BatchNorm and ReLU stand before each convolution (He et al., 2016b)."""

import torch
from torch import nn

from ._network import centred


class PreActBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut, which is projected, from what is activated, if the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        changes = stride != 1 or inputs != outputs
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False) if changes else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        active = torch.relu(self.bn1(x))
        kept = x if self.shortcut is None else self.shortcut(active)
        return kept + self.conv2(torch.relu(self.bn2(self.conv1(active))))


class PreActNet(nn.Module):
    """Pixels [n, channels, h, w] in [0, 1] → logits [n, classes]: 3×3 stem, stages of blocks, BatchNorm, mean, linear.

    stages: (blocks, filters, stride of the first block) of each.
    """

    def __init__(self, stem: int, stages: list[tuple[int, int, int]], classes: int, channels: int, normalise: bool):
        super().__init__()
        self.normalise = normalise
        self.conv1 = nn.Conv2d(channels, stem, 3, padding=1, bias=False)
        blocks, inputs = [], stem
        for count, filters, stride in stages:
            for index in range(count):
                blocks.append(PreActBlock(inputs, filters, 1 if index else stride))
                inputs = filters
        self.blocks = nn.Sequential(*blocks)
        self.bn = nn.BatchNorm2d(inputs)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        x = self.blocks(self.conv1(centred(pixels) if self.normalise else pixels))
        return self.fc(torch.relu(self.bn(x)).mean((2, 3)))
