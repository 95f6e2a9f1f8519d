"""How sure a figure is: intervals over test images and training seeds, and Holm's correction for many tests.

An error has several sources, each with a variance and degrees of freedom: the spread over S training seeds (s²/S with
S − 1) and the choice of test images (binomial, known). Student's t for their sum is Cochran's weighted one (Cochran &
Cox, 1957): the sources' own quantiles, averaged by their variances. Satterthwaite's degrees of freedom would make it
narrower, but cover too little with two or three seeds: an s² that is small by chance narrows the interval and raises
the degrees of freedom too. `python -m tests.coverage_simulation` measures both.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import ndtri, stdtrit  # a tenth of scipy.stats' time to import

from benchmark.decidable import ALPHA

LEVEL = 1 - ALPHA
Z = 1.959964  # two-sided 95 % of a normal distribution
SMALLEST_P = 1e-12  # p-values are not told apart below it


@dataclass(frozen=True)
class Source:
    """One source of an estimate's error: its variance, and the degrees of freedom behind it (infinite: known)."""

    variance: float
    freedom: float = math.inf

    def quantile(self, probability: float) -> float:
        return float(ndtri(probability) if math.isinf(self.freedom) else stdtrit(self.freedom, probability))


@dataclass(frozen=True)
class Error:
    """The error of an estimate whose independent sources add up."""

    sources: tuple[Source, ...]

    @property
    def variance(self) -> float:
        return math.fsum(source.variance for source in self.sources)

    def critical(self, level: float) -> float:
        """How many standard errors a two-sided interval of this level extends (Cochran & Cox, 1957)."""
        probability, whole = (1 + level) / 2, self.variance
        if whole == 0:
            return float(ndtri(probability))
        return math.fsum(source.variance / whole * source.quantile(probability) for source in self.sources)

    def half(self, level: float) -> float:
        """Half the width of the interval."""
        return self.critical(level) * math.sqrt(self.variance)

    def p(self, distance: float) -> float:
        """The two-sided p-value of a distance from the null: 1 − the level of the interval that just reaches it."""
        low, high = SMALLEST_P, 1.0
        if self.half(1 - low) <= abs(distance):
            return low
        while high / low > 1 + 1e-6:
            middle = math.sqrt(low * high)
            low, high = (middle, high) if self.half(1 - middle) > abs(distance) else (low, middle)
        return high


@dataclass(frozen=True)
class Interval:
    low: float
    high: float

    def inside(self, margin: float) -> bool:
        """Whether all of it lies strictly within ±margin."""
        return -margin < self.low and self.high < margin


def seeds(values: Sequence[float]) -> Source:
    """The error of a mean over training seeds that comes of the seeds: s²/S; nothing is known of it from one seed."""
    if len(values) < 2:
        return Source(0.0)
    return Source(statistics.variance(values) / len(values), len(values) - 1)


def images(values: Sequence[float], n: int) -> Source:
    """The error of a mean of accuracies that comes of the n test images: their mean binomial variance.

    All networks are judged on the same images, so that averaging over networks does not divide it. It is an upper
    bound: what is particular to one image under one seed is in the seeds' spread already.
    """
    return Source(math.fsum(value * (1 - value) for value in values) / len(values) / n)


def accuracy(correct: Sequence[int], n: int, level: float = LEVEL) -> Interval:
    """The interval of an accuracy (0 to 1), from how many of n images each network (training seed) has right.

    One network: Wilson's (1927), which speaks of that network. Several: Wilson's with the seeds' variance added, the
    accuracies μ with (mean − μ)² ≤ t² · (s²/S + μ(1 − μ)/n), which speaks of the method. Like Wilson's it has a width
    where all are right or all wrong. Raises ValueError without networks or images.
    """
    if not correct or n < 1:
        raise ValueError(f"an interval needs networks and images, not {len(correct)} and {n}")
    shares = [count / n for count in correct]
    mean, spread = statistics.fmean(shares), seeds(shares)
    squared = Error((spread, images(shares, n))).critical(level) ** 2
    a, b, c = 1 + squared / n, mean + squared / (2 * n), mean**2 - squared * spread.variance
    root = math.sqrt(max(0.0, b * b - a * c))
    low, high = max(0.0, (b - root) / a), min(1.0, (b + root) / a)
    return Interval(min(low, mean), max(high, mean))  # rounding leaves a mean of 0 or 1 outside


def holm(p: Sequence[float]) -> list[float]:
    """Holm's (1979) adjusted p-values, in the order given: the chance of any false alarm among them stays α."""
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, place in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        largest = max(largest, min(1.0, (len(p) - rank) * p[place]))
        adjusted[place] = largest
    return adjusted
