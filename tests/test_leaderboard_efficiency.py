"""Costs, fronts and controls on the board, against what a few lines make of the same records by hand."""

import itertools
import re
from dataclasses import replace

import pytest

from benchmark.types import BEFORE, Compression, Recipe, Training
from leaderboard import markdown
from leaderboard.controls import controls, helps, pairs
from leaderboard.efficiency import costs, front
from leaderboard.latex import tex
from leaderboard.match import place
from leaderboard.paired import Decision, mcnemar
from leaderboard.plots import plots
from leaderboard.table import build
from leaderboard.verdict import Verdict
from tests.synthetic_records import PRUNE, STANDARD, every, grid, page, record, suite, tables

ANEW = Recipe("compression", "reinitialise")


def efficiency(text: str) -> list[dict[str, str]]:
    return next(table for table in tables(text) if any(head.startswith("Training (passes") for head in table[0]))


def measurement(key: str, seconds: float, joules: float | None = None) -> dict:
    spent = {"seconds": seconds, "joules": joules, "bytes": 1}
    return {"stage": "train", "key": key, "label": "l", "machine": {}, "latency": None} | spent


def test_work_is_passes_times_macs_of_every_training():
    of = suite()
    rows = {(row["Compression"], row["Training"]): row for row in efficiency(page(of, every(of)).replace(" ◇", ""))}
    whole, tuning = "Training (passes × MACs)", "Fine-tuning (passes × MACs)"
    assert rows["dense", "plain"][whole] == "12 G"  # (1,000 + 500) × 8 M
    assert rows["dense", "tuned"][whole] == "13.6 G" and rows["dense", "tuned"][tuning] == "1.6 G"
    # two trainings of (100 + 100) × 1 M behind the same first one, beside the dense row's
    assert rows["prune-50", "tuned"][whole] == "12.4 G (91.2 %)" and rows["prune-50", "tuned"][tuning] == "400 M (25 %)"


def test_passes_that_nobody_counted_make_no_cost():
    of = suite()
    text = page(of, every(of, spent=None))
    assert "Training (passes × MACs)" not in text and "### Efficiency" in text


def test_seconds_are_those_of_the_trainings_behind_a_row():
    of = suite()
    known = [measurement("train plain", 100.0), measurement("tune prune-50 plain 0", 20.0)]
    (time,) = [cost for cost in costs(build(of, every(of)).tables[0], known) if cost.unit == "s"]
    assert time.of == {("dense", "plain"): 100.0, ("prune-50", "plain"): 120.0}  # of the others some are not known
    assert not time.compares


def test_energy_is_that_of_trainings_that_were_all_counted():
    of = suite()
    known = [measurement("train plain", 100.0, 900.0), measurement("tune prune-50 plain 0", 20.0)]
    (energy,) = [cost for cost in costs(build(of, every(of)).tables[0], known) if cost.unit == "J"]
    assert energy.of == {("dense", "plain"): 900.0} and not energy.compares


def test_work_and_seconds_are_never_a_share_of_another_trainings():
    of = suite()
    whole = every(of)
    lines = [line for line in whole if (line["compression"], line["training"]) != ("dense", "tuned")]
    known = [measurement(key, 10.0) for key in {one["key"] for line in whole for one in line["spent"]}]
    text = page(of, lines, known).replace(" ◇", "")
    rows = {(row["Compression"], row["Training"]): row for row in efficiency(text)}
    assert rows["prune-50", "tuned"]["Training (passes × MACs)"] == "12.4 G (—)"
    assert rows["prune-50", "tuned"]["Training time"] == "30 s (—)"
    assert rows["prune-50", "tuned"]["Parameters"] == "250 k (25 %)"  # of any dense row: training adds none
    assert rows["prune-50", "plain"]["Training (passes × MACs)"] == "12.2 G (102 %)"
    assert rows["prune-50", "plain"]["Training time"] == "20 s (200 %)"


def test_rows_that_are_not_sound_are_on_an_open_front():
    of = suite(seeds=(0,))
    stand = {("dense", "plain"): 5, ("dense", "tuned"): 6, ("prune-50", "plain"): 4, ("prune-50", "tuned"): 3}
    count = {place(line): stand[line["compression"], line["training"]] for line in every(of)}
    board = build(of, [record(of, cell, "1" * n + "0" * (10 - n)) for cell, n in count.items()])
    (table,) = board.tables
    words = {("dense", "plain"): "sound", ("prune-50", "tuned"): "sound", ("prune-50", "plain"): "unverified"}
    rows = tuple(replace(row, verdict=Verdict(words.get(row.name, "suspect"))) for row in table.rows)
    board = replace(board, tables=(replace(table, rows=rows),))
    text = markdown.page(board, [], [])
    shown = {(row["Compression"], row["Training"]): row["MACs"].replace("\u00a0", " ") for row in efficiency(text)}
    assert shown == {
        ("dense", "plain"): "8 M ◆",  # of all but the suspect one, the most robust
        ("prune-50", "tuned"): "1 M (12.5 %) ◆",  # beaten by a row that may not be what it seems
        ("prune-50", "plain"): "1 M (12.5 %) ◇",
        ("dense", "tuned"): "8 M",
    }
    points = {(one.name, one.group): one for one in plots(board, board.tables[0], [])["pareto"].panels[1].points}
    assert {name: (one.leads, one.open) for name, one in points.items()} == {
        ("dense", "plain"): (True, True),
        ("prune-50", "tuned"): (True, False),
        ("prune-50", "plain"): (False, True),
    }


@pytest.mark.parametrize("seed", range(20))
def test_a_front_is_what_nothing_beats(seed):
    def draw(index: int) -> int:
        return (seed * 7919 + index * 104729) % 5

    cost = {("c", str(i)): draw(i) for i in range(12)}
    value = {("c", str(i)): draw(i + 50) for i in range(2, 14)}
    found = front(cost, value)
    both = [name for name in cost if name in value]
    beaten = {
        a
        for a, b in itertools.permutations(both, 2)
        if cost[b] <= cost[a] and value[b] >= value[a] and (cost[b] < cost[a] or value[b] > value[a])
    }
    assert found == set(both) - beaten and found


def controlled():
    compressions = (
        Compression("dense"),
        Compression("pruned", (PRUNE,)),
        Compression("scratch", (PRUNE, ANEW, STANDARD)),
        Compression("lone", (ANEW, STANDARD, PRUNE, PRUNE)),
    )
    return suite(grid(compressions=compressions), seeds=(0,))


def test_a_control_is_the_same_but_for_new_weights_and_their_training():
    of = controlled()
    assert list(pairs(of.grids[0])) == [(("pruned", name), ("scratch", name)) for name in ("plain", "tuned")]
    eight = Recipe("compression", "quantize", (("bits", 8),))
    small = Compression("small", (PRUNE, ANEW, STANDARD, eight)), Compression("int8", (PRUNE, eight))
    assert next(pairs(replace(of.grids[0], compressions=small))) == (("int8", "plain"), ("small", "plain"))


def test_a_row_beside_its_control():
    of = controlled()
    robust = {"pruned": "1111111000", "scratch": "0000001000"}
    lines = [record(of, place(line), robust.get(line["compression"], "1111110000")) for line in every(of)]
    (clean, union, *_) = controls(build(of, lines).figures, {})
    assert (clean.row, clean.control) == (union.row, union.control) == (("pruned", "plain"), ("scratch", "plain"))
    assert union.difference.estimate == pytest.approx(0.6) and clean.difference.estimate == 0
    assert union.p == pytest.approx(min(1, 4 * mcnemar(0, 6)))  # Holm: the smaller of four is multiplied by four
    two = replace(of, grids=(*of.grids, replace(of.grids[0], name="again")))
    again = [line | {"grid": name} for line in lines for name in ("digits", "again")]
    found = controls(build(two, again).figures, {})
    assert [one.grid for one in found] == ["digits"] * 4 + ["again"] * 4
    assert found[1].p == pytest.approx(min(1, 8 * mcnemar(0, 6)))  # over the board, not the grid
    text = markdown.page(build(of, lines), [], []).replace("\u00a0", " ")
    table = next(table for table in tables(text) if "Control" in table[0])
    assert [line["Compression"] for line in table] == ["pruned", "pruned"]
    # the control's own training is (100 + 100) × 1 M; the pruned network has the dense one's 12 G behind it
    assert table[0]["Control's work"] == "0.0167 ×" and table[0]["Control"] == "scratch (scratch-E)"
    assert table[0]["Δ to its control: robust accuracy (union) @ 0.05"].startswith("+60.0 [")
    assert table[0]["Δ to its control: clean accuracy"].endswith("; unverified)")
    (alone,) = re.findall(r"^Beside no row: (.*)$", text, re.M)
    assert alone.startswith("lone (a control needs a row of the same steps")
    assert "re-initialised" not in page(suite(), every(suite()))


EQUAL = Recipe("training", "before", (("budget", "equal"),))


def test_a_control_is_labelled_by_its_recipe():
    compressions = (
        Compression("dense"),
        Compression("pruned", (PRUNE,)),
        Compression("e", (PRUNE, ANEW, BEFORE)),
        Compression("b", (PRUNE, ANEW, EQUAL)),
        Compression("longer", (PRUNE, ANEW, replace(STANDARD, arguments=(("epochs", 3),)))),
        Compression("later", (PRUNE, STANDARD, ANEW, BEFORE)),
        Compression("untrained", (PRUNE, ANEW)),
        Compression("followed", (PRUNE, ANEW, BEFORE, PRUNE, STANDARD)),
    )
    of = suite(grid(compressions=compressions), seeds=(0,))
    board = build(of, every(of))
    labels = dict.fromkeys((row.compression, row.control) for row in board.tables[0].rows)
    assert list(labels) == [
        *(("dense", ""), ("pruned", ""), ("e", "scratch-E"), ("b", "scratch-B")),
        *(("longer", "control"), ("later", "scratch-E"), ("untrained", "control"), ("followed", "scratch-E")),
    ]
    names = ["dense", "pruned", "e (scratch-E)", "b (scratch-B)", "longer (control)", "later (scratch-E)"]
    text = page(of, every(of))
    assert [row["Compression"] for row in tables(text)[0]][::2] == [
        *names,
        "untrained (control)",
        "followed (scratch-E)",
    ]
    assert "e (scratch-E) & plain" in tex(board)
    assert "*(scratch-E)*" in text and "scratch-" not in page(suite(), every(suite()))


@pytest.mark.parametrize(
    "e, b, word",
    [
        ("0000000000", "0000000000", "helps"),
        ("0000000000", "1111111000", "not shown to help"),
        ("0000000000", None, "not shown to help, without scratch-B"),
        (None, "0000000000", "not shown to help, without scratch-E"),
    ],
)
def test_pruning_helps_only_if_it_beats_both_controls(e, b, word):
    kinds = {"e": (e, BEFORE), "b": (b, EQUAL)}
    compressions = [Compression("dense"), Compression("pruned", (PRUNE,))]
    compressions += [Compression(name, (PRUNE, ANEW, step)) for name, (robust, step) in kinds.items() if robust]
    of = suite(grid(compressions=tuple(compressions), trainings=(Training("plain", STANDARD),)), seeds=(0,))
    robust = {name: robust for name, (robust, _) in kinds.items()} | {"pruned": "1111111100"}
    lines = [record(of, place(line), robust.get(line["compression"], "1111110000")) for line in every(of)]
    (line,) = re.findall(r"^- pruned / plain, robust accuracy \(union\) @ 0.05: (.*)$", page(of, lines), re.M)
    assert line.startswith(f"**{word}** (scratch-") and ("+80.0 &#91;" in line) and "better" in line


def test_a_worse_row_does_not_help_and_a_suspect_one_cannot():
    assert helps([("scratch-E", Decision("better")), ("scratch-B", Decision("same"))]) == "does not help"
    assert helps([("scratch-E", Decision("worse")), ("scratch-E", Decision("better"))]) == "does not help"
    of = controlled()
    lines = [record(of, place(line), "0" * 10, clean="1111100000") for line in every(of)]
    text = page(of, lines)
    assert "pruned / plain, robust accuracy (union) @ 0.05: **cannot be said of suspect rows** (" in text
    table = next(table for table in tables(text) if "Control" in table[0])
    assert all(cell.endswith("] — (suspect)") for name, cell in table[0].items() if name.startswith("Δ"))


def test_what_is_suspect_is_not_among_the_controls_that_are_corrected_for():
    of = controlled()
    robust = {"pruned": "1111111000", "scratch": "0000001000"}
    board = build(of, [record(of, place(line), robust.get(line["compression"], "1111110000")) for line in every(of)])
    found = controls(board.figures, {("digits", ("scratch", "tuned")): Verdict("suspect")})
    assert [one.decision is None for one in found] == [one.p is None for one in found] == [False, False, True, True]
    assert found[1].p == pytest.approx(min(1, 2 * mcnemar(0, 6)))
    assert found[3].doubts == ("unverified", "control suspect")


def test_a_control_without_a_row_is_named_where_no_row_has_one():
    alone = Compression("lone", (PRUNE, ANEW, STANDARD))
    text = page(of := suite(grid(compressions=(Compression("dense"), alone))), every(of))
    assert text.split("### Beside a re-initialised network of the same structure\n\n")[1].startswith(
        "Beside no row: lone "
    )
    matched = suite(grid(compressions=(Compression("pruned", (PRUNE,)), alone)))
    assert "Beside no row" not in page(matched, every(matched))
