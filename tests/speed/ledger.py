"""What was measured, one JSON object a line: a run that was killed goes on after the last whole line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmark.errors import RequestError
from benchmark.outcomes import bitmap

Line = dict[str, Any]
KEY = ("part", "network", "who", "chunk")  # no two lines have the same


class Ledger:
    """The lines of one file. Without a path they are kept in memory alone."""

    def __init__(self, path: Path | None = None):
        self.path = path
        self._lines: dict[tuple, Line] = {}
        if path and path.exists():
            whole = path.read_bytes()
            kept = whole[: whole.rfind(b"\n") + 1]  # a kill may have cut the last line short
            if kept != whole:
                path.write_bytes(kept)
            for number, text in enumerate(kept.decode().splitlines(), 1):
                try:
                    self._keep(json.loads(text))
                except (ValueError, KeyError, TypeError):
                    raise RequestError(f"{path}:{number}: no line of a measurement; give another file") from None

    def add(self, part: str, network: str, who: str, chunk: int, **measured: Any) -> Line:
        line = {"part": part, "network": network, "who": who, "chunk": chunk, **measured}
        self._keep(line)
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as file:
                file.write(json.dumps(line) + "\n")
        return line

    def get(self, part: str, network: str, who: str, chunk: int = 0) -> Line | None:
        return self._lines.get((part, network, who, chunk))

    def of(self, part: str, network: str) -> dict[str, list[Line]]:
        """The lines of a part by who, in the order in which they first ran; each one's in the order of the chunks."""
        found: dict[str, list[Line]] = {}
        for line in self._lines.values():
            if line["part"] == part and line["network"] == network:
                found.setdefault(line["who"], []).append(line)
        return {who: sorted(lines, key=lambda line: line["chunk"]) for who, lines in found.items()}

    def networks(self, part: str) -> Iterator[str]:
        """The networks that have lines of a part, in the order in which they came."""
        yield from dict.fromkeys(line["network"] for line in self._lines.values() if line["part"] == part)

    def begin(self, network: str, described: Line) -> None:
        """Say what a network's lines are about; RequestError if the file has others of the same network."""
        known = self.get("ground", network, "settings")
        if known is None:
            self.add("ground", network, "settings", 0, **described)
            return
        for name, value in described.items():
            if known.get(name) != value:
                raise RequestError(
                    f"{self.path}: {network} was measured with {name} {known.get(name)}, not {value}; "
                    "give another --out, or delete it"
                )

    def _keep(self, line: Line) -> None:
        self._lines[tuple(line[name] for name in KEY)] = line


def differing(some: list[Line], others: list[Line]) -> tuple[int, int]:
    """On the chunks that both have: outcomes, and those that differ. `robust` is a packed text an ε."""
    by_chunk = {line["chunk"]: line for line in others}
    total = different = 0
    for line in some:
        if line["chunk"] in by_chunk:
            for one, other in zip(line["robust"], by_chunk[line["chunk"]]["robust"], strict=True):
                total += line["n"]
                different += (bitmap(one, line["n"]) ^ bitmap(other, line["n"])).bit_count()
    return total, different
