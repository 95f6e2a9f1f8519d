"""leaderboard.html in a real browser: sorted, filtered, hovered over, opened by keyboard; hostile names; 500 rows."""

import json

import pytest

from benchmark.types import Compression
from leaderboard.match import place
from leaderboard.render import write_board
from tests import browser
from tests.hostile import NAMES, hostile_suite
from tests.speed.page import DRAWN, ROWS, SORT, large
from tests.synthetic_records import PRUNE, every, grid, record, suite
from tests.test_leaderboard_html import judged

BROWSER = browser.found()
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium here: install one, or set $LEANARMOR_BROWSER")
FIRST = "Array.from(document.querySelectorAll('tr.row')).map(row => row.cells[0].textContent)"
OPEN = "document.querySelectorAll('.detail').length"
TIP = "document.getElementById('tip').hidden ? '' : document.getElementById('tip').textContent"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    one = browser.Page(BROWSER, tmp_path_factory.mktemp("profile"))
    yield one
    one.close()


def written(folder, of, lines):
    return write_board(of, lines, [], [], folder).with_suffix(".html")


def plain(folder):
    return written(folder, suite(), every(suite()))


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


def mixed(folder):
    """A page of six rows, robust on 5 images, 4, …, 0, with verdicts mixed as in no real run."""
    of = suite(grid(compressions=tuple(Compression(name, (PRUNE,)) for name in "abc")), seeds=(0,))
    names = [(one.name, other.name) for one in of.grids[0].compressions for other in of.grids[0].trainings]
    bits = {name: f"{'1' * (5 - at):0<10}" for at, name in enumerate(names)}
    lines = [record(of, place(line), bits[line["compression"], line["training"]]) for line in every(of)]
    path = folder / "mixed.html"
    path.write_text(judged(of, lines, ("suspect", "unverified", "sound") * 2))
    return path


def test_however_sorted_suspect_rows_stay_below_sound_ones(page, tmp_path):
    page.open(mixed(tmp_path))
    heads = page.run("Array.from(document.querySelectorAll('.board thead th')).map(head => head.textContent)")
    rows = "Array.from(document.querySelectorAll('tr.row')).map(row => row.cells[{}].firstChild.textContent).join(' ')"
    union, words, falls = (heads.index(name) for name in ("Robust accuracy (union) @ 0.05", "Verdict", "Training"))
    standing = "sound sound unverified unverified suspect suspect"
    for expected in ("30.0 0.0 40.0 10.0 50.0 20.0", "0.0 30.0 10.0 40.0 20.0 50.0"):
        page.run(f"document.querySelectorAll('.board thead button')[{union}].click()")
        assert page.run(rows.format(union)) == expected and page.run(rows.format(words)) == standing
    page.run(f"document.querySelectorAll('.board thead button')[{falls}].click()")
    assert page.run(rows.format(words)) == standing
    assert page.run("document.querySelector('#grid-0 .note').innerText").startswith(
        "Ranks are by Robust accuracy (union) @ 0.05, of sound rows alone. Sorted by any column, sound rows stay above "
    )


def test_ranks_are_shown_where_rows_are_ranked(page, tmp_path):
    page.open(mixed(tmp_path))
    ranks = "Array.from(document.querySelectorAll('tr.row')).map(row => row.cells[0].textContent)"
    assert page.run("document.querySelector('.board thead th').textContent") == "Rank"
    assert page.run(ranks) == ["1", "2", "—", "—", "—", "—"]
    page.run("document.querySelector('.board thead button').click()")  # not the worst first, as of figures
    assert page.run(ranks)[:2] == ["1", "2"]
    page.open(plain(tmp_path))
    assert page.run("document.querySelector('.board thead th').textContent") == "Compression"
    assert "No row is ranked." in page.run("document.querySelector('#grid-0 .note').innerText")


def test_filters_by_axis_and_by_name(page, tmp_path):
    of = suite()
    page.open(written(tmp_path, of, ranked(of)))
    choose = "(s => { s.value = '2'; s.dispatchEvent(new Event('change')); })(document.querySelector('.bar select'))"
    page.run(choose)
    assert page.run(FIRST) == ["prune-50", "prune-50"]
    page.run("(s => { s.value = 'TUN'; s.dispatchEvent(new Event('input')); })(document.querySelector('.bar input'))")
    assert page.run("document.querySelectorAll('tr.row').length") == 1
    assert page.run("document.querySelector('[role=status]').textContent") == "1 of 4 rows"


def test_a_row_opens_from_the_keyboard(page, tmp_path):
    page.open(plain(tmp_path))
    assert page.run("document.querySelectorAll('tr.row button[tabindex=\"0\"]').length") == 1
    page.run("document.querySelector('tr.row button').focus()")
    page.press("ArrowDown")
    page.press("ArrowDown")
    focused = "document.activeElement.closest('tr').rowIndex"
    assert page.run(focused) == 3
    opened = "document.activeElement.getAttribute('aria-expanded')"
    page.press("Enter")
    assert page.run(opened) == "true" and page.run(OPEN) == 1
    text = page.run("document.querySelector('.detail').innerText")
    assert "prune (ratio 0.5)" in text and "--only compression=prune-50 --only training=plain" in text
    assert "trained" in text and page.run("document.querySelectorAll('.detail svg.curve polyline').length") == 2
    page.press(" ")
    assert page.run(opened) == "false" and page.run(OPEN) == 0
    page.press("End")
    assert page.run(focused) == 4
    page.press("ArrowUp")
    assert page.run(focused) == 3


def test_selected_text_stops_no_key_and_selecting_it_opens_no_row(page, tmp_path):
    page.open(plain(tmp_path))
    page.run("getSelection().selectAllChildren(document.querySelector('h1'))")
    page.run("document.querySelector('tr.row button').focus()")
    page.press("Enter")
    assert page.run("String(getSelection())") and page.run(OPEN) == 1
    page.run("getSelection().selectAllChildren(document.querySelector('tr.row'))")
    page.press("Enter")
    assert page.run(OPEN) == 0
    page.run("getSelection().removeAllRanges()")
    page.drag("tr.row th + th", 40)
    assert page.run("String(getSelection())") and page.run(OPEN) == 0
    page.click("tr.row th + th")
    assert page.run(OPEN) == 1


def test_the_keyboard_reaches_what_a_cell_tells_and_escape_closes_it(page, tmp_path):
    page.open(plain(tmp_path))
    page.run("document.querySelector('tr.row button').focus()")
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight"):
        page.press(key)
    assert page.run("[document.activeElement.parentNode.rowIndex, document.activeElement.cellIndex]") == [3, 2]
    assert "Δ to dense" in page.run(TIP) and "2 networks: 80.0, 80.0" in page.run(TIP)
    described = "document.getElementById(document.activeElement.getAttribute('aria-describedby'))?.textContent"
    assert page.run(described) == page.run(TIP)
    page.press("ArrowRight")
    assert "60.0, 60.0" in page.run(TIP) and page.run(described) == page.run(TIP)
    assert page.run("document.querySelectorAll('[aria-describedby=tip]').length") == 1
    page.press("Escape")
    assert page.run(TIP) == "" and page.run(described) is None
    page.press("ArrowLeft")
    assert "95 % interval" in page.run(TIP)
    page.press("Enter")
    assert page.run(OPEN) == 1 and page.run("document.activeElement.cellIndex") == 2
    page.press("Tab")
    assert page.run(TIP) == ""
    page.hover("tr.row td:nth-child(4)")
    assert page.run(TIP)
    page.press("Escape")
    page.hover("tr.row td:nth-child(4) small")
    assert page.run(TIP) == ""
    page.hover("tr.row td:nth-child(5)")
    assert page.run(TIP)


def test_headers_regions_and_filters_have_names(page, tmp_path):
    page.open(plain(tmp_path))
    assert page.run("Array.from(document.querySelectorAll('.board tbody th'), th => th.scope)") == ["row"] * 8
    assert page.run("document.querySelectorAll('table tr th:not([scope])').length") == 0
    unnamed = "Array.from(document.querySelectorAll('.scroll')).filter(one => {}).length"
    region = "one.tabIndex !== 0 || one.getAttribute('role') !== 'region' || !one.getAttribute('aria-label')"
    assert page.run(unnamed.format(region)) == 0 and page.run("document.querySelectorAll('.scroll').length") > 1
    assert page.run("document.querySelector('.board').getAttribute('aria-label')").startswith("digits")
    assert page.run("Array.from(document.querySelectorAll('.bar select, input'), one => one.labels.length)") == [1] * 4
    assert page.run("document.querySelector('.board').getAttribute('aria-describedby')") == "grid-0-note"


def test_the_focus_can_be_seen(page, tmp_path):
    page.open(plain(tmp_path))
    page.press("Tab")
    outlined = "(style => style.outlineStyle + ' ' + style.outlineWidth)(getComputedStyle(document.activeElement))"
    name = "document.activeElement.className || document.activeElement.tagName"
    seen = []
    for _ in range(12):
        seen.append((page.run(name), page.run(outlined)))
        page.press("Tab")
    assert {"SELECT", "INPUT", "scroll", "BUTTON"} <= {name for name, _ in seen}
    page.run("document.querySelector('tr.row button').focus()")
    page.press("ArrowRight")
    seen.append(("cell", page.run(outlined)))
    assert {outline for _, outline in seen} == {"solid 2px"}


@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_sticks_out_or_hides_what_has_the_focus(page, tmp_path, width, request):
    request.addfinalizer(lambda: page.resize(1400, 1000))
    page.resize(width, 700)
    of = hostile_suite()
    page.open(written(tmp_path, of, every(of)))
    page.run("document.querySelector('tr.row button').click()")
    assert page.run("document.documentElement.scrollWidth") <= width
    inside = "Array.from(document.querySelectorAll('.detail .card')).every(card => card.offsetWidth <= innerWidth)"
    assert page.run(inside)
    page.run("document.querySelector('tr.row button').focus()")
    shown = "(box => document.elementFromPoint(box.x + 3, box.y + 3))(document.activeElement.getBoundingClientRect())"
    columns = page.run("document.querySelector('.board tr').cells.length")
    seen = page.run("document.documentElement.clientWidth")
    for key, times in (("ArrowDown", 11), ("ArrowRight", columns - 1), ("ArrowUp", 11), ("ArrowLeft", columns - 2)):
        for _ in range(times):
            page.press(key)
            assert page.run(f"document.activeElement.contains({shown})")
            box = json.loads(page.run("JSON.stringify(document.getElementById('tip').getBoundingClientRect())"))
            assert box["left"] >= 0 and box["right"] <= seen


def test_hovering_tells_the_interval_and_the_verdict(page, tmp_path):
    page.open(plain(tmp_path))
    page.hover("tr.row td:nth-child(4)")
    tip = page.run(TIP)
    assert "95 % interval" in tip and "31.3" in tip and "Verdict: unverified" in tip


def test_hostile_names_are_shown_and_do_nothing(page, tmp_path):
    of = hostile_suite()
    page.said.clear()
    page.open(written(tmp_path, of, every(of)))
    page.run("document.querySelectorAll('tr.row button').forEach(button => button.click())")
    assert page.run("document.querySelectorAll('tr.row').length") == page.run(OPEN)
    assert NAMES[0] in page.run(FIRST) and NAMES[1] in page.run("document.title")
    strange = "document.querySelectorAll('main img:not(.figure), main a, main script, header script').length"
    assert page.run(strange) == 0
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
    page.open(plain(tmp_path))
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
