"""Per-example outcomes of a grid's networks: which images each seed has right, clean or under one attack or all."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from benchmark.claims import Measure, Row
from benchmark.outcomes import bitmap
from benchmark.types import Grid, Suite
from leaderboard.checked import Checked, broken
from leaderboard.match import Place, Record, folded
from leaderboard.paired import Paired, paired

CLEAN = Measure()


@dataclass(frozen=True)
class Decider:
    """The attack or check that leaves the least of a row, on the mean over the seeds of a union; all are shares."""

    name: str
    check: bool
    alone: float  # accuracy under it
    union: float  # accuracy under all

    @property
    def label(self) -> str:
        return f"{self.name} (check)" if self.check else self.name


Networks = Mapping[tuple[Row, int], Mapping[tuple[str, float], Record]]  # row, seed → attack, ε → record


class Figures:
    """A grid's outcomes. `found`: its records by place, as `match.claim` gives them; `checked`: what was checked;
    `replayed`: the records of its artifacts, whose examples the networks were shown too."""

    def __init__(
        self,
        suite: Suite,
        grid: Grid,
        found: Mapping[Place, Record],
        checked: Checked | None = None,
        replayed: Iterable[Record] = (),
    ):
        self.suite, self.grid, self.checked = suite, grid, checked or Checked(grid, found)
        self.n: int = next((record["n"] for record in found.values()), 0)
        self._networks = _by_network(found)
        self._shown = _by_network(folded(found, replayed))

    def outcomes(self, row: Row, measure: Measure) -> dict[int, int]:
        """Seed → the images that its network has right, the first in the highest bit; only the seeds that have it all.

        A union is over every attack of the norm at that ε, and over what checks, examples made for artifacts and the
        smaller balls inside it broke. A single attack's outcomes are its own.
        """
        found = self.by_attacks(row, measure)
        if measure.attack is None and measure.eps is not None:
            inside = (measure.norm, measure.eps.value)
            return {seed: right & ~broken(self.checked.of(row, seed), *inside) for seed, right in found.items()}
        return found

    def by_attacks(self, row: Row, measure: Measure) -> dict[int, int]:
        """The same by the row's attacks alone, without what its checks broke."""
        networks = self._networks if measure.attack else self._shown
        outcomes = {seed: self._outcome(networks.get((row, seed), {}), measure) for seed in self.suite.seeds}
        return {seed: right for seed, right in outcomes.items() if right is not None}

    def difference(self, reference: Row, row: Row, measure: Measure) -> Paired | None:
        """Row − reference over the seeds that both have; None if they share none.

        Checks can only lower a union: where not both networks of a seed had the same ones, the rows are compared by
        their attacks alone.
        """
        found = [self.outcomes(name, measure) for name in (reference, row)]
        alone = (
            measure.attack is None
            and measure.eps is not None
            and any(
                len({self.checked.made(name, seed, measure.norm, measure.eps.value) for name in (reference, row)}) > 1
                for seed in found[0].keys() & found[1].keys()
            )
        )
        if alone:
            found = [self.by_attacks(name, measure) for name in (reference, row)]
        pair = paired(*found, self.n)
        return pair and replace(pair, alone=alone)

    def sizes(self, row: Row, name: str) -> dict[int, int]:
        """Seed → parameters, macs or weight_bytes of its network; only the seeds that have a record."""
        found = {seed: self._networks.get((row, seed)) for seed in self.suite.seeds}
        return {seed: next(iter(of.values()))["size"][name] for seed, of in found.items() if of}

    def _outcome(self, network: Mapping[tuple[str, float], Record], measure: Measure) -> int | None:
        if measure.eps is None:
            record = next(iter(network.values()), None)
            return None if record is None else bitmap(record["outcomes"]["clean"], record["n"])
        names = [measure.attack] if measure.attack else self.united(measure)
        records = [network.get((name, measure.eps.value)) for name in names]
        if not records or None in records:
            return None
        if measure.attack is None:
            records += [
                record
                for (name, eps), record in network.items()
                if eps < measure.eps.value and record["norm"] == measure.norm
            ]
        right = ~0
        for record in records:
            right &= bitmap(record["outcomes"]["robust"], record["n"])
        return right

    def rows(self) -> list[Row]:
        """Those with a record."""
        return list(dict.fromkeys(row for row, _ in self._networks))

    def records(self, row: Row) -> dict[int, list[Record]]:
        """Seed → the records of its network, by attack and ε as in the suite."""
        return {seed: list(self._networks.get((row, seed), {}).values()) for seed in self.suite.seeds}

    def united(self, measure: Measure) -> list[str]:
        """The attacks of a union."""
        return [
            attack.name
            for attack in self.grid.attacks
            if attack.norm == measure.norm
            and attack.runtime is None
            and any(eps.value == measure.eps.value for eps in attack.eps)
        ]

    def decider(self, row: Row, union: Measure) -> Decider | None:
        """What decided a union; None where there is no union, or but one attack and no check that broke anything.

        A check was shown only what stood before it; what it left of the images that are right when clean is all that it
        did not break.
        """
        whole, clean = self.outcomes(row, union), self.outcomes(row, CLEAN)
        found: dict[tuple[str, bool], dict[int, int]] = {}
        for name in self.united(union) if whole else ():
            found[name, False] = self.outcomes(row, Measure(name, union.norm, union.eps))
        for seed in whole:
            for check in self.checked.of(row, seed):
                if lost := broken([check], union.norm, union.eps.value):
                    found.setdefault((check["check"], True), dict(clean))[seed] &= ~lost
        if len(found) < 2:
            return None

        def mean(outcomes: Mapping[int, int]) -> float:
            return sum(outcomes[seed].bit_count() for seed in whole) / (self.n * len(whole))

        first = min(found, key=lambda of: mean(found[of]))
        return Decider(*first, mean(found[first]), mean(whole))


def _by_network(found: Mapping[Place, Record]) -> Networks:
    networks: dict[tuple[Row, int], dict[tuple[str, float], Record]] = defaultdict(dict)
    for (_, compression, training, seed, attack, eps), record in found.items():
        networks[(compression, training), seed][attack, eps] = record
    return networks
