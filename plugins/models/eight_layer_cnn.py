"""Eight-layer CNN without BatchNorm: six 3×3 convolutions and two linear layers (Adver-Fine, arXiv 2403.09441)."""

from typing import Annotated

import torch
from torch import nn

PLAN = ((32, 1), (32, 2), (64, 1), (64, 2), (128, 1), (128, 2))  # filters, stride
HIDDEN = 128


class EightLayerCNN(nn.Module):
    """Pixels [n, channels, size, size] in [0, 1] → logits [n, classes]."""

    def __init__(self, classes: int, channels: int, size: int, width: float, normalise: bool):
        super().__init__()
        self.normalise = normalise
        layers: list[nn.Module] = []
        for filters, stride in PLAN:
            filters = max(1, round(filters * width))
            layers += [nn.Conv2d(channels, filters, 3, stride=stride, padding=1), nn.ReLU()]
            channels, size = filters, (size + stride - 1) // stride
        self.features = nn.Sequential(*layers)
        hidden = max(1, round(HIDDEN * width))
        self.hidden = nn.Linear(channels * size * size, hidden)
        self.head = nn.Linear(hidden, classes)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        x = (pixels - 0.5) / 0.5 if self.normalise else pixels
        return self.head(torch.relu(self.hidden(self.features(x).flatten(1))))


def model(
    *, classes: int, channels: int, size: int, width: Annotated[float, "width > 0"] = 1.0, normalise: bool = True
) -> nn.Module:
    """The paper's network at width 1, for any input size; `width` scales every layer but the head.

    `normalise` maps pixels to [−1, 1] first, as the paper's Normalize(0.5, 0.5) does.
    """
    return EightLayerCNN(classes, channels, size, width, normalise)
