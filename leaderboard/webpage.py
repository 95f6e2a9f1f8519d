"""leaderboard.html: the board as one file that needs no network, to sort, to filter and to look into.

The tables are data (JSON) that the scripts of `page` show; what they show is text to the browser, never markup. Without
scripts a plain table stands in for each. Everything else is the Markdown page's own sections. `<` is written as an
escape inside the data, so that nothing ends the script, and the page's content policy runs no other script than ours.
"""

import base64
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from html import escape as quoted
from pathlib import Path
from string import Template
from typing import Any

from benchmark.outcomes import unpack
from benchmark.types import canonical
from leaderboard import markdown
from leaderboard.hypertext import hypertext
from leaderboard.match import place
from leaderboard.pictures import MISSING as NO_PICTURES
from leaderboard.pictures import Picture
from leaderboard.recipes import recipes
from leaderboard.registration import Registration
from leaderboard.static_table import static_table
from leaderboard.table import Board, Table
from leaderboard.text import escape, printable
from leaderboard.transfer_page import transfer_section
from leaderboard.web_rows import grid_data, key_of

PARTS = Path(__file__).parent / "page"
SCRIPTS = ("elements.js", "tip.js", "details.js", "board.js")  # one script, in this order

Lines = Iterable[Mapping[str, Any]]


def document(
    board: Board,
    measurements: Lines,
    holes: Lines,
    registered: Registration | None,
    pictures: Mapping[str | None, Sequence[Picture]] | None,
    examples: Lines,
    out: Path,
) -> str:
    """The page. `examples`: lines of examples.jsonl; `out`: the folder that the pictures' paths are relative to."""
    measurements, holes, found = list(measurements), list(holes), markdown.compared(board)
    sections, grids = [], []
    for number, (table, figures) in enumerate(zip(board.tables, board.figures, strict=True)):
        grids.append(grid_data(board, table, figures, found, measurements))
        below = markdown.beside(board, table, figures, found) + markdown.costs(board, table, figures, measurements)
        drawn = [_picture(one, out) for one in (pictures or {}).get(table.grid.name, ())]
        sections += ["<section>", hypertext(markdown.facts(board, table)), _grid(board, table, number)]
        sections += [hypertext(below, escape(table.grid.name)), *drawn, hypertext([recipes(table)]), "</section>"]
    sections.append(hypertext(transfer_section(board.transfers)))
    sections += [_picture(one, out) for one in (pictures or {}).get(None, ())]
    rest = [NO_PICTURES] * (pictures is None) + markdown.rest(board, measurements, holes, registered)
    script = "\n".join(map(_part, SCRIPTS))
    data = canonical({"grids": grids, "examples": _examples(board, examples)})
    return Template(_part("page.html")).substitute(
        title=quoted(printable(board.suite.name)),
        style=_part("board.css"),
        head=hypertext(markdown.head(board, holes)),
        grids="\n".join(sections),
        rest=hypertext(rest),
        data=data.replace("<", "\\u003c"),
        script=script,
        hash=f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}",
    )


def _grid(board: Board, table: Table, number: int) -> str:
    """Where board.js puts the grid's table; who runs no scripts sees a plain one."""
    plain = hypertext(
        ["Without scripts, a table to read; leaderboard.md has every column.", static_table(board, table)],
        escape(table.grid.name),
    )
    return f'<div id="grid-{number}"><noscript>\n{plain}\n</noscript></div>'


def _part(name: str) -> str:
    return (PARTS / name).read_text("utf-8")


def _picture(picture: Picture, out: Path) -> str:
    content = base64.b64encode((out / picture.path).read_bytes()).decode()
    return f'<img class=figure alt="{quoted(printable(picture.title))}" src="data:image/svg+xml;base64,{content}">'


def _examples(board: Board, lines: Lines) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """By grid and row: images, and what became of them."""
    records = {
        place(record): record
        for one in board.figures
        for row in one.rows()
        for of_seed in one.records(row).values()
        for record in of_seed
    }
    found: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        record = records.get(place(line))
        if record and line["image"] < record["n"]:
            right = {name: unpack(packed, record["n"])[line["image"]] for name, packed in record["outcomes"].items()}
            fate = "stands" if right["robust"] else "broken" if right["clean"] else "wrong without an attack"
            eps = record["eps_label"]
            says = f"{line['label']} (image {line['image']}), {record['attack']} @ {eps}, seed {record['seed']}: {fate}"
            row = key_of((record["compression"], record["training"]))
            found[line["grid"]][row].append(
                {"shape": line["shape"], "clean": line["clean"], "attacked": line["attacked"], "says": says}
            )
    return found
