"""What all pictures share: figures of panels as SVG that is the same every time, colours, markers, legends.

Colours are Okabe & Ito's and a grey, which the colour-blind tell apart; every line has a marker and dashes of its own
besides, so that a print in grey is legible.
"""

import io
import warnings
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any

from leaderboard.shapes import CLEAN
from leaderboard.text import printable

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#767676")
MARKERS = "osD^vPX<>"
# Eight colours, nine markers, five dashes: without a common divisor, so that 360 lines differ.
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)))
SUSPECT = {"color": "#000000", "marker": "x", "markersize": 8, "markeredgewidth": 1.2, "linestyle": ""}
ACROSS = 3  # panels in a row
ENTRY = 0.2  # inches of a legend's line
SETTINGS = {  # text as text: a browser's Verdana is as wide as DejaVu Sans, and a tenth of its outlines' bytes
    "svg.hashsalt": "leanarmor",
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.08,  # inches
}


def svg(paint: Callable[[], Any], shows: str) -> str:
    """The SVG of the figure that `paint` makes, with `shows` as its description."""
    import matplotlib as mpl

    with mpl.rc_context({**mpl.rcParamsDefault, **SETTINGS, "backend": "svg"}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name in a script that the font lacks
        figure, text = paint(), io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Description": shows})
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def grid(
    count: int, width: float, height: float, title: str, across: int = ACROSS, note: str = ""
) -> tuple[Any, list[Any]]:
    """A figure without pyplot's state, and its panels; sizes of one panel in inches. note: what it leaves out."""
    from matplotlib.figure import Figure

    columns = min(across, count)
    down = -(-count // columns)
    figure = Figure(figsize=(width * columns, height * down + 0.5))
    heads = [printable(text) for text in (title, note) if text]
    figure.suptitle("\n".join(heads), parse_math=False, fontsize=10)
    axes = figure.subplots(down, columns, squeeze=False).flatten().tolist()
    for empty in axes[count:]:
        empty.remove()
    return figure, axes[:count]


def named(axes: Any, title: str) -> None:
    axes.set_title(printable(title), parse_math=False, loc="left")


def legend(figure: Any, entries: Sequence[tuple[str, dict[str, Any]]], across: int = 4) -> None:
    """Below the panels, at most so many entries in a row.

    Names are set afterwards: matplotlib would leave out one that begins with an underscore.
    """
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], **look) for _, look in entries]
    labels = [str(number) for number in range(len(entries))]
    fit = int(figure.get_figwidth() // (0.07 * max(len(name) for name, _ in entries) + 0.6))  # inches of an entry
    columns = max(1, min(across, fit))
    figure.set_figheight(figure.get_figheight() + ENTRY * (-(-len(entries) // columns) - 1))
    made = figure.legend(handles, labels, loc="outside lower center", ncols=columns, handlelength=3)
    for text, (name, _) in zip(made.get_texts(), entries, strict=True):
        text.set_parse_math(False)
        text.set_text(printable(name))


def places(panels: Iterable[Sequence[str]]) -> dict[str, int]:
    """Of each name the place of its look: the same in all panels, nobody else's, and in a colour of its own in each
    panel that has no more names than there are colours."""
    panels, found = list(panels), {}
    for name in dict.fromkeys(name for panel in panels for name in panel):
        beside = {other for panel in panels if name in panel for other in panel}
        used = {found[other] % len(COLOURS) for other in beside if other in found}
        free = (place for place in count() if place not in found.values())
        found[name] = next(place for place in free if place % len(COLOURS) not in used or len(used) == len(COLOURS))
    return found


def look(place: int, kind: str = "") -> dict[str, Any]:
    """Of the line or the points in that place: thick and filled, or (clean) thin and open."""
    colour, clean = COLOURS[place % len(COLOURS)], kind == CLEAN
    return {
        "color": colour,
        "marker": MARKERS[place % len(MARKERS)],
        "markerfacecolor": "white" if clean else colour,
        "linestyle": DASHES[place % len(DASHES)],
        "markersize": 5,
        "linewidth": 0.8 if clean else 1.7,
    }
