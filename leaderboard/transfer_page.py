"""Transfer matrices as Markdown: a line per source, a column per target."""

from collections.abc import Iterable

from tabulate import tabulate

from leaderboard.estimate import Estimate
from leaderboard.text import MISSING, NORM, escape, of_seeds, percent
from leaderboard.transfer import Matrix, Row, Source

ABOUT = (
    "Robust accuracy in % of the network at the head of a column on examples crafted on the network at the head of the "
    "line; *its own* examples are in **bold**. What was crafted on another seed's network than the judge's stands in a "
    "line of its own, with that seed. A compressed network that is no more robust than its dense one, but another "
    "network, does better on the dense one's examples than that does itself: read along the whole column. "
    f"{MISSING}: not asked for, unless Holes names it."
)
HOW = (
    "**Transfer matrix**: of two networks or more that each judge the examples of two networks or more. The examples "
    "of one network alone (`from: dense` by itself) are a column of the table above, where they say the same."
)


def transfer_section(matrices: Iterable[Matrix]) -> list[str]:
    """The section, as Markdown blocks; none if no attack was crafted on several networks."""
    blocks = [block for matrix in matrices for block in (_title(matrix), _table(matrix))]
    return ["## Transfer between networks", ABOUT, *blocks] if blocks else []


def _title(matrix: Matrix) -> str:
    boundary = ", *(boundary)*: but for its own, they say little about robustness" if matrix.boundary else ""
    head = f"### {escape(matrix.attack)} @ {escape(matrix.eps_label)} ({NORM[matrix.norm]})"
    return f"{head}\n\n{escape(', '.join(matrix.names))}; n = {matrix.n}{boundary}"


def _table(matrix: Matrix) -> str:
    heads = ["Crafted on ↓, judged by →", *map(escape, matrix.labels(matrix.targets))]
    lines = [["clean images", *(_shown(matrix.clean[target]) for target in matrix.targets)]]
    for source, label in zip(matrix.sources, matrix.labels(matrix.sources), strict=True):
        lines.append([escape(label), *(_cell(matrix, source, target) for target in matrix.targets)])
    sides = ["left"] + ["right"] * len(matrix.targets)
    return tabulate(lines, heads, tablefmt="pipe", disable_numparse=True, colalign=sides)


def _cell(matrix: Matrix, source: Source, target: Row) -> str:
    if (source, target) not in matrix.cells:
        return MISSING
    shown = _shown(matrix.cells[source, target])
    return f"**{shown}**" if source == target else shown


def _shown(estimate: Estimate) -> str:
    return percent(estimate, of_seeds(estimate))
