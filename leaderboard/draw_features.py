"""Pictures of features: maps side by side, and planes of points."""

from typing import Any

from leaderboard.canvas import COLOURS, MARKERS, grid, legend, named
from leaderboard.feature_plots import Maps, Plane, Planes

LETTERS = 24  # of a layer's name: its end says most


def maps(plot: Maps) -> Any:
    """A column for each network and kind of image, a line for the image and each layer."""
    down = max(len(shades) for _, shades in plot.lines)
    figure, axes = grid(down * len(plot.lines), 1.35, 1.35, plot.title, len(plot.lines))
    for number, one in enumerate(axes):
        layer, network = divmod(number, len(plot.lines))
        name, line = plot.lines[network]
        one.grid(False)
        one.set_xticks([])
        one.set_yticks([])
        for side in one.spines.values():
            side.set_visible(False)
        if layer < len(line):
            one.imshow(line[layer].rows, cmap="cividis" if layer else "gray", vmin=0, vmax=255)
        if layer == 0:
            one.set_title(name.replace(", ", "\n"), parse_math=False, fontsize=8)
        if network == 0:
            one.set_ylabel(line[layer].title[-LETTERS:], parse_math=False, fontsize=8)
    return figure


def planes(plot: Planes) -> Any:
    """A panel for each network: clean images filled, attacked ones open."""
    figure, axes = grid(len(plot.panels), 3.2, 3.1, plot.title)
    known = sorted({label for panel in plot.panels for _, _, label in panel.clean})
    for one, panel in zip(axes, plot.panels, strict=True):
        _plane(one, panel)
    looks = [_look(label, True) | {"linestyle": ""} for label in known]
    entries = [(plot.classes[label], look) for label, look in zip(known, looks, strict=True)]
    legend(figure, [*entries, ("attacked: open", _look(6, False) | {"linestyle": ""})], across=6)
    return figure


def _plane(axes: Any, panel: Plane) -> None:
    for points, clean in ((panel.attacked, False), (panel.clean, True)):
        for label in sorted({label for _, _, label in points}):
            own = [(x, y) for x, y, other in points if other == label]
            axes.plot(*zip(*own, strict=True), linestyle="", **_look(label, clean))
    named(axes, f"{panel.title}: {panel.broken:.0f} % broken")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel("first principal component")
    axes.set_ylabel("second principal component")


def _look(label: int, clean: bool) -> dict[str, Any]:
    colour = COLOURS[label % len(COLOURS)]
    face = colour if clean else "none"
    marker = MARKERS[(label // len(COLOURS) + label) % len(MARKERS)]
    return {"color": colour, "marker": marker, "markerfacecolor": face, "markersize": 4, "markeredgewidth": 0.8}
