"""Names of a suite as Markdown: shown as they are, whatever they would like to be."""

from html import unescape

import pytest

from leaderboard.hypertext import inline
from leaderboard.text import escape, printable

SHOWN = "\u2060"  # in an address, so that GitHub does not take it for one


@pytest.mark.parametrize(
    ("name", "marks"),
    [
        ("a@evil.example", "@e"),
        ("www.evil.example", "www."),
        ("WWW.evil.example", "WWW."),
        ("see https://evil.example/x", "://"),
        ("1. x", "1."),
        ("123) x", "123)"),
        ("- x", "- "),
        ("+ x", "+ "),
        ("# x", "#"),
        ("> x", ">"),
    ],
)
def test_nothing_that_github_acts_on_is_left(name, marks):
    """Checked once with cmark-gfm, which is what GitHub runs: none of these becomes a link, a list or a heading."""
    written = escape(name)
    assert marks not in written.replace("&#", "")
    assert unescape(written).replace(SHOWN, "") == unescape(inline(written)).replace(SHOWN, "") == printable(name)


@pytest.mark.parametrize("name", ["PGD-20 @ 8/255", "prune-50+int8", "a - b", "0.5. and 1", "1.5 x", "snake_case"])
def test_what_does_nothing_stays_as_it_is(name):
    assert escape(name) == name
