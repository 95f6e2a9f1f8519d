"""leaderboard.tex: its figures, and that no name becomes a command."""

import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from benchmark.plugins import Registry
from benchmark.source import HOME
from benchmark.suite import load
from leaderboard.latex import escape, tex
from leaderboard.records import read
from leaderboard.table import build
from leaderboard.verdict import Verdict
from tests.hostile import NAMES, hostile_suite
from tests.synthetic_records import every, grid, shown, suite


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
    commands = re.findall(r"\\([A-Za-z]+|.)", made)
    words = {
        "textbackslash",
        "textasciitilde",
        "textasciicircum",
        "textless",
        "textgreater",
        "textbar",
        "textasciigrave",
    }
    assert set(commands) <= words | {
        "ttfamily",
        "char",
        "ifdefined",
        "else",
        "fi",
        "Uchar",
        "textquotesingle",
        *"#$%&_{}",
    }
    assert not re.search(r"(?<!\\)[#$%&_^~]", made)


def test_a_line_cannot_begin_with_an_argument():
    assert escape("[x]*") == "{[}x{]}{*}" and escape("a---b") == "a-{}-{}-b"


def test_a_hostile_board_is_a_whole_table():
    of = hostile_suite()
    text = tex(build(of, every(of)))
    assert r"\input" not in text
    assert len({len(re.findall(r"(?<!\\)&", line)) for line in text.split("\n") if line.endswith(r"\\")}) == 1


def published():
    """A board that is in the repository."""
    return tex(
        build(load(HOME / "suites" / "bits.yaml", Registry()), read(HOME / "leaderboard/boards/bits/records.jsonl"))
    )


def hostile():
    of = hostile_suite()
    return tex(build(of, every(of)))


def foreign():
    of = suite(grid(name="é ß ł ą ð Δ δ 名 \U0001f600 « ² … ’ x̂"))
    return tex(build(of, every(of)))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("made", [published, hostile, foreign])
def test_pdflatex_compiles_it_in_a_plain_document(tmp_path, made):
    (tmp_path / "leaderboard.tex").write_text(made(), encoding="utf-8")
    paper = r"\documentclass{article}\usepackage{booktabs,textcomp}\begin{document}\input{leaderboard}\end{document}"
    (tmp_path / "paper.tex").write_text(paper)
    command = ["pdflatex", "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "paper"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    log = (tmp_path / "paper.log").read_text(errors="replace")
    assert (tmp_path / "paper.pdf").stat().st_size > 5000 and "Missing character" not in log and "undefined" not in log
