"""Pre-activation ResNet for small images: 3×3 stem, BatchNorm before each convolution (He et al., 2016b)."""

from typing import Annotated, Literal

from torch import nn

from ._network import scaled
from ._preact import PreActNet

STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}  # blocks
FILTERS = (64, 128, 256, 512)


def model(
    *,
    classes: int,
    channels: int,
    size: int,
    depth: Literal[18, 34] = 18,
    width: Annotated[float, "width > 0"] = 1.0,
    normalise: bool = True,
) -> nn.Module:
    """PreActResNet of `depth` layers; `width` scales every layer's filters; works at any `size` from 8 pixels.

    With the last BatchNorm that the paper has, and fast adversarial training (Wong et al., 2020), and some copies lack.
    `normalise` maps pixels to [−1, 1] first.
    """
    filters = [scaled(number, width) for number in FILTERS]
    stages = list(zip(STAGES[depth], filters, (1, 2, 2, 2), strict=True))
    return PreActNet(filters[0], stages, classes, channels, normalise)
