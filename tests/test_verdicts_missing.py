"""What keeps a row from being sound, or a figure from being compared, although no check has failed."""

from benchmark.claims import Claim, Measure
from benchmark.types import Attack, Compression, Training
from leaderboard.claims import evaluate
from leaderboard.efficiency import costs, relative
from leaderboard.table import build
from tests.synthetic_checks import BY_NAME, all_checks, check
from tests.synthetic_records import PGD, SMALL, STANDARD, every, grid, page, suite

ROBUST = "1111110000"
STRONGER = ("strong rerun", "2", "dense")


def words(of, checks=(), **changes) -> dict[tuple[str, str], str]:
    table = build(of, every(of, ROBUST, **changes), checks).tables[0]
    return {row.name: str(row.verdict) for row in table.rows}


def test_a_network_that_stands_alone_has_no_transfer_check_and_is_never_sound():
    alone = suite(grid(compressions=(Compression("dense"),), trainings=(Training("plain", STANDARD),)))
    assert words(alone, all_checks(alone)) == {
        ("dense", "plain"): "unverified (no other network to take examples from, so never sound)"
    }
    two = suite(grid(trainings=(Training("plain", STANDARD),)))
    assert set(words(two, all_checks(two)).values()) == {"sound"}


def test_what_was_implied_and_never_audited_certifies_nothing():
    of = suite()
    audit = {"pairs": 200, "broken": 0, "independent": False}
    assert set(words(of, all_checks(of), implied=3, audit=audit).values()) == {"sound"}
    assert set(words(of, all_checks(of), implied=3, audit=None).values()) == {
        "unverified (outcomes are implied, and not audited)"
    }


def test_seconds_are_no_share_of_another_machines():
    of = suite()
    keys = {"train plain": "a", "tune prune-50 plain 0": "a", "train tuned": "a", "tune prune-50 tuned 0": "b"}
    keys |= {"tune dense tuned 0": "a", "tune prune-50 tuned 1": "a"}
    known = [
        {
            "stage": "train",
            "key": key,
            "label": key,
            "machine": {"processor": where},
            "latency": None,
            "seconds": 100.0,
            "joules": None,
            "bytes": 1,
        }
        for key, where in keys.items()
    ]
    (table,) = build(of, every(of)).tables
    (time,) = [cost for cost in costs(table, known) if cost.unit == "s"]
    rows = {row.name: row for row in table.rows}
    assert relative(table, time, rows["prune-50", "plain"]) == 2.0
    assert time.of["prune-50", "tuned"] == 300 and relative(table, time, rows["prune-50", "tuned"]) is None
    text = page(of, every(of), known)
    assert " 200 s (200 %) |" in text and " 300 s (—) |" in text


def test_a_claim_rests_on_the_verdict_of_its_own_norm():
    """What an attack in another norm finds says nothing of it, and what attacks find nothing of clean accuracy."""
    attacks = (Attack("pgd-20", PGD, "inf", (SMALL,)), Attack("far", PGD, "2", (SMALL,)))
    of = suite(grid(attacks=attacks), seeds=(0, 1, 2))
    checks = [one for one in all_checks(of) if (one["check"], one["norm"], one["compression"]) != STRONGER]
    cells = [("digits", "dense", training, seed) for training in ("plain", "tuned") for seed in of.seeds]
    checks += [check(of, cell, BY_NAME["strong rerun"], "1111000000", norm="2") for cell in cells]
    board = build(of, every(of, ROBUST), checks)
    dense = board.verdicts["digits", ("dense", "plain")]
    assert str(dense) == "suspect (a stronger attack breaks more (ℓ2))"
    assert (dense.of("2").word, dense.of("inf").word, dense.of(None).word) == ("suspect", "sound", "sound")
    (figures,) = board.figures
    words = []
    for measure in (Measure(), Measure(None, "inf", SMALL), Measure(None, "2", SMALL)):
        claim = Claim("within", "", "digits", (("prune-50", "plain"),), (("dense", "plain"),), measure, delta=49.0)
        words.append(evaluate(claim, figures, board.verdicts).numbers[0].startswith("dense/plain is suspect"))
    assert words == [False, False, True]
