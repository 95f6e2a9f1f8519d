"""The parity table says that ours is weaker exactly where it is, and the command goes on where it stopped."""

import json

import pytest

from benchmark.outcomes import pack
from tests.parity_attacks import main
from tests.parity_table import paired, report
from tests.speed.ledger import Ledger

N = 40


def outcomes(stands: list[bool]) -> dict:
    return {"n": len(stands), "eps": 0.1, "robust": pack(stands), "distances": [], "passes": [0, 0], "seconds": 1.0}


def distances(values: list[float | None]) -> dict:
    return {"n": N, "eps": 0.1, "robust": pack([True] * N), "distances": values, "passes": [N, 0], "seconds": 1.0}


def first(count: int) -> list[bool]:
    return [place < count for place in range(N)]


@pytest.mark.parametrize(("extra", "verdict"), [(12, "WEAKER"), (2, "level"), (-12, "stronger"), (0, "level")])
def test_outcomes_are_compared_example_by_example(extra, verdict):
    found = paired([outcomes(first(20 + extra))], [outcomes(first(20))], by_distance=False)
    assert found.verdict == verdict
    assert (found.weaker, found.stronger) == (max(extra, 0), max(-extra, 0))
    assert found.shift == pytest.approx(100 * extra / N)


def test_as_many_on_either_side_are_level_however_many_they_are():
    found = paired([outcomes(first(20))], [outcomes([not stands for stands in first(20)])], by_distance=False)
    assert (found.weaker, found.stronger, found.verdict) == (20, 20, "level")


@pytest.mark.parametrize(
    ("factor", "verdict", "shift"), [(1.02, "WEAKER", 2), (0.98, "stronger", -2), (1.0005, "level", 0.05)]
)
def test_distances_are_compared_by_their_ratio_but_for_rounding(factor, verdict, shift):
    theirs = [0.01 * (place + 1) for place in range(N)]
    found = paired([distances([factor * value for value in theirs])], [distances(theirs)], by_distance=True)
    assert found.verdict == verdict and found.shift == pytest.approx(shift, rel=1e-3)


def test_what_is_not_found_is_infinitely_far():
    theirs = [0.1] * N
    found = paired([distances([None] * 20 + theirs[20:])], [distances([None] * 5 + theirs[5:])], by_distance=True)
    assert (found.weaker, found.stronger) == (15, 0)


def test_an_example_is_one_whatever_the_number_of_seeds():
    """Ours is the nearer by a little in one seed and the farther by much in the other: farther, once."""
    ours = [distances([0.09] * N), distances([0.2] * N)]
    found = paired(ours, [distances([0.1] * N)] * 2, by_distance=True)
    assert (found.weaker, found.stronger) == (N, 0)


def test_the_table_has_a_row_for_each_implementation():
    ledger = Ledger()
    ledger.begin("cnn, standard", {"weights": "0"})
    ledger.add("pgd, inf", "cnn, standard", "ours", 0, **outcomes(first(32)))
    ledger.add("pgd, inf", "cnn, standard", "ART", 0, **outcomes(first(20)))
    ledger.add("deepfool, 2", "cnn, standard", "ours", 0, **distances([0.1] * N))
    ledger.add("deepfool, 2", "cnn, standard", "foolbox", 0, **distances([0.2] * N))
    head, _, *rows = report(ledger).splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    told = [dict(zip([cell.strip() for cell in head.strip("|").split("|")], row, strict=True)) for row in cells]
    assert [(row["attack"], row["by"], row["ours is"]) for row in told] == [
        ("pgd", "ours", "—"),
        ("pgd", "ART", "WEAKER"),
        ("deepfool", "ours", "—"),
        ("deepfool", "foolbox", "stronger"),
    ]
    assert (told[1]["robust %"], told[1]["ours against it"]) == ("50.0", "+30.0 points")
    assert (told[3]["median norm"], told[3]["ours against it"]) == ("0.2000", "-50.0 %")


@pytest.mark.parametrize(
    ("part", "peer", "theirs", "status", "says"),
    [
        ("pgd, inf", "ART", 32, 0, ""),
        ("pgd, inf", "ART", 20, 1, "cnn, standard, pgd, inf: ours is weaker than ART"),
        ("pgd, inf", "ART", 40, 0, ""),  # ours is the stronger
        ("autoattack, inf", "torchattacks, 100 steps", 33, 1, "ours is -2.5 points from torchattacks, 100 steps"),
        ("autoattack, inf", "torchattacks", 33, 0, ""),  # of fewer steps
        ("autoattack, 10 steps, 2", "torchattacks", 31, 1, "ours is +2.5 points from torchattacks"),
    ],
)
def test_the_exit_status_says_whether_parity_holds(tmp_path, capsys, part, peer, theirs, status, says):
    path = tmp_path / "parity.jsonl"
    ledger = Ledger(path)
    ledger.begin("cnn, standard", {"weights": "0"})
    ledger.add(part, "cnn, standard", "ours", 0, **outcomes(first(32)))
    ledger.add(part, "cnn, standard", peer, 0, **outcomes(first(theirs)))
    assert main(["--report", str(path)]) == status
    told = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("|")]
    assert len(told) == status and all(says in line for line in told)


def test_nothing_compared_is_no_parity(tmp_path):
    path = tmp_path / "parity.jsonl"
    Ledger(path).begin("cnn, standard", {"weights": "0"})
    assert main(["--report", str(path)]) == 1


@pytest.mark.filterwarnings("default")  # of the peers, not of ours
def test_the_command_goes_on_where_it_stopped(tmp_path, cache, capsys):
    out = tmp_path / "parity.jsonl"
    command = ["--network", "digits", "--examples", "30", "--attack", "fgsm", "--attack", "deepfool", "--device", "cpu"]
    command += ["--out", str(out), "--cache", str(cache)]
    assert main(command) == 0
    whole, table = out.read_text(), capsys.readouterr().out
    lines = [json.loads(line) for line in whole.splitlines()]
    for network in ("digits, standard", "digits, adversarial"):
        for part, least in {"fgsm, inf": 4, "fgsm, 2": 3, "deepfool, 2": 4, "deepfool, inf": 2}.items():
            made = [line["who"] for line in lines if (line["network"], line["part"]) == (network, part)]
            assert len(set(made)) == len(made) >= least, part
    assert table.count("digits, standard") == sum(line["network"] == "digits, standard" for line in lines) - 1
    out.write_text("".join(whole.splitlines(keepends=True)[:-2]) + whole.splitlines()[-2][:40])  # killed
    assert main(command) == 0
    again = out.read_text().splitlines()
    assert again[:-2] == whole.splitlines()[:-2] and len(again) == len(whole.splitlines())
    capsys.readouterr()
    assert main(["--report", str(out)]) == 0
    assert capsys.readouterr().out.count("digits, standard") == table.count("digits, standard")
    assert main([*command, "--examples", "31"]) == 2
    assert "was measured with examples 30, not 31" in capsys.readouterr().err
