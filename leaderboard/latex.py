r"""leaderboard.tex: a table for each grid, for \input in a paper; it needs booktabs alone.

Accuracies in %, the bounds of their 95 % intervals small beside them. Names are escaped: none can become a command.
"""

import re
import unicodedata
from collections.abc import Iterable

from leaderboard.estimate import Estimate
from leaderboard.markdown import compared
from leaderboard.significance import Significance
from leaderboard.table import Board, Column, Row, Table
from leaderboard.text import MISSING, at, of_seeds, printable, quantity, subset

SPECIAL = {letter: f"\\{letter}" for letter in "#$%&_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"{\ttfamily\char34}",  # \textquotedbl is not in LaTeX's own encoding
    "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}",
    "[": "{[}",  # behind the end of a line, it would begin an argument, as * does
    "]": "{]}",
    "*": "{*}",
    "ε": r"$\varepsilon$",
    "ℓ": r"$\ell$",
    "∞": r"$\infty$",
    "±": r"$\pm$",
    "−": r"$-$",
    "×": r"$\times$",
    "—": "---",
    "–": "--",
}
OGONEK = "\u0328"  # no accent of LaTeX's own encoding


def escape(text: str) -> str:
    """A text of a suite as LaTeX that shows it."""
    text = "".join(map(_letter, re.sub("-(?=-)", "-\0", printable(text))))
    return text.replace("\0", "{}")  # two hyphens, not a dash


def _letter(letter: str) -> str:
    """What every pdfLaTeX can set; another letter only where LuaLaTeX or XeLaTeX reads the file, otherwise "?"."""
    if letter in SPECIAL:
        return SPECIAL[letter]
    base, *accents = unicodedata.normalize("NFD", letter)
    if letter in "ßæÆøØœŒłŁ" or (base.isascii() and letter < "\u0180" and accents != [OGONEK]):
        return letter
    return rf"{{\ifdefined\Uchar {letter}\else ?\fi}}"


def tex(board: Board) -> str:
    """The file's content, for pdfLaTeX or LuaLaTeX."""
    found = compared(board)
    blocks = ["% Written by leanarmor, for \\usepackage{booktabs,textcomp}; a new run writes it anew."]
    blocks += [_table(board, table, found) for table in board.tables]
    return "\n\n".join(blocks) + "\n"


def _table(board: Board, table: Table, found: Significance) -> str:
    shares: list[Column | None] = [None, *table.unions]
    heads = ["Compression", "Training", "Clean", *(f"Robust @ {at(board.suite, table, one)}" for one in table.unions)]
    heads += ["Parameters", "Verdict"]
    lines = [
        r"\begin{table}",
        r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
        rf"\caption{{{escape(board.suite.name)}, {escape(table.grid.name)}: {_about(table)}}}",
        rf"\begin{{tabular}}{{ll{'r' * (len(heads) - 3)}l}}",
        r"\toprule",
        _line(map(escape, heads)),
        r"\midrule",
    ]
    for row in table.ordered:
        cells = [escape(row.labelled), escape(row.training)]
        for column in shares:
            estimate = row.clean if column is None else row.accuracy[column]
            cells.append(_accuracy(estimate, found.leads(table.grid.name, row.name, column)))
        lines.append(_line([*cells, escape(_parameters(row)), row.verdict.word]))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"])


def _about(table: Table) -> str:
    lacking = f"partial: {table.planned - len(table.missing)} of {table.planned} cells, " if table.missing else ""
    return (
        f"{lacking}accuracy in \\%, mean and 95\\,\\% interval, {escape(subset(table))}. "
        "Robust: the union of all attacks. Bold: a sound row not significantly worse than the best."
    )


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _accuracy(estimate: Estimate, leads: bool) -> str:
    if not estimate.values:
        return escape(MISSING)
    mean, interval = f"{100 * estimate.mean:.1f}", estimate.interval
    mean = rf"\textbf{{{mean}}}" if leads else mean
    between = rf" {{\scriptsize [{100 * interval.low:.1f}, {100 * interval.high:.1f}]}}" if interval else ""
    return mean + between + escape(of_seeds(estimate))


def _parameters(row: Row) -> str:
    return quantity(row.size["parameters"].mean) if row.size["parameters"].values else MISSING
