"""What keeps a row from being sound, or a figure from being compared, although no check has failed."""

from benchmark.types import Compression, Training
from leaderboard.efficiency import costs, relative
from leaderboard.table import build
from tests.synthetic_checks import all_checks
from tests.synthetic_records import STANDARD, every, grid, page, suite

ROBUST = "1111110000"


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
