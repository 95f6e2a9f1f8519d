"""leaderboard.tex: its figures, and that no name becomes a command."""

import re
from dataclasses import replace

import pytest

from leaderboard.latex import escape, tex
from leaderboard.table import build
from leaderboard.verdict import Verdict
from tests.hostile import NAMES, hostile_suite
from tests.synthetic_records import every, shown, suite


def test_a_line_per_row_with_intervals():
    of = suite()
    text = tex(build(of, every(of)))
    lines = [line for line in text.split("\n") if line.startswith(("dense", "prune"))]
    mean, bounds = shown(8, 8).split(" ", 1)
    assert len(lines) == 4 and lines[0].startswith(rf"dense & plain & {mean} {{\scriptsize {bounds}}} & ")
    assert lines[2].endswith(r"& 250 k & unverified \\")
    assert len({line.count("&") for line in text.split("\n") if "&" in line}) == 1
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert text.count(rule) == 1


def test_sound_leaders_are_bold():
    board = build(of := suite(), every(of))
    sound = tuple(replace(row, verdict=Verdict("sound")) for row in board.tables[0].rows)
    text = tex(replace(board, tables=(replace(board.tables[0], rows=sound),)))
    assert r"\textbf{80.0}" in text and r"\textbf" not in tex(board)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_no_command(name):
    made = escape(name)
    commands = re.findall(r"\\([a-z]+|.)", made)
    words = {
        "textbackslash",
        "textasciitilde",
        "textasciicircum",
        "textless",
        "textgreater",
        "textbar",
        "textasciigrave",
    }
    assert set(commands) <= words | {"textquotedbl", "textquotesingle", *"#$%&_{}"}
    assert not re.search(r"(?<!\\)[#$%&_^~]", made)


def test_a_line_cannot_begin_with_an_argument():
    assert escape("[x]*") == "{[}x{]}{*}" and escape("a---b") == "a-{}-{}-b"


def test_a_hostile_board_is_a_whole_table():
    of = hostile_suite()
    text = tex(build(of, every(of)))
    assert r"\input" not in text
    assert len({len(re.findall(r"(?<!\\)&", line)) for line in text.split("\n") if line.endswith(r"\\")}) == 1
