"""Planted faults, each found by the check that should find it; and what checks cost, share and leave alone."""

import json

import pytest
from safetensors.torch import load_file

from benchmark.engine import judging
from benchmark.engine.ball import inside
from benchmark.outcomes import unpack
from benchmark.plugins import Registry
from benchmark.stages import network
from benchmark.stages.propose import Proposer
from benchmark.stages.verify import attacked
from benchmark.stages.workplace import Workplace
from leaderboard.check_records import CHECK
from leaderboard.records import HOLE, read
from leaderboard.table import build
from leaderboard.verdict import Verdict
from tests.conftest import FIXTURES, Desk, Ran, small

N = 120  # test images
SUITE = {"verify": "full", "limit": {"test": N}, "attacks": {"pgd": {"pgd": {"steps": 20}}}}
FAULTY = small(
    **SUITE,
    compressions={
        "dense": [],
        "prune-50": [{"prune": {"ratio": 0.5}}],
        "saturated": ["saturates"],
        "shattered": ["rounds_without_gradient"],
        "random": [{"answers_at_random": {"offset": 1000.0}}],  # which changes nothing but the size of the logits
    },
)


def checks(ran: Ran) -> list[dict]:
    return read(ran.out / "checks.jsonl", CHECK)


def verdicts(desk: Desk, suite: dict, ran: Ran) -> dict[str, Verdict]:
    assert ran.status == 0, ran.complained
    board = build(desk.plan(suite)[0], [json.loads(line) for line in ran.records.splitlines()], checks(ran))
    return {row.compression: row.verdict for row in board.tables[0].rows}


def suspects(verdict: Verdict) -> set[str]:
    return {finding.check for finding in verdict.findings if finding.word == "suspect"}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory) -> tuple[Desk, Ran]:
    desk = Desk(tmp_path_factory.mktemp("faulty"))
    return desk, desk.run(FAULTY)


def test_faults_are_found_and_honest_rows_are_sound(faulty):
    found = verdicts(faulty[0], FAULTY, faulty[1])
    assert str(found["dense"]) == str(found["prune-50"]) == "sound"
    assert "strong rerun" in suspects(found["saturated"])
    assert {"gradient-free", "transfer"} <= suspects(found["shattered"])
    assert "random" in suspects(found["random"])
    asked = next(one for one in checks(faulty[1]) if (one["compression"], one["check"]) == ("random", "random"))
    assert asked["found"] > 0.9 * asked["examined"]
    page = (faulty[1].out / "leaderboard.md").read_text()
    assert "### Checks" in page and "**strong rerun: suspect**" in page


def test_without_gradients_the_strong_rerun_has_more_restarts(faulty):
    def one(compression: str, check: str) -> dict:
        return next(c for c in checks(faulty[1]) if (c["compression"], c["check"]) == (compression, check))

    assert one("shattered", "zero gradient")["found"] == one("shattered", "zero gradient")["examined"] > 20
    assert one("shattered", "strong rerun")["trials"][0]["attack"]["pgd"]["restarts"] == attacked.RESTARTS
    assert one("dense", "strong rerun")["trials"][0]["attack"]["pgd"]["restarts"] == 5


def test_checks_look_at_what_stands_and_what_they_break_is_broken(faulty):
    """The attack is the only one, and one by gradient: what stands after it is what every check of the norm sees."""
    desk, ran = faulty
    records = [json.loads(line) for line in ran.records.splitlines()]
    (record,) = (one for one in records if one["compression"] == "shattered")
    stands, place = unpack(record["outcomes"]["robust"], N), Workplace(desk.store, Registry([FIXTURES]))
    test = place.data(desk.plan(FAULTY)[0].grids[0].dataset, test_limit=N).test
    module = network.load(place, record["keys"]["network"]).module
    left = list(stands)
    for check in checks(ran):
        if check["compression"] == "shattered" and check["norm"] and check["trials"]:
            assert unpack(check["outcomes"]["standing"], N) == stands and check["examined"] == sum(stands)
            stored = load_file(desk.store.file(check["keys"]["check"], "broken.safetensors"))
            index, examples = stored["index"], stored["examples"]
            assert sum(trial["found"] for trial in check["trials"]) == check["found"] == len(index)
            assert inside(examples, test.pixels(index), "inf", 0.1).all()
            assert not judging.stands(module, examples, test.labels[index]).any()
            left = [stood and at not in index.tolist() for at, stood in enumerate(left)]
    (table,) = build(desk.plan(FAULTY)[0], records, checks(ran)).tables
    row = next(row for row in table.rows if row.compression == "shattered")
    shares = {column.attack: estimate.mean for column, estimate in row.accuracy.items()}
    assert shares == {"pgd": sum(stands) / N, None: sum(left) / N} and sum(left) < sum(stands)


def test_a_weak_attack(desk):
    suite = small(**SUITE | {"attacks": {"pgd": {"pgd": {"steps": 1}}}})
    assert "strong rerun" in suspects(verdicts(desk, suite, desk.run(suite))["dense"])


def test_a_curve_that_is_not_monotone(desk):
    suite = small(**SUITE | {"attacks": {"masked": "masked"}}, eps=[0.1, 0.2])
    assert "sweep" in suspects(verdicts(desk, suite, desk.run(suite))["dense"])


def test_a_network_that_never_trained(desk):
    suite = small(**SUITE, trainings={"none": {"before": "nothing"}})
    found = verdicts(desk, suite, desk.run(suite))["dense"]
    assert "trained" in suspects(found) and str(found).startswith("suspect (not shown to be above chance")


def test_a_compression_that_says_more_than_it_did(desk):
    suite = small(**SUITE, compressions={"halved": ["says_more"]})
    found = verdicts(desk, suite, desk.run(suite))["halved"]
    assert "trained" in suspects(found) and "not compressed as it says" in str(found)


def test_an_artifact_that_is_not_its_network(desk):
    pytest.importorskip("openvino", reason="openvino is not installed (the extra `deploy` brings it)")
    suite = small(**SUITE, runtimes=["openvino"], compressions={"dense": [], "two-faced": ["other_when_exported"]})
    found = verdicts(desk, suite, desk.run(suite))
    assert suspects(found["two-faced"]) == {"deployed"} and str(found["dense"]) == "sound"


def test_quick_checks_find_fault_and_no_more(desk):
    suite = small(**SUITE | {"verify": "quick"}, compressions={"dense": [], "saturated": ["saturates"]})
    found = verdicts(desk, suite, desk.run(suite))
    assert str(found["dense"]) == "unverified (quick)"
    assert "strong rerun" in suspects(found["saturated"])


def test_a_check_that_fails_is_a_hole_with_its_reason(desk):
    suite = small(
        verify="quick",
        limit={"test": 40},
        compressions={"closed": ["refuses_gradients"]},
        attacks={"square": {"square": {"queries": 5}}},
    )
    ran = desk.run(suite)
    assert ran.status == 1 and ran.records
    holes = {hole["check"]: hole["reason"] for hole in read(ran.out / "failures.jsonl", HOLE)}
    why = "check zero gradient: ValueError: there is no gradient here"
    assert why in holes["zero gradient"] and holes["zero gradient"].startswith("failed: ")
    assert holes["strong rerun"].startswith("skipped: needs ") and "gradient-free" not in holes
    told = (ran.out / "leaderboard.md").read_text().split("## Holes")[1].split("##")[0]
    assert "closed / standard, seed 0, check zero gradient: failed: " in told and "check strong rerun: skipped" in told
    assert desk.run(suite | {"verify": "none"}).status == 0


def test_a_check_goes_on_from_its_last_piece(desk, monkeypatch):
    monkeypatch.setattr(attacked, "PIECE", 32)
    suite = small(**SUITE)
    whole = desk.run(suite)
    other = Desk(desk.folder / "other")
    other.folder.mkdir()
    original, calls = Proposer.propose, []

    def killed(self, eps, index, part):
        calls.append(self.task.attack.kwargs.get("loss"))
        if calls.count("margin") == 2:
            raise KeyboardInterrupt
        return original(self, eps, index, part)

    monkeypatch.setattr(Proposer, "propose", killed)
    assert other.run(suite).status == 130
    before = len(calls)
    monkeypatch.setattr(Proposer, "propose", lambda *a: calls.append("again") or original(*a))
    ran = other.run(suite)
    assert (ran.out / "checks.jsonl").read_bytes() == (whole.out / "checks.jsonl").read_bytes()
    assert len(calls) > before and ran.records == whole.records
