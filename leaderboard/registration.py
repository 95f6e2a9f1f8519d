"""When a suite's claims were fixed: how much was judged when they, and the rows they speak of, were first seen."""

import json
from dataclasses import dataclass
from pathlib import Path

from benchmark.claims import fingerprint
from benchmark.types import Suite, canonical
from leaderboard.records import save


@dataclass(frozen=True)
class Registration:
    """How many of the planned cells were judged at first sight, and how many other versions had been seen before."""

    judged: int
    planned: int
    earlier: int


def register(path: Path, suite: Suite, judged: int, planned: int) -> None:
    """Note, once, how many of a suite's planned cells were judged when its claims were first seen as they are now.

    To be called before a run starts. `path`: JSON Lines, one object of claims (their hash), judged and planned for each
    version of the suite, the first one first.
    """
    if suite.claims and registered(path, suite) is None:
        entry = {"claims": fingerprint(suite), "judged": judged, "planned": planned}
        save(path, "".join(canonical(line) + "\n" for line in [*_lines(path), entry]))


def registered(path: Path, suite: Suite) -> Registration | None:
    """What `register` noted of the suite as it is now."""
    own = fingerprint(suite)
    for earlier, line in enumerate(_lines(path)):
        if line["claims"] == own:
            return Registration(line["judged"], line["planned"], earlier)
    return None


def _lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
