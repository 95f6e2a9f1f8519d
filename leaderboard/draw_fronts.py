"""Pictures of Pareto fronts: every point of a front has its name; the points behind them are small and pale."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from leaderboard.canvas import grid, legend, look, named
from leaderboard.labels import NEAR, SIZE, Spot, arrange, nearest
from leaderboard.shapes import Front, Fronts, Point
from leaderboard.text import printable, quantity

SOUND, OPEN = ({"color": "#777777", "linewidth": 1, "linestyle": style} for style in ("-", ":"))  # fronts
LEADS = {"markersize": 7.5, "markeredgecolor": "#000000", "zorder": 4}
STANDS = {"markersize": 7.5, "markerfacecolor": "white", "markeredgewidth": 1.8, "zorder": 4}
BEHIND = {"markersize": 4, "markeredgewidth": 0, "alpha": 0.45, "zorder": 3}
NAMED = 16  # names that a panel has room for
FEW_DECADES = 5  # a logarithmic axis over less has too few round numbers to label
NAUGHT = 0.6  # how far 0 stands from the smallest cost on a logarithmic axis, in decades
BREAK = {"marker": [(-0.5, -1), (0.5, 1)], "markersize": 8, "color": "#000000"}  # of an axis, between 0 and the rest
STEPS = 24  # places on a part of a front's line that a name should not hide
BESIDE = 0.12  # room at both ends of an axis, as a share of it


def fronts(plot: Fronts) -> Any:
    figure, axes = grid(len(plot.panels), 3.9 if len(plot.panels) > 1 else 6.4, 3.5, plot.title, note=plot.note)
    for one, panel in zip(axes, plot.panels, strict=True):
        _front(one, panel, plot.groups)
    legend(figure, _entries(plot))
    figure.draw_without_rendering()  # so that it is known where the points are
    for one, panel in zip(axes, plot.panels, strict=True):
        _names(one, panel)
    return figure


def _entries(plot: Fronts) -> list[tuple[str, dict[str, Any]]]:
    points = [point for panel in plot.panels for point in panel.points]
    entries = [(group, look(place) | {"linestyle": ""}) for place, group in enumerate(plot.groups)]
    ink = look(0) | {"color": "#000000", "marker": "D", "linestyle": ""}
    if any(point.leads for point in points):
        entries.append(("front of the sound rows: large, filled", ink | SOUND | LEADS | {"markerfacecolor": "#777777"}))
    if any(point.open and not point.leads for point in points):
        entries.append(("front of all that are not suspect: large, open", ink | OPEN | STANDS))
    if not all(point.open or point.leads for point in points):
        entries.append(("behind a front: small, pale", ink | {"markerfacecolor": "#000000"} | BEHIND))
    return entries


def _front(axes: Any, panel: Front, groups: Sequence[str]) -> None:
    for point in panel.points:
        way = LEADS if point.leads else STANDS if point.open else BEHIND
        axes.plot([point.x], [point.y], **look(groups.index(point.group)) | {"linestyle": ""} | way)
    for style, shown in zip((OPEN, SOUND), _both(panel), strict=True):
        axes.step([p.x for p in shown], [p.y for p in shown], where="post", zorder=2, **style)
    _costs(axes, panel)
    axes.set_ylim(-3, 103)
    named(axes, panel.title)
    axes.set_ylabel("robust accuracy, %")
    axes.set_xlabel(panel.note)


def _ahead(panel: Front) -> list[Point]:
    """The points of either front, by cost."""
    return sorted((point for point in panel.points if point.open or point.leads), key=lambda point: (point.x, point.y))


def _both(panel: Front) -> tuple[list[Point], list[Point]]:
    """The front of all rows that are not suspect, and that of the sound ones."""
    ahead = _ahead(panel)
    return [point for point in ahead if point.open], [point for point in ahead if point.leads]


def _costs(axes: Any, panel: Front) -> None:
    """The axis of costs: logarithmic if they differ by much; where some are nothing, 0 stands left of the others."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    xs = [point.x for point in panel.points]
    least, most = min(x for x in xs if x), max(xs)
    decades = LogLocator(base=10, subs=(1.0,) if most > 100 * least else (1.0, 3.0))
    axes.margins(x=BESIDE)
    if most <= FEW_DECADES * least:
        axes.xaxis.set_major_locator(MaxNLocator(4))
    elif min(xs) > 0:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(decades)
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_xscale("symlog", linthresh=least, linscale=NAUGHT)
        axes.set_xticks([0, *(tick for tick in decades.tick_values(least, most) if least <= tick <= most)])
        axes.minorticks_off()
        below = axes.get_xaxis_transform()
        axes.plot([0.4 * least, 0.5 * least], [0, 0], transform=below, linestyle="", clip_on=False, zorder=5, **BREAK)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _amount(value, panel.unit)))


def _names(axes: Any, panel: Front) -> None:
    """The name of every point of a front, where it hides no other; of a long one, of some along it."""
    ahead = _ahead(panel)
    points = _along(ahead, NAMED)
    if len(points) < len(ahead):
        axes.set_xlabel("; ".join(filter(None, (panel.note, f"{len(points)} of the {len(ahead)} in front are named"))))
    places = {point: _printed(axes, point.x, point.y) for point in panel.points}
    corners = axes.bbox.get_points() * 72 / axes.figure.dpi
    names = [printable(point.name) for point in points]
    others = [place for point, place in places.items() if point not in points]
    stairs = [spot for front in _both(panel) for spot in _stairs([places[point] for point in front])]
    boxes = arrange(names, [places[point] for point in points], others, stairs, (*corners.flatten(),))
    for name, point, box in zip(names, points, boxes, strict=True):
        x, y = places[point]
        line = {"arrowstyle": "-", "linewidth": 0.5, "color": "#777777", "shrinkA": 0, "shrinkB": 4}
        far = math.dist((x, y), nearest(box, (x, y))) > NEAR
        made = axes.annotate(
            name, (point.x, point.y), (box[0] - x, box[1] - y), textcoords="offset points", fontsize=SIZE, zorder=5,
            parse_math=False, arrowprops=line if far else None, annotation_clip=False,
        )  # fmt: skip
        made.set_in_layout(False)


def _along(points: Sequence[Point], most: int) -> list[Point]:
    """At most so many of them, evenly from the first to the last."""
    if len(points) <= most:
        return list(points)
    return [points[round(place * (len(points) - 1) / (most - 1))] for place in range(most)]


def _stairs(front: Sequence[Spot]) -> Iterator[Spot]:
    """Places on a front's line, so close together that no name fits between them."""
    for (left, low), (right, high) in pairwise(front):
        for part in range(STEPS):
            yield left + (right - left) * part / STEPS, low
            yield right, low + (high - low) * part / STEPS


def _printed(axes: Any, x: float, y: float) -> Spot:
    """Where a place of the panel is in the figure, in points (1/72 inch)."""
    across, up = axes.transData.transform((x, y)) * 72 / axes.figure.dpi
    return float(across), float(up)


def _amount(value: float, unit: str) -> str:
    return f"{1000 * value:.3g} ms" if unit == "s" else quantity(value, unit)
