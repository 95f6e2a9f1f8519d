"""Lines of a parity ledger → whether ours is weaker, by an exact paired test, and one Markdown table.

An example's score is whether it stands, or for minimum-norm attacks the logarithm of its distance; of several seeds,
the mean. Two implementations are compared on the same examples: of those whose scores differ, as many should be on
either side. That is the sign test, of outcomes from one seed McNemar's. What is level by it need not be equal.

Passes are forward and backward ones; the seconds are those of all seeds.
"""

import math
import statistics
from dataclasses import dataclass

from scipy.stats import binomtest

from benchmark.outcomes import unpack
from tests.parity_comparisons import COMPARISONS, OURS, Comparison
from tests.speed.ledger import Ledger, Line
from tests.speed.tables import table

ALPHA = 0.01  # of each comparison, by itself
WEAKER = "WEAKER"
NOTHING = "nothing has been compared"
NEAR = 0.5  # points of robust accuracy that peers which do the same may lie apart
SAME = 1e-3  # distances that differ by less than a thousandth differ by rounding
HEADERS = ("network", "attack", "norm", "ε", "n", "seeds", "by", "robust %", "median norm")
HEADERS += ("ours against it", "ours weaker on", "stronger on", "p", "ours is", "passes an example", "s")


@dataclass(frozen=True)
class Paired:
    """On how many examples ours is the weaker and the stronger one, and by how much in the middle of all.

    shift: ours − theirs, of outcomes in points of robust accuracy, of distances the median in percent of theirs.
    """

    weaker: int
    stronger: int
    shift: float

    @property
    def p(self) -> float:
        """Two-sided."""
        different = self.weaker + self.stronger
        return binomtest(self.weaker, different).pvalue if different else 1.0

    @property
    def verdict(self) -> str:
        if self.p >= ALPHA:
            return "level"
        return WEAKER if self.weaker > self.stronger else "stronger"


def paired(ours: list[Line], theirs: list[Line], by_distance: bool) -> Paired:
    """Lines of the same examples, one a seed."""
    mine, others = (_scores(lines, by_distance) for lines in (ours, theirs))
    differences = [_difference(one, other) for one, other in zip(mine, others, strict=True)]
    least = math.log1p(SAME) if by_distance else 0.0
    weaker, stronger = sum(d > least for d in differences), sum(d < -least for d in differences)
    middle = 100 * (math.expm1(statistics.median(differences)) if by_distance else statistics.mean(differences))
    return Paired(weaker, stronger, middle)


def report(ledger: Ledger) -> str:
    """The table of what a ledger holds."""
    rows = []
    networks = list(ledger.networks("ground"))
    for comparison in COMPARISONS:
        for network in networks:
            by = ledger.of(comparison.part, network)
            if OURS in by:
                rows += [_row(comparison, network, who, lines, by[OURS]) for who, lines in by.items()]
    return table(HEADERS, rows) if rows else NOTHING


def against(comparison: Comparison, who: str, lines: list[Line], ours: list[Line]) -> Paired:
    """Ours beside one peer, on the seeds that both have."""
    return paired(ours[: len(lines)], lines[: len(ours)], comparison.minimum and who not in comparison.thresholded)


def faults(ledger: Ledger) -> list[str]:
    """A line for each peer that ours is weaker than, or too far from; none if parity holds."""
    found = []
    for comparison in COMPARISONS:
        for network in ledger.networks("ground"):
            by = ledger.of(comparison.part, network)
            for who, lines in by.items() if OURS in by else ():
                if who == OURS:
                    continue
                one, where = against(comparison, who, lines, by[OURS]), f"{network}, {comparison.part}"
                if one.verdict == WEAKER:
                    found.append(f"{where}: ours is weaker than {who} (p = {one.p:.2g})")
                elif who in comparison.equal and abs(one.shift) > NEAR:
                    found.append(f"{where}: ours is {one.shift:+.1f} points from {who}, more than {NEAR}")
    return found


def _row(comparison: Comparison, network: str, who: str, lines: list[Line], ours: list[Line]) -> list[str | None]:
    by_distance = comparison.minimum and who not in comparison.thresholded
    first = lines[0]
    robust = statistics.mean(100 * statistics.mean(unpack(line["robust"], line["n"])) for line in lines)
    medians = [statistics.median(_distances(line)) for line in lines] if by_distance else []
    cells = [network, comparison.attack, comparison.norm, f"{first['eps']:g}", str(first["n"]), str(len(lines)), who]
    cells += [f"{robust:.1f}", f"{statistics.mean(medians):.4f}" if medians else None]
    if who == OURS:
        cells += [None] * 5
    else:
        found = against(comparison, who, lines, ours)
        unit = "%" if by_distance else "points"
        told = f"{found.p:.2g}" if found.p < 1 else "1"
        cells += [f"{found.shift:+.1f} {unit}", str(found.weaker), str(found.stronger), told, found.verdict]
    spent = [statistics.mean(line["passes"][way] / line["n"] for line in lines) for way in (0, 1)]
    return [*cells, "{:.0f} + {:.0f}".format(*spent), f"{sum(line['seconds'] for line in lines):.0f}"]


def _scores(lines: list[Line], by_distance: bool) -> list[float]:
    """One an example: of distances, of those alone that are right on their clean image."""
    if by_distance:
        runs = [[math.log(distance) for distance in _distances(line)] for line in lines]
    else:
        runs = [unpack(line["robust"], line["n"]) for line in lines]
    return [statistics.mean(values) for values in zip(*runs, strict=True)]


def _distances(line: Line) -> list[float]:
    """Of the examples that are right on their clean image; inf where nothing was found."""
    return [math.inf if value is None else value for value in line["distances"]]


def _difference(one: float, other: float) -> float:
    return 0.0 if one == other else one - other  # both may be infinite
