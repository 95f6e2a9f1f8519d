"""The machine's own measure: one large matrix product, in fp32 and in bf16, beside the attacks in the same run.

An attack's useful work: forward and the gradient to the input are one multiply–accumulate each for every MAC of a
convolution or linear layer, so a gradient is 2 × MACs = 4 × MACs operations. The judge's passes, and the weight
gradients that some take for nothing, do not count as work.
"""

import statistics

import torch

from tests.speed.grounds import Ground
from tests.speed.ledger import Ledger, Line
from tests.speed.tables import total
from tests.speed.walk import timed

SIDE = {"cpu": 2048, "cuda": 8192}
TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def sample(ledger: Ledger, ground: Ground, number: int) -> None:
    """Time one product of each type."""
    side = SIDE[ground.device]
    for name, dtype in TYPES.items():
        matrix = torch.randn(side, side, device=ground.device).to(dtype)
        matrix @ matrix
        with timed(ground.device) as timing:
            matrix @ matrix
        ledger.add("peak", ground.name, name, number, rate=2 * side**3 / timing.seconds)


def peaks(ledger: Ledger, network: str) -> dict[str, float]:
    """Operations a second, the median, of each type."""
    return {who: statistics.median(line["rate"] for line in lines) for who, lines in ledger.of("peak", network).items()}


def shares(lines: list[Line], macs: int, rates: dict[str, float]) -> list[str | None]:
    """In percent of each type's peak, in the order of TYPES."""
    if total(lines, "gradients") is None:
        return [None for _ in TYPES]
    rate = 4 * macs * statistics.median(line["gradients"] / line["seconds"] for line in lines)
    return [f"{100 * rate / rates[name]:.0f}" if name in rates else None for name in TYPES]
