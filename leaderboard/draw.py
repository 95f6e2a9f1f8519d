"""Plots → SVG, with matplotlib (the extra `figures`). The same numbers give the same bytes."""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmark.types import canonical
from leaderboard.canvas import SUSPECT, grid, legend, look, named, places, svg
from leaderboard.draw_features import maps, planes
from leaderboard.draw_fronts import fronts
from leaderboard.feature_plots import Maps, Planes
from leaderboard.records import save
from leaderboard.shapes import CLEAN, Fronts, Lines, Matrices, Matrix, Panel, Plot, Series
from leaderboard.text import printable

STYLE = 2  # goes up when the same numbers shall look otherwise
APART = 0.06  # between lines over the same ticks, in distances of two ticks
WIDE = 8  # more ticks take the whole width
INK = {"color": "#000000", "linestyle": "-"}  # of no line in particular


def available() -> bool:
    return find_spec("matplotlib") is not None


def draw(plot: Plot | Maps | Planes, path: Path) -> None:
    """Write a plot as SVG, unless that is what the file shows already."""
    shows = f"leanarmor {fingerprint(type(plot).__name__, STYLE, asdict(plot))}"
    if not shown_already(path, shows):
        save(path, svg(lambda: painted(plot), shows))


def painted(plot: Plot | Maps | Planes) -> Any:
    """The figure, as matplotlib has it."""
    return {Lines: _lines, Fronts: fronts, Matrices: _matrices, Maps: maps, Planes: planes}[type(plot)](plot)


def fingerprint(*shown: Any) -> str:
    """What a picture shows, shortly."""
    return hashlib.sha256(canonical(shown).encode()).hexdigest()[:16]


def shown_already(path: Path, shows: str) -> bool:
    return path.exists() and f">{shows}<" in path.read_text("utf-8")


def _lines(plot: Lines) -> Any:
    ticks = max(len(panel.ticks) for panel in plot.panels)
    width = max(6.4 if len(plot.panels) == 1 else 3.6, 0.55 * ticks)
    figure, axes = grid(len(plot.panels), width, 3.1, plot.title, 1 if ticks > WIDE else plot.columns, plot.note)
    looks = places(list(dict.fromkeys(line.name for line in panel.series)) for panel in plot.panels)
    for one, panel in zip(axes, plot.panels, strict=True):
        names = list(dict.fromkeys(line.name for line in panel.series))
        for line in panel.series:
            _line(one, line, looks[line.name], _step(panel) * (names.index(line.name) - (len(names) - 1) / 2))
        named(one, panel.title)
        _across(one, panel, plot.across)
        one.set_ylim(-3, 103)
        one.set_ylabel("accuracy, %")
    lines = [line for panel in plot.panels for line in panel.series]
    entries = [(name, look(place)) for name, place in looks.items()]
    if any(line.look == CLEAN for line in lines):
        entries += [
            ("clean: open, thin", look(0, CLEAN) | INK),
            ("robust: filled, thick", look(0) | INK | {"markerfacecolor": "#000000"}),
        ]
    entries += [("suspect row", SUSPECT)] * any(line.suspect for line in lines)
    legend(figure, entries)
    return figure


def _step(panel: Panel) -> float:
    """How far lines stand apart, so that one does not hide another with its error bars."""
    if panel.ticks:
        return APART
    xs = [x for line in panel.series for x in line.x]
    return APART / 4 * (max(xs) - min(xs))


def _line(axes: Any, line: Series, place: int, aside: float) -> None:
    """Points with error bars, and what joins them; crosses on those of suspect rows."""
    style = look(place, line.look)
    errors = [
        [y - low for y, low in zip(line.y, line.low, strict=True)],
        [high - y for y, high in zip(line.y, line.high, strict=True)],
    ]
    x = [value + aside for value in line.x]
    axes.errorbar(x, line.y, yerr=errors, capsize=2, elinewidth=0.8, **style | {"linestyle": ""})
    for curve in line.joined:
        axes.plot([x + aside for x, _ in curve], [y for _, y in curve], **style)
    axes.plot([x + aside for x, _ in line.suspect], [y for _, y in line.suspect], zorder=4, **SUSPECT)


def _across(axes: Any, panel: Panel, name: str) -> None:
    if panel.ticks:
        long = max(map(len, panel.ticks)) * len(panel.ticks) > 60
        turned = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if long else {}
        axes.set_xticks(range(len(panel.ticks)), [printable(tick) for tick in panel.ticks], parse_math=False, **turned)
    else:
        values = sorted({value for line in panel.series for value in line.x})
        if all(float(value).is_integer() for value in values):
            axes.set_xticks(values, [f"{value:g}" for value in values])
        else:
            axes.locator_params(axis="x", nbins=5)
        axes.set_xlabel(name)


def _matrices(plot: Matrices) -> Any:
    widest = max(len(panel.columns) for panel in plot.panels)
    tallest = max(len(panel.rows) for panel in plot.panels)
    long = max((len(name) for panel in plot.panels for name in panel.rows), default=0)
    width, height = 1.2 + 0.07 * long + 0.62 * widest, 1.5 + 0.42 * tallest
    figure, axes = grid(len(plot.panels), width, height, plot.title, max(1, int(10 // width)), plot.note)
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
