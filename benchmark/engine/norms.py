"""The ℓp balls: each norm is four small hooks, which is all that an iterative attack needs to know of it.

Perturbations and gradients are float32 [m, …]; eps is the radius in pixels. To add a norm, write its class and list it
in `NORMS`.
"""

import math
from typing import ClassVar, Protocol

import torch

from benchmark.engine.random_start import Draws

Bound = float | torch.Tensor  # of the pixel range; a tensor where it differs from pixel to pixel

_TINY = torch.finfo(torch.float32).tiny


class Norm(Protocol):
    """What an attack asks of a norm."""

    name: ClassVar[str]

    def length(self, delta: torch.Tensor) -> torch.Tensor:
        """The norm of each perturbation, shape [m, 1, …, 1]."""

    def steepest(self, gradient: torch.Tensor, point: torch.Tensor, low: Bound, high: Bound) -> torch.Tensor:
        """The step of length 1 at `point` that ascends fastest; low, high: the pixel range."""

    def project(self, delta: torch.Tensor, eps: float) -> torch.Tensor:
        """A point of the ball of radius eps; never moves a pixel away from zero, so the pixel range stays respected."""

    def start(self, draws: Draws, shape: torch.Size, eps: float) -> torch.Tensor:
        """Uniform in the ball of radius eps: one perturbation of this shape for each example of `draws`."""


class LInf:
    name = "inf"

    def length(self, delta):
        return _column(delta.flatten(1).abs().amax(1), delta)

    def steepest(self, gradient, point, low, high):
        return gradient.sign()

    def project(self, delta, eps):
        return delta.clamp(-eps, eps)

    def start(self, draws, shape, eps):
        return ((2 * draws.uniform(math.prod(shape)) - 1) * eps).unflatten(1, shape)


class L2:
    name = "2"

    def length(self, delta):
        return _column(delta.flatten(1).norm(dim=1), delta)

    def steepest(self, gradient, point, low, high):
        # twice: the squares of a confident network's gradients underflow
        largest = LInf.length(self, gradient).clamp_min(_TINY)
        gradient = gradient / largest
        return gradient / self.length(gradient).clamp_min(_TINY)

    def project(self, delta, eps):
        return delta * (eps / self.length(delta).clamp_min(_TINY)).clamp_max(1)

    def start(self, draws, shape, eps):
        return _in_ball(self, draws.normal(math.prod(shape)).unflatten(1, shape), draws, eps)


class L1:
    """Sparse steps (Tramèr & Boneh, 2019): the steepest ascent in ℓ1 moves one pixel, which takes too many steps, so
    one step is shared by the hundredth of the pixels with the largest gradients, of those that still can move (Croce &
    Hein, 2021)."""

    name = "1"
    share = 0.01  # of the pixels that one step moves

    def length(self, delta):
        return _column(delta.flatten(1).abs().sum(1), delta)

    def steepest(self, gradient, point, low, high):
        stuck = ((point <= low) & (gradient < 0)) | ((point >= high) & (gradient > 0))
        flat = gradient.masked_fill(stuck, 0).flatten(1)
        count = max(1, round(self.share * flat.shape[1]))
        chosen = flat.abs().topk(count, dim=1).indices
        step = torch.zeros_like(flat).scatter_(1, chosen, flat.gather(1, chosen).sign() / count)
        return step.view_as(gradient)

    def project(self, delta, eps):
        """Euclidean (Duchi et al., 2008): soft thresholding at the level that leaves a length of eps."""
        size = delta.flatten(1).abs()
        descending = size.sort(dim=1, descending=True).values
        rank = torch.arange(1, size.shape[1] + 1, device=size.device)
        level = (descending.cumsum(1) - eps) / rank
        kept = (descending > level).sum(1, keepdim=True).clamp_min(1)
        threshold = level.gather(1, kept - 1).clamp_min(0)  # negative: inside the ball already
        return delta.sign() * (size - threshold).clamp_min(0).view_as(delta)

    def start(self, draws, shape, eps):
        return _in_ball(self, draws.laplace(math.prod(shape)).unflatten(1, shape), draws, eps)


NORMS: dict[str, Norm] = {norm.name: norm for norm in (LInf(), L2(), L1())}


def norm_named(value: str | float) -> Norm:
    """The norm that ART's users write as "inf", np.inf, 2, "2" or 1; ValueError for any other."""
    try:
        return NORMS[f"{float(value):g}"]
    except (KeyError, ValueError, TypeError):
        raise ValueError(f"norm {value!r} is unknown; it is one of {', '.join(NORMS)}") from None


def _in_ball(norm: Norm, direction: torch.Tensor, draws: Draws, eps: float) -> torch.Tensor:
    """Uniform in the ball, from a direction that is uniform on its surface: the radius is u^(1/d)."""
    radius = eps * draws.uniform(1) ** (1 / direction[0].numel())
    return direction * (_column(radius.squeeze(1), direction) / norm.length(direction))


def _column(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """[m] → [m, 1, …, 1], to multiply with `like`."""
    return values.view(-1, *[1] * (like.ndim - 1))
