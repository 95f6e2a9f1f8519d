"""HopSkipJump (Chen et al., 2020): along the decision boundary to the nearest point of it, by predicted labels alone.

Every step estimates the boundary's normal at the current point from the labels of random points around it, jumps that
way, and comes back to the boundary by bisection towards the clean image.
"""

import math
from typing import ClassVar

import torch
from art.estimators.classification.classifier import ClassifierMixin
from art.estimators.estimator import BaseEstimator
from torch.nn import functional

from benchmark.engine.attack import Attack, columns
from benchmark.engine.losses import score, succeeded
from benchmark.engine.random_start import Draws
from benchmark.engine.square import Queries

_FIRST_RADIUS = 0.1  # pixels: of the first random points around; later a share of the distance that is left
_CELLS = (1, 2, 4, 8)  # pixels to a side of the starts' noise: robust networks take fine noise for one class
_HALVINGS = 30  # of a jump, before it is given up
_TINY = 1e-12
_FINEST = 1e-6  # pixels: where a bisection ends at the latest; below it, which side a point is on is rounding's to say
_BEYOND = 1e-4  # of the distance: how far beyond the boundary an example is given back
_START = 2**40  # the starts' runs, beyond those of any step


class HopSkipJump(Attack):
    """Gives back the nearest point of all steps; the clean image where the start finds no other label.

    norm: "2" or "inf". max_iter: steps; init_eval: queries for the first step's normal, in step t √t times as many, at
    most max_eval; init_size: tries for a start; gamma: how fine the bisection is. The defaults are the paper's. All
    that it asks the network is which class wins.
    """

    attack_params: ClassVar = [*Attack.attack_params, *("max_iter", "init_eval", "max_eval", "init_size", "gamma")]
    least = (*Attack.least, ("max_iter", 0), ("init_eval", 1), ("max_eval", 1), ("init_size", 1), ("gamma", 1e-6))
    norms = ("inf", "2")
    _estimator_requirements = (BaseEstimator, ClassifierMixin)

    def __init__(
        self,
        estimator,
        norm: str | float = "2",
        max_iter: int = 64,
        init_eval: int = 100,
        max_eval: int = 10_000,
        init_size: int = 100,
        gamma: float = 1.0,
        batch_size: int = 256,
        seed: int = 0,
    ):
        super().__init__(
            estimator,
            norm=norm,
            max_iter=max_iter,
            init_eval=init_eval,
            max_eval=max_eval,
            init_size=init_size,
            gamma=gamma,
            batch_size=batch_size,
            seed=seed,
        )
        self._queries = Queries(estimator)

    @property
    def oracle(self) -> Queries:
        return self._queries

    @property
    def device(self) -> torch.device:
        return self.estimator.device if self._queries.torch else torch.device("cpu")

    def _craft(self, images: torch.Tensor, labels: torch.Tensor, index: torch.Tensor, seed: int) -> None:
        clean = images.to(self.device)
        stream = Draws(seed, index).key
        rows = (~self._broken(clean, labels)).nonzero().squeeze(1)
        starts, started = self._starts(clean[rows], labels[rows], stream[rows])
        rows, point = rows[started], starts[started]
        if not len(rows):
            return
        origin, label, stream = clean[rows], labels[rows], stream[rows]
        best, distance = point, self._length(point - origin)
        for step in range(self.max_iter):
            point = self._jumped(origin, point, label, stream, step)
            length = self._length(point - origin)
            best = torch.where(columns(length < distance, point), point, best)
            distance = length.minimum(distance)
        images[rows.to(images.device)] = self._beyond(origin, best, label).to(images.device)

    def _beyond(self, origin: torch.Tensor, point: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """The points, a little farther out where they are still broken there.

        On the boundary itself, a judge with other images in its batch may round the other way, and would call the
        example robust at every ε.
        """
        wide = columns(_BEYOND * self._length(point - origin) + _FINEST, point)
        delta = point - origin
        farther = (point + wide * (delta.sign() if self._norm.name == "inf" else delta / self._apart(delta))).clamp(
            0, 1
        )
        return torch.where(columns(self._broken(farther, label), point), farther, point)

    def _apart(self, delta: torch.Tensor) -> torch.Tensor:
        return columns(self._length(delta).clamp_min(_TINY), delta)

    def _starts(
        self, origin: torch.Tensor, label: torch.Tensor, stream: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Points on the boundary, found from random images, the nearest of one for each size of cell; and bool [m]:
        for which examples there is one."""
        best, distance = origin, torch.full(label.shape, torch.inf, device=origin.device)
        for kind, cell in enumerate(_CELLS):
            noise, found = origin, torch.zeros_like(label, dtype=torch.bool)
            for attempt in range(-(-self.init_size // len(_CELLS))):
                rows = (~found).nonzero().squeeze(1)
                if not len(rows):
                    break
                draws = Draws(0, stream[rows], _START + attempt * len(_CELLS) + kind)
                tried = _random_images(draws, origin.shape[1:], cell)
                won = self._broken(tried, label[rows])
                noise = noise.index_copy(0, rows[won], tried[won])
                found[rows[won]] = True
            rows = found.nonzero().squeeze(1)
            if len(rows):
                noise = noise.index_copy(0, rows, self._bisected(origin[rows], noise[rows], label[rows]))
            length = torch.where(found, self._length(noise - origin), torch.inf)
            best = torch.where(columns(length < distance, origin), noise, best)
            distance = length.minimum(distance)
        return best, distance.isfinite()

    def _jumped(
        self, origin: torch.Tensor, point: torch.Tensor, label: torch.Tensor, stream: torch.Tensor, step: int
    ) -> torch.Tensor:
        """The next point on the boundary."""
        distance = self._length(point - origin)
        radius = torch.full_like(distance, _FIRST_RADIUS) if step == 0 else self.gamma / point[0].numel() * distance
        normal = self._normal(point, label, radius.clamp_min(1e-7), stream, step)
        length = columns(normal.flatten(1).norm(dim=1).clamp_min(_TINY), normal)
        ahead = normal.sign() if self._norm.name == "inf" else normal / length
        size = distance / math.sqrt(step + 1)
        landed, waiting = point, torch.ones_like(label, dtype=torch.bool)
        for _ in range(_HALVINGS):
            rows = waiting.nonzero().squeeze(1)
            if not len(rows):
                break
            tried = (point[rows] + columns(size[rows], origin) * ahead[rows]).clamp(0, 1)
            won = self._broken(tried, label[rows])
            landed = landed.index_copy(0, rows[won], tried[won])
            waiting[rows[won]] = False
            size = size / 2
        return self._bisected(origin, landed, label)

    def _normal(
        self, point: torch.Tensor, label: torch.Tensor, radius: torch.Tensor, stream: torch.Tensor, step: int
    ) -> torch.Tensor:
        """The direction in which the label is lost, estimated by Monte Carlo with the mean answer as a baseline."""
        count = min(int(self.init_eval * math.sqrt(step + 1)), self.max_eval)
        together = max(1, self.batch_size // len(point))  # queries about one example at once
        answered = noised = torch.zeros_like(point)
        answers = torch.zeros_like(radius)
        size = point[0].numel()
        for first in range(0, count, together):
            number = torch.arange(first, min(first + together, count), device=point.device)
            many = len(number)
            draws = Draws(step, stream.repeat_interleave(many), number.repeat(len(point)))
            noise = 2 * draws.uniform(size) - 1 if self._norm.name == "inf" else draws.normal(size)
            noise = (noise / noise.norm(dim=1, keepdim=True)).view(-1, *point.shape[1:])
            middle, reach = point.repeat_interleave(many, 0), columns(radius.repeat_interleave(many), noise)
            around = (middle + reach * noise).clamp(0, 1)
            noise = ((around - middle) / reach).unflatten(0, (-1, many))
            answer = 2 * self._broken(around, label.repeat_interleave(many)).float().view(-1, many) - 1
            answered = answered + (noise * answer.view(-1, many, *[1] * (point.ndim - 1))).sum(1)
            noised, answers = noised + noise.sum(1), answers + answer.sum(1)
        mean = answers / count
        return answered - columns(torch.where(mean.abs() == 1, 0, mean), point) * noised

    def _bisected(self, origin: torch.Tensor, broken: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """A broken point at the boundary, between the clean image and one that is broken."""
        norm, size = self._norm.name, broken[0].numel()
        far = self._length(broken - origin) if norm == "inf" else torch.ones(len(broken), device=broken.device)
        near = torch.zeros_like(far)
        found = broken
        finest = _FINEST if norm == "inf" else _FINEST / self._length(broken - origin).clamp_min(_TINY)
        for _ in range(math.ceil(math.log2(size ** (2 if norm == "inf" else 1.5) / self.gamma))):
            rough = far - near > finest  # each example by itself: how far it goes hangs on no other of its batch
            if not rough.any():
                break
            middle = (near + far) / 2
            wide, delta = columns(middle, origin), broken - origin
            tried = origin + (delta.clamp(-wide, wide) if norm == "inf" else wide * delta)
            won = self._broken(tried, label)
            near, far = torch.where(rough & ~won, middle, near), torch.where(rough & won, middle, far)
            found = torch.where(columns(rough & won, origin), tried, found)
        return found

    def _broken(self, points: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return succeeded(score(self._judged(points), labels))


def _random_images(draws: Draws, shape: torch.Size, cell: int) -> torch.Tensor:
    """Uniform in [0, 1], in squares of one colour of `cell` pixels to a side."""
    channels, *sides = shape
    coarse = [-(-side // cell) for side in sides]
    noise = draws.uniform(channels * math.prod(coarse)).unflatten(1, (channels, *coarse))
    whole = functional.interpolate(noise, scale_factor=cell, mode="nearest") if sides else noise
    return whole[(..., *(slice(side) for side in sides))]
