"""Wide residual network for small images, WRN-28-10 by default (Zagoruyko & Komodakis, 2016)."""

from typing import Annotated

from torch import nn

from benchmark.errors import StageError

from ._network import scaled
from ._preact import PreActNet

STEM, FILTERS = 16, (16, 32, 64)


def model(
    *,
    classes: int,
    channels: int,
    size: int,
    depth: Annotated[int, "depth >= 10"] = 28,
    widen: Annotated[int, "widen >= 1"] = 10,
    width: Annotated[float, "width > 0"] = 1.0,
    normalise: bool = True,
) -> nn.Module:
    """WRN-`depth`-`widen` without dropout, for any `size` from 4 pixels; `depth` is 6 n + 4, StageError otherwise.

    `widen` is the paper's k, which leaves the stem at 16 filters; `width` scales every layer, the stem too.
    `normalise` maps pixels to [−1, 1] first.
    """
    blocks, left = divmod(depth - 4, 6)
    if left:
        raise StageError(f"model wide_resnet: depth {depth} is not 6 n + 4; give {depth - left} or {depth - left + 6}")
    filters = [scaled(number * widen, width) for number in FILTERS]
    stages = list(zip((blocks,) * 3, filters, (1, 2, 2), strict=True))
    return PreActNet(scaled(STEM, width), stages, classes, channels, normalise)
