"""The points that Square Attack tries (Andriushchenko et al., 2020), for each norm: the first one, and each change.

All on whole batches, each example with a window of its own size and place: float32 [m, c, h, w] throughout.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import torch

from benchmark.engine.random_start import Draws


class Search(Protocol):
    """What the attack draws in a norm: points on the ball's surface, not yet cut to the pixel range."""

    def start(self, draws: Draws, origin: torch.Tensor, eps: float) -> torch.Tensor:
        """The first point of a run."""

    def change(
        self, draws: Draws, origin: torch.Tensor, top: torch.Tensor, side: torch.Tensor, eps: float
    ) -> torch.Tensor:
        """A point that differs from `top` in windows of about `side` (int64 [m]) pixels."""


@dataclass(frozen=True)
class LInfSearch:
    """Every pixel at +ε or −ε: vertical stripes first, then squares of one colour each.

    spared: so many of the last rows and columns are in no window; the authors' own code spares one.
    """

    spared: int = 0

    def start(self, draws, origin, eps):
        _, channels, _, width = origin.shape
        return origin + eps * _signs(draws, channels * width).unflatten(1, (channels, 1, width))

    def change(self, draws, origin, top, side, eps):
        _, channels, height, width = origin.shape
        side = side.clamp(1, min(height, width))
        window, _, _ = _window(draws, side, height, width, self.spared)
        colour = _signs(draws, channels).view(-1, channels, 1, 1)
        return torch.where(window, origin + eps * colour, top)


@dataclass(frozen=True)
class L2Search:
    """Every perturbation of length ε: a tiling of bumps first, then mass is moved from one window to a bump in another.

    A bump is the original's η: two halves of opposite sign, upright or turned, each falling off from its centre.
    spared: as in `LInfSearch`.
    """

    spared: int = 0

    def start(self, draws, origin, eps):
        _, channels, height, width = origin.shape
        side = max(1, min(height, width) // 5)
        rows, columns = height // side, width // side
        bump = _bump(side, origin.device)
        turned = (draws.uniform(rows * columns) > 0.5).view(-1, 1, rows, columns, 1, 1)
        tiles = torch.where(turned, bump.T, bump)
        tiles = tiles * _signs(draws, channels * rows * columns).view(-1, channels, rows, columns, 1, 1)
        delta = torch.zeros_like(origin)
        top, left = (height - side * rows) // 2, (width - side * columns) // 2
        filled = tiles.transpose(3, 4).flatten(4).flatten(2, 3)
        delta[:, :, top : top + side * rows, left : left + side * columns] = filled
        return origin + eps * delta / _length(delta, (1, 2, 3))

    def change(self, draws, origin, top, side, eps):
        _, channels, height, width = origin.shape
        side = (side.clamp_min(3) // 2 * 2 + 1).clamp_max(min(height, width))  # odd, as the original's
        window, down, right = _window(draws, side, height, width, self.spared)
        other, _, _ = _window(draws, side, height, width, self.spared)
        delta = top - origin
        bump = _placed_bumps(draws, side, down, right, min(height, width))
        old = delta * window
        new = window * (bump * _signs(draws, channels).view(-1, channels, 1, 1)) + old / _length(old, (2, 3))
        unused = (eps**2 - delta.square().sum((1, 2, 3), keepdim=True)).clamp_min(0)  # what clipping to pixels cost
        freed = (delta * (window | other)).square().sum((2, 3), keepdim=True)
        new = new / _length(new, (2, 3)) * (unused / channels + freed).sqrt()
        delta = torch.where(window, new, delta.masked_fill(other, 0))
        return origin + eps * delta / _length(delta, (1, 2, 3))


SEARCHES: dict[str, Search] = {"inf": LInfSearch(), "2": L2Search()}


def _window(
    draws: Draws, side: torch.Tensor, height: int, width: int, spared: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """bool [m, 1, h, w]: a square of `side` pixels, anywhere; and for each row and column how far it is inside."""
    spot = draws.uniform(2)
    inside = []
    for axis, extent in enumerate((height, width)):
        room = (extent - spared - side).clamp_min(0)
        first = (spot[:, axis] * (room + 1)).long().minimum(room)
        inside.append(torch.arange(extent, device=side.device) - first.unsqueeze(1))
    down, right = inside[0].unsqueeze(2), inside[1].unsqueeze(1)  # [m, h, 1], [m, 1, w]
    side = side.view(-1, 1, 1)
    return ((down >= 0) & (down < side) & (right >= 0) & (right < side)).unsqueeze(1), down, right


def _placed_bumps(draws: Draws, side: torch.Tensor, down: torch.Tensor, right: torch.Tensor, most: int) -> torch.Tensor:
    """float32 [m, 1, h, w]: a bump in each example's window, upright or turned; what is outside means nothing."""
    bumps = _bumps(most, side.device)
    turned = (draws.uniform(1) > 0.5).unsqueeze(2)
    down, right = down.clamp(0, most - 1), right.clamp(0, most - 1)
    return bumps[side.view(-1, 1, 1), torch.where(turned, right, down), torch.where(turned, down, right)].unsqueeze(1)


@lru_cache(maxsize=4)
def _bumps(most: int, device: torch.device) -> torch.Tensor:
    """float32 [most + 1, most, most]: the bump of each side, in the upper left corner."""
    bumps = torch.zeros(most + 1, most, most, device=device)
    for side in range(1, most + 1):
        bumps[side, :side, :side] = _bump(side, device)
    return bumps


def _bump(side: int, device: torch.device) -> torch.Tensor:
    """The original's η, float32 [side, side], of length 1."""
    half = side // 2
    bump = torch.cat([_hill(half, side), -_hill(side - half, side)])
    return (bump / bump.norm()).to(device)


def _hill(height: int, width: int) -> torch.Tensor:
    """Nested rectangles around the centre, the inner ones higher, of length 1."""
    hill = torch.zeros(height, width)
    top, left = height // 2, width // 2
    for ring in range(max(height, width) // 2 + 1):
        rows, columns = (slice(max(first - ring, 0), first + ring + 1) for first in (top, left))
        hill[rows, columns] += 1 / (ring + 1) ** 2
    return hill / hill.norm() if height else hill


def _signs(draws: Draws, count: int) -> torch.Tensor:
    """float32 [m, count], −1 or 1."""
    return (draws.uniform(count) > 0.5) * 2.0 - 1.0


def _length(delta: torch.Tensor, dims: tuple[int, ...]) -> torch.Tensor:
    """ℓ2 over these dimensions, kept; never 0."""
    return torch.linalg.vector_norm(delta, dim=dims, keepdim=True).clamp_min(1e-12)
