"""Parts of a suite, and where a suite's results lie: nothing is left out, or overwritten, in silence."""

import json
import shutil

from benchmark.run import main
from tests.conftest import FIXTURES, small

TWO = {"attacks": {"pgd": {"pgd": {"steps": 2}}, "fgsm": "fgsm"}, "limit": {"test": 60}}


def test_checks_that_a_part_leaves_out_are_told_and_noted(desk):
    suite = small(**TWO, verify="quick")
    checks = len(desk.plan(suite)[1].checks)
    note = f"--only attack=pgd: {checks} checks of 1 network are left out, because checks look at what all attacks"
    for option in ("--dry-run", "--explain"):
        said = desk.run(suite, "--only", "attack=pgd", option).complained
        assert said.startswith(f"note: {note}") and said.count("\n") == 1
    part = desk.run(suite, "--only", "attack=pgd")
    assert part.status == 0 and part.complained == said
    assert (part.out / "notes.log").read_text() == said.removeprefix("note: ")
    assert (part.out / "checks.jsonl").read_text() == ""
    whole = desk.run(suite, "--only", "compression=dense")
    assert whole.complained == "" and not (whole.out / "notes.log").exists()
    again = desk.run(suite, "--only", "attack=pgd")  # what was left out is there by now
    assert again.complained == "" and len((again.out / "checks.jsonl").read_text().splitlines()) == checks
    assert desk.run(small(**TWO), "--only", "attack=pgd").complained == ""


def test_what_was_not_asked_for_is_no_failure_and_is_counted_on_the_board(desk):
    ran = desk.run(small(**TWO), "--only", "attack=pgd")
    assert (ran.out / "failures.jsonl").read_text() == ""
    assert "- 1 cell has not been run yet" in (ran.out / "leaderboard.md").read_text()


def test_results_follow_the_file_so_that_two_suites_of_one_name_keep_theirs(desk, monkeypatch):
    path = desk.write(small(**TWO))
    copy = shutil.copy(path, path.with_stem("other"))
    monkeypatch.chdir(desk.folder)
    for suite in (path, copy):
        assert main([str(suite), "--plugins", str(FIXTURES), "--quiet", "--device", "cpu"]) == 0
    for name in ("tiny", "other"):
        lines = (desk.folder / "results" / name / "records.jsonl").read_text().splitlines()
        assert {json.loads(line)["suite"] for line in lines} == {"tiny"}
