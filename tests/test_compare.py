"""Two runs side by side: which figures changed beyond noise, how they were compared, and the exit status."""

import random

import pytest
from statsmodels.stats.contingency_tables import mcnemar

from benchmark import outcomes
from leaderboard.compare import compare, figures, main
from leaderboard.match import places
from leaderboard.paired import Paired, Separate
from leaderboard.records import write
from leaderboard.table import build
from tests.synthetic_records import LABELS, grid, page, record, shown, suite, tables
from tests.test_leaderboard_deployed import OWN, whole

N = 400


def run(of, share=0.5, seeds_share=None, world="a", **changes) -> list[dict]:
    """A run whose rows have this share of N images right; `world` draws what is particular to its networks."""
    lines = []
    for cell in places(of, of.grids[0]):
        wanted = (seeds_share or {}).get(cell[1:3], share)
        draw = random.Random(f"{cell[:4]} {world}")
        right = [(image + 0.5) / N + draw.gauss(0, 0.02) < wanted for image in range(N)]
        line = record(of, cell, "0" * 10)
        counts = [sum(right[image] for image in range(N) if image % 3 == one) for one in range(3)]
        sizes = [len(range(one, N, 3)) for one in range(3)]
        lines.append(
            line
            | {
                "n": N,
                "dataset": line["dataset"] | {"test_total": N},
                "clean_correct": N,
                "robust_correct": sum(right),
                "outcomes": {"clean": outcomes.pack([1] * N), "robust": outcomes.pack(right)},
                "per_class": {"n": sizes, "clean": sizes, "robust": counts},
            }
            | changes
        )
    return lines


def folders(tmp_path, before, after) -> list[str]:
    for name, lines in (("a", before), ("b", after)):
        write(tmp_path / name / "records.jsonl", lines)
    return [str(tmp_path / name) for name in ("a", "b")]


def test_the_same_run_has_not_changed(tmp_path, capsys):
    of = suite(seeds=(0, 1, 2))
    assert main(folders(tmp_path, run(of), run(of))) == 0
    # four rows: clean, pgd-20 at two ε, one at one, and the union at both
    assert capsys.readouterr().out == "0 of 24 figures changed beyond noise (p < 0.05 after Holm's correction)\n"


def test_other_noise_is_not_a_change_and_a_lost_row_is(tmp_path, capsys):
    of = suite(seeds=(0, 1, 2))
    assert main(folders(tmp_path, run(of), run(of, world="b"))) == 0
    capsys.readouterr()
    worse = run(of, seeds_share={("prune-50", "tuned"): 0.3}, world="b")
    assert main(folders(tmp_path, run(of), worse)) == 1
    printed = capsys.readouterr().out
    lines = [line for line in printed.splitlines() if "changed" in line]
    assert len(lines) == 6 and all("prune-50/tuned" in line for line in lines[:5])
    assert "paired, 3 seeds" in lines[0] and "−2" in lines[0]


def test_every_row_is_listed_if_asked(tmp_path, capsys):
    of = suite(seeds=(0, 1, 2))
    main([*folders(tmp_path, run(of), run(of)), "--all"])
    assert capsys.readouterr().out.count("not shown") == 24


def test_one_seed_is_mcnemars_test_of_these_networks():
    of = suite(seeds=(7,))
    before, after = run(of), run(of, share=0.45)
    changes = {change.name[1:]: change for change in compare(figures(before), figures(after))}
    change = changes["dense", "plain", "one", " @ ℓ∞ 0.1"]
    one = change.difference
    table = [[0, one.lost[0]], [one.gained[0], 0]]
    assert isinstance(one, Paired) and one.these_networks
    assert one.p == pytest.approx(mcnemar(table, exact=True).pvalue)
    assert one.estimate == pytest.approx(change.after.mean - change.before.mean)


def test_other_images_or_other_seeds_are_two_samples():
    of = suite(seeds=(0, 1, 2))
    moved = run(of, dataset={"name": "digits", "arguments": {}, "fingerprint": "beef", "test_total": N})
    other = run(suite(seeds=(3, 4, 5)))
    for lines in (moved, other):
        assert all(isinstance(c.difference, Separate) for c in compare(figures(run(of)), figures(lines)))


def test_a_union_counts_what_smaller_balls_broke():
    of = suite(grid(), seeds=(0,))
    lines = [
        record(of, cell, "0111111100" if cell[4:] == ("pgd-20", 0.05) else "1110111100")
        for cell in places(of, of.grids[0])
    ]
    found = figures(lines)
    assert found["digits", "dense", "plain", "union", " @ ℓ∞ 0.1"].outcomes == {0: int("0110111100", 2)}
    assert found["digits", "dense", "plain", "clean", ""].mean == 0.8
    assert len(LABELS) == found["digits", "dense", "plain", "clean", ""].n


def test_a_union_is_the_boards_and_an_attack_is_its_records():
    """What a replayed example breaks of the network is in the union of both, and in the attack's figure of neither."""
    of = suite(OWN, seeds=(0,))
    lines = whole(of, robust="1111110000", twin="1110111111")
    (table,) = build(of, lines).tables
    compared, row = figures(lines), next(row for row in table.rows if row.name == ("int8", "plain"))
    for column, estimate in row.accuracy.items():
        name = ("digits", *row.name, column.attack or "union", f" @ ℓ∞ {column.eps.value:g}")
        assert compared[name].mean == estimate.mean == (0.6 if column.attack else 0.5)
    assert compared["digits", *row.name, "union", " @ ℓ∞ 0.05 on openvino"].mean == 0.5
    assert tables(page(of, lines))[0][2]["pgd-20 @ 0.05"] == shown(6)


def test_a_figure_of_one_run_alone_and_another_recipe_are_named(tmp_path, capsys):
    of = suite(seeds=(0, 1, 2))
    half = [line for line in run(of) if line["compression"] == "dense"]
    assert main(folders(tmp_path, run(of), half)) == 1
    printed = capsys.readouterr().out
    assert "12 figures stand in" in printed and "digits: prune-50/plain, digits: prune-50/tuned" in printed
    main([*folders(tmp_path, run(of), run(of, recipe={"pgd": {"steps": 50}})), "--all"])
    assert "another recipe" in capsys.readouterr().out


def test_a_folder_without_records_is_a_wrong_request(tmp_path, capsys):
    assert main([str(tmp_path), str(tmp_path)]) == 2
    complaint = capsys.readouterr().err
    assert complaint.count("\n") == 1 and "records.jsonl: no records can be read" in complaint
