"""leaderboard.html in a real browser: sorted, filtered, hovered over, opened by keyboard; hostile names; 500 rows."""

import json

import pytest

from leaderboard.match import place
from leaderboard.render import write_board
from tests import browser
from tests.hostile import NAMES, hostile_suite
from tests.speed.page import DRAWN, ROWS, SORT, large
from tests.synthetic_records import every, record, suite

BROWSER = browser.found()
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium here: install one, or set $LEANARMOR_BROWSER")
FIRST = "Array.from(document.querySelectorAll('tr.row')).map(row => row.cells[0].textContent)"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    one = browser.Page(BROWSER, tmp_path_factory.mktemp("profile"))
    yield one
    one.close()


def written(folder, of, lines):
    return write_board(of, lines, [], [], folder).with_suffix(".html")


def ranked(of) -> list[dict]:
    """Row by row fewer images are robust; of the second row there are none."""
    names = [(one.name, other.name) for one in of.grids[0].compressions for other in of.grids[0].trainings]
    lines = []
    for line in every(of):
        at = names.index((line["compression"], line["training"]))
        if at != 1:
            lines.append(record(of, place(line), "1" * (8 - 2 * at) + "0" * (2 + 2 * at)))
    return lines


def test_sorts_by_every_column_and_says_how(page, tmp_path):
    of = suite()
    page.said.clear()
    page.open(written(tmp_path, of, ranked(of)))
    assert page.run(FIRST) == ["dense", "dense", "prune-50", "prune-50"]
    union = "document.querySelectorAll('.board thead button')[4]"
    values = "Array.from(document.querySelectorAll('tr.row')).map(row => row.cells[4].firstChild.textContent)"
    for order, expected in (
        ("descending", ["80.0", "40.0", "20.0", "—"]),
        ("ascending", ["20.0", "40.0", "80.0", "—"]),
        ("none", ["80.0", "—", "40.0", "20.0"]),
    ):
        page.run(f"{union}.click()")
        assert page.run(values) == expected
        assert page.run(f"{union}.parentNode.getAttribute('aria-sort')") == order
    assert page.said == []


def test_filters_by_axis_and_by_name(page, tmp_path):
    of = suite()
    page.open(written(tmp_path, of, ranked(of)))
    choose = "(s => { s.value = '2'; s.dispatchEvent(new Event('change')); })(document.querySelector('.bar select'))"
    page.run(choose)
    assert page.run(FIRST) == ["prune-50", "prune-50"]
    find = "(s => { s.value = 'TUN'; s.dispatchEvent(new Event('input')); })(document.querySelector('.bar input'))"
    page.run(find)
    assert page.run("document.querySelectorAll('tr.row').length") == 1
    assert page.run("document.querySelector('[role=status]').textContent") == "1 of 4 rows"


def test_a_row_opens_from_the_keyboard(page, tmp_path):
    of = suite()
    page.open(written(tmp_path, of, every(of)))
    assert page.run("document.querySelectorAll('tr.row button[tabindex=\"0\"]').length") == 1
    page.run("document.querySelector('tr.row button').focus()")
    page.press("ArrowDown")
    page.press("ArrowDown")
    focused = "document.activeElement.closest('tr').rowIndex"
    assert page.run(focused) == 3
    opened = "document.activeElement.getAttribute('aria-expanded')"
    page.press("Enter")
    assert page.run(opened) == "true" and page.run("document.querySelectorAll('.detail').length") == 1
    text = page.run("document.querySelector('.detail').innerText")
    assert "prune (ratio 0.5)" in text and "--only compression=prune-50 --only training=plain" in text
    assert "trained" in text and page.run("document.querySelectorAll('.detail svg.curve polyline').length") == 2
    page.press(" ")
    assert page.run(opened) == "false" and page.run("document.querySelectorAll('.detail').length") == 0
    page.press("End")
    assert page.run(focused) == 4
    page.press("ArrowUp")
    assert page.run(focused) == 3


def test_hovering_tells_the_interval_and_the_verdict(page, tmp_path):
    of = suite()
    page.open(written(tmp_path, of, every(of)))
    page.hover("tr.row td:nth-child(4)")
    tip = page.run("document.getElementById('tip').hidden ? '' : document.getElementById('tip').textContent")
    assert "95 % interval" in tip and "31.3" in tip and "Verdict: unverified" in tip


def test_hostile_names_are_shown_and_do_nothing(page, tmp_path):
    of = hostile_suite()
    page.said.clear()
    page.open(written(tmp_path, of, every(of)))
    page.run("document.querySelectorAll('tr.row button').forEach(button => button.click())")
    assert page.run("document.querySelectorAll('tr.row').length") == page.run(
        "document.querySelectorAll('.detail').length"
    )
    assert NAMES[0] in page.run(FIRST) and NAMES[1] in page.run("document.title")
    assert (
        page.run("document.querySelectorAll('main img:not(.figure), main a, main script, header script').length") == 0
    )
    assert page.run("document.title") != "taken" and page.said == []


def test_examples_are_drawn_pixel_by_pixel(page, tmp_path):
    of = suite()
    (line, *_) = lines = every(of)
    example = {name: line[name] for name in ("grid", "compression", "training", "seed", "attack", "eps")}
    example |= {"image": 6, "label": "seven", "shape": [1, 2, 2], "clean": "AAAAAA==", "attacked": "AP8AAA=="}
    (tmp_path / "examples.jsonl").write_text(json.dumps(example) + "\n")
    page.open(written(tmp_path, of, lines))
    page.run("document.querySelector('tr.row button').click()")
    look = (
        "Array.from(document.querySelectorAll('canvas')).map(c => c.getContext('2d').getImageData(0, 0, 2, 2).data[4])"
    )
    assert page.run(look) == [0, 255, 255]  # clean, attacked, the difference stretched
    assert page.run("document.querySelector('figcaption').textContent") == (
        "seven (image 6), pgd-20 @ 0.05, seed 0: broken"
    )


def test_the_dark_and_the_printed_page_are_legible(page, tmp_path):
    of = suite()
    page.open(written(tmp_path, of, every(of)))
    ink = "JSON.stringify([getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor])"
    seen = {}
    for name, media, scheme in (("light", "", "light"), ("dark", "", "dark"), ("print", "print", "dark")):
        page.imitate(media, scheme)
        seen[name] = [sum(map(int, colour[4:-1].split(", "))) for colour in json.loads(page.run(ink))]
    page.imitate("", "light")
    assert seen["light"][0] < 200 < 700 < seen["light"][1] and seen["dark"][1] < 200 < 600 < seen["dark"][0]
    assert seen["print"][0] == 0 and seen["print"][1] == 765


def test_without_scripts_a_table_is_there_and_with_them_it_is_not(page, tmp_path):
    of = hostile_suite()
    path = written(tmp_path, of, every(of))
    seen = {}
    for run in (False, True):
        page.scripts(run)
        page.open(path)
        seen[run] = page.run("Array.from(document.querySelectorAll('noscript tbody tr')).map(row => row.offsetHeight)")
    assert len(seen[False]) == 12 and min(seen[False]) > 0 and seen[True] == []
    assert page.run("document.querySelectorAll('tr.row').length") == 12


def test_five_hundred_rows_open_and_sort(page, tmp_path):
    page.open(large(tmp_path))
    assert page.run("document.querySelectorAll('tr.row').length") == ROWS
    page.run(SORT)
    page.run(DRAWN)
    assert page.run("document.querySelectorAll('th[aria-sort]:not([aria-sort=none])').length") == 1
    assert page.run("document.querySelectorAll('tr.row').length") == ROWS
