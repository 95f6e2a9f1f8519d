"""How long leaderboard.html of 500 rows takes to open and to sort in Chromium: `python -m tests.speed.page`.

Seconds of computing by the page's own thread, as the browser counts them; the rows are synthetic.
"""

import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmark.types import Compression
from leaderboard.render import write_board
from tests import browser
from tests.synthetic_records import PRUNE, every, grid, suite

ROWS, TURNS = 500, 5
DRAWN = "new Promise(done => requestAnimationFrame(() => setTimeout(done)))"
SORT = "document.querySelectorAll('.board thead button')[3].click()"


def large(folder: Path) -> Path:
    """The page of a board of ROWS rows, all but the dense ones alike."""
    compressions = (Compression("dense"), *(Compression(f"prune {at}", (PRUNE,)) for at in range(ROWS // 2 - 1)))
    of = suite(grid(compressions=compressions), seeds=(0,))
    lines = every(replace(of, grids=(replace(of.grids[0], compressions=compressions[:2]),)))
    lines += [
        line | {"compression": other.name, "keys": line["keys"] | {"network": other.name + line["training"]}}
        for other in compressions[2:]
        for line in lines
        if line["compression"] == "prune 0"
    ]
    return write_board(of, lines, [], [], folder).with_suffix(".html")


def main() -> int:
    """Open and sort it a few times; print the medians. Exit status: 1 if there is no browser."""
    program = browser.found()
    if program is None:
        print("no Chromium here: install one, or set $LEANARMOR_BROWSER", file=sys.stderr)
        return 1
    opening, sorting = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = large(Path(folder))
        for turn in range(TURNS):
            page = browser.Page(program, Path(folder) / f"profile{turn}")
            page.open(path)
            page.run(DRAWN)
            opening.append(page.worked())  # of a page that has just been opened, all of it was that
            page.run(SORT)
            page.run(DRAWN)
            sorting.append(page.worked() - opening[-1])
            page.close()
        size = path.stat().st_size / 1e6
    print(
        f"{ROWS} rows, {size:.1f} MB: opens in {statistics.median(opening):.2f} s and sorts in "
        f"{statistics.median(sorting):.2f} s of computing (medians of {TURNS})"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
