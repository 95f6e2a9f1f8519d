"""Figures and names as short texts, for a page or a terminal."""

import re
from collections.abc import Iterable

from benchmark.types import Epsilon, Suite
from leaderboard.statistics import Interval
from leaderboard.table import Column, Estimate, Table

MISSING = "—"
SPACE = "\u00a0"  # keeps a figure on one line in a narrow column
NORM = {"inf": "ℓ∞", "2": "ℓ2", "1": "ℓ1"}
ACTIVE = re.compile(  # what Markdown, or GitHub, would act on
    r"[\\`*\[\]<>&|~$#]|(?<!\w)_|_(?!\w)"  # inside a line
    r"|(?<=www)\.|:(?=//)|(?<=\S)@(?=\S)"  # where it makes an address, which would be a link
    r"|^[-+](?= |$)",  # where it begins a list
    re.IGNORECASE,
)
NUMBERED = re.compile(r"^(\d{1,9})([.)])(?= |$)")
BREAK = "&#8288;"  # a word joiner, which is not seen: GitHub makes a link of an @ however it is written


def escape(text: str) -> str:
    """A text of a suite, as one line of Markdown that shows exactly it, in a table too."""
    shown = ACTIVE.sub(lambda match: f"&#{ord(match[0])};{BREAK * (match[0] == '@')}", printable(text))
    return NUMBERED.sub(lambda match: f"{match[1]}&#{ord(match[2])};", shown)


def printable(text: str) -> str:
    """One line, without what would steer a terminal or a page."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in " ".join(text.split()))


def quantity(value: float, unit: str = "") -> str:
    """Three significant digits and a decimal prefix.

    >>> quantity(62_100), quantity(1_240_000, "B")
    ('62.1\\xa0k', '1.24\\xa0MB')
    """
    for prefix in ("", "k", "M", "G", "T"):
        if value < 999.5 or prefix == "T":
            break
        value /= 1000
    return f"{value:.3g}{SPACE}{prefix}{unit}".rstrip()


def percent(estimate: Estimate, mark: str = "") -> str:
    """The mean over the seeds and its interval, in %: 87.6 [84.8, 90.0]."""
    if not estimate.values:
        return MISSING
    return f"{100 * estimate.mean:.1f}{between(estimate.interval)}{mark}"


def between(interval: Interval | None) -> str:
    """The bounds of an accuracy, in %, to stand behind it; nothing where there are none."""
    return f"{SPACE}[{100 * interval.low:.1f},{SPACE}{100 * interval.high:.1f}]" if interval else ""


def epsilon(suite: Suite, eps: Epsilon) -> str:
    """As the suite writes it; and in pixels, where some space of the suite is not theirs."""
    own = suite.eps_space is None and eps.value == eps.written
    return eps.label if own else f"{eps.label} = {eps.value:.4g} px"


def at(suite: Suite, table: Table, column: Column) -> str:
    """A column's ε, and its norm where the grid has several."""
    return epsilon(suite, column.eps) + (f" ({NORM[column.norm]})" if len(table.middles) > 1 else "")


def title(suite: Suite, table: Table, column: Column) -> str:
    """A column's head: an attack's name or the union, and ε."""
    name = "Robust accuracy (union)" if column.attack is None else column.attack
    name += " (boundary)" if column.attack in table.boundary else ""
    return f"{name} @ {at(suite, table, column)}"


def subset(table: Table) -> str:
    if table.n is None:
        return "no results yet"
    test = f"{table.n} test images" if table.n == table.total else f"subset: {table.n} of {table.total} test images"
    return f"{test}, trained on a subset of {table.limit.train}" if table.limit and table.limit.train else test


def seeds_missing(estimates: Iterable[Estimate]) -> tuple[str, bool]:
    """The mark of a row whose figures all lack the same number of seeds, and whether each figure needs its own mark."""
    estimates = [estimate for estimate in estimates if estimate.values]
    counts = {len(estimate.values) for estimate in estimates}
    return (of_seeds(estimates[0]), False) if len(counts) == 1 else ("", True)


def of_seeds(estimate: Estimate) -> str:
    got = len(estimate.values)
    return f" ({got} of {estimate.planned} seeds)" if 0 < got < estimate.planned else ""
