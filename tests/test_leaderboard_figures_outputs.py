"""The figures that leave the page, worked out again from records: HTML, LaTeX, the rows as CSV, error bars."""

import csv
import io
import json
import re

import numpy as np
import pytest
from matplotlib.axes import Axes
from statsmodels.stats.multitest import multipletests

from leaderboard import exports
from leaderboard.draw import draw
from leaderboard.latex import tex
from leaderboard.plots import CLEAN, plots
from leaderboard.table import build
from leaderboard.webpage import document
from tests.recomputed import N, World, difference, world
from tests.synthetic_records import shown

SIZES = {"Parameters": "parameters", "MACs": "macs", "Weights": "weight_bytes"}


@pytest.fixture(scope="module")
def made():
    of = world()
    return of, build(of.of, of.lines, of.checks)


def accuracy(stands: list[np.ndarray]) -> str:
    return shown(*(int(right.sum()) for right in stands), n=N)


def figures(of: World, name: tuple) -> dict[str, str]:
    """What a row's accuracies must read."""
    unions = {f"{eps:g}": accuracy(of.union(name, eps)) for eps in (0.05, 0.1)}
    return {"clean": accuracy(of.clean(name))} | unions


def worst_class(of: World, name: tuple) -> float:
    """Of a network the least of all classes under any of its attacks; every third image is of the same class."""
    least = [
        min(
            robust / n
            for line in network
            if line["eps"] == 0.05
            for n, robust in zip(line["per_class"]["n"], line["per_class"]["robust"], strict=True)
        )
        for network in of.networks(name)
    ]
    return float(np.mean(least))


def test_the_pages_data(made):
    of, board = made
    text = document(board, [], [], None, None, [], None)
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1])
    for grid in data["grids"]:
        heads = [column["name"] for column in grid["columns"]]
        assert len(grid["rows"]) == 8
        for row in grid["rows"]:
            name, cells = (grid["name"], *row["key"].split("\n")), dict(zip(heads, row["cells"], strict=True))
            expected, shares = figures(of, name), row["cells"][heads.index("Training") + 1 :][:3]
            for head, cell in zip(expected, shares, strict=True):
                assert f"{cell['text']} {cell['between']}".replace("\u00a0", " ") == expected[head]
                assert f"{cell['value']:.1f}" == cell["text"]
            if name[1] != "dense":
                dense = (name[0], "dense", name[2])
                assert f"Δ to dense: {difference(of.clean(dense), of.clean(name)).text()} " in shares[0]["tip"]
                assert f"Δ to dense: {difference(of.union(dense), of.union(name)).text()} " in shares[1]["tip"]
            assert cells["Worst class @ 0.05"]["value"] == pytest.approx(100 * worst_class(of, name), abs=5e-4)
            line = of.networks(name)[0][0]
            for head, size in SIZES.items():
                assert cells[head]["value"] == line["size"][size]
            curve = next(one for one in row["curves"][0]["lines"] if one["name"] == name[1])
            points = {label: (mean, low, high) for _, mean, low, high, label in curve["points"]}
            for label, text in zip(("0", "0.05", "0.1"), expected.values(), strict=True):
                assert points[label] == pytest.approx(numbers(text), abs=0.056)  # one decimal


def numbers(text: str) -> list[float]:
    """mean [low, high]"""
    return [float(number) for number in re.findall(r"[\d.]+", text)]


def test_every_accuracy_of_the_table_for_a_paper(made):
    of, board = made
    parts = tex(board).split(r"\begin{table}")[1:]
    for grid, part in zip(("first", "second"), parts, strict=True):
        lines = [line for line in part.split("\n") if line.startswith(("dense", "pruned", "scratch", "int8"))]
        assert len(lines) == 8
        for line in lines:
            compression, training, *cells = line.replace(" (scratch-E)", "").split(" & ")
            plain = [re.sub(r"\\textbf\{(.*?)\}", r"\1", cell) for cell in cells[:3]]
            plain = [re.sub(r" \{\\scriptsize (.*)\}", r" \1", cell) for cell in plain]
            assert plain == list(figures(of, (grid, compression, training)).values())


def test_every_row_of_the_csv(made):
    of, board = made
    lines = list(csv.DictReader(io.StringIO(exports.rows_csv(board))))
    assert len(lines) == 2 * 8 * 2 and list(lines[0]) == list(exports.ROWS)
    found, words = {}, set()
    for line in lines:
        name, eps = (line["grid"], line["compression"], line["training"]), float(line["eps"])
        for what, stands in (("clean", of.clean(name)), ("union", of.union(name, eps))):
            told = [100 * float(line[what + end]) for end in ("", "_low", "_high")]
            assert "{:.1f} [{:.1f}, {:.1f}]".format(*told) == accuracy(stands)
        assert (line["headline"], line["seeds"], line["planned_seeds"], line["n"]) == (
            str(eps == 0.05),
            "3",
            "3",
            str(N),
        )
        words.add(line["verdict"])
        assert (line["decided_by"] == "strong rerun (check)") == ((*name, eps) == ("first", "pruned", "plain", 0.05))
        if eps != 0.05:
            assert line["delta"] == line["delta_word"] == ""
            continue
        assert float(line["worst_class"]) == pytest.approx(worst_class(of, name))
        if name[1] == "dense":
            assert line["delta"] == ""
            continue
        dense = (name[0], "dense", name[2])
        one = difference(of.union(dense), of.union(name))
        assert float(line["delta"]) == pytest.approx(one.estimate)
        assert (float(line["delta_low"]), float(line["delta_high"])) == pytest.approx(one.bounds(0.95))
        if line["verdict"] == "suspect":
            assert line["delta_p"] == line["delta_word"] == ""
            continue
        found[name] = one, line
    both = [difference(of.clean((name[0], "dense", name[2])), of.clean(name)) for name in found]
    both += [one for one, _ in found.values()]
    corrected = multipletests([one.p for one in both], method="holm")[1][len(found) :]
    same = multipletests([one.equivalence(0.04) for one in both], method="holm")[1][len(found) :]
    for (one, line), p, within in zip(found.values(), corrected, same, strict=True):
        assert float(line["delta_p"]) == pytest.approx(p, rel=1e-4)
        assert one.word(p, within, 0.04).split(" ")[0].strip(",") == line["delta_word"]
    assert words == {"sound", "suspect"}


@pytest.mark.parametrize("what", ["compression", "epsilon-inf"])
def test_error_bars_are_the_intervals(made, monkeypatch, tmp_path, what):
    of, board = made
    handed, errorbar = [], Axes.errorbar

    def seen(self, x, y, yerr, **more):
        handed.append([f"{a:.1f} [{a - low:.1f}, {a + high:.1f}]" for a, low, high in zip(y, *yerr, strict=True)])
        return errorbar(self, x, y, yerr=yerr, **more)

    monkeypatch.setattr(Axes, "errorbar", seen)
    plot = plots(board, board.tables[0], [])[what]
    draw(plot, tmp_path / "drawn.svg")
    rows = {
        (compression.name, training.name): figures(of, ("first", compression.name, training.name))
        for compression in board.tables[0].grid.compressions
        for training in board.tables[0].grid.trainings
    }
    if what == "compression":  # a line for each training, clean and robust
        expected = [
            [figure["clean" if line.look == CLEAN else "0.05"] for (_, own), figure in rows.items() if own == line.name]
            for line in plot.panels[0].series
        ]
    else:  # a panel for each training, a line for each compression
        expected = [list(rows[line.name, panel.title].values()) for panel in plot.panels for line in panel.series]
    assert handed == expected and len(handed) in (4, 8)
