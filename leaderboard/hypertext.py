"""The Markdown that our own pages are written in, as HTML: headings, paragraphs, lists, tables, code, details.

Everything is escaped first; only then are our marks turned into tags. `text.escape` has made character references of
whatever in a suite's names looks like a mark, so that no name becomes one.
"""

import html
import re
from collections.abc import Iterable

REFERENCE = re.compile(r"&amp;#(\d+);")
NOTE = re.compile(r"&lt;sup&gt;(\d+)&lt;/sup&gt;")
MARKS = (
    (re.compile(r"`([^`]+)`"), r"<code>\1</code>"),
    (re.compile(r"\*\*(.+?)\*\*"), r"<b>\1</b>"),
    (re.compile(r"(?<!\w)\*(.+?)\*(?!\w)"), r"<i>\1</i>"),
)
TAG = re.compile(r"<[^>]*>")
SUMMARY = re.compile(r"<details><summary>(.*)</summary>")


def hypertext(blocks: Iterable[str], label: str = "") -> str:
    """HTML of Markdown blocks; pictures are left out. `label`: what tables are of, until a heading says so."""
    made = []
    for part in "\n\n".join(blocks).split("\n\n"):
        if part.startswith("#"):
            label = part.partition(" ")[2]
        made.append(_table(part.split("\n"), label) if part.startswith("|") else _block(part))
    return "\n".join(filter(None, made))


def inline(text: str) -> str:
    """One line's marks as tags."""
    text = NOTE.sub(r"<sup>\1</sup>", REFERENCE.sub(r"&#\1;", html.escape(text)))
    for mark, tag in MARKS:
        text = mark.sub(tag, text)
    return text


def _block(part: str) -> str:
    if part.startswith("!["):
        return ""
    if part == "</details>":
        return part
    if found := SUMMARY.fullmatch(part):
        return f"<details><summary>{inline(found[1])}</summary>"
    if part.startswith("```"):
        code = "\n".join(part.split("\n")[1:-1])
        return f"<pre><code>{html.escape(code)}</code></pre>"
    if part.startswith("#"):
        marks, _, title = part.partition(" ")
        return f"<h{len(marks)}>{inline(title)}</h{len(marks)}>"
    if part.startswith("- "):
        return _list(part.split("\n"))
    lines = map(inline, part.split("  \n"))
    return f"<p>{'<br>'.join(lines)}</p>"


def _table(lines: list[str], label: str) -> str:
    """In an area that scrolls, by keyboard too. The first column of text names the row."""
    heads, sides, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    right = [side.endswith(":") for side in sides]
    named = right.index(False) if False in right else None

    def cell(text: str, tag: str, end: bool) -> str:
        return f"<{tag}{' class=n' if end else ''}>{inline(text)}</{tag[:2]}>"

    def row(cells: list[str]) -> str:
        tags = ["th scope=row" if at == named else "td" for at in range(len(right))]
        return f"<tr>{''.join(cell(*one) for one in zip(cells, tags, right, strict=True))}</tr>"

    head = "".join(cell(text, "th scope=col", end) for text, end in zip(heads, right, strict=True))
    body = "\n".join(map(row, rows))
    area = f'<div class=scroll tabindex=0 role=region aria-label="{_plain(label)}">'
    return f"{area}<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>"


def _plain(text: str) -> str:
    """One line for an attribute, without marks; what is no mark of ours has been escaped, quotes too."""
    return TAG.sub("", inline(text))


def _list(lines: list[str]) -> str:
    """Of one level, or of two."""
    items: list[tuple[str, list[str]]] = []
    for line in lines:
        if line.startswith("  - "):
            items[-1][1].append(line[4:])
        else:
            items.append((line[2:], []))
    made = []
    for text, below in items:
        inner = f"<ul>{''.join(f'<li>{inline(one)}</li>' for one in below)}</ul>" if below else ""
        made.append(f"<li>{inline(text)}{inner}</li>")
    return f"<ul>{''.join(made)}</ul>"
