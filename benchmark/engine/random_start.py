"""Random numbers that belong to an example, not to a batch.

A counter-based generator (Salmon et al., 2011): the i-th number of an example is a hash of (seed, example, run, i). So
a random start does not depend on the batch size, on the order of the examples, or on which others are attacked, and it
touches no global generator. Integers decide, hence a CPU and a GPU draw the same uniforms, bit for bit.
"""

import math

import torch

_GOLDEN = -0x61C8864680B583EB  # 2⁶⁴ / φ, as a signed 64-bit integer
_FIRST, _SECOND = -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15  # the multipliers of SplitMix64
_BITS = 23  # of a uniform; with the half that keeps it off 0 and 1, exact in float32


class Draws:
    """The stream of random numbers of each of m examples; every call goes on where the one before ended.

    seed: any int; index: int64 [m], each example's own number; run: int64 [m] or int, the restart.
    """

    def __init__(self, seed: int, index: torch.Tensor, run: torch.Tensor | int = 0):
        start = _mix(torch.full_like(index, (seed + 2**63) % 2**64 - 2**63))
        self._key = _mix(_mix(start + index) + run).unsqueeze(1)
        self._drawn = 0

    @property
    def key(self) -> torch.Tensor:
        """int64 [m], which tells the streams apart: an index for draws of each step of a run, `Draws(0, key, step)`."""
        return self._key.squeeze(1)

    def uniform(self, count: int) -> torch.Tensor:
        """float32 [m, count], uniform in (0, 1), both ends excluded."""
        counter = torch.arange(self._drawn + 1, self._drawn + count + 1, device=self._key.device)
        self._drawn += count
        bits = _shift(_mix(self._key + counter * _GOLDEN), 64 - _BITS)
        return (bits.float() + 0.5) * 2.0**-_BITS

    def normal(self, count: int) -> torch.Tensor:
        """float32 [m, count], standard normal (Box & Muller, 1958)."""
        half = (count + 1) // 2
        radius, angle = (-2 * self.uniform(half).log()).sqrt(), 2 * math.pi * self.uniform(half)
        return torch.cat([radius * angle.cos(), radius * angle.sin()], dim=1)[:, :count]

    def laplace(self, count: int) -> torch.Tensor:
        """float32 [m, count], the standard Laplace distribution."""
        centred = 2 * self.uniform(count) - 1
        return -centred.sign() * (-centred.abs()).log1p()


def _mix(z: torch.Tensor) -> torch.Tensor:
    """The finaliser of SplitMix64 (Steele et al., 2014) on int64, whose arithmetic wraps."""
    z = (z ^ _shift(z, 30)) * _FIRST
    z = (z ^ _shift(z, 27)) * _SECOND
    return z ^ _shift(z, 31)


def _shift(z: torch.Tensor, by: int) -> torch.Tensor:
    """Logical right shift: torch's own carries the sign along."""
    return (z >> by) & ((1 << (64 - by)) - 1)
