"""Boards from stored files: `python -m leaderboard.render SUITE` renders a suite's board again, without torch."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from benchmark.errors import RequestError
from benchmark.plugins import Registry
from benchmark.suite import load
from benchmark.types import Suite
from leaderboard import exports, latex, markdown
from leaderboard.check_records import CHECK
from leaderboard.match import Record
from leaderboard.pictures import pictures
from leaderboard.records import EXAMPLE, HOLE, MEASUREMENT, Schema, default_out, read, save
from leaderboard.registration import registered
from leaderboard.table import Table, build
from leaderboard.text import MISSING, SPACE, at, of_seeds, percent, printable, quantity, subset
from leaderboard.verdict import SOUND, SUSPECT, UNVERIFIED
from leaderboard.webpage import document

ROWS = 15  # of a grid, on a terminal
COLUMNS = 4  # with more ε than this, a terminal shows the middle one
SIZES = {"parameters": "", "weight_bytes": "B"}

Lines = Iterable[Mapping[str, Any]]


def write_board(
    suite: Suite, records: Iterable[Record], measurements: Lines, holes: Lines, out: Path, checks: Lines = ()
) -> Path:
    """Write leaderboard.md, .html, .tex, both .csv and figures into the folder `out`; the path of the first.

    `suite` as read from its file; lines as README.md documents them. RequestError: the records are not of one run.
    """
    records = list(records)
    path = Path(out) / "leaderboard.md"
    fixed = registered(path.with_name("claims.jsonl"), suite) if suite.claims else None
    board, measurements, holes = build(suite, records, checks), list(measurements), list(holes)
    examples = _read_any(path.with_name("examples.jsonl"), EXAMPLE)
    drawn = pictures(board, measurements, path.parent)
    page = markdown.page(board, measurements, holes, fixed, drawn)
    save(path.with_suffix(".csv"), exports.csv(records))
    save(path.with_name("leaderboard-rows.csv"), exports.rows_csv(board))
    save(path.with_suffix(".tex"), latex.tex(board))
    save(path.with_suffix(".html"), document(board, measurements, holes, fixed, drawn, examples, path.parent))
    save(path, page)
    return path


def headline(suite: Suite, records: Iterable[Record], checks: Lines = ()) -> str:
    """A few columns of the board, for a terminal: at most 15 rows of each grid, in the suite's order."""
    return "\n\n".join(_short_table(suite, table) for table in build(suite, records, checks).tables)


def _short_table(suite: Suite, table: Table) -> str:
    columns = table.unions if len(table.unions) <= COLUMNS else table.middles
    lines = []
    for row in table.ordered[:ROWS]:
        cells = [row.compression, row.training, percent(row.clean, of_seeds(row.clean))]
        cells += [percent(row.accuracy[column], of_seeds(row.accuracy[column])) for column in columns]
        cells += [
            quantity(row.size[name].mean, unit) if row.size[name].values else MISSING for name, unit in SIZES.items()
        ]
        cells.append(str(row.verdict))
        lines.append([printable(cell.replace(SPACE, " ")) for cell in cells])
    heads = ["compression", "training", "clean %"]
    heads += [printable(f"robust % @ {at(suite, table, column)}") for column in columns]
    heads += ["parameters", "weights", "verdict"]
    sides = ["left", "left"] + ["right"] * (len(heads) - 3) + ["left"]
    drawn = tabulate(lines, heads, tablefmt="simple", disable_numparse=True, colalign=sides)
    more = len(table.rows) - ROWS
    last = [f"… and {more} more in leaderboard.md"] if more > 0 else []
    words = Counter(row.verdict.word for row in table.rows)
    trust = ", ".join(f"{words[word]} {word}" for word in (SOUND, SUSPECT, UNVERIFIED) if words[word])
    trust += "" if words[SOUND] else ", so not ranked"
    about = f"{printable(table.grid.name)}: {subset(table)}; {trust}"
    return "\n".join([about, drawn, *last])


def _read_any(path: Path, schema: Schema) -> list[dict[str, Any]]:
    return read(path, schema) if path.exists() else []


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. 0: rendered; 2: the request is wrong, in one line."""
    parser = argparse.ArgumentParser(prog="python -m leaderboard.render", description=__doc__)
    parser.add_argument("suite", type=Path, help="a suite file that has been run")
    parser.add_argument("--out", type=Path, help="the folder of its results (default: results/FILE)")
    parser.add_argument("--plugins", type=Path, action="append", default=[], metavar="DIR", help="more plugins")
    asked = parser.parse_args(arguments)
    out = asked.out or default_out(asked.suite)
    try:
        suite = load(asked.suite, Registry(asked.plugins))
        records = read(out / "records.jsonl")
        measurements = _read_any(out / "measurements.jsonl", MEASUREMENT)
        holes = _read_any(out / "failures.jsonl", HOLE)
        checks = _read_any(out / "checks.jsonl", CHECK)
        print(write_board(suite, records, measurements, holes, out, checks))
    except (RequestError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
