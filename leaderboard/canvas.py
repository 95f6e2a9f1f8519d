"""What all pictures share: figures of panels as SVG that is the same every time, colours, markers, legends.

Colours are Okabe & Ito's, which the colour-blind tell apart, and every line has a marker of its own besides, so that
a print in grey is legible.
"""

import io
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from leaderboard.plots import CLEAN
from leaderboard.text import printable

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vPX<>h"
ACROSS = 3  # panels in a row
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
}


def svg(paint: Callable[[], Any], shows: str) -> str:
    """The SVG of the figure that `paint` makes, with `shows` as its description."""
    import matplotlib as mpl

    with mpl.rc_context({**mpl.rcParamsDefault, **SETTINGS, "backend": "svg"}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name in a script that the font lacks
        figure, text = paint(), io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Description": shows})
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def grid(count: int, width: float, height: float, title: str, across: int = ACROSS) -> tuple[Any, list[Any]]:
    """A figure without pyplot's state, and its panels; sizes of one panel in inches."""
    from matplotlib.figure import Figure

    columns = min(across, count)
    down = -(-count // columns)
    figure = Figure(figsize=(width * columns, height * down + 0.5))
    figure.suptitle(printable(title), parse_math=False, fontsize=10)
    axes = figure.subplots(down, columns, squeeze=False).flatten().tolist()
    for empty in axes[count:]:
        empty.remove()
    return figure, axes[:count]


def named(axes: Any, title: str) -> None:
    axes.set_title(printable(title), parse_math=False, loc="left")


def legend(figure: Any, entries: Sequence[tuple[str, dict[str, Any]]], across: int = 4) -> None:
    """Below the panels, so many entries in a row.

    Names are set afterwards: matplotlib would leave out one that begins with an underscore.
    """
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], **look) for _, look in entries]
    labels = [str(number) for number in range(len(entries))]
    made = figure.legend(handles, labels, loc="outside lower center", ncols=min(across, len(entries)), handlelength=3)
    for text, (name, _) in zip(made.get_texts(), entries, strict=True):
        text.set_parse_math(False)
        text.set_text(printable(name))


def look(place: int, kind: str = "") -> dict[str, Any]:
    """Of the line or the points in that place: solid and filled, or (clean) dashed and open."""
    colour, clean = COLOURS[place % len(COLOURS)], kind == CLEAN
    return {
        "color": colour,
        "marker": MARKERS[place % len(MARKERS)],
        "markerfacecolor": "white" if clean else colour,
        "linestyle": (0, (4, 2)) if clean else "-",
        "markersize": 5,
        "linewidth": 1.3,
    }
