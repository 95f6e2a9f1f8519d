"""A board of a part of its suite says so, and which --only makes it; of a whole one nothing of the kind."""

import re
import shlex

import pytest

from benchmark import run
from leaderboard import records
from leaderboard.latex import tex
from leaderboard.match import place
from leaderboard.table import build
from tests.synthetic_records import every, grid, page, suite


def asked(text: str) -> list[str]:
    """The --only of the page's command."""
    (command,) = re.findall(r"^python -m benchmark\.run .*$", text, re.M)
    return run._parse(shlex.split(command)[3:]).only


@pytest.mark.parametrize(
    "only",
    [
        ["compression=dense"],
        ["compression=prune-50", "training=tuned", "seed=1"],
        ["attack=pgd-20", "eps=0.05"],
        ["seed=0", "attack=one", "eps=0.1"],
    ],
)
def test_a_part_is_called_one_and_its_command_asks_for_it(only):
    of = suite()
    wanted = dict(part.split("=") for part in only)
    lines = [line for line in every(of) if all(str(line[axis]) == name for axis, name in wanted.items())]
    text = page(of, lines)
    assert f"**Partial: {len(lines)} of 24 cells**" in text.split("\n## ")[0]
    assert asked(text) == only and "without `--only` runs the rest" in text
    assert f"partial: {len(lines)} of 24 cells" in tex(build(of, lines))


def test_a_failure_is_no_gap():
    of = suite()
    lines = every(of)
    lost = [line for line in lines if line["compression"] == "dense"]
    holes = [{name: line[name] for name in records.CELL} | {"check": None, "reason": "failed: x"} for line in lost]
    kept = [line for line in lines if line not in lost]
    assert "Partial" not in page(of, kept, holes=holes) and asked(page(of, kept, holes=holes)) == []
    assert asked(page(of, kept)) == ["compression=prune-50"]
    assert "**Partial: 23 of 24 cells**" in page(of, kept, holes=holes[1:])


def test_what_no_selection_makes_names_none():
    of = suite()
    lines = [line for line in every(of) if (line["compression"], line["seed"]) != ("dense", 1)]
    assert "**Partial: 18 of 24 cells**" in page(of, lines) and asked(page(of, lines)) == []
    assert "**Partial: 0 of 24 cells**" in page(of, []) and asked(page(of, [])) == []
    assert "Partial" not in page(of, every(of))


def test_a_grid_is_a_part():
    of = suite(grid(), grid(name="others"))
    lines = [line for line in every(of) if line["grid"] == "others"]
    assert asked(page(of, lines)) == ["grid=others"] and len({place(line) for line in lines}) == 24
