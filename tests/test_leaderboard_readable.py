"""Pictures that can be read: what a line joins, which lines share a panel, where names stand, what stands out."""

import re
import statistics
from itertools import combinations, pairwise
from math import dist

import pytest

from benchmark.types import BEFORE, Compression, Recipe
from leaderboard import canvas, draw
from leaderboard import plots as made_of
from leaderboard.match import place
from leaderboard.plots import CLEAN, READABLE, Fronts
from leaderboard.shapes import Front, Point
from tests.synthetic_records import STANDARD, every, grid, record, suite
from tests.test_leaderboard_plots import drawn, lines_of

ANEW = Recipe("compression", "reinitialise")


def prune(ratio: float, criterion: str = "l1") -> Recipe:
    return Recipe("compression", "prune", (("criterion", criterion), ("ratio", ratio)))


def bits(count: int, clipped: bool) -> Recipe:
    return Recipe("compression", "quantize", (("bits", count), ("learned_clipping", clipped)))


TRADED = (  # as the suite `tradeoff` has them, in disorder
    Compression("dense"),
    *(Compression(f"prune-{percent}", (prune(percent / 100),)) for percent in (10, 50, 30, 70, 80, 90, 95)),
    Compression("scratch-e", (prune(0.5), ANEW, BEFORE)),
    Compression("scratch-b", (prune(0.5), ANEW, Recipe("training", "before", (("budget", "equal"),)))),
    Compression("int8", (bits(8, False),)),
    Compression("int2", (bits(2, True),)),
    Compression("int4", (bits(4, True),)),
    Compression("prune-50+int8", (prune(0.5), bits(8, False))),
)


def joined(compressions: tuple[Compression, ...]) -> tuple[tuple[str, ...], list[list[str]]]:
    """The names on the axis of compressions, and those that a line goes through."""
    of = suite(grid(compressions=compressions))
    (panel,) = drawn(of, every(of))["compression"].panels
    curves = {tuple(tuple(x for x, _ in curve) for curve in line.joined) for line in panel.series}
    assert len(curves) == 1 and all(len(line.x) == len(compressions) for line in panel.series)
    return panel.ticks, [[panel.ticks[x] for x in curve] for curve in curves.pop()]


def test_a_line_joins_only_compressions_that_differ_in_one_number():
    ticks, curves = joined(TRADED)
    pruned = [f"prune-{percent}" for percent in (10, 30, 50, 70, 80, 90, 95)]
    assert curves == [["dense", *pruned], ["dense", "int4", "int2"]]
    assert ticks == ("dense", *pruned, "scratch-e", "scratch-b", "int8", "dense", "int4", "int2", "prune-50+int8")


def test_a_line_joins_rounds_of_the_same_compression():
    rounds = {
        f"{criterion}-{count}": tuple(
            step for at in range(count) for step in (prune(0.1 + at / 50, criterion), STANDARD)
        )
        for criterion in ("l1", "l2")
        for count in (1, 2, 3)
    }
    compressions = (Compression("dense"), *(Compression(*one) for one in rounds.items()), Compression("t", (STANDARD,)))
    _, curves = joined(compressions)
    assert curves == [["dense", "l1-1", "l1-2", "l1-3"], ["dense", "l2-1", "l2-2", "l2-3"]]


def test_two_options_that_differ_make_no_curve():
    changed = (prune(0.5), prune(0.7, "l2")), (bits(8, False), bits(4, True))
    for one, other in changed:
        assert joined((Compression("one", (one,)), Compression("other", (other,)))) == (("one", "other"), [])


def test_many_compressions_stand_in_several_panels(monkeypatch):
    monkeypatch.setattr(made_of, "TICKS", 8)
    of = suite(grid(compressions=TRADED))
    panels = drawn(of, every(of))["compression"].panels
    assert len(panels) > 1 and all(len(panel.ticks) <= 9 for panel in panels)  # and the dense network again
    assert {name for panel in panels for name in panel.ticks} == {one.name for one in TRADED}
    assert sum(len(panel.series[0].x) for panel in panels) == len(TRADED)


def test_rows_that_are_suspect_are_crossed(tmp_path):
    lines = [
        line if line["compression"] == "dense" else record(suite(), place(line), "0" * 10, clean="1" + "0" * 9)
        for line in lines_of(suite())
    ]
    for name, plot in drawn(suite(), lines).items():
        if name == "pareto":
            assert plot.note == "Left out: 2 suspect rows."
        else:
            found = {line.suspect for panel in plot.panels for line in panel.series} - {()}
            assert found and {y for places in found for _, y in places} == {0.0, 10.0}
        draw.draw(plot, tmp_path / f"{name}.svg")
        assert "suspect row" in (tmp_path / f"{name}.svg").read_text()  # in the legend, or in what is left out
    assert not any(line.suspect for line in drawn(suite(), lines_of(suite()))["compression"].panels[0].series)


def looks_of(axes) -> dict[tuple, str]:
    """How each line of a panel looks, error bars aside, and what it is."""
    lines = [line for line in axes.lines if len(line.get_xdata()) > 1 and line.get_linestyle() != "None"]
    return {
        (line.get_color(), line.get_marker(), str(line._unscaled_dash_pattern), line.get_markerfacecolor()): line
        for line in lines
    }


@pytest.mark.parametrize("name", ["epochs", "epsilon-inf"])
def test_no_two_lines_look_the_same_and_none_is_left_out(name):
    of = suite(grid(compressions=TRADED))
    plot = drawn(of, every(of))[name]
    assert {line.name for panel in plot.panels for line in panel.series} == {one.name for one in TRADED}
    assert all(len(panel.series) <= READABLE for panel in plot.panels)
    figure = draw.painted(plot)
    looks: dict[tuple, set[str]] = {}
    for axes, panel in zip(figure.axes, plot.panels, strict=True):
        own = list(looks_of(axes))
        assert len(own) == len(panel.series) == len({colour for colour, *_ in own})
        for look, line in zip(own, panel.series, strict=True):
            looks.setdefault(look, set()).add(line.name)
    assert all(len(names) == 1 for names in looks.values())
    assert "dense" in {line.name for line in plot.panels[-1].series}  # what the others are compared with


def test_what_is_left_out_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(made_of, "PANELS", 2)
    of = suite(grid(compressions=TRADED))
    plot = drawn(of, every(of))["epsilon-inf"]
    assert len(plot.panels) == 2 and plot.note == "The first 2 of 4 panels; the tables have the rest."
    draw.draw(plot, tmp_path / "drawn.svg")
    assert plot.note in (tmp_path / "drawn.svg").read_text()


def test_rows_that_cost_nothing_are_shown_at_zero():
    plot = drawn(suite(), lines_of(suite()))["pareto"]
    number, panel = next((at, panel) for at, panel in enumerate(plot.panels) if panel.title == "Fine-tuning")
    free = [point for point in panel.points if not point.x]
    assert {(point.name, point.group) for point in free} == {("dense", "plain")}
    assert free[0].open  # nothing costs less
    axes = draw.painted(plot).axes[number]
    assert axes.get_xscale() == "symlog" and axes.get_xticks()[0] == 0
    least = min(point.x for point in panel.points if point.x)
    left, zero, other = (axes.transData.transform((x, 0))[0] for x in (axes.get_xlim()[0], 0, least))
    assert left < zero < other - 20 and left < axes.bbox.x1


def crowded() -> Fronts:
    """A front of many rows that are almost alike, and as many behind it."""
    points = [Point(f"prune-{at}+int8", "plain", 10.0**at if at else 0.0, 60 + at / 8, at > 6, True) for at in range(9)]
    points += [Point(f"prune-{at}", "plain", 10.0**at * 2, 58.0, False, False) for at in range(9)]
    return Fronts("Crowded", ("plain",), (Front("Cost", "", tuple(points)),))


def test_every_point_of_a_front_has_its_name_where_it_can_be_read():
    plot = crowded()
    figure = draw.painted(plot)
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == [f"prune-{at}+int8" for at in range(9)]
    boxes = [text.get_window_extent() for text in axes.texts]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert all(axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1 for box in boxes)
    for point, box in zip(plot.panels[0].points, boxes, strict=False):
        at = axes.transData.transform((point.x, point.y))
        others = [axes.transData.transform((other.x, other.y)) for other in plot.panels[0].points[:9] if other != point]
        near = min(max(at[0], box.x0), box.x1), min(max(at[1], box.y0), box.y1)
        assert dist(at, near) < 80 and not any(box.contains(*other) for other in others)


def test_points_of_either_front_do_not_look_like_those_behind():
    (axes,) = draw.painted(crowded()).axes
    found = {}
    for line in axes.lines[:18]:
        point = next(one for one in crowded().panels[0].points if (one.x, one.y) == tuple(line.get_xydata()[0]))
        look = line.get_markersize(), line.get_markerfacecolor() == line.get_color(), line.get_alpha() or 1
        found.setdefault((point.leads, point.open), set()).add(look)
    assert all(len(looks) == 1 for looks in found.values())
    (ahead,), (open_,), (behind,) = (found[key] for key in ((True, True), (False, True), (False, False)))
    assert ahead[:2] == (7.5, True) and open_[:2] == (7.5, False) and behind[0] < 5 and behind[2] < 0.5


def contrast(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 1.05 / (0.05 + sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True)))


def test_lines_are_told_apart_without_colour():
    looks = [canvas.look(place) for place in range(READABLE)]
    assert len(canvas.COLOURS) == READABLE
    assert len({look["marker"] for look in looks}) == len(looks) == len({look["color"] for look in looks})
    assert all(one["linestyle"] != other["linestyle"] for one, other in pairwise(looks))
    many = [canvas.look(place, kind) for place in range(360) for kind in ("", CLEAN)]
    assert len({tuple(map(str, look.values())) for look in many}) == len(many)
    assert statistics.median(map(contrast, canvas.COLOURS)) > 3 and min(map(contrast, canvas.COLOURS)) > 2
    assert all(re.fullmatch("#[0-9A-F]{6}", colour) for colour in canvas.COLOURS)


def test_a_long_front_has_some_names_and_says_so():
    points = tuple(Point(f"row {place}", "plain", 10.0 + place, 5 + place / 10, False, True) for place in range(400))
    made = draw.painted(Fronts("Fronts", ("plain",), (Front("MACs", "", points),)))
    (axes,) = made.axes
    named = [text.get_text() for text in axes.texts]
    assert len(named) == 16 and {"row 0", "row 399"} <= set(named)
    assert "16 of the 400 in front are named" in axes.get_xlabel()
