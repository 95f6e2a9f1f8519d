"""A suite's claims, decided from its records: each holds, fails or stays inconclusive, with the numbers.

"holds" needs every part of a claim shown at α = .05 (an intersection–union test, which needs no correction); "fails"
needs the contrary of some part shown, at α over the number of parts (Bonferroni). Both ask on which side of one margin
a difference lies, so that whatever the truth, only one of the two can be shown of it but by chance. What is neither is
inconclusive, and so is a claim about a network that has no result yet, or about the accuracy of a suspect row.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from benchmark.claims import SIZES, Claim, Lighter, Measure, Row
from benchmark.types import Grid
from leaderboard.figures import CLEAN, Figures
from leaderboard.paired import Paired
from leaderboard.statistics import ALPHA, Interval
from leaderboard.verdict import NOT_YET, Verdicts
from leaderboard.wording import change, remarks, signed

Word = Literal["holds", "fails", "inconclusive"]
COMPARABLE = 0.02  # whatever δ the suite has, the loss that rows of comparable accuracy may have at most; and, if less,
SHARE_OF_GAIN = 0.1  # a tenth of what adversarial training gained on the dense network


@dataclass(frozen=True)
class Result:
    """What the records say of a claim, and the figures that say so, as one-line texts.

    unverified: it rests on rows that are not all sound.
    """

    word: Word
    numbers: tuple[str, ...]
    unverified: bool = False


@dataclass(frozen=True)
class Part:
    """One part of a claim, tested: whether it is shown, and whether its contrary is."""

    shown: bool
    refuted: bool


class _Missing(Exception):
    """A figure that a claim needs is not there yet."""


def evaluate(claim: Claim, figures: Figures, verdicts: Verdicts) -> Result:
    """Decide a claim about the grid of `figures`. What rests on a suspect row stays inconclusive: on one that is
    suspect in the claim's norm, or as a network, which is all that clean accuracy hangs on."""
    norm = claim.measure.norm
    rows = {row: verdicts.get((claim.grid, row), NOT_YET).of(norm) for row in _rests_on(claim, figures.grid)}
    result = _evaluate(claim, figures)
    suspect = tuple(f"{label(row)} is {verdict}" for row, verdict in rows.items() if verdict.suspect)
    if suspect:
        return Result("inconclusive", (*suspect, *result.numbers))
    return replace(result, unverified=not all(verdict.sound for verdict in rows.values()))


def _rests_on(claim: Claim, grid: Grid) -> list[Row]:
    """The rows whose accuracy a claim is about; of sizes none, which no verdict is about."""
    if isinstance(claim, Lighter):
        return []
    over = (claim.over or _untrained(grid)) if claim.kind == "comparable" else None
    return list(dict.fromkeys((*claim.rows, *claim.to, *([over] if over else []))))


def _evaluate(claim: Claim, figures: Figures) -> Result:
    try:
        parts, numbers = _KINDS[claim.kind](claim, _Evidence(figures))
    except _Missing as missing:
        return Result("inconclusive", (str(missing),))
    if all(part.shown for part in parts):
        return Result("holds", tuple(numbers))
    return Result("fails" if any(part.refuted for part in parts) else "inconclusive", tuple(numbers))


@dataclass(frozen=True)
class _Evidence:
    """Differences and sizes of rows, over every planned seed."""

    figures: Figures

    def difference(self, row: Row, reference: Row, measure: Measure) -> Paired:
        for name in (reference, row):
            self._whole(name, self.figures.outcomes(name, measure))
        return self.figures.difference(reference, row, measure)

    def sizes(self, row: Row, name: str) -> dict[int, int]:
        """Seed → parameters, macs or weight_bytes of the row's network."""
        return self._whole(row, self.figures.sizes(row, name))

    def _whole(self, row: Row, by_seed: dict[int, int]) -> dict[int, int]:
        absent = [str(seed) for seed in self.figures.suite.seeds if seed not in by_seed]
        if absent:
            plural = "s" if len(absent) > 1 else ""
            raise _Missing(f"{label(row)} has no result of seed{plural} {', '.join(absent)}")
        return by_seed


Tested = tuple[list[Part], list[str]]


def _comparable(claim: Claim, evidence: _Evidence) -> Tested:
    over = claim.over or _untrained(evidence.figures.grid)
    delta, numbers = COMPARABLE, []
    for reference in dict.fromkeys(claim.to):
        if over is None or over == reference:
            numbers.append("no row without adversarial training to compare with, so that only the fixed δ is asked")
            continue
        gain = evidence.difference(reference, over, claim.measure)
        numbers.append(f"{label(reference)} gains {signed(gain.estimate)} on {label(over)}")
        delta = min(delta, max(0.0, SHARE_OF_GAIN * gain.estimate))
    parts, lines = _no_worse(claim, evidence, delta)
    return parts, lines + numbers


def _untrained(grid: Grid) -> Row | None:
    """The uncompressed row of plain training: what adversarial training is measured against."""
    dense = [compression.name for compression in grid.compressions if not compression.steps]
    plain = [one.name for one in grid.trainings if one.before.plugin == "standard" and one.after is None]
    return (dense[0], plain[0]) if dense and plain else None


def _no_worse(claim: Claim, evidence: _Evidence, delta: float | None = None) -> Tested:
    """Non-inferiority: the loss is shown to be less than δ, or shown to be more."""
    delta = _delta(claim) if delta is None else delta
    differences = _differences(claim, evidence)
    parts = [Part(_one_sided(one).low > -delta, _one_sided(one, len(differences)).high < -delta) for one in differences]
    return parts, _numbers(claim, differences, delta)


def _within(claim: Claim, evidence: _Evidence) -> Tested:
    """Equivalence by two one-sided tests: shown to be inside ±δ, or shown to be outside."""
    delta, differences = _delta(claim), _differences(claim, evidence)
    parts = []
    for one in differences:
        corrected = _one_sided(one, len(differences))
        parts.append(Part(_one_sided(one).inside(delta), corrected.low > delta or corrected.high < -delta))
    return parts, _numbers(claim, differences, delta)


def _better(claim: Claim, evidence: _Evidence) -> Tested:
    """Superiority by what matters: the gain is shown to be more than δ, or shown to be less."""
    delta, differences = _delta(claim), _differences(claim, evidence)
    parts = [Part(_one_sided(one).low > delta, _one_sided(one, len(differences)).high < delta) for one in differences]
    return parts, _numbers(claim, differences, delta)


def _monotone(claim: Claim, evidence: _Evidence) -> Tested:
    """No step against the direction by δ or more, and a change from first to last; refuted where either is shown not
    to be."""
    delta, rows, way = _delta(claim), claim.rows, 1 if claim.rises else -1
    steps = [evidence.difference(*pair, claim.measure) for pair in zip(rows[1:], rows[:-1], strict=True)]
    whole = evidence.difference(rows[-1], rows[0], claim.measure)
    tests, parts = len(steps) + 1, []
    for one in steps:
        parts.append(Part(_along(one, way) > -delta, _along(one, -way, tests) > delta))
    parts.append(Part(_along(whole, way) > 0, _along(whole, -way, tests) > 0))
    named = zip(rows[1:], rows[:-1], steps, strict=True)
    numbers = [f"{label(row)} − {label(before)}: {_change(one)}" for row, before, one in named]
    return parts, [*numbers, f"{label(rows[-1])} − {label(rows[0])}: {_change(whole)}", _margin(delta)]


def _along(difference: Paired, way: int, parts: int = 1) -> float:
    """What a difference is shown to be at least in a direction, +1 up or −1 down, at α over the number of parts."""
    interval = _one_sided(difference, parts)
    return interval.low if way > 0 else -interval.high


def _knee(claim: Claim, evidence: _Evidence) -> Tested:
    """Some row has lost more than δ of robust accuracy but less of clean accuracy, beside the first row.

    Refuted where every row has lost less of the robust, or more of the clean. That some row does it is shown at α over
    the number of rows; that none does needs no correction for the rows, but one for there being two ways not to.
    """
    delta, first, others = _delta(claim), claim.rows[0], claim.rows[1:]
    found, none, numbers = [], [], []
    for row in others:
        robust, clean = (evidence.difference(row, first, measure) for measure in (claim.measure, CLEAN))
        corrected = _one_sided(robust, len(others)).high < -delta < _one_sided(clean, len(others)).low
        found.append(corrected)
        none.append(_one_sided(robust, 2).low > -delta or _one_sided(clean, 2).high < -delta)
        numbers.append(f"{label(row)} − {label(first)}: robust {_change(robust)}, clean {_change(clean)}")
    return [Part(any(found), all(none))], [*numbers, _margin(delta)]


def _lighter(claim: Lighter, evidence: _Evidence) -> Tested:
    """Sizes are counted, not estimated: every network of every row is that much smaller, or one is not."""
    parts, numbers = [], []
    for row, reference in zip(claim.rows, claim.to, strict=True):
        dense, lean = (evidence.sizes(name, SIZES[claim.what]) for name in (reference, row))
        saved = [1 - lean[seed] / dense[seed] for seed in evidence.figures.suite.seeds]
        parts += [Part(share >= claim.by, share < claim.by) for share in saved]
        numbers.append(f"{label(row)}: {100 * min(saved):.1f} % fewer {claim.what} than {label(reference)}")
    return parts, [*numbers, f"at least {100 * claim.by:.3g} % are asked"]


_KINDS = {
    "comparable": _comparable,
    "better": _better,
    "no worse than": _no_worse,
    "within": _within,
    "monotone": _monotone,
    "knee before": _knee,
    "lighter": _lighter,
}


def _delta(claim: Claim) -> float:
    """δ as a share."""
    return claim.delta / 100


def _differences(claim: Claim, evidence: _Evidence) -> list[Paired]:
    pairs = zip(claim.rows, claim.to, strict=True)
    return [evidence.difference(row, reference, claim.measure) for row, reference in pairs]


def _one_sided(difference: Paired, parts: int = 1) -> Interval:
    """The interval whose two ends are one-sided bounds at α over the number of parts."""
    return difference.interval(1 - 2 * ALPHA / parts)


def _numbers(claim: Claim, differences: Sequence[Paired], delta: float) -> list[str]:
    named = zip(claim.rows, claim.to, differences, strict=True)
    lines = [f"{label(row)} − {label(reference)}: {_change(one)}" for row, reference, one in named]
    return [*lines, _margin(delta)]


def _margin(delta: float) -> str:
    return f"δ = {100 * delta:.3g} points"


def _change(difference: Paired) -> str:
    return change(difference, 1 - 2 * ALPHA) + remarks(difference, len(difference.lost))  # every planned seed has it


def label(row: Row) -> str:
    return "/".join(row)
