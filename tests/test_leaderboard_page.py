"""What the board's page says around its figures: holes, subsets, notes, layout; and its other forms."""

import csv
import io
import random
import re
import subprocess
import sys
from pathlib import Path

from benchmark.claims import Claim, Measure
from benchmark.plugins import Registry
from benchmark.suite import load
from benchmark.types import Attack, Compression, Epsilon, Limit, Source, Suite
from benchmark.verification import KINDS
from leaderboard import exports, markdown, records, render
from leaderboard.match import place, places
from tests.synthetic_checks import check
from tests.synthetic_records import LARGE, PGD, SMALL, every, grid, page, shown, suite, tables


def test_holes_are_dashes_with_their_reasons():
    of = suite()
    cells = list(places(of, of.grids[0]))
    failed = [cell for cell in cells if cell[1] == "prune-50" and cell[2] == "plain"]
    failed.append(("digits", "dense", "plain", 1, "pgd-20", 0.1))
    waiting = ("digits", "dense", "tuned", 0, "one", 0.1)
    names = ("grid", "compression", "training", "seed", "attack", "eps", "runtime", "check", "reason")
    holes = [dict(zip(names, (*cell, None, None, "failed: out | of\nmemory"), strict=True)) for cell in failed]
    text = page(of, [line for line in every(of) if place(line) not in {*failed, waiting}], holes=holes)
    row = tables(text)[0][2]
    assert row["Clean accuracy"] == row["one @ 0.1"] == row["Parameters"] == "—"
    assert row["Worst class @ 0.05"] == tables(text)[2][2]["Crafting passes (forward / backward)"] == "—"
    assert "- digits / prune-50 / plain, seeds 0, 1, every attack: failed: out &#124; of memory\n" in text
    assert "- digits / dense / plain, seed 1, pgd-20 @ 0.1: failed" in text
    assert "- 1 cell has not been run yet\n" in text
    assert "Incomplete: 8 of 24 cells have no result" in text
    assert "## Holes" not in page(of, every(of), holes=holes)  # a cell that has a record since is no hole


def test_a_check_that_failed_is_a_hole_and_one_that_was_made_since_is_none():
    of = suite()
    row = dict(zip(("grid", "compression", "training"), ("digits", "dense", "plain"), strict=True))
    hole = row | {"seed": 1, "attack": None, "runtime": None, "reason": "skipped: needs a|b"}
    holes = [hole | {"check": "trained", "eps": None}, hole | {"check": "transfer", "eps": 0.05}]
    holes += [holes[1] | {"seed": 0, "reason": "failed: x"}, holes[0] | {"grid": "gone"}]
    assert [records.problem(one, records.HOLE) for one in holes] == [""] * len(holes)
    assert records.problem(holes[0] | {"attack": "one"}, records.HOLE) == "attack, check: one of them, not both"
    text = page(of, every(of), holes=holes)
    assert "- digits / dense / plain, seed 1, checks trained, transfer: skipped: needs a&#124;b\n" in text
    assert "- digits / dense / plain, seed 0, check transfer: failed: x\n" in text
    kind = next(kind for kind in KINDS if kind.name == "transfer")
    made = [check(of, ("digits", "dense", "plain", seed), kind) for seed in of.seeds]
    assert "check transfer" not in page(of, every(of), holes=holes, checks=made)


def test_a_suite_without_any_record_still_has_its_table():
    text = page(suite(), [])
    assert "· no results yet" in text
    assert {cell for row in tables(text)[0] for cell in list(row.values())[2:-1]} == {"—"}
    assert exports.csv([]).startswith("suite,grid,dataset,")


def test_a_subset_is_called_one_and_the_whole_is_not():
    of = suite(grid(limit=Limit(test=10)))
    assert "· 10 test images" in page(of, every(of)) and "subset" not in page(of, every(of))
    dataset = {"name": "digits", "arguments": {}, "fingerprint": "f00d", "test_total": 360}
    text = page(of, every(of, dataset=dataset))
    assert "**subset: 10 of 360 test images**" in text
    assert "\npython -m benchmark.run suites/small.yaml\n" in text
    limited = every(suite(), dataset=dataset, limit={"train": 50, "test": 10})
    text = page(suite(), limited)
    assert "**subset: 10 of 360 test images, trained on a subset of 50**" in text
    assert "\npython -m benchmark.run suites/small.yaml --limit train=50,test=10\n" in text


def test_a_masked_network_shows_what_is_left_and_that_it_saves_nothing():
    of = suite()
    masks = [{"weights": 100_000, "nonzero_weights": 50_000}, {"weights": 200_000, "nonzero_weights": 20_000}]
    lines = [line | ({"achieved": masks} if line["steps"] else {}) for line in every(of)]
    dense, *_, masked = tables(page(of, lines))[0]
    assert dense["Parameters"] == "1 M" and masked["Parameters"] == "250 k (25 %), 70 k nonzero"
    assert "masks save no MACs, no bytes and no latency" in page(of, lines)
    assert "nonzero" not in page(of, every(of))


def test_the_command_that_reproduces_a_board_names_the_plugins_and_what_is_lacking():
    of = suite(plugins=(Path("my plugins"),))
    text = page(of, every(of))
    assert "Reproduce this board with\n" in text
    assert "\npython -m benchmark.run suites/small.yaml --plugins 'my plugins'\n" in text
    assert "Reproduce this board (and run the cells that it lacks) with\n" in page(of, every(of)[1:])


def test_both_spellings_of_epsilon_are_shown():
    eps = (Epsilon(4 / 255, 8 / 255, "8/255"),)
    of = suite(grid(attacks=(Attack("pgd-20", PGD, "inf", eps, eps_space=0.5),)), eps_space=0.5)
    text = page(of, every(of))
    assert "pgd-20 @ 8/255 = 0.01569 px" in tables(text)[0][0]
    assert "divided by 0.5, and in pixels of [0, 1]: 8/255 = 0.01569 px" in text


def test_one_attack_in_a_space_of_its_own_is_told_from_the_others():
    paper = Attack("paper", PGD, "inf", (Epsilon(0.05, 0.1, "0.1"),), eps_space=0.5)
    of = suite(grid(attacks=(Attack("pgd-20", PGD, "inf", (SMALL, LARGE)), paper)))
    text = page(of, every(of))
    assert {"pgd-20 @ 0.05", "pgd-20 @ 0.1", "paper @ 0.1 = 0.05 px"} <= tables(text)[0][0].keys()
    assert "ε of paper as the source writes it, for images divided by 0.5" in text
    assert "The union is over: pgd-20, paper @ 0.05; pgd-20 @ 0.1\n" in text.replace("  \n", "\n")


def test_examples_that_stop_at_the_boundary_are_labelled_where_others_judge_them():
    def stopped(**changes) -> str:
        """The page if examples made for dense networks stop at the boundary."""
        attacks = (
            Attack("pgd-20", PGD, "inf", (LARGE,)),
            Attack("one", PGD, "inf", (LARGE,), Source(compression="dense")),
        )
        of = suite(grid(attacks=attacks, **changes), seeds=(0,))
        lines = every(of)
        for line in lines:
            if line["attack"] == "one":
                own = {name: line[name] for name in ("grid", "training", "seed")}
                line |= {"boundary": True, "mode": "examples", "from": own | {"compression": "dense"}}
        return page(of, lines)

    text = stopped()
    assert "one (boundary) @ 0.1" in tables(text)[0][0]
    assert "*(boundary)*: the examples stop at the decision boundary of the network that they were crafted on" in text
    own = stopped(compressions=(Compression("dense"),))
    assert "one @ 0.1" in tables(own)[0][0] and "boundary)" not in own


def test_a_claim_says_what_was_measured():
    measures = [Measure(None, "inf", SMALL), Measure("one", "inf", LARGE), Measure()]
    claims = tuple(
        Claim("within", "same", "digits", (("prune-50", "plain"),), (("dense", "plain"),), one) for one in measures
    )
    other = grid("other", attacks=(Attack("x", PGD, "2", (LARGE,)),))
    for grids, norm in (((grid(),), ""), ((grid(), other), " (ℓ∞)")):
        of = suite(*grids, claims=claims)
        told = re.findall(r"^- \*\*\w+\*\*.*: same \((.*)\)$", page(of, every(of)).split("## Claims")[1], re.M)
        assert told == [f"Robust accuracy (union) @ 0.05{norm}", f"one @ 0.1{norm}", "Clean accuracy"]


def test_a_wide_grid_becomes_an_overview_and_a_table_for_each_attack():
    eps = tuple(Epsilon(value / 100, value / 100, f"0.0{value}") for value in (1, 2, 3))
    of = suite(grid(attacks=tuple(Attack(name, PGD, "inf", eps) for name in ("a", "b"))))
    text = page(of, every(of))
    overview, a, b, _, costs = tables(text)
    assert [name for name in overview[0] if "@" in name][:3] == [f"Robust accuracy (union) @ 0.0{i}" for i in (1, 2, 3)]
    assert [name for name in a[0] if "@" in name] == ["a @ 0.01", "a @ 0.02", "a @ 0.03"]
    assert b[0]["b @ 0.02"] == shown(6, 6) and "### a\n" in text
    assert a[0]["Crafting passes (forward / backward)"] == "1.2 k / 600"
    assert costs[0]["Crafting passes (forward / backward)"] == "2.4 k / 1.2 k"


def test_violations_and_proposals_that_are_not_finite_get_a_note():
    of = suite()
    lines = every(of)
    lines[0] |= {"violations": 3, "nonfinite": 1}
    text = page(of, lines)
    assert tables(text)[0][0]["pgd-20 @ 0.05"] == f"{shown(6, 6)}<sup>1</sup>"
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
    (row, _), (sure, _), (cost, _) = tables(text)  # zip(strict=True) in there: every row has as many cells as heads
    assert sure["Compression"] == row["Compression"] == cost["Compression"] and row["Clean accuracy"] == shown(8)
    assert "<script>" not in text and "[y](z)" not in text and "\n# h" not in text and "`x`" not in text
    assert row["Compression"].endswith("&#92; eight_layer")  # what is harmless stays readable
    assert "'suites/a b.yaml'" in text
    assert "\x1b" not in render.headline(of, []) and "\x1b" not in markdown.escape("\x1b[31m")


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
            "joules": None,
            "latency": None,
        }
        for i, stage in enumerate(["train", "craft", "craft", "judge"])
    ]
    missing = [
        dict(zip((*records.CELL, "check", "reason"), (*place(line), None, None, f"failed: {i}"), strict=True))
        for i, line in enumerate(lines[:4])
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
    read = list(csv.DictReader(io.StringIO(exports.csv(every(of)))))
    assert len(read) == 24
    line = next(line for line in read if line["compression"] == "prune-50" and line["attack"] == "one")
    assert (line["eps"], line["eps_space"], line["n"], line["test_total"]) == ("0.1", "", "10", "10")
    assert (line["robust_correct"], line["robust_accuracy"], line["clean_accuracy"]) == ("6", "0.6", "0.8")
    assert (line["dataset"], line["forward"], line["parameters"], line["from"]) == ("digits", "400", "250000", "")


def test_headline_is_short():
    many = tuple(Compression(f"c{i}") for i in range(9))
    of = suite(grid(compressions=many))
    text, clean, robust = render.headline(of, every(of)), re.escape(shown(8, 8)), re.escape(shown(6, 6))
    assert text.startswith("digits: 10 test images; 18 unverified, so not ranked")
    assert len(text.splitlines()) == 1 + 2 + 15 + 1 and text.endswith("… and 3 more in leaderboard.md")
    assert re.search(rf"c0 +plain +{clean} +{robust} +{robust} +1 M +4 MB", text)


def test_the_headline_has_the_boards_verdicts():
    of, fell = suite(), {"audit": {"pairs": 200, "broken": 5, "independent": True}}
    lines = [line | (fell if line["steps"] and not line["after"] else {}) for line in every(of)]
    first, _, _, *rows = render.headline(of, lines).splitlines()
    assert first.endswith("; 1 suspect, 3 unverified, so not ranked")
    said = {tuple(row.split()[:2]): row for row in rows}
    board = tables(page(of, lines))[0]
    assert len(said) == len(board) == 4
    for row in board:
        assert said[row["Compression"], row["Training"]].endswith(f" {row['Verdict']}")
    assert said["prune-50", "plain"].endswith(" suspect (not monotone in ε)")


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
    text = (out / "leaderboard.md").read_text(encoding="utf-8").replace("\u00a0", " ")
    assert tables(text)[0][0]["one @ 0.1"] == shown(6)
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
