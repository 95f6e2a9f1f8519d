"""The board's figures from synthetic records, against those worked out by hand."""

from dataclasses import replace

import pytest
from scipy.stats import binomtest
from statsmodels.stats.proportion import proportion_confint

from benchmark.errors import RequestError
from benchmark.types import Attack, Recipe, Source
from leaderboard import markdown
from leaderboard.match import place, places
from leaderboard.table import build
from leaderboard.verdict import Verdict
from tests.synthetic_records import FGSM, LARGE, PGD, SMALL, every, grid, page, record, shown, suite, tables


def test_mean_and_interval_over_seeds_and_the_union_over_attacks():
    of = suite()
    lines = [line for line in every(of) if line["compression"] == "prune-50" and line["training"] == "tuned"]
    outcomes = {  # seed, attack, ε: robust images
        (0, "pgd-20", 0.1): "1110000000",
        (0, "one", 0.1): "0111110000",  # union: images 1 and 2, 20 %
        (1, "pgd-20", 0.1): "1111000000",
        (1, "one", 0.1): "1111110000",  # union: images 0 to 3, 40 %
    }
    lines = [
        record(of, place(line), outcomes.get((line["seed"], line["attack"], line["eps"]), "1111110000"))
        for line in lines
    ]
    row = tables(page(of, lines))[0][3]
    assert (row["Compression"], row["Training"]) == ("prune-50", "tuned")
    assert row["Clean accuracy"] == shown(8, 8)
    assert row["pgd-20 @ 0.05"] == shown(6, 6)
    assert row["pgd-20 @ 0.1"] == shown(3, 4)
    assert row["one @ 0.1"] == shown(5, 6)
    assert row["Robust accuracy (union) @ 0.1"] == shown(2, 4) == "30.0 [0.0, 95.7]"
    assert row["Robust accuracy (union) @ 0.05"] == shown(6, 6) == "60.0 [31.3, 83.2]"
    assert row["Verdict"] == "unverified (verify: none)"
    costs = tables(page(of, lines))[2][3]
    assert costs["Crafting passes (forward / backward)"] == "1.2 k / 600"  # three crafts of 400 and 200


def test_worst_class_is_that_of_the_weakest_attack_at_the_lower_middle_epsilon():
    of = suite(grid(attacks=(Attack("pgd-20", PGD, "inf", (SMALL, LARGE)), Attack("one", FGSM, "inf", (SMALL,)))))
    lines = [line for line in every(of) if line["attack"] != "one"]
    # image classes 0001111222: pgd leaves 3/3, 3/4, 0/3 → 0; make class 2 whole under both, class 1 1/4 under `one`
    lines = [record(of, place(line), "1111110111", clean="1" * 10) for line in lines if line["eps"] == 0.05]
    lines += [record(of, cell, "1111000111", clean="1" * 10) for cell in places(of, of.grids[0]) if cell[4] == "one"]
    assert tables(page(of, lines))[0][0]["Worst class @ 0.05"] == "25.0"


def test_sizes_stand_beside_the_dense_rows():
    rows = tables(page(suite(), every(suite())).replace(" ◇", ""))[2]
    assert [rows[0][name] for name in ("Parameters", "MACs", "Weights")] == ["1 M", "8 M", "4 MB"]
    assert [rows[2][name] for name in ("Parameters", "MACs", "Weights")] == [
        "250 k (25 %)",
        "1 M (12.5 %)",
        "1 MB (25 %)",
    ]


def test_a_single_network_has_wilsons_interval():
    of = suite(seeds=(7,))
    text = page(of, every(of))
    low, high = proportion_confint(8, 10, method="wilson")
    assert tables(text)[0][0]["Clean accuracy"] == f"80.0 [{100 * low:.1f}, {100 * high:.1f}]" == shown(8)
    assert "nan" not in text and "seed 7" in text


def test_a_row_short_of_seeds_is_marked_and_a_figure_short_of_them_too():
    of = suite()
    lines = [line for line in every(of) if not (line["compression"] == "dense" and line["seed"] == 1)]
    lines = [
        line
        for line in lines
        if place(line)[1:] not in {("prune-50", "plain", 1, "one", 0.1), ("prune-50", "tuned", 0, "one", 0.1)}
    ]
    rows = tables(page(of, lines))[0]
    assert rows[0]["Training"] == "plain (1 of 2 seeds)" and rows[0]["Clean accuracy"] == shown(8)
    assert rows[2]["Training"] == "plain" and rows[2]["Clean accuracy"] == shown(8, 8)
    assert rows[2]["one @ 0.1"] == f"{shown(6)} (1 of 2 seeds)"
    assert rows[2]["Robust accuracy (union) @ 0.1"] == f"{shown(6)} (1 of 2 seeds)"  # the other seed lacks an attack
    assert rows[2]["Worst class @ 0.05"] == "0.0"


def test_norms_are_never_united():
    of = suite(grid(attacks=(Attack("a", PGD, "inf", (LARGE,)), Attack("b", PGD, "2", (LARGE,)))))
    lines = [record(of, cell, "1100000000" if cell[4] == "a" else "0011000000") for cell in places(of, of.grids[0])]
    row = tables(page(of, lines))[0][0]
    assert row["Robust accuracy (union) @ 0.1 (ℓ∞)"] == row["Robust accuracy (union) @ 0.1 (ℓ2)"] == shown(2, 2)


def test_a_craft_that_serves_several_epsilons_counts_once():
    of = suite()
    lines = [line | {"keys": line["keys"] | {"craft": f"{line['attack']} {line['seed']}"}} for line in every(of)]
    assert tables(page(of, lines))[2][0]["Crafting passes (forward / backward)"] == "800 / 400"


def test_records_of_a_recipe_that_the_suite_has_changed_are_not_shown():
    of, lines = suite(), every(suite())
    longer = Recipe("attack", "pgd", (("steps", 50),))
    now = suite(grid(attacks=(Attack("pgd-20", longer, "inf", (SMALL, LARGE)), of.grids[0].attacks[1])))
    text = page(now, lines)
    assert tables(text)[0][0]["pgd-20 @ 0.1"] == "—" and tables(text)[0][0]["one @ 0.1"] == shown(6, 6)
    assert "not shown, 16:" in text


def test_transferred_examples_are_matched_by_their_source():
    def of(compression):
        attack = Attack("transfer", PGD, "inf", (LARGE,), Source(compression=compression))
        return suite(grid(attacks=(attack,)))

    lines = every(of("dense"), mode="examples")
    for line in lines:
        line["from"] = {**{name: line[name] for name in ("grid", "training", "seed")}, "compression": "dense"}
    assert tables(page(of("dense"), lines))[0][2]["transfer @ 0.1"] == shown(6, 6)
    assert tables(page(of("prune-50"), lines))[0][2]["transfer @ 0.1"] == "—"
    assert "crafted on another network (compression dense)" in page(of("dense"), lines)


def test_records_that_cannot_be_of_one_run_are_refused():
    of = suite()
    for changes, message in (
        (
            {"dataset": {"name": "digits", "arguments": {}, "fingerprint": "beef", "test_total": 10}},
            "disagree on dataset",
        ),
        ({"keys": {"network": "other", "craft": "c", "judge": "j"}}, "are of two networks"),
        ({"protocol": "0"}, "of protocols 0, 1 cannot share"),
    ):
        lines = every(of)
        lines[0] |= changes
        with pytest.raises(RequestError, match=message):
            build(of, lines)


def test_what_breaks_in_a_small_ball_is_broken_in_a_larger_one():
    of = suite(seeds=(0,))
    lines = [
        record(of, cell, "0011111100" if cell[4:] == ("pgd-20", 0.05) else "1111111100")
        for cell in places(of, of.grids[0])
    ]
    (row, *_) = build(of, lines).tables[0].rows
    by_column = {(column.attack, column.eps.value): row.accuracy[column].mean for column in row.accuracy}
    assert by_column["pgd-20", 0.1] == 0.8  # an attack's own column says what it did there
    assert by_column[None, 0.05] == by_column[None, 0.1] == 0.6


def test_records_of_another_dataset_are_never_shown():
    of = suite(seeds=(0,))
    renamed = [line | {"dataset": line["dataset"] | {"arguments": {"folder": "b"}}} for line in every(of)]
    assert build(of, renamed).strangers == len(renamed)


def test_a_network_that_is_not_shown_to_be_above_chance_is_suspect():
    of = suite(seeds=(0,))
    guessing = "1111100000"  # of ten images, four of one class: no better than naming it
    lines = [record(of, cell, "0" * 10, clean=guessing) for cell in places(of, of.grids[0])]
    rows = build(of, lines).tables[0].rows
    assert {str(row.verdict) for row in rows} == {"suspect (not shown to be above chance)"}
    p = binomtest(5, 10, 0.4, alternative="greater").pvalue
    tests = {one.test for row in rows for one in row.verdict.findings if one.check == "trained"}
    assert tests == {f"p = {p:.2g}"}


def test_sound_rows_stand_first_the_best_above_and_their_leaders_are_bold():
    of = suite(seeds=(0,))
    left = {("dense", "tuned"): "1000000000", ("prune-50", "plain"): "1111111100", ("prune-50", "tuned"): "0" * 10}
    lines = [
        record(of, place(line), left.get((line["compression"], line["training"]), "1" * 8 + "00")) for line in every(of)
    ]
    board = build(of, lines)
    sound = {("dense", "tuned"), ("prune-50", "plain")}
    rows = [replace(row, verdict=Verdict("sound")) if row.name in sound else row for row in board.tables[0].rows]
    text = markdown.page(replace(board, tables=(replace(board.tables[0], rows=tuple(rows)),)), [], []).replace(
        "\u00a0", " "
    )
    shown_rows = tables(text)[0]
    names = [(row["Compression"], row["Training"]) for row in shown_rows]
    assert names == [("prune-50", "plain"), ("dense", "tuned"), ("dense", "plain"), ("prune-50", "tuned")]
    union = [row["Robust accuracy (union) @ 0.05"] for row in shown_rows]
    assert union[0] == f"**{shown(8)}**"  # McNemar: 7 of 7 images, p = .016
    assert union[1:] == [shown(1), shown(8), shown(0)]  # as good, but not sound: not bold
    assert "**" not in page(of, lines).split("<details>")[0].replace("**subset", "")
