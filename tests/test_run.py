"""The command line: exit statuses, what a second run does, parts of a suite, and records that repeat to the byte."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Desk, small, tiny

HOME = Path(__file__).parent.parent
ATTACK = '''"""Noise."""
import numpy as np
class Noise:
    def __init__(self, eps):
        self.eps = eps
    def generate(self, x, y=None):
        return np.clip(x + self.eps * np.random.choice([-1, 1], x.shape), 0, 1)
def attack(estimator, budget, *, scale: float = 1.0):
    return Noise(budget.eps * scale)
'''


def two(**changes) -> dict:
    """Two compressions, two attacks, two ε: enough to be reordered and cut into parts."""
    compressions = {"dense": [], "prune-50": [{"prune": {"ratio": 0.5}}]}
    attacks = {"fgsm": "fgsm", "pgd": {"pgd": {"steps": 2}}}
    return small(compressions=compressions, attacks=attacks, eps=[0.1, 0.2], limit={"test": 300}) | changes


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> bytes:
    ran = Desk(tmp_path_factory.mktemp("reference")).run(two())
    assert ran.status == 0, ran.complained
    return ran.records


def test_a_run_writes_its_board(finished):
    out = finished.folder / "out"
    assert {path.name for path in out.iterdir()} >= {
        "leaderboard.md",
        "leaderboard.csv",
        "leaderboard-rows.csv",
        "records.jsonl",
        "measurements.jsonl",
    }
    records = [json.loads(line) for line in (out / "records.jsonl").read_text().splitlines()]
    assert len(records) == 16 and all(record["n"] == 599 for record in records)
    assert not any("seconds" in record for record in records)
    board = (out / "leaderboard.md").read_text()
    assert "prune-50" in board and "standard+ft" in board and "pgd" in board


def test_a_second_run_does_nothing(desk):
    suite = small()
    first = desk.run(suite)
    times = {path: path.stat().st_mtime_ns for path in desk.store.root.rglob("artifact.json")}
    command = [sys.executable, "-m", "benchmark.run", *desk.arguments(suite)]
    command.remove("--quiet")
    second = subprocess.run(command, cwd=HOME, capture_output=True, text=True)
    assert (second.returncode, second.stderr) == (0, "")
    assert "0 stages run, 4 already done" in second.stdout
    assert times == {path: path.stat().st_mtime_ns for path in desk.store.root.rglob("artifact.json")}
    assert (desk.folder / "out" / "records.jsonl").read_bytes() == first.records


def test_records_do_not_depend_on_the_order_of_the_axes(desk, reference):
    backwards = {key: dict(reversed(two()[key].items())) for key in ("compressions", "attacks")}
    assert desk.run(two(**backwards, eps=[0.2, 0.1])).records == reference


def test_records_do_not_depend_on_the_pieces_they_were_made_in(desk, reference):
    for part in ("attack=pgd", "compression=prune-50", "eps=0.2"):
        ran = desk.run(two(), "--only", part)
        assert ran.status == 0, ran.complained
        lines = set(ran.records.splitlines())
        assert lines < set(reference.splitlines())
    assert desk.run(two()).records == reference


def test_only_runs_what_it_says(desk):
    ran = desk.run(two(), "--only", "attack=fgsm", "--only", "compression=dense", "--only", "eps=0.1")
    (record,) = [json.loads(line) for line in ran.records.splitlines()]
    assert (record["attack"], record["compression"], record["eps"]) == ("fgsm", "dense", 0.1)
    assert len(list(desk.store.root.rglob("artifact.json"))) == 4  # train, clean judge, craft, judge
    board = (ran.out / "leaderboard.md").read_text()
    assert "prune-50" in board  # a visible hole
    assert "**Partial: 1 of " in board and " --only compression=dense --only attack=fgsm --only eps=0.1\n" in board


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--only", "attack=pdg"), "--only attack=pdg: the suite has no such attack; it takes pgd (did you mean pgd?)"),
        (("--only", "atack=pgd"), "did you mean attack?"),
        (("--only", "pgd"), "give AXIS=NAME"),
        (("--limit", "train=0"), "train must be a whole number above 0"),
        (("--limit", "tests=5"), "did you mean test?"),
        (("--limit", "test=5,test=6"), "test is given twice"),
        (("--plugins", "/nowhere"), "--plugins /nowhere: there is no such folder"),
        (("--data", "/nowhere"), "--data /nowhere: there is no such folder"),
    ],
)
def test_a_wrong_request_is_one_line(desk, options, problem):
    ran = desk.run(small(), *options)
    assert ran.status == 2 and ran.printed == ""
    assert ran.complained.startswith("error: ") and ran.complained.count("\n") == 1
    assert problem in ran.complained
    assert not (desk.folder / "out").exists()


def test_an_out_that_cannot_be_written_is_found_before_the_work(desk):
    (desk.folder / "out").touch()
    ran = desk.run(small())
    assert ran.status == 2 and ran.complained.count("\n") == 1 and "--out" in ran.complained
    assert not list(desk.store.root.rglob("artifact.json"))


def test_cells_of_two_axes_that_never_meet(desk):
    grids = [{"name": "a", "attacks": {"one": "fgsm"}}, {"name": "b", "attacks": {"two": "fgsm"}}]
    ran = desk.run(small(grids=grids), "--only", "grid=a", "--only", "attack=two")
    assert ran.status == 2 and "no cell of" in ran.complained


def test_dry_run(desk):
    ran = desk.run(tiny(), "--dry-run")
    assert ran.status == 0
    assert "16 cells on 4 networks" in ran.printed
    assert "Running every cell on its own would take 80 stages; sharing leaves 32" in ran.printed
    assert "unknown" in ran.printed
    assert not list(desk.store.root.rglob("artifact.json"))


def test_dry_run_estimates_from_what_was_measured(desk):
    desk.run(small())
    ran = desk.run(small(seeds=[0, 1]), "--dry-run")
    assert "Time left: " in ran.printed and "from 4 like stages" in ran.printed and "unknown" not in ran.printed
    done = desk.run(small(), "--dry-run")
    assert "Everything is done" in done.printed
    more = desk.run(small(attacks={"pgd": {"pgd": {"steps": 2}}, "bim": "bim"}, seeds=[0, 1]), "--dry-run").printed
    assert re.search(r"Time left: at least [^;]+; disk: at least .* \(from 6 like stages\)\.\n", more)
    assert "Unknown for 2 stages, none like which has been run here yet: 2 craft." in more


def test_dry_run_weighs_what_is_crafted_once_and_judged_elsewhere(desk):
    """Exactly, where the dataset says of what shape its images are; otherwise as such examples were found to weigh."""
    attacks = {"own": {"pgd": {"steps": 2}}, "sent": {"pgd": {"steps": 2}, "from": "dense", "eps": [0.1, 0.2]}}
    of = small(attacks=attacks, compressions=tiny()["compressions"], limit={"train": 200, "test": 50})
    line = "made once and shared by all that judge them: 2, for 4 judgements; disk: "
    assert f"{line}1.2 MB.\n" in desk.run(of | {"dataset": "cifar10"}, "--dry-run").printed  # 2 × 50 × 3 × 32 × 32 × 4
    unknown = f"{line}unknown for digits until the first of them is made.\n"
    assert unknown in desk.run(of, "--dry-run").printed
    assert desk.run(of).status == 0
    assert f"{line}0.0 MB.\n" in desk.run(of, "--dry-run").printed  # 2 × 50 × 8 × 8 × 4 bytes
    own = small(attacks={"own": attacks["own"]})
    assert "adversarial examples" not in desk.run(own, "--dry-run").printed


def test_a_plugin_from_outside_and_its_edit(desk, tmp_path):
    """Show 5: a new attack in a folder of its own appears; editing it reruns its own cells, and --explain says why."""
    mine = tmp_path / "mine" / "attacks" / "noise.py"
    mine.parent.mkdir(parents=True)
    mine.write_text(ATTACK)
    assert ATTACK.count("\n") <= 15
    suite = two()
    suite["attacks"]["noise"] = "noise"
    options = ("--plugins", str(tmp_path / "mine"))
    first = desk.run(suite, *options)
    assert first.status == 0, first.complained
    assert "noise" in (first.out / "leaderboard.md").read_text()
    stages = len(desk.plan(suite, tmp_path / "mine")[1].stages)
    assert desk.run(suite, *options, "--explain").printed == f"all {stages} stages are done\n"

    mine.write_text(ATTACK.replace("self.eps * np", "0.5 * self.eps * np"))
    explained = desk.run(suite, *options, "--explain").printed.splitlines()
    assert len(explained) == 2 * 2 * 2 + 1  # networks × ε × (craft, judge), and the sum
    assert all("noise" in line for line in explained[:-1])
    crafts = [line for line in explained if line.startswith("craft")]
    assert len(crafts) == 4 and all("the source of attack noise changed" in line for line in crafts)
    assert sum("its craft is made anew" in line for line in explained) == 4
    before = set(desk.store.root.rglob("artifact.json"))
    second = desk.run(suite, *options)
    assert second.status == 0
    assert len(set(desk.store.root.rglob("artifact.json")) - before) == 8
    unchanged = [line for line in first.records.splitlines() if b'"attack":"noise"' not in line]
    assert set(unchanged) < set(second.records.splitlines())
    assert first.records != second.records


def test_a_failure_leaves_a_hole_and_the_rest_goes_on(desk):
    suite = small(attacks={"good": "fgsm", "bad": "modifies_model"})
    ran = desk.run(suite)
    assert ran.status == 1
    assert [json.loads(line)["attack"] for line in ran.records.splitlines()] == ["good"]
    (hole,) = [json.loads(line) for line in (ran.out / "failures.jsonl").read_text().splitlines()]
    assert hole["attack"] == "bad" and "modified the network that it attacked (head.weight)" in hole["reason"]
    assert "Traceback" not in ran.complained and "modified the network" in ran.complained
    assert "bad" in (ran.out / "leaderboard.md").read_text()
    again = desk.run(suite)  # a failure is never cached, and what it left is not taken for a success
    assert again.status == 1 and again.records == ran.records


def test_a_failed_training_skips_what_needs_it(desk):
    suite = small(
        trainings={
            "good": {"before": {"standard": {"epochs": 1}}},
            "bad": {"before": {"standard": {"epochs": 1, "lr": 1e30}}},
        }
    )
    ran = desk.run(suite)
    assert ran.status == 1 and len(ran.records.splitlines()) == 1
    assert "1 stages failed, 3 more needed them" in ran.complained
    assert "a lower lr may help" in ran.complained
    (hole,) = [json.loads(line) for line in (ran.out / "failures.jsonl").read_text().splitlines()]
    assert hole["training"] == "bad" and "failed" in hole["reason"]


def test_everything_failing_still_writes_a_board(desk):
    ran = desk.run(small(attacks={"bad": "wrong_shape"}))
    assert ran.status == 1 and ran.records == b""
    assert "gave examples of shape [255, 1, 8, 8], not [256, 1, 8, 8]" in ran.complained
    assert "bad" in (ran.out / "leaderboard.md").read_text()


def test_a_plugin_that_ends_the_process_does_not(desk):
    ran = desk.run(small(attacks={"exits": "exits", "fgsm": "fgsm"}))
    assert ran.status == 1 and len(ran.records.splitlines()) == 1


def test_piped_output_is_plain_and_a_closed_pipe_is_no_error(desk):
    command = [sys.executable, "-m", "benchmark.run", *desk.arguments(small())]
    command.remove("--quiet")
    shell = f"set -o pipefail; {' '.join(command)} | head -c 1"
    done = subprocess.run(["bash", "-c", shell], cwd=HOME, capture_output=True, text=True)
    assert "Traceback" not in done.stderr and "\x1b" not in done.stderr + done.stdout
    assert "stages (0 already done)" in done.stderr


def test_interrupted_before_anything_ran(desk):
    code = (
        "import os, signal, sys\nfrom benchmark import run\n"
        "run.plan = lambda *a: os.kill(os.getpid(), signal.SIGINT)\n"
        f"sys.exit(run.main({desk.arguments(small())!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=HOME, capture_output=True, text=True)
    assert done.returncode == 130 and done.stderr.count("\n") == 1
