"""Differences and decisions as short texts: points of accuracy, with their interval."""

from collections.abc import Iterable

from leaderboard.paired import Decision, Difference, Paired
from leaderboard.statistics import LEVEL, Interval

NETWORKS = "these networks"
UNDECIDABLE = "—"
ALONE = "by attacks alone"  # the rows were not checked alike


def signed(share: float) -> str:
    """A difference in points, with a sign: −1.2, 0.0, +0.3."""
    shown = f"{100 * share:+.1f}".replace("-", "−")
    return "0.0" if shown in ("+0.0", "−0.0") else shown


def bounds(interval: Interval) -> str:
    """Of a difference, in points."""
    return f"[{signed(interval.low)}, {signed(interval.high)}]"


def change(difference: Difference, level: float = LEVEL) -> str:
    """A difference and its interval, in points: −1.2 [−2.0, −0.4]."""
    return f"{signed(difference.estimate)} {bounds(difference.interval(level))}"


def remarks(difference: Paired, planned: int, doubts: Iterable[str] = ()) -> str:
    """What a difference speaks of, and what it leaves out, in brackets; nothing if it needs no such word.

    One or two of the `planned` seeds speak of their own networks, more of the method: (these networks, 2 of 3 seeds).
    """
    seeds = f"{len(difference.lost)} of {planned} seed{'s' if planned > 1 else ''}"
    said = [f"{NETWORKS}, {seeds}"] * difference.these_networks + [ALONE] * difference.alone
    said += doubts
    return f" ({'; '.join(said)})" if said else ""


def decided(
    difference: Paired, decision: Decision | None, delta: float, planned: int, doubts: Iterable[str] = ()
) -> str:
    """−1.2 [−2.0, −0.4] worse, and what that rests on; δ as a share, `planned` as for `remarks`.

    Without a decision, −1.2 [−2.0, −0.4] — and the doubts that forbid one.
    """
    if decision is None:
        return f"{change(difference)} {UNDECIDABLE} ({'; '.join(doubts)})"
    return f"{change(difference)} {verdict(decision, delta)}{remarks(difference, planned, doubts)}"


def verdict(decision: Decision, delta: float) -> str:
    """better, worse, same within ±2, undecided; δ as a share."""
    if decision.word == "same":
        return f"same within ±{100 * delta:g}"
    return f"{decision.word}, within ±{100 * delta:g}" if decision.within else decision.word
