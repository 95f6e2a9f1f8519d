"""The pictures of a board: files beside it, and what a page needs to show them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaderboard import draw
from leaderboard.feature_plots import feature_plots
from leaderboard.plots import plots, transfers
from leaderboard.table import Board

FOLDER = "figures"
FEATURES = "features.json"
MISSING = "Pictures need matplotlib: `pip install 'leanarmor[figures]'` (in a checkout `pip install -e '.[figures]'`), "
MISSING += "then render the board again."


@dataclass(frozen=True)
class Picture:
    """An SVG file and what it shows; `path` is relative to the board."""

    title: str
    path: str


Pictures = dict[str | None, list[Picture]]  # by grid; None: of all of them
TRANSFER = Picture("Robust accuracy by where the examples are crafted", f"{FOLDER}/transfer.svg")


def pictures(board: Board, measurements: Iterable[Mapping[str, Any]], out: Path) -> Pictures | None:
    """Draw a board's pictures into `out`/figures. None without matplotlib.

    Pictures that are no longer of the board go away; one that would be the same is left as it is.
    """
    if not draw.available():
        return None
    measurements, made = list(measurements), {}
    for number, table in enumerate(board.tables, start=1):  # a grid's name need not be a file's
        made[table.grid.name] = []
        found = plots(board, table, measurements) | feature_plots(table.grid, out / FEATURES)
        for name, plot in found.items():
            path = f"{FOLDER}/{number}-{name}.svg"
            draw.draw(plot, out / path)
            made[table.grid.name].append(Picture(plot.title, path))
    if (plot := transfers(board)) is not None:
        draw.draw(plot, out / TRANSFER.path)
        made[None] = [TRANSFER]
    kept = {out / picture.path for ones in made.values() for picture in ones}
    for path in (out / FOLDER).glob("*.svg"):
        if path not in kept:
            path.unlink()
    return made
