"""A board beside the one that ART's attacks make: the same networks, and figures of both from what they wrote."""

import re

from tests.conftest import FIXTURES, small
from tests.speed.boards import by_art, main


def test_a_suite_is_run_with_arts_attacks_on_the_same_networks(desk, capsys):
    attacks = {"fgsm": "fgsm", "pgd-5": {"pgd": {"steps": 5}}}
    path = desk.write(small(attacks=attacks, eps=[0.05, 0.1], limit={"train": 300, "test": 100}))
    assert main([str(path), "--out", str(desk.folder / "boards"), "--plugins", str(FIXTURES)]) == 0
    told = capsys.readouterr().out
    seconds = re.search(r"\| ours +\|(.*)\|\n\| ART's +\|(.*)\|", told)
    ours, theirs = ([float(cell) for cell in row.split("|")] for row in seconds.groups())
    (_, before), (_, found) = re.findall(r"(\d+) stages run, (\d+) already done", told)
    assert (before, found) == ("0", "2"), "ART's attacks met another network, trained and judged anew"
    assert len(ours) == 8 and ours[0] == theirs[0]
    rows = dict(re.findall(r"\| (fgsm +\| +0\.\d+|pgd-5 +\| +0\.\d+) \|(.*)\|", told))
    assert len(rows) == 4
    for name, row in rows.items():
        n, one, other, differing = map(float, row.split("|"))
        assert n == 100 and abs(one - other) <= differing
        assert differing == 0 or "pgd" in name, "FGSM draws nothing: both are the same"


def test_an_attack_without_a_counterpart_is_refused_in_one_line(desk, capsys):
    path = desk.write(small(attacks={"fgsm": "fgsm", "mine": {"square": {"queries": 5}}}))
    assert main([str(path), "--out", str(desk.folder / "boards")]) == 2
    assert capsys.readouterr().err == "error: attack mine: neither of fgsm, pgd, which alone are compared\n"


def test_what_else_an_attack_says_is_kept():
    given = {"sent": {"pgd": {"steps": 3}, "from": "dense", "eps": [0.1]}}
    assert by_art(given) == {
        "sent": {
            "art": {"class": "ProjectedGradientDescentPyTorch", "max_iter": 3, "num_random_init": 1},
            "from": "dense",
            "eps": [0.1],
        }
    }
