"""Pictures: their numbers against the records', by hand; the files they become."""

from xml.etree import ElementTree

import pytest

from benchmark.types import Attack, Recipe, Source, Training
from leaderboard import draw, pictures
from leaderboard.match import place, places
from leaderboard.plots import CLEAN, Fronts, Lines, plots, transfers
from leaderboard.table import build
from tests.hostile import NAMES, hostile_suite
from tests.synthetic_records import LARGE, PGD, STANDARD, every, grid, record, shown, suite

ROBUST = {("dense", "plain"): 1, ("dense", "tuned"): 6, ("prune-50", "plain"): 2, ("prune-50", "tuned"): 5}


def lines_of(of) -> list[dict]:
    """Every network of a row is right on as many images as ROBUST says, at every ε."""
    counts = [ROBUST[line["compression"], line["training"]] for line in every(of)]
    return [
        record(of, place(line), "1" * count + "0" * (10 - count)) for line, count in zip(every(of), counts, strict=True)
    ]


def drawn(of, lines, measurements=()) -> dict:
    board = build(of, lines)
    return plots(board, board.tables[0], measurements)


def test_over_compression():
    plot = drawn(suite(), lines_of(suite()))["compression"]
    (panel,) = plot.panels
    assert panel.ticks == ("dense", "prune-50") and isinstance(plot, Lines)
    lines = {(line.name, line.look): line for line in panel.series}
    assert len(lines) == 4 and lines["tuned", CLEAN].y == (80.0, 80.0)
    tuned = lines["tuned", "robust"]
    assert tuned.x == (0, 1) and tuned.y == (60.0, 50.0)
    for at, count in enumerate((6, 5)):
        assert shown(count, count) == f"{tuned.y[at]:.1f} [{tuned.low[at]:.1f}, {tuned.high[at]:.1f}]"


def test_over_epsilon_begins_with_clean_accuracy():
    plot = drawn(suite(), lines_of(suite()))["epsilon-inf"]
    tuned = next(panel for panel in plot.panels if panel.title == "tuned")
    assert [(line.name, line.x, line.y) for line in tuned.series] == [
        ("dense", (0.0, 0.05, 0.1), (80.0, 60.0, 60.0)),
        ("prune-50", (0.0, 0.05, 0.1), (80.0, 50.0, 50.0)),
    ]


def test_over_epochs_are_trainings_that_differ_in_nothing_else():
    def tuned(epochs: int, plugin: str = "standard") -> Training:
        return Training(f"{plugin}-{epochs}", STANDARD, Recipe("training", plugin, (("epochs", epochs), ("lr", 0.1))))

    other = Training("other start", Recipe("training", "standard", (("epochs", 9),)))
    trainings = (tuned(3), Training("none", STANDARD), other, tuned(1), tuned(2, "pgd_at"))
    of = suite(grid(trainings=trainings))
    plot = drawn(of, every(of))["epochs"]
    assert [panel.title.split(";")[0] for panel in plot.panels] == ["standard", "pgd_at"]
    assert {line.x for line in plot.panels[0].series} == {(0, 1, 3)}
    assert {line.x for line in plot.panels[1].series} == {(0, 2)}
    assert "epochs" not in drawn(
        suite(grid(trainings=(tuned(3), other))), every(suite(grid(trainings=(tuned(3), other))))
    )


def test_fronts():
    plot = drawn(suite(), lines_of(suite()))["pareto"]
    assert isinstance(plot, Fronts) and [panel.title for panel in plot.panels][:3] == ["Parameters", "MACs", "Weights"]
    points = {(point.name, point.group): point for point in plot.panels[0].points}
    assert points["prune-50", "tuned"].x == 250_000 and points["prune-50", "tuned"].y == 50.0
    assert {name for name, point in points.items() if point.open} == {("dense", "tuned"), ("prune-50", "tuned")}
    assert not any(point.leads for point in points.values())  # no row is sound


def test_what_a_board_cannot_fill_is_not_drawn():
    assert drawn(suite(), []) == {}


def test_the_transfer_matrix():
    attacks = tuple(
        Attack(f"from {name}", PGD, "inf", (LARGE,), Source(compression=name)) for name in ("dense", "prune-50")
    )
    of = suite(grid(attacks=attacks, trainings=(Training("plain", STANDARD),)))
    lines = every(of, mode="examples")
    for line in lines:
        source = line["attack"].removeprefix("from ")
        line["from"] = {**{name: line[name] for name in ("grid", "training", "seed")}, "compression": source}
        if source == line["compression"]:
            line |= {"robust_correct": 2, "outcomes": record(of, place(line), "1100000000")["outcomes"]}
    (matrix,) = transfers(build(of, lines)).panels
    assert matrix.rows == matrix.columns == ("digits / dense", "digits / prune-50")
    assert [round(value) for line in matrix.values for value in line] == [20, 60, 60, 20]
    assert transfers(build(suite(), every(suite()))) is None


def test_files_are_svg_the_same_every_time_and_left_alone_if_nothing_changed(tmp_path):
    board = build(suite(), lines_of(suite()))
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "9-old.svg").write_text("of a grid that is gone")
    found = pictures.pictures(board, [], tmp_path)
    paths = [tmp_path / one.path for one in found["digits"]]
    assert sorted(paths) == sorted((tmp_path / "figures").glob("*")) and len(paths) >= 3
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}
    assert all(ElementTree.fromstring(content).tag.endswith("svg") for content, _ in before.values())
    pictures.pictures(board, [], tmp_path)
    assert {path: path.stat().st_mtime_ns for path in paths} == {path: time for path, (_, time) in before.items()}
    other = pictures.pictures(board, [], tmp_path / "other")
    assert [(tmp_path / "other" / one.path).read_bytes() for one in other["digits"]] == [
        before[path][0] for path in paths
    ]


def test_names_are_drawn_as_they_are(tmp_path):
    board = build(of := hostile_suite(), every(of))
    (made,) = pictures.pictures(board, [], tmp_path).values()
    text = "".join("".join(ElementTree.parse(tmp_path / one.path).getroot().itertext()) for one in made)
    for name in (NAMES[0], NAMES[1], NAMES[3]):  # as compression or training
        assert name in text
    assert not [path for path in tmp_path.rglob("*") if "<" in path.name]


def test_without_matplotlib_the_page_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setattr(draw, "find_spec", lambda name: None)
    board = build(suite(), every(suite()))
    assert pictures.pictures(board, [], tmp_path) is None and not list(tmp_path.iterdir())


@pytest.mark.parametrize(("n", "right"), [(10, 10), (10, 0)])
def test_a_row_that_is_perfect_or_hopeless_is_drawn(tmp_path, n, right):
    """Its interval ends at its mean, and by rounding a little before it."""
    of = suite(seeds=(0,))
    bits = "1" * right + "0" * (n - right)
    board = build(of, [record(of, cell, bits, bits) for own in of.grids for cell in places(of, own)])
    assert pictures.pictures(board, [], tmp_path)
