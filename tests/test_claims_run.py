"""Claims of a suite that is really run: fixed before the first result, decided from the records, and on the board."""

import json

from benchmark.claims import fingerprint
from tests.conftest import Desk, small


def claiming(**changes) -> dict:
    claim = {"text": "Pruning costs little", "within": {"rows": "half/standard", "to": "dense/standard"} | changes}
    return small(compressions={"dense": [], "half": [{"prune": {"ratio": 0.5}}]}, claims=[claim])


def test_a_run_notes_when_its_claims_were_fixed_and_the_board_decides_them(desk: Desk):
    ran = desk.run(claiming())
    assert ran.status == 0, ran.complained
    board = (ran.out / "leaderboard.md").read_text()
    section = board.split("## Claims")[1].split("\n## ")[0]
    assert "Fixed when 0 of 2 cells had been judged" in section
    assert "Pruning costs little" in section and "half/standard − dense/standard: " in section
    assert "(these networks, 1 of 1 seed)" in section and "δ = 2 points" in section
    assert "### How sure" in board

    changed = desk.run(claiming(delta=50))  # whoever changes a claim after the fact is told on
    board = (changed.out / "leaderboard.md").read_text()
    assert "Fixed when 2 of 2 cells had been judged" in board
    kept = [json.loads(line) for line in (changed.out / "claims.jsonl").read_text().splitlines()]
    assert [line["judged"] for line in kept] == [0, 2]
    desk.run(claiming(delta=50))
    assert len((changed.out / "claims.jsonl").read_text().splitlines()) == 2


def test_claims_are_fixed_and_hashed_before_anything_runs(desk: Desk, monkeypatch):
    seen = []

    def execute(plan, *_):
        seen.append(json.loads((desk.folder / "out" / "claims.jsonl").read_text()))
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmark.execute.local.run", execute)
    assert desk.run(claiming()).status == 130
    suite, _ = desk.plan(claiming())
    assert seen == [{"suite": fingerprint(suite), "judged": 0, "planned": 2}]


def test_a_plan_says_what_it_can_decide(desk: Desk):
    ran = desk.run(claiming() | {"limit": {"test": 100}, "seeds": [0, 1, 2]}, "--dry-run")
    assert "3 seeds can call two rows, compared alone, the same within ±δ down to δ = " in ran.printed
    assert "with at most 100 images" in ran.printed  # digits are counted when they are loaded
