"""Which check record is of which network of a grid, what it certifies, and what the checks broke beyond the attacks."""

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

from benchmark.claims import Row
from benchmark.outcomes import bitmap
from benchmark.types import PROTOCOL, Grid
from benchmark.verification import KINDS, STRONG, TRANSFER, Kind, others
from leaderboard.match import Place, Record

Check = Mapping[str, Any]


def broken(checks: Iterable[Check], norm: str | None, eps: float) -> int:
    """The images that a network's checks broke inside a ball, as an integer, the first one in the highest bit.

    What lies outside of the headline's ball (an unbounded attack) is no such break.
    """
    images = 0
    for check in checks:
        if _inside(check, norm, eps):
            images |= bitmap(check["outcomes"]["found"], check["n"])
    return images


def tried(checks: Iterable[Check], norm: str | None, eps: float) -> bool:
    """Whether a check has shown any image to an attack inside a ball."""
    return any(_inside(check, norm, eps) and check["examined"] for check in checks)


def _inside(check: Check, norm: str | None, eps: float) -> bool:
    """Whether a check's examples lie inside a ball."""
    return check["norm"] == norm and check["radius"] == check["eps"] and check["eps"] <= eps


class Checked:
    """A grid's check records, of the networks that its records are of, at its headline ε.

    found: the records of its networks as they were judged, before anything is folded into them.
    """

    def __init__(self, grid: Grid, found: Mapping[Place, Record], checks: Iterable[Check] = ()):
        self._grid = grid
        self._records: dict[tuple[Row, int], dict[tuple[str, float], Record]] = {}
        for (_, compression, training, seed, attack, eps), record in found.items():
            self._records.setdefault(((compression, training), seed), {})[attack, eps] = record
        self._by_network: dict[tuple[Row, int], list[Check]] = {}
        for check in checks:
            network = (check["compression"], check["training"]), check["seed"]
            known = next(iter(self._records.get(network, {}).values()), None)
            if check["grid"] == grid.name and known and _is_of(grid, check, known):
                self._by_network.setdefault(network, []).append(check)

    def of(self, row: Row, seed: int) -> list[Check]:
        """A network's checks."""
        return self._by_network.get((row, seed), [])

    def one(self, row: Row, seed: int, name: str, norm: str | None) -> Check | None:
        return next((check for check in self.of(row, seed) if (check["check"], check["norm"]) == (name, norm)), None)

    def made(self, row: Row, seed: int, norm: str, eps: float) -> frozenset[tuple]:
        """Which checks have lowered a network's union, or could have: their names, levels, sizes, and what is wrong."""
        inside = [check for check in self.of(row, seed) if _inside(check, norm, eps)]
        kinds = {kind.name: kind for kind in KINDS}
        return frozenset(
            (check["check"], check["level"], check["size"], self.invalid(kinds[check["check"]], check))
            for check in inside
            if check["check"] in kinds
        )

    def invalid(self, kind: Kind, check: Check) -> str:
        """Why a check says nothing of its network as the suite and its records have it now; empty if it does.

        What a check looked at has to be what the row's attacks leave today: one of what a stronger attack had left,
        which the suite no longer has, would certify what it never saw.
        """
        size, standing = kind.size_at(check["level"]), check["standing"]
        if check["protocol"] != PROTOCOL:
            return f"protocol {check['protocol']}, not {PROTOCOL}"
        if check["size"] != size or check["examined"] != (standing if size is None else min(size, standing)):
            return f"it looked at {check['examined']} images"
        if bitmap(check["outcomes"]["standing"], check["n"]) != self._standing(kind, check):
            return "it looked at what other attacks had left"
        if not _made_as_planned(kind, check, self._grid):
            return "it was made in another way"
        return ""

    def _standing(self, kind: Kind, check: Check) -> int | None:
        """The images that the check has to look at, or choose from; None as long as an attack has no result."""
        network = self._records[(check["compression"], check["training"]), check["seed"]]
        clean = next(iter(network.values()))
        left = bitmap(clean["outcomes"]["clean"], clean["n"])
        for attack in self._grid.attacks:
            if attack.runtime is None and attack.norm == check["norm"] and kind.counts(attack):
                for eps in attack.eps:
                    record = network.get((attack.name, eps.value))
                    if eps.value <= check["eps"]:
                        if record is None:
                            return None
                        left &= bitmap(record["outcomes"]["robust"], record["n"])
        return left


def _made_as_planned(kind: Kind, check: Check, grid: Grid) -> bool:
    """Whether its attacks, and the networks that they were made on, are the kind's."""
    compression = next(one for one in grid.compressions if one.name == check["compression"])
    training = next(one for one in grid.trainings if one.name == check["training"])
    sources: list[dict[str, str | None] | None] = [None]
    if kind.name == TRANSFER:
        rows = others(grid, compression, training)
        sources = [{"compression": row and row.name, "training": under.name} for row, under in rows]
    planned = [(attack.described(), source) for attack, source in product(kind.attacks, sources)]
    made = [(trial["attack"], trial["from"]) for trial in check["trials"]]
    if kind.name == STRONG:  # where gradients are missing it has more restarts
        least = kind.attacks[0].kwargs["restarts"]
        made = [
            ({name: given | {"restarts": min(least, given.get("restarts", 0))}}, source)
            for attack, source in made
            for name, given in attack.items()
        ]
    return made == planned


def _is_of(grid: Grid, check: Check, record: Record) -> bool:
    """Whether the check was of the network, of the same test images, and at what is the headline now."""
    same = check["keys"]["network"] == record["keys"]["network"] and check["n"] == record["n"]
    same = same and check["fingerprint"] == record["dataset"]["fingerprint"]
    norms = {attack.norm for attack in grid.attacks}
    return same and (not check["norm"] or (check["norm"] in norms and check["eps"] == grid.headline_of(check["norm"])))
