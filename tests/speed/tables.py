"""Lines of a ledger → the numbers and tables of the report."""

import statistics
from collections.abc import Iterable, Sequence

from tabulate import tabulate

from benchmark.outcomes import count
from tests.speed.ledger import Line

PEERS = ("ART", "torchattacks", "foolbox", "adv-lib")


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; numbers come formatted."""
    cells = [["—" if cell is None else cell for cell in row] for row in rows]
    align = ["left"] + ["right"] * (len(headers) - 1)
    return tabulate(cells, headers, tablefmt="pipe", colalign=align, disable_numparse=True)


def pace(lines: list[Line]) -> float:
    """Seconds for 1,000 examples, the median over chunks."""
    return 1000 * statistics.median(line["seconds"] / line["n"] for line in lines)


def total(lines: list[Line], what: str) -> float | None:
    """The sum over chunks; None if it was not counted."""
    values = [line.get(what) for line in lines]
    return None if None in values else sum(values)


def robust(lines: list[Line], at: int = 0) -> float:
    """Robust accuracy in percent at the ε in place `at`."""
    return 100 * sum(count(line["robust"][at], line["n"]) for line in lines) / total(lines, "n")


def times(other: list[Line] | None, lines: list[Line]) -> str | None:
    """How many times faster than another, as the ratio of medians."""
    return f"{pace(other) / pace(lines):.2f}" if other else None


def fastest(by: dict[str, list[Line]]) -> list[Line] | None:
    """The lines of the fastest peer other than ART."""
    found = [by[name] for name in PEERS[1:] if name in by]
    return min(found, key=pace) if found else None


def rivals_of(by: dict[str, list[Line]]) -> list[str]:
    """Whom to race on more images, when all have run on some: ART and the fastest peer; the others only take time."""
    return [who for who, lines in by.items() if who == "ART" or lines is fastest(by)]


def busy(by: dict[str, list[Line]], threads: int) -> str:
    """Whether the machine was somebody else's too: CPU seconds for each second of each thread."""
    share = sum(total(lines, "cpu") for lines in by.values()) / sum(total(lines, "seconds") for lines in by.values())
    crowded = "; the machine was busy with something else" if share < 0.85 * threads else ""
    return f"CPU seconds a second: {share:.2f} on {threads} thread{'s' * (threads > 1)}{crowded}"
