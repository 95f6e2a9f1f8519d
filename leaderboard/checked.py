"""Which check record is of which network of a grid, and what the checks broke beyond the row's own attacks."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmark.claims import Row
from benchmark.outcomes import bitmap
from benchmark.types import Grid
from leaderboard.match import Place, Record

Check = Mapping[str, Any]


@dataclass(frozen=True)
class Break:
    """Images that a check broke, as an integer, the first one in the highest bit; at this ε (pixels) or above."""

    norm: str
    eps: float
    images: int


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

    def breaks(self, row: Row, seed: int) -> Iterator[Break]:
        """What belongs to the network's unions, too: the examples of the other checks lie outside the ball."""
        for check in self.of(row, seed):
            if check["norm"] and check["radius"] == check["eps"] and check["found"]:
                yield Break(check["norm"], check["eps"], bitmap(check["outcomes"]["found"], check["n"]))

    def broken(self, row: Row, seed: int, norm: str | None, eps: float) -> int:
        """The images that checks broke inside a ball, as an integer."""
        images = 0
        for one in self.breaks(row, seed):
            if one.norm == norm and one.eps <= eps:
                images |= one.images
        return images


def _is_of(grid: Grid, check: Check, record: Record) -> bool:
    """Whether the check was of the network, of the same test images, and at what is the headline now."""
    same = check["keys"]["network"] == record["keys"]["network"] and check["n"] == record["n"]
    same = same and check["fingerprint"] == record["dataset"]["fingerprint"]
    norms = {attack.norm for attack in grid.attacks}
    return same and (not check["norm"] or (check["norm"] in norms and check["eps"] == grid.headline_of(check["norm"])))
