"""Tables → leaderboard.md, for people. The same inputs give the same bytes."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

from leaderboard.checked import tried
from leaderboard.checks_page import checks_section
from leaderboard.deployed_page import sections
from leaderboard.efficiency_page import beside_controls, efficiency
from leaderboard.estimate import Column
from leaderboard.evidence import claims_section, how_sure
from leaderboard.figures import Figures
from leaderboard.legend import holes_section, legend, spent_section
from leaderboard.part import part
from leaderboard.pictures import MISSING as NO_PICTURES
from leaderboard.pictures import Picture
from leaderboard.recipes import described, recipes
from leaderboard.registration import Registration
from leaderboard.rows import tables
from leaderboard.significance import Significance, significance
from leaderboard.table import Board, Table
from leaderboard.text import NORM, at, epsilon, escape, subset
from leaderboard.transfer_page import transfer_section

Lines = Iterable[Mapping[str, Any]]


def page(
    board: Board,
    measurements: Lines,
    holes: Lines,
    registered: Registration | None = None,
    pictures: Mapping[str | None, Sequence[Picture]] | None = None,
) -> str:
    """leaderboard.md. `registered`: when the suite's claims were fixed, as `registration.registered` says."""
    measurements, holes, pictures_of = list(measurements), list(holes), pictures or {}
    found = compared(board)
    blocks = head(board, holes)
    for table, figures in zip(board.tables, board.figures, strict=True):
        blocks += [*facts(board, table), *tables(board, table, found), *beside(board, table, figures, found)]
        blocks += costs(board, table, figures, measurements)
        blocks += shown(pictures_of.get(table.grid.name, ()))
        blocks.append(recipes(table))
    blocks += [NO_PICTURES] * (pictures is None)
    blocks += transfer_section(board.transfers) + shown(pictures_of.get(None, ()))
    return "\n\n".join(blocks + rest(board, measurements, holes, registered)) + "\n"


def shown(pictures: Iterable[Picture]) -> list[str]:
    return [f"![{escape(one.title)}]({one.path})" for one in pictures]


def head(board: Board, holes: Lines) -> list[str]:
    """The page's title, whether it is of a part of the suite only, and how to read it."""
    suite, run = board.suite, part(board, holes)
    which = (
        [f"**Partial: {run.run} of {run.planned} cells** have been run; nothing is known of the others."] if run else []
    )
    return [
        f"# {escape(suite.name)}",
        *[f"Source: {escape(suite.source)}"] * bool(suite.source),
        *which,
        "Accuracies in %: the mean over training seeds and its 95 % interval. Only rows that are sound are ranked; the "
        "others stand below them, in the suite's order.",
    ]


def facts(board: Board, table: Table) -> list[str]:
    """A grid's title, and what all of its figures rest on."""
    return [f"## {escape(table.grid.name)}", _facts(board, table)]


def beside(board: Board, table: Table, figures: Figures, found: Significance) -> list[str]:
    """How sure a grid's rows are: beside their dense rows, and by their checks."""
    return how_sure(board.suite, figures, found) + checks_section(board.suite, table, figures)


def costs(board: Board, table: Table, figures: Figures, measurements: Lines) -> list[str]:
    """What rows take: beside their controls, in all, and deployed."""
    measurements = list(measurements)
    blocks = beside_controls(board, table, figures) + efficiency(board, table, measurements)
    return blocks + sections(board, table, measurements)


def rest(board: Board, measurements: Lines, holes: Lines, registered: Registration | None) -> list[str]:
    """What is said once: claims, holes, time and disk, and what the figures mean."""
    holes = list(holes)
    blocks = claims_section(board.suite, board.figures, registered, board.verdicts)
    return blocks + holes_section(board, holes) + spent_section(measurements) + legend(board, part(board, holes))


def compared(board: Board) -> Significance:
    """The board's rows beside their dense rows; only sound ones can lead."""
    return significance(board.figures, board.verdicts)


def _checked(board: Board, table: Table, union: Column) -> bool:
    """Whether some row's checks tried anything inside a union's ball: it holds what they broke."""
    (figures,) = (one for one in board.figures if one.grid.name == table.grid.name)
    networks = product((row.name for row in table.rows), board.suite.seeds)
    return any(tried(figures.checked.of(*network), union.norm, union.eps.value) for network in networks)


def _facts(board: Board, table: Table) -> str:
    """What every figure of the grid's tables rests on."""
    grid, suite = table.grid, board.suite
    n = subset(table)
    lines = [
        " · ".join(
            [
                f"dataset {escape(described(grid.dataset))}",
                f"model {escape(described(grid.model))}",
                f"{'seed' if len(suite.seeds) == 1 else 'seeds'} {', '.join(map(str, suite.seeds))}",
                f"norm {', '.join(dict.fromkeys(NORM[attack.norm] for attack in grid.attacks))}",
                f"**{n}**" if table.n != table.total else n,
            ]
        )
    ]
    for space in dict.fromkeys(attack.eps_space for attack in grid.attacks if attack.eps_space is not None):
        own = [attack for attack in grid.attacks if attack.eps_space == space]
        both = dict.fromkeys(epsilon(suite, eps) for attack in own for eps in attack.eps)
        whose = "" if len(own) == len(grid.attacks) else f" of {escape(', '.join(attack.name for attack in own))}"
        lines.append(
            f"ε{whose} as the source writes it, for images divided by {space:g}, and in pixels of [0, 1]: "
            f"{escape(', '.join(both))}"
        )
    unions: dict[tuple[str, bool], list[str]] = {}
    for column in table.unions:
        named = ", ".join(column.attacks)
        unions.setdefault((named, _checked(board, table, column)), []).append(at(suite, table, column))
    checks = ", and what the checks broke"
    over = [f"{named} @ {', '.join(labels)}{checks * checked}" for (named, checked), labels in unions.items()]
    lines += [f"The union is over: {escape('; '.join(over))}"] * bool(over)
    for one in table.deployed:
        judged = [f"{', '.join(c.attacks)} @ {at(suite, table, c)}" for c in one.columns if c.attack is None]
        lines.append(f"That of artifacts on {one.runtime}: {escape('; '.join(judged))}")
    missing = len(table.missing) + sum(len(one.missing) for one in table.deployed)
    planned = table.planned + sum(len(one.missing) + one.found for one in table.deployed)
    if missing:
        lines.append(f"Incomplete: {missing} of {planned} cells have no result (see Holes)")
    return "  \n".join(lines)
