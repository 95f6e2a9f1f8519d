"""Plots → SVG, with matplotlib (the extra `figures`). The same numbers give the same bytes."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmark.types import canonical
from leaderboard.canvas import CLEAN, COLOURS, grid, legend, look, named, svg
from leaderboard.draw_features import maps, planes
from leaderboard.feature_plots import Maps, Planes
from leaderboard.plots import Front, Fronts, Lines, Matrices, Matrix, Panel, Plot, Series
from leaderboard.records import save
from leaderboard.text import printable, quantity

STYLE = 1  # goes up when the same numbers shall look otherwise
SOUND, OPEN = ({"color": "#777777", "linewidth": 1, "linestyle": style} for style in ("-", ":"))  # fronts
FEW_DECADES = 5  # a logarithmic axis over less has too few round numbers to label


def available() -> bool:
    return find_spec("matplotlib") is not None


def draw(plot: Plot | Maps | Planes, path: Path) -> None:
    """Write a plot as SVG, unless that is what the file shows already."""
    shows = f"leanarmor {fingerprint(type(plot).__name__, STYLE, asdict(plot))}"
    if not shown_already(path, shows):
        paint = {Lines: _lines, Fronts: _fronts, Matrices: _matrices, Maps: maps, Planes: planes}[type(plot)]
        save(path, svg(lambda: paint(plot), shows))


def fingerprint(*shown: Any) -> str:
    """What a picture shows, shortly."""
    return hashlib.sha256(canonical(shown).encode()).hexdigest()[:16]


def shown_already(path: Path, shows: str) -> bool:
    return path.exists() and f">{shows}<" in path.read_text("utf-8")


def _lines(plot: Lines) -> Any:
    ticks = max(len(panel.ticks) for panel in plot.panels)
    alone = len(plot.panels) == 1
    figure, axes = grid(len(plot.panels), max(6.4 if alone else 3.3, 0.55 * ticks), 2.9, plot.title)
    names = list(dict.fromkeys(line.name for panel in plot.panels for line in panel.series))
    for one, panel in zip(axes, plot.panels, strict=True):
        for line in panel.series:
            _line(one, line, names.index(line.name), len(names) if panel.ticks else 1)
        named(one, panel.title)
        _across(one, panel, plot.across)
        one.set_ylim(-3, 103)
        one.set_ylabel("accuracy, %")
    kinds = {line.look for panel in plot.panels for line in panel.series}
    entries = [(name, look(names.index(name))) for name in names]
    if CLEAN in kinds:
        entries += [(kind, look(len(COLOURS) - 1, kind) | {"marker": ""}) for kind in ("clean", "robust")]
    legend(figure, entries)
    return figure


def _line(axes: Any, line: Series, place: int, of: int) -> None:
    """With error bars; lines over the same ticks stand a little apart."""
    x = [value + (0.06 * (place - (of - 1) / 2) if of > 1 else 0) for value in line.x]
    errors = [
        [y - low for y, low in zip(line.y, line.low, strict=True)],
        [high - y for y, high in zip(line.y, line.high, strict=True)],
    ]
    axes.errorbar(x, line.y, yerr=errors, capsize=2, elinewidth=0.8, **look(place, line.look))


def _across(axes: Any, panel: Panel, name: str) -> None:
    if panel.ticks:
        long = max(map(len, panel.ticks)) * len(panel.ticks) > 60
        turned = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if long else {}
        axes.set_xticks(range(len(panel.ticks)), [printable(tick) for tick in panel.ticks], parse_math=False, **turned)
    else:
        places = sorted({value for line in panel.series for value in line.x})
        if all(float(value).is_integer() for value in places):
            axes.set_xticks(places, [f"{value:g}" for value in places])
        axes.set_xlabel(name)


def _fronts(plot: Fronts) -> Any:
    figure, axes = grid(len(plot.panels), 3.4, 3.0, plot.title)
    for one, panel in zip(axes, plot.panels, strict=True):
        _front(one, panel, plot.groups)
    entries = [(group, look(place) | {"linestyle": ""}) for place, group in enumerate(plot.groups)]
    points = [point for panel in plot.panels for point in panel.points]
    entries += [("front of the sound rows", SOUND)] * any(point.leads for point in points)
    entries += [("front of all that are not suspect", OPEN)] * any(point.open != point.leads for point in points)
    legend(figure, entries)
    return figure


def _front(axes: Any, panel: Front, groups: Sequence[str]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    for point in panel.points:
        style = look(groups.index(point.group), "" if point.leads else CLEAN) | {"linestyle": ""}
        axes.plot([point.x], [point.y], zorder=3, **style)
    every = sorted((point for point in panel.points if point.open or point.leads), key=lambda point: (point.x, point.y))
    for style, front in ((OPEN, [p for p in every if p.open]), (SOUND, [p for p in every if p.leads])):
        axes.step([p.x for p in front], [p.y for p in front], where="post", zorder=2, **style)
    taken: list[tuple[float, float]] = []
    for point in sorted(every, key=lambda point: not point.leads):  # names that would lie on each other are left out
        if all(abs(point.y - y) > 6 for _, y in taken):
            axes.annotate(
                printable(point.name), (point.x, point.y), (3, 5), textcoords="offset points", fontsize=7, zorder=4,
                parse_math=False,
            )  # fmt: skip
            taken.append((point.x, point.y))
    xs = [point.x for point in panel.points]
    if max(xs) > FEW_DECADES * min(xs):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1.0,) if max(xs) > 100 * min(xs) else (1.0, 3.0)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _amount(value, panel.unit)))
    axes.margins(x=0.18)
    axes.set_ylim(-3, 103)
    named(axes, panel.title)
    axes.set_ylabel("robust accuracy, %")


def _amount(value: float, unit: str) -> str:
    return f"{1000 * value:.3g} ms" if unit == "s" else quantity(value, unit)


def _matrices(plot: Matrices) -> Any:
    widest = max(len(panel.columns) for panel in plot.panels)
    tallest = max(len(panel.rows) for panel in plot.panels)
    long = max((len(name) for panel in plot.panels for name in panel.rows), default=0)
    width, height = 1.2 + 0.07 * long + 0.62 * widest, 1.5 + 0.42 * tallest
    figure, axes = grid(len(plot.panels), width, height, plot.title, across=max(1, int(10 // width)))
    for one, panel in zip(axes, plot.panels, strict=True):
        _matrix(one, panel)
        one.set_xlabel(plot.across)
        one.set_ylabel(plot.down)
    return figure


def _matrix(axes: Any, panel: Matrix) -> None:
    values = [[float("nan") if value is None else value for value in row] for row in panel.values]
    axes.imshow(values, cmap="cividis", vmin=0, vmax=100, aspect="auto")
    axes.grid(False)
    axes.set_xticks(range(len(panel.columns)), _names(panel.columns), rotation=30, ha="right", parse_math=False)
    axes.set_yticks(range(len(panel.rows)), _names(panel.rows), parse_math=False)
    for row, line in enumerate(panel.values):
        for column, value in enumerate(line):
            if value is not None:
                ink = "white" if value < 55 else "black"
                axes.text(column, row, f"{value:.0f}", ha="center", va="center", color=ink, fontsize=8)
    named(axes, panel.title)


def _names(names: Iterable[str]) -> list[str]:
    return [printable(name) for name in names]
