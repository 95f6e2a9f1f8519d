"""A grid's table for a reader without scripts: a line per row, in the board's order; leaderboard.md has all columns."""

from tabulate import tabulate

from leaderboard.table import Board, Table
from leaderboard.text import MISSING, at, between, escape, of_seeds


def static_table(board: Board, table: Table) -> str:
    """Markdown: rank (of sound rows), row, clean accuracy, unions at the headline ε with their intervals, verdict."""
    heads = ["Rank", "Row", "Clean accuracy"]
    for union in table.middles:
        heads += [f"Robust accuracy (union) @ {at(board.suite, table, union)}", "95 % interval"]
    lines = []
    for rank, row in enumerate(table.ordered, start=1):
        line = [str(rank) if table.ranks(row) else MISSING, escape(f"{row.labelled} / {row.training}")]
        for place, share in enumerate((row.clean, *(row.accuracy[union] for union in table.middles))):
            mean = f"{100 * share.mean:.1f}{of_seeds(share)}" if share.values else MISSING
            line += [mean] + [between(share.interval).strip() if share.values else MISSING] * (place > 0)
        lines.append([*line, escape(str(row.verdict))])
    sides = ["right", "left"] + ["right"] * (len(heads) - 2) + ["left"]
    heads = [*map(escape, heads), "Verdict"]
    return tabulate(lines, heads, tablefmt="pipe", disable_numparse=True, colalign=sides)
