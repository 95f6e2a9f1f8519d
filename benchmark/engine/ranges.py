"""Calibration: how far the levels of a layer's input reach. What is beyond is clipped; farther means coarser steps."""

from dataclasses import dataclass
from typing import Any, Literal

import torch

SAMPLE = 2**18  # values of an input that a percentile or a squared error is taken over
RATIOS = tuple(0.95**power for power in range(80))  # of the largest value, down to 1/58: where a range may end


@dataclass(frozen=True)
class Calibration:
    """minmax: everything is inside. percentile: that share (in %) of the input's sizes. mse: least squared error."""

    method: Literal["minmax", "percentile", "mse"] = "minmax"
    percentile: float = 99.99


def input_range(x: torch.Tensor, quantiser: Any, calibration: Calibration) -> torch.Tensor:
    """The largest size (0-dimensional) that is not clipped; `quantiser`: a twin's InputQuantiser.

    The same values give the same range to the bit, so layers that share their input share its quantised copy, too.
    """
    largest = x.abs().max()
    if calibration.method == "minmax":
        return largest
    sample = x.flatten()
    if len(sample) > SAMPLE:
        generator = torch.Generator().manual_seed(0)
        sample = sample[torch.randint(len(sample), (SAMPLE,), generator=generator).to(x.device)]
    if calibration.method == "percentile":
        return sample.abs().quantile(calibration.percentile / 100)

    def error(ratio: float) -> torch.Tensor:
        clip = largest * ratio
        return (quantiser.quantised(quantiser.clipped(sample, clip), clip) - sample).square().mean()

    errors = torch.stack([error(ratio) for ratio in RATIOS])
    return largest * RATIOS[int(errors.argmin())]
