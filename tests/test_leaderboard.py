"""The board from synthetic records, against figures worked out by hand."""

import base64
import csv
import io
import json
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmark import outcomes
from benchmark.errors import RequestError
from benchmark.plugins import Registry
from benchmark.suite import load
from benchmark.types import (
    BEFORE,
    PROTOCOL,
    Attack,
    Compression,
    Epsilon,
    Grid,
    Limit,
    Recipe,
    Source,
    Suite,
    Training,
    canonical,
)
from leaderboard import markdown, records, render
from leaderboard.match import place, places
from leaderboard.table import build

SMALL, LARGE = Epsilon(0.05, 0.05, "0.05"), Epsilon(0.1, 0.1, "0.1")
STANDARD = Recipe("training", "standard", (("epochs", 2),))
PRUNE = Recipe("compression", "prune", (("ratio", 0.5),))
PGD = Recipe("attack", "pgd", (("steps", 20),))
FGSM = Recipe("attack", "fgsm")
LABELS = [0, 0, 0, 1, 1, 1, 1, 2, 2, 2]  # the classes of the ten test images
CLEAN = "1111111100"


def grid(name="digits", attacks=None, **changes) -> Grid:
    return Grid(
        **{
            "name": name,
            "dataset": Recipe("dataset", "digits"),
            "model": Recipe("model", "eight_layer_cnn"),
            "compressions": (Compression("dense"), Compression("prune-50", (PRUNE, BEFORE))),
            "trainings": (Training("plain", STANDARD), Training("tuned", STANDARD, STANDARD)),
            "attacks": attacks or (Attack("pgd-20", PGD, "inf", (SMALL, LARGE)), Attack("one", FGSM, "inf", (LARGE,))),
        }
        | changes
    )


def suite(*grids: Grid, seeds=(0, 1), **changes) -> Suite:
    return Suite(Path("suites/small.yaml"), "small", seeds, grids or (grid(),), **changes)


def record(of: Suite, cell: tuple, robust: str, clean: str = CLEAN, **changes) -> dict:
    """The record of a cell of `of`; outcomes as texts of 0 and 1, one for each image."""
    own = next(grid for grid in of.grids if grid.name == cell[0])
    compression = next(one for one in own.compressions if one.name == cell[1])
    training = next(one for one in own.trainings if one.name == cell[2])
    attack = next(one for one in own.attacks if one.name == cell[4])
    eps = next(eps for eps in attack.eps if eps.value == cell[5])

    def classes(bits: str) -> list[int]:
        return [sum(bit == "1" for bit, label in zip(bits, LABELS, strict=True) if label == one) for one in range(3)]

    return {
        **dict(zip(("grid", "compression", "training", "seed", "attack", "eps"), cell, strict=True)),
        "protocol": PROTOCOL,
        "suite": of.name,
        "dataset": {"name": own.dataset.plugin, "fingerprint": "f00d", "test_total": 10},
        "model": own.model.described(),
        "steps": [(training.before if step == BEFORE else step).described() for step in compression.steps],
        "before": training.before.described(),
        "after": training.after.described() if training.after else None,
        "recipe": attack.recipe.described(),
        "from": None,
        "norm": attack.norm,
        "eps_written": eps.written,
        "eps_label": eps.label,
        "eps_space": of.eps_space,
        "mode": "decide",
        "boundary": False,
        "limit": vars(own.limit),
        "n": len(robust),
        "clean_correct": clean.count("1"),
        "robust_correct": robust.count("1"),
        "implied": 0,
        "violations": 0,
        "nonfinite": 0,
        "passes": {"forward": 400, "backward": 200},
        "size": {"parameters": 250_000, "macs": 1_000_000, "weight_bytes": 1_000_000}
        if compression.steps
        else {"parameters": 1_000_000, "macs": 8_000_000, "weight_bytes": 4_000_000},
        "achieved": [None for _ in compression.steps],
        "outcomes": {
            "clean": outcomes.pack(bit == "1" for bit in clean),
            "robust": outcomes.pack(b == "1" for b in robust),
        },
        "per_class": {"n": classes("1" * 10), "clean": classes(clean), "robust": classes(robust)},
        "keys": {"network": f"net {cell[1:4]}", "craft": f"craft {cell}", "judge": f"judge {cell}"},
    } | changes


def every(of: Suite, robust: str = "1111110000", **changes) -> list[dict]:
    return [record(of, cell, robust, **changes) for own in of.grids for cell in places(of, own)]


def page(of: Suite, lines: list[dict], measurements=(), holes=()) -> str:
    return markdown.page(build(of, lines), measurements, holes).replace("\u00a0", " ")


def tables(text: str) -> list[list[dict[str, str]]]:
    """The Markdown tables of a page, each a list of rows by head."""
    found = []
    for block in re.findall(r"(?:^\|.*\|$\n?)+", text, flags=re.M):
        lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.strip().split("\n")]
        found.append([dict(zip(lines[0], line, strict=True)) for line in lines[2:]])
    return found


def test_packed_bits_are_numpys_and_come_back():
    chance = random.Random(0)
    for n in (0, 1, 7, 8, 9, 100):
        drawn = [chance.random() < 0.5 for _ in range(n)]
        packed = outcomes.pack(drawn)
        assert base64.b64decode(packed) == np.packbits(np.array(drawn, dtype=bool)).tobytes()
        assert outcomes.unpack(packed, n) == drawn
    for wrong, n in (("gA==", 9), ("gA==", 0), ("/w==", 7), ("?", 8)):
        with pytest.raises(ValueError):
            outcomes.unpack(wrong, n)


def test_mean_and_sample_deviation_over_seeds_and_the_union_over_attacks():
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
    assert row["Clean accuracy"] == "80.0 ± 0.0"
    assert row["pgd-20 @ 0.05"] == "60.0 ± 0.0"
    assert row["pgd-20 @ 0.1"] == "35.0 ± 7.1"  # .3 and .4; s = .0707
    assert row["one @ 0.1"] == "55.0 ± 7.1"
    assert row["Robust accuracy (union) @ 0.1"] == "30.0 ± 14.1"  # .2 and .4
    assert row["Robust accuracy (union) @ 0.05"] == "60.0 ± 0.0"
    assert row["Verdict"] == "unverified (no checks have run)"
    assert row["Crafting passes (forward / backward)"] == "1.2 k / 600"  # three crafts of 400 and 200


def test_worst_class_is_that_of_the_weakest_attack_at_the_lower_middle_epsilon():
    of = suite(grid(attacks=(Attack("pgd-20", PGD, "inf", (SMALL, LARGE)), Attack("one", FGSM, "inf", (SMALL,)))))
    lines = [line for line in every(of) if line["attack"] != "one"]
    # image classes 0001111222: pgd leaves 3/3, 3/4, 0/3 → 0; make class 2 whole under both, class 1 1/4 under `one`
    lines = [record(of, place(line), "1111110111", clean="1" * 10) for line in lines if line["eps"] == 0.05]
    lines += [record(of, cell, "1111000111", clean="1" * 10) for cell in places(of, of.grids[0]) if cell[4] == "one"]
    assert tables(page(of, lines))[0][0]["Worst class @ 0.05"] == "25.0 ± 0.0"


def test_sizes_stand_beside_the_dense_rows():
    rows = tables(page(suite(), every(suite())))[0]
    assert [rows[0][name] for name in ("Parameters", "MACs", "Weights")] == ["1 M", "8 M", "4 MB"]
    assert [rows[2][name] for name in ("Parameters", "MACs", "Weights")] == [
        "250 k (25 %)",
        "1 M (12.5 %)",
        "1 MB (25 %)",
    ]


def test_a_single_seed_has_no_deviation():
    of = suite(seeds=(7,))
    text = page(of, every(of))
    assert tables(text)[0][0]["Clean accuracy"] == "80.0"
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
    assert rows[0]["Training"] == "plain (1 of 2 seeds)" and rows[0]["Clean accuracy"] == "80.0"
    assert rows[2]["Training"] == "plain" and rows[2]["Clean accuracy"] == "80.0 ± 0.0"
    assert rows[2]["one @ 0.1"] == "60.0 (1 of 2 seeds)"
    assert rows[2]["Robust accuracy (union) @ 0.1"] == "60.0 (1 of 2 seeds)"  # the other seed lacks an attack
    assert rows[2]["Worst class @ 0.05"] == "0.0 ± 0.0"


def test_holes_are_dashes_with_their_reasons():
    of = suite()
    cells = list(places(of, of.grids[0]))
    failed = [cell for cell in cells if cell[1] == "prune-50" and cell[2] == "plain"]
    failed.append(("digits", "dense", "plain", 1, "pgd-20", 0.1))
    waiting = ("digits", "dense", "tuned", 0, "one", 0.1)
    names = ("grid", "compression", "training", "seed", "attack", "eps", "reason")
    holes = [dict(zip(names, (*cell, "failed: out | of\nmemory"), strict=True)) for cell in failed]
    text = page(of, [line for line in every(of) if place(line) not in {*failed, waiting}], holes=holes)
    row = tables(text)[0][2]
    assert row["Clean accuracy"] == row["one @ 0.1"] == row["Parameters"] == "—"
    assert row["Worst class @ 0.05"] == row["Crafting passes (forward / backward)"] == "—"
    assert "- digits / prune-50 / plain, seeds 0, 1, every attack: failed: out &#124; of memory\n" in text
    assert "- digits / dense / plain, seed 1, pgd-20 @ 0.1: failed" in text
    assert "- 1 cell has not been run yet\n" in text
    assert "Incomplete: 8 of 24 cells have no result" in text
    assert "## Holes" not in page(of, every(of), holes=holes)  # a cell that has a record since is no hole


def test_a_suite_without_any_record_still_has_its_table():
    text = page(suite(), [])
    assert "· no results yet" in text
    assert {cell for row in tables(text)[0] for cell in list(row.values())[2:-1]} == {"—"}
    assert markdown.csv([]).startswith("suite,grid,dataset,")


def test_a_subset_is_called_one_and_the_whole_is_not():
    of = suite(grid(limit=Limit(test=10)))
    assert "· 10 test images" in page(of, every(of)) and "subset" not in page(of, every(of))
    dataset = {"name": "digits", "fingerprint": "f00d", "test_total": 360}
    text = page(of, every(of, dataset=dataset))
    assert "**subset: 10 of 360 test images**" in text
    assert "\npython -m benchmark.run suites/small.yaml\n" in text
    limited = every(suite(), dataset=dataset, limit={"train": 50, "test": 10})
    text = page(suite(), limited)
    assert "**subset: 10 of 360 test images, trained on a subset of 50**" in text
    assert "\npython -m benchmark.run suites/small.yaml --limit train=50,test=10\n" in text


def test_both_spellings_of_epsilon_are_shown():
    of = suite(grid(attacks=(Attack("pgd-20", PGD, "inf", (Epsilon(4 / 255, 8 / 255, "8/255"),)),)), eps_space=0.5)
    text = page(of, every(of))
    assert "pgd-20 @ 8/255 = 0.01569 px" in tables(text)[0][0]
    assert "divided by 0.5, and in pixels of [0, 1]: 8/255 = 0.01569 px" in text


def test_examples_that_stop_at_the_boundary_are_labelled_where_others_judge_them():
    of = suite(seeds=(0,))
    lines = [line | {"boundary": line["attack"] == "one"} for line in every(of)]
    assert "one (boundary) @ 0.1" in tables(page(of, lines))[0][0] and "*(boundary)*" in page(of, lines)
    assert "boundary)" not in page(of, every(of))


def test_norms_are_never_united():
    of = suite(grid(attacks=(Attack("a", PGD, "inf", (LARGE,)), Attack("b", PGD, "2", (LARGE,)))))
    lines = [record(of, cell, "1100000000" if cell[4] == "a" else "0011000000") for cell in places(of, of.grids[0])]
    row = tables(page(of, lines))[0][0]
    assert row["Robust accuracy (union) @ 0.1 (ℓ∞)"] == row["Robust accuracy (union) @ 0.1 (ℓ2)"] == "20.0 ± 0.0"


def test_a_wide_grid_becomes_an_overview_and_a_table_for_each_attack():
    eps = tuple(Epsilon(value / 100, value / 100, f"0.0{value}") for value in (1, 2, 3))
    of = suite(grid(attacks=tuple(Attack(name, PGD, "inf", eps) for name in ("a", "b"))))
    text = page(of, every(of))
    overview, a, b = tables(text)
    assert [name for name in overview[0] if "@" in name][:3] == [f"Robust accuracy (union) @ 0.0{i}" for i in (1, 2, 3)]
    assert [name for name in a[0] if "@" in name] == ["a @ 0.01", "a @ 0.02", "a @ 0.03"]
    assert b[0]["b @ 0.02"] == "60.0 ± 0.0" and "### a\n" in text
    assert a[0]["Crafting passes (forward / backward)"] == "1.2 k / 600"
    assert overview[0]["Crafting passes (forward / backward)"] == "2.4 k / 1.2 k"


def test_a_craft_that_serves_several_epsilons_counts_once():
    of = suite()
    lines = [line | {"keys": line["keys"] | {"craft": f"{line['attack']} {line['seed']}"}} for line in every(of)]
    assert tables(page(of, lines))[0][0]["Crafting passes (forward / backward)"] == "800 / 400"


def test_violations_and_proposals_that_are_not_finite_get_a_note():
    of = suite()
    lines = every(of)
    lines[0] |= {"violations": 3, "nonfinite": 1}
    text = page(of, lines)
    assert tables(text)[0][0]["pgd-20 @ 0.05"] == "60.0 ± 0.0<sup>1</sup>"
    assert text.count("<sup>1</sup>") == 2
    assert "<sup>1</sup> pgd-20: 3 proposals outside the ball, clipped and 1 not finite" in text


def test_names_cannot_break_the_page():
    nasty = "a|b <script> `x` [y](z) *_w_* $m$\n# h \\ eight_layer"
    own = grid(
        compressions=(Compression(nasty),),
        attacks=(Attack(nasty, PGD, "inf", (Epsilon(0.1, 0.1, "1|10"),)),),
        name="g|h",
    )
    of = Suite(Path("suites/a b.yaml"), nasty, (0,), (own,), source=nasty)
    text = page(of, every(of))
    (row, _), *rest = tables(text)  # zip(strict=True) in there: every row has as many cells as heads
    assert not rest and row["Clean accuracy"] == "80.0"
    assert "<script>" not in text and "[y](z)" not in text and "\n# h" not in text and "`x`" not in text
    assert row["Compression"].endswith("&#92; eight_layer")  # what is harmless stays readable
    assert "'suites/a b.yaml'" in text
    assert "\x1b" not in render.headline(of, []) and "\x1b" not in markdown.escape("\x1b[31m")


def test_records_of_a_recipe_that_the_suite_has_changed_are_not_shown():
    of, lines = suite(), every(suite())
    longer = Recipe("attack", "pgd", (("steps", 50),))
    now = suite(grid(attacks=(Attack("pgd-20", longer, "inf", (SMALL, LARGE)), of.grids[0].attacks[1])))
    text = page(now, lines)
    assert tables(text)[0][0]["pgd-20 @ 0.1"] == "—" and tables(text)[0][0]["one @ 0.1"] == "60.0 ± 0.0"
    assert "not shown, 16:" in text


def test_transferred_examples_are_matched_by_their_source():
    def of(compression):
        attack = Attack("transfer", PGD, "inf", (LARGE,), Source(compression=compression))
        return suite(grid(attacks=(attack,)))

    lines = every(of("dense"), mode="examples")
    for line in lines:
        line["from"] = {**{name: line[name] for name in ("grid", "training", "seed")}, "compression": "dense"}
    assert tables(page(of("dense"), lines))[0][2]["transfer @ 0.1"] == "60.0 ± 0.0"
    assert tables(page(of("prune-50"), lines))[0][2]["transfer @ 0.1"] == "—"
    assert "crafted on another network (compression dense)" in page(of("dense"), lines)


def test_records_that_cannot_be_of_one_run_are_refused():
    of = suite()
    for changes, message in (
        ({"dataset": {"name": "digits", "fingerprint": "beef", "test_total": 10}}, "disagree on dataset"),
        ({"keys": {"network": "other", "craft": "c", "judge": "j"}}, "are of two networks"),
        ({"protocol": "0"}, "of protocols 0, 1 cannot share"),
    ):
        lines = every(of)
        lines[0] |= changes
        with pytest.raises(RequestError, match=message):
            build(of, lines)


def test_the_same_inputs_give_the_same_bytes_in_any_order(tmp_path):
    of = suite()
    lines = every(of)
    measurements = [
        {
            "stage": stage,
            "key": str(i),
            "label": "l",
            "seconds": 0.1 * i,
            "bytes": 1000,
            "machine": {"cpu": "x", "n": 2},
        }
        for i, stage in enumerate(["train", "craft", "craft", "judge"])
    ]
    missing = [
        dict(zip(records.HOLE.order, (*place(line), f"failed: {i}"), strict=True)) for i, line in enumerate(lines[:4])
    ]
    made = []
    for seed in range(3):
        shuffled = [random.Random(seed).sample(some, len(some)) for some in (lines[4:], measurements, missing)]
        path = render.write_board(of, *shuffled, tmp_path / str(seed))
        records.write(path.with_name("records.jsonl"), shuffled[0])
        made.append(
            [
                (tmp_path / str(seed) / name).read_bytes()
                for name in ("leaderboard.md", "leaderboard.csv", "records.jsonl")
            ]
        )
    assert made[0] == made[1] == made[2]
    assert b"| craft | 2 | 0.3 | 2" in made[0][0]


def test_csv_is_a_line_per_record(tmp_path):
    of = suite()
    read = list(csv.DictReader(io.StringIO(markdown.csv(every(of)))))
    assert len(read) == 24
    line = next(line for line in read if line["compression"] == "prune-50" and line["attack"] == "one")
    assert (line["eps"], line["eps_space"], line["n"], line["test_total"]) == ("0.1", "", "10", "10")
    assert (line["robust_correct"], line["robust_accuracy"], line["clean_accuracy"]) == ("6", "0.6", "0.8")
    assert (line["dataset"], line["forward"], line["parameters"], line["from"]) == ("digits", "400", "250000", "")


def test_headline_is_short():
    many = tuple(Compression(f"c{i}") for i in range(9))
    of = suite(grid(compressions=many))
    text = render.headline(of, every(of))
    assert text.startswith("digits: 10 test images; unverified, so not ranked")
    assert len(text.splitlines()) == 1 + 2 + 15 + 1 and text.endswith("… and 3 more in leaderboard.md")
    assert re.search(r"c0 +plain +80\.0 ± 0\.0 +60\.0 ± 0\.0 +60\.0 ± 0\.0 +1 M +4 MB", text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda line: line.pop("norm"), "norm: missing"),
        (lambda line: line.update(seconds=3), "seconds: unknown field"),
        (lambda line: line.update(seed=True), "seed: true is not a whole number"),
        (lambda line: line.update(eps=0), "eps: 0 is not a number above 0"),
        (lambda line: line["passes"].update(forward=1.5), "passes.forward: 1.5 is not a whole number"),
        (lambda line: line.update(steps=[{"a": {}, "b": {}}]), "is not a list of recipes"),
        (lambda line: line.update(robust_correct=5), "robust_correct: 5, but outcomes.robust holds 6"),
        (lambda line: line["outcomes"].update(clean="A"), "outcomes.clean: not base64"),
        (lambda line: line["outcomes"].update(robust=outcomes.pack([0] * 4 + [1] * 6)), "is wrong on its clean image"),
        (lambda line: line["per_class"].update(n=[10, 1]), "per_class.n: sums to 11, not to 10"),
        (lambda line: line["dataset"].update(test_total=9), "n: 10 is not in 1…9"),
    ],
)
def test_a_bad_record_is_one_line_that_names_file_line_and_field(tmp_path, change, message):
    lines = every(suite())
    records.write(tmp_path / "records.jsonl", lines)
    stored = records.read(tmp_path / "records.jsonl")
    assert sorted(map(canonical, stored)) == sorted(map(canonical, lines))
    change(stored[1])
    (tmp_path / "records.jsonl").write_text("".join(json.dumps(line) + "\n" for line in stored))
    with pytest.raises(RequestError) as caught:
        records.read(tmp_path / "records.jsonl")
    assert str(caught.value).startswith(f"{tmp_path}/records.jsonl:2: ") and message in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=re.escape(message)):
        records.write(tmp_path / "other.jsonl", stored)


def test_a_line_that_is_not_json_or_comes_twice_is_refused(tmp_path):
    path, line = tmp_path / "records.jsonl", canonical(every(suite())[0])
    for text, message in (
        (f"{line}\n{{", "2: not a line of JSON"),
        (f"{line}\n\n{line}\n", "3: the same record as line 1"),
    ):
        path.write_text(text)
        with pytest.raises(RequestError, match=message):
            records.read(path)
    path.write_text(line.replace('"eps":0.05', '"eps":NaN'))
    with pytest.raises(RequestError, match=r"1: not a line of JSON \(NaN is not a JSON number\)"):
        records.read(path)


def test_a_separator_of_unicode_inside_a_name_does_not_end_a_line(tmp_path):
    holes = [dict(zip(records.HOLE.order, ("g", "c", "t", 0, "a\u2028b", 0.1, "failed"), strict=True))]
    records.write(tmp_path / "failures.jsonl", holes, records.HOLE)
    assert records.read(tmp_path / "failures.jsonl", records.HOLE) == holes


def test_every_field_is_documented():
    text = (Path(records.__file__).parent / "README.md").read_text(encoding="utf-8")
    for schema in (records.RECORD, records.MEASUREMENT, records.HOLE):
        for name, wanted in schema.fields.items():
            assert f"`{name}`" in text
            assert all(f"`{inner}`" in text for inner in (wanted if isinstance(wanted, dict) else ()))


SUITE = """\
name: small
dataset: digits
model: eight_layer_cnn
norm: inf
eps: [0.1]
seeds: [0]
compressions: {dense: []}
trainings: {plain: {before: {standard: {epochs: 1}}}}
attacks: {one: {fgsm: {}}}
"""


def test_the_command_renders_without_torch_and_refuses_in_one_line(tmp_path, capsys):
    path, out = tmp_path / "small.yaml", tmp_path / "out"
    path.write_text(SUITE)
    records.write(out / "records.jsonl", every(load(path, Registry())))
    script = (
        "import sys\nimport leaderboard.records\nassert 'pandas' not in sys.modules\n"
        "from leaderboard.render import main\nstatus = main(sys.argv[1:])\n"
        "assert not [name for name in sys.modules if name.partition('.')[0] in ('torch', 'art')]\nsys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", script, path, "--out", out], capture_output=True, text=True)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", f"{out}/leaderboard.md\n")
    assert tables((out / "leaderboard.md").read_text(encoding="utf-8"))[0][0]["one @ 0.1"] == "60.0"
    (out / "records.jsonl").write_text("{}\n")
    for arguments, message in (
        ([path, "--out", out], "records.jsonl:1: grid: missing"),
        ([path, "--out", tmp_path / "none"], "no records can be read"),
        ([tmp_path / "none.yaml"], "none.yaml"),
        ([path, "--plugins", tmp_path / "none"], "there is no such folder"),
    ):
        assert render.main(list(map(str, arguments))) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1


def test_results_lie_in_a_folder_of_the_suites_name():
    assert render.default_out("suites/paper.yaml") == Path("results/paper")
