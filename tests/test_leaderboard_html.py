"""leaderboard.html without a browser: what it holds, and that names stay names. In one: `test_browser`."""

import json
import re
import shlex
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from benchmark import run
from leaderboard import render
from leaderboard.hypertext import hypertext, inline
from leaderboard.table import build
from leaderboard.text import escape, printable
from leaderboard.verdict import Verdict
from leaderboard.webpage import document
from tests.hostile import NAMES, hostile_suite
from tests.synthetic_records import every, shown, suite


def page(of, lines, **more) -> str:
    given = {"measurements": [], "holes": [], "registered": None, "pictures": None, "examples": [], "out": None}
    return document(build(of, lines), **given | more)


def judged(of, lines, words) -> str:
    """The page if the rows had these verdicts."""
    board = build(of, lines)
    rows = [
        replace(row, verdict=Verdict(word, () if word == "sound" else ("why",)))
        for row, word in zip(board.tables[0].rows, words, strict=True)
    ]
    given = {"measurements": [], "holes": [], "registered": None, "pictures": None, "examples": [], "out": None}
    return document(replace(board, tables=(replace(board.tables[0], rows=tuple(rows)),)), **given)


def data(text: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1])


class Tags(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))


def test_a_cell_holds_its_number_its_interval_and_what_is_said_of_it():
    of = suite()
    (grid,) = data(page(of, every(of)))["grids"]
    heads = [column["name"] for column in grid["columns"]]
    cells = dict(zip(heads, grid["rows"][2]["cells"], strict=True))
    clean = cells["Clean accuracy"]
    assert f"{clean['text']} {clean['between']}".replace("\u00a0", " ") == shown(8, 8) and clean["value"] == 80.0
    assert "2 networks: 80.0, 80.0" in clean["tip"] and "Δ to dense: 0.0 [" in clean["tip"]
    assert "Verdict: unverified (verify: none)" in clean["tip"]
    assert (cells["Verdict"]["text"], cells["Verdict"]["between"]) == ("unverified", "verify: none")
    assert (cells["Parameters"]["value"], cells["Parameters"]["between"].replace("\u00a0", " ")) == (250_000, "25 %")
    assert [len(one["names"]) for one in grid["filters"]] == [2, 2, 1]


def test_behind_a_row_are_its_recipe_its_curve_its_attacks_and_its_checks():
    of = suite()
    row = data(page(of, every(of)))["grids"][0]["rows"][2]
    assert ["compression", "prune (ratio 0.5), then the training before it, once more"] in row["recipe"]
    (curve,) = row["curves"]
    assert [line["name"] for line in curve["lines"]] == ["prune-50", "dense"]
    assert [point[:2] for point in curve["lines"][0]["points"]] == [[0.0, 80.0], [0.05, 60.0], [0.1, 60.0]]
    assert row["attacks"][0][:3] == ["pgd-20 (ℓ∞)", "0.05", "60.0"]
    assert ["trained", "0", "passed"] in [line[:3] for line in row["checks"]]


def test_the_command_of_a_row_asks_for_that_row(monkeypatch):
    of = hostile_suite()
    words = shlex.split(data(page(of, every(of)))["grids"][0]["rows"][3]["command"])
    assert words[:4] == ["python", "-m", "benchmark.run", "suites/it's a.yaml"]
    options = run._parse(words[3:])
    assert options.only == [f"grid={NAMES[0]}", f"compression={NAMES[0]}", f"training={NAMES[1]}"]


def test_names_are_text_and_nothing_else():
    of = hostile_suite()
    text = page(of, every(of))
    assert data(text)["grids"][0]["rows"][2]["cells"][0]["text"] == NAMES[0]
    tags = Tags(text).tags
    assert [tag for tag, _ in tags].count("script") == 2 and not [tag for tag, _ in tags if tag in ("img", "a")]
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
    assert "\x1b" not in text


class Static(Tags):
    """The rows of the tables inside <noscript>, as texts."""

    def __init__(self, text: str):
        self.rows: list[list[str]] = []
        self.inside: list[str] = []
        super().__init__(text)

    def handle_starttag(self, tag, attributes):
        super().handle_starttag(tag, attributes)
        self.inside += [tag] if tag in ("noscript", "td", "th") else []
        if "noscript" in self.inside and tag == "tr":
            self.rows.append([])
        if "noscript" in self.inside and tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        if tag in self.inside:
            self.inside.remove(tag)

    def handle_data(self, data):
        if "noscript" in self.inside and self.inside[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def test_without_scripts_there_is_a_plain_table():
    of = suite()
    text = judged(of, every(of), ["sound", "sound", "unverified", "unverified"])
    heads, *lines = Static(text).rows
    assert heads[:3] == ["Rank", "Row", "Clean accuracy"] and heads[-2:] == ["95 % interval", "Verdict"]
    mean, interval = shown(6, 6).split(" ", 1)
    assert lines[0] == ["1", "dense / plain", "80.0", mean, interval.replace(" ", "\u00a0"), "sound"]
    assert [line[:2] for line in lines[1:]] == [
        ["2", "dense / tuned"],
        ["—", "prune-50 / plain"],
        ["—", "prune-50 / tuned"],
    ]
    assert lines[-1][-1] == "unverified (why)"


def test_a_name_in_the_plain_table_is_text():
    of = hostile_suite()
    lines = Static(page(of, every(of))).rows[1:]
    names = {
        f"{printable(one.name)} / {printable(other.name)}"
        for one in of.grids[0].compressions
        for other in of.grids[0].trainings
    }
    assert {line[1] for line in lines} == names


def test_our_markdown_becomes_tags():
    blocks = ["# t", "a **b** *c* `d` 2 * 3", "- x\n- y\n  - z", "| h | n |\n|:--|--:|\n| p | 1<sup>2</sup> |"]
    text = hypertext([*blocks, "<details><summary>s</summary>\n\nin\n\n</details>", "```sh\na <b>\n```", "![x](y)"])
    assert "<h1>t</h1>" in text and "<p>a <b>b</b> <i>c</i> <code>d</code> 2 * 3</p>" in text
    assert "<ul><li>x</li><li>y<ul><li>z</li></ul></li></ul>" in text
    assert "<th scope=row>p</th><td class=n>1<sup>2</sup></td>" in text and "<th scope=col class=n>n</th>" in text
    assert '<div class=scroll tabindex=0 role=region aria-label="t">' in text
    assert "<details><summary>s</summary>\n<p>in</p>\n</details>" in text
    assert "<pre><code>a &lt;b&gt;</code></pre>" in text and "<img" not in text


@pytest.mark.parametrize("name", NAMES)
def test_a_name_goes_through_markdown_and_html_unchanged(name):
    from html import unescape

    made = inline(escape(name))
    assert "<" not in made and unescape(made) == printable(name)


@pytest.mark.parametrize("name", [*NAMES, "'\"&"])
def test_a_tables_label_is_its_heading_and_nothing_else(name):
    table = "| n | h | m |\n|--:|:--|:--|\n| 1 | p | q |"
    tags = Tags(hypertext([table, f"## {escape(name)}", table], "before")).tags
    assert [attributes.get("aria-label") for tag, attributes in tags if tag == "div"] == ["before", printable(name)]
    heads = [attributes["scope"] for tag, attributes in tags if tag == "th"]
    assert heads == [*["col"] * 3, "row"] * 2
    assert {tag for tag, _ in tags} <= {"h2", "div", "table", "thead", "tbody", "tr", "th", "td"}


def test_the_page_is_a_pure_function_and_asks_for_nothing(tmp_path):
    of = suite()
    for folder in ("a", "b"):
        render.write_board(of, every(of), [], [], tmp_path / folder)
    first, second = (
        {path.relative_to(tmp_path / folder): path.read_bytes() for path in (tmp_path / folder).rglob("*.*")}
        for folder in ("a", "b")
    )
    assert first == second and {"leaderboard.html", "leaderboard.tex", "1-compression.svg"} <= {
        path.name for path in first
    }
    text = (tmp_path / "a" / "leaderboard.html").read_text()
    wanted = [
        value for _, attributes in Tags(text).tags for name, value in attributes.items() if name in ("src", "href")
    ]
    assert wanted and all(value.startswith("data:image/svg+xml;base64,") for value in wanted)
    assert "default-src 'none'" in text
