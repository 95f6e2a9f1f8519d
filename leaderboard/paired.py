"""Differences between two rows: of the same training seeds on the same images, or of two separate samples.

From three seeds on a difference speaks of the method, and its error is of seeds and images, as in `statistics`. One or
two seeds say nothing about other seeds: then it speaks of "these networks", each of which must show what is claimed.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from scipy.special import bdtr

from benchmark.decidable import FEW
from leaderboard.statistics import ALPHA, LEVEL, SMALLEST_P, Error, Interval, Source, holm, seeds

Word = Literal["better", "worse", "same", "undecided"]


@dataclass(frozen=True)
class Paired:
    """Row − reference on the same n images: per seed, how many images only the reference or only the row has right.

    alone: of a union, by the attacks alone, without what checks broke, since the two were not checked alike.
    """

    lost: tuple[int, ...]
    gained: tuple[int, ...]
    n: int
    alone: bool = False

    @property
    def estimate(self) -> float:
        """The mean difference of accuracies, −1 to 1."""
        return (sum(self.gained) - sum(self.lost)) / (self.n * len(self.lost))

    @property
    def these_networks(self) -> bool:
        return len(self.lost) < FEW

    def interval(self, level: float = LEVEL) -> Interval:
        """Of the method's difference; for one or two seeds the hull of the networks' own intervals.

        A network's is Bonett & Price's (2012): Wald's after one image more is lost and one more gained, so that equal
        outcomes still leave a width.
        """
        adjusted = [self._adjusted(seed) for seed in range(len(self.lost))]
        if self.these_networks:
            halves = [Error((Source(variance),)).half(level) for _, variance in adjusted]
            low = min(centre - half for (centre, _), half in zip(adjusted, halves, strict=True))
            return Interval(low, max(centre + half for (centre, _), half in zip(adjusted, halves, strict=True)))
        centre, half = statistics.fmean(centre for centre, _ in adjusted), self._error.half(level)
        return Interval(centre - half, centre + half)

    @cached_property
    def p(self) -> float:
        """Two-sided, of no difference. One or two seeds: McNemar's exact test (1947), of two networks the larger p,
        or 1 where they point in opposite ways."""
        if not self.these_networks:
            return self._error.p(statistics.fmean(self._adjusted(seed)[0] for seed in range(len(self.lost))))
        ways = {gained > lost for lost, gained in zip(self.lost, self.gained, strict=True)}
        return 1.0 if len(ways) > 1 else max(map(mcnemar, self.lost, self.gained))

    @cached_property
    def _error(self) -> Error:
        differences = [(gained - lost) / self.n for lost, gained in zip(self.lost, self.gained, strict=True)]
        variances = [self._adjusted(seed)[1] for seed in range(len(self.lost))]
        return Error((seeds(differences), Source(statistics.fmean(variances))))

    def _adjusted(self, seed: int) -> tuple[float, float]:
        """One network's difference, and its variance over the choice of images."""
        lost, gained, n = self.lost[seed] + 1, self.gained[seed] + 1, self.n + 2
        centre = (gained - lost) / n
        return centre, ((lost + gained) / n - centre**2) / n


@dataclass(frozen=True)
class Separate:
    """Row − reference, of other images or other seeds: how many of its n images each network has right."""

    reference: tuple[int, ...]
    reference_n: int
    row: tuple[int, ...]
    row_n: int

    @property
    def estimate(self) -> float:
        return statistics.fmean(self.row) / self.row_n - statistics.fmean(self.reference) / self.reference_n

    @property
    def these_networks(self) -> bool:
        return min(len(self.reference), len(self.row)) < FEW

    def interval(self, level: float = LEVEL) -> Interval:
        """Agresti & Caffo's (2000): one more right and one more wrong on either side; the seeds' variance is added."""
        half = self._error.half(level)
        return Interval(self._centre - half, self._centre + half)

    @cached_property
    def p(self) -> float:
        """Two-sided, of no difference: 1 − the level of the interval that just reaches 0."""
        return self._error.p(self._centre)

    @cached_property
    def _shares(self) -> list[list[float]]:
        sides = ((self.reference, self.reference_n), (self.row, self.row_n))
        return [[(count + 1) / (n + 2) for count in counts] for counts, n in sides]

    @property
    def _centre(self) -> float:
        reference, row = map(statistics.fmean, self._shares)
        return row - reference

    @cached_property
    def _error(self) -> Error:
        sizes = (self.reference_n + 2, self.row_n + 2)
        binomial = [
            Source(statistics.fmean(share * (1 - share) for share in shares) / n)
            for shares, n in zip(self._shares, sizes, strict=True)
        ]
        spread = [] if self.these_networks else map(seeds, self._shares)
        return Error((*binomial, *spread))


Difference = Paired | Separate
Outcomes = Mapping[int, int]  # seed → the images that a network has right, as `benchmark.outcomes.bitmap`


def mcnemar(lost: int, gained: int) -> float:
    """The exact two-sided p-value that two networks are right equally often, from the images they differ on."""
    return min(1.0, 2 * float(bdtr(min(lost, gained), lost + gained, 0.5))) if lost != gained else 1.0


def paired(reference: Outcomes, row: Outcomes, n: int) -> Paired | None:
    """Row − reference over the seeds that both have; None if they share none."""
    shared = [seed for seed in reference if seed in row]
    if not shared:
        return None
    lost = tuple((reference[seed] & ~row[seed]).bit_count() for seed in shared)
    return Paired(lost, tuple((row[seed] & ~reference[seed]).bit_count() for seed in shared), n)


@dataclass(frozen=True)
class Decision:
    """What a difference shows: `same` is within ±δ; `within`: better or worse, but by less than δ."""

    word: Word
    within: bool = False


def equivalence(difference: Difference, delta: float) -> float:
    """The p-value of two one-sided tests (Schuirmann, 1987) of a difference within ±δ, a share; 1 where it is above α.

    Half of what the widest interval inside ±δ lacks to certainty.
    """
    if not difference.interval(1 - 2 * ALPHA).inside(delta):
        return 1.0
    low, high = SMALLEST_P, ALPHA
    while high / low > 1 + 1e-3:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if difference.interval(1 - 2 * middle).inside(delta) else (middle, high)
    return high


def decide(difference: Difference, delta: float, p: float | None = None, same: float | None = None) -> Decision:
    """`delta`: the largest difference, as a share, that does not matter. `p`, `same`: corrected for many tests.

    better, worse: p < .05, that there is no difference. same: p < .05, that there is one of δ or more.
    """
    within = (equivalence(difference, delta) if same is None else same) < ALPHA
    if (difference.p if p is None else p) < ALPHA:
        return Decision("better" if difference.estimate > 0 else "worse", within)
    return Decision("same" if within else "undecided", within)


def decided(differences: Sequence[tuple[Difference, float]]) -> list[tuple[float, Decision]]:
    """The corrected p and the decision of each difference with its δ: Holm over all of them, for either question."""
    p = holm([difference.p for difference, _ in differences])
    same = holm([equivalence(difference, delta) for difference, delta in differences])
    return [(own, decide(*pair, own, within)) for pair, own, within in zip(differences, p, same, strict=True)]


def leaders(rows: Sequence[Outcomes], n: int) -> list[bool]:
    """Which rows are not significantly worse than the one of the highest mean (Holm over the others)."""
    if not rows:
        return []

    def mean(row: Outcomes) -> float:
        return statistics.fmean(right.bit_count() for right in row.values())

    first = max(rows, key=mean)
    differences = [paired(first, row, n) for row in rows]
    tested = [place for place, row in enumerate(rows) if row is not first and differences[place]]
    worse = holm([differences[place].p for place in tested])
    shown = {place for place, p in zip(tested, worse, strict=True) if p < ALPHA and differences[place].estimate < 0}
    return [place not in shown for place in range(len(rows))]
