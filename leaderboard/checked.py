"""Which check record is of which network of a grid, and what the checks broke beyond the row's own attacks."""

from collections.abc import Iterable, Mapping
from typing import Any

from benchmark.claims import Row
from benchmark.outcomes import bitmap
from benchmark.types import Grid
from leaderboard.match import Place, Record

Check = Mapping[str, Any]


def broken(checks: Iterable[Check], norm: str | None, eps: float) -> int:
    """The images that a network's checks broke inside a ball, as an integer, the first one in the highest bit.

    What lies outside of the headline's ball (an unbounded attack) is no such break.
    """
    images = 0
    for check in checks:
        if check["norm"] == norm and check["radius"] == check["eps"] and check["eps"] <= eps:
            images |= bitmap(check["outcomes"]["found"], check["n"])
    return images


def tried(checks: Iterable[Check], norm: str | None, eps: float) -> bool:
    """Whether a check has shown any image to an attack inside a ball."""
    return any(
        check["norm"] == norm and check["radius"] == check["eps"] <= eps and check["examined"] for check in checks
    )


class Checked:
    """A grid's check records, of the networks that its records are of, at its headline ε."""

    def __init__(self, grid: Grid, found: Mapping[Place, Record], checks: Iterable[Check] = ()):
        one: dict[tuple[Row, int], Record] = {}
        for (_, compression, training, seed, *_), record in found.items():
            one.setdefault(((compression, training), seed), record)
        self._by_network: dict[tuple[Row, int], list[Check]] = {}
        for check in checks:
            network = (check["compression"], check["training"]), check["seed"]
            if check["grid"] == grid.name and network in one and _is_of(grid, check, one[network]):
                self._by_network.setdefault(network, []).append(check)

    def of(self, row: Row, seed: int) -> list[Check]:
        """A network's checks."""
        return self._by_network.get((row, seed), [])

    def one(self, row: Row, seed: int, name: str, norm: str | None) -> Check | None:
        return next((check for check in self.of(row, seed) if (check["check"], check["norm"]) == (name, norm)), None)


def _is_of(grid: Grid, check: Check, record: Record) -> bool:
    """Whether the check was of the network, of the same test images, and at what is the headline now."""
    same = check["keys"]["network"] == record["keys"]["network"] and check["n"] == record["n"]
    same = same and check["fingerprint"] == record["dataset"]["fingerprint"]
    norms = {attack.norm for attack in grid.attacks}
    return same and (not check["norm"] or (check["norm"] in norms and check["eps"] == grid.headline_of(check["norm"])))
