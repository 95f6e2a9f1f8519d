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

    To be called before a run starts. `path`: JSON Lines, one object of suite (the hash of its claims and rows), judged
    and planned for each version of the suite, the first one first.
    """
    if suite.claims and registered(path, suite) is None:
        entry = {"suite": fingerprint(suite), "judged": judged, "planned": planned}
        save(path, (path.read_text("utf-8") if path.exists() else "") + canonical(entry) + "\n")


def registered(path: Path, suite: Suite) -> Registration | None:
    """What `register` noted of the suite as it is now."""
    own = fingerprint(suite)
    for earlier, line in enumerate(_lines(path)):
        if line["suite"] == own:
            return Registration(line["judged"], line["planned"], earlier)
    return None


def _lines(path: Path) -> list[dict]:
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return [line for line in map(json.loads, lines) if "suite" in line]  # not those that hashed the claims alone
