"""Records → tables of numbers: one per grid, in the suite's order, with every planned cell in it, run or not.

The suite says which cells there should be; only records that were made by the suite's own recipes fill them.
"""

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from benchmark.errors import RequestError
from benchmark.outcomes import bitmap
from benchmark.types import Compression, Epsilon, Grid, Limit, Suite, Training
from leaderboard.match import Place, Record, claim, places

UNVERIFIED = "unverified (no checks have run)"
NOT_MONOTONE = "suspect (not monotone in ε)"
AT_CHANCE = "suspect (a network at chance)"


@dataclass(frozen=True)
class Estimate:
    """A figure of a row: one value per network (training seed) that has it, of the number planned."""

    values: tuple[float, ...]
    planned: int

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def std(self) -> float | None:
        """The sample standard deviation over the seeds; None for a single one."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None


@dataclass(frozen=True)
class Column:
    """Accuracy at one ε, over the examples that survive each of `attacks`; `attack` is None for the union of a norm."""

    attack: str | None
    norm: str
    eps: Epsilon
    attacks: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """Grid × compression × training. Accuracies and class accuracies are shares, 0 to 1."""

    compression: str
    training: str
    clean: Estimate
    accuracy: dict[Column, Estimate]
    worst: dict[Column, Estimate]  # by union column: the worst class under the attack that is worst for it
    size: dict[str, Estimate]  # parameters, macs, weight_bytes
    passes: dict[str | None, dict[str, Estimate]]  # by attack, or None for all: forward and backward passes of crafting
    faults: dict[Column, tuple[int, int]] = field(default_factory=dict)  # proposals outside the ball; not finite
    verdict: str = UNVERIFIED


@dataclass(frozen=True)
class Table:
    """One grid's rows: `n` of `total` test images judged (None: nothing was), `missing` the cells without a record."""

    grid: Grid
    n: int | None
    total: int | None
    limit: Limit | None  # as it was run: the suite's own, or the command line's
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    missing: tuple[Place, ...]
    planned: int
    boundary: frozenset[str] = frozenset()  # attacks whose examples stop at the boundary and are judged elsewhere

    @property
    def unions(self) -> list[Column]:
        return [column for column in self.columns if column.attack is None]

    @property
    def middles(self) -> list[Column]:
        """The union at the middle ε of each norm, the lower of two."""
        by_norm = defaultdict(list)
        for column in self.unions:
            by_norm[column.norm].append(column)
        return [columns[(len(columns) - 1) // 2] for columns in by_norm.values()]

    def dense(self, row: Row) -> Row | None:
        """The row whose size this row's is compared with: uncompressed, of the same training if that was run."""
        plain = {compression.name for compression in self.grid.compressions if not compression.steps}
        rows = [other for other in self.rows if other.compression in plain and other.size["parameters"].values]
        return min(rows, key=lambda other: other.training != row.training, default=None)


@dataclass(frozen=True)
class Board:
    """A suite's tables; `strangers` counts the records that no cell of the suite claims."""

    suite: Suite
    tables: tuple[Table, ...]
    protocols: tuple[str, ...]
    strangers: int


def build(suite: Suite, records: Iterable[Record]) -> Board:
    """Raises RequestError when the records cannot be of one run: other test images, or other networks in one row."""
    records = list(records)
    claimed = {grid.name: claim(suite, grid, records) for grid in suite.grids}
    every = [record for found in claimed.values() for record in found.values()]
    protocols = tuple(sorted({record["protocol"] for record in every}))
    if len(protocols) > 1:
        raise RequestError(f"records of protocols {', '.join(protocols)} cannot share a board; run the suite again")
    tables = tuple(_table(suite, grid, claimed[grid.name]) for grid in suite.grids)
    return Board(suite, tables, protocols, len(records) - len(every))


def _table(suite: Suite, grid: Grid, found: dict[Place, Record]) -> Table:
    networks: dict[tuple, dict[tuple[str, float], Record]] = defaultdict(dict)
    for (_, compression, training, seed, attack, eps), record in found.items():
        networks[compression, training, seed][attack, eps] = record
    columns = tuple(_columns(grid))
    rows = [
        _row(compression, training, columns, [networks[compression.name, training.name, seed] for seed in suite.seeds])
        for compression in grid.compressions
        for training in grid.trainings
    ]
    cells = list(places(suite, grid))
    one = next(iter(found.values()), None)
    return Table(
        grid=grid,
        n=one and one["n"],
        total=one and one["dataset"]["test_total"],
        limit=one and Limit(**one["limit"]),
        columns=columns,
        rows=tuple(rows),
        missing=tuple(place for place in cells if place not in found),
        planned=len(cells),
        boundary=frozenset(record["attack"] for record in found.values() if record["boundary"]),
    )


def _columns(grid: Grid) -> Iterator[Column]:
    """Each attack at its ε, in the suite's order; then the unions, by norm and ascending ε."""
    united: dict[str, dict[float, list[Column]]] = defaultdict(lambda: defaultdict(list))
    for attack in grid.attacks:
        for eps in sorted(attack.eps, key=lambda eps: eps.value):
            column = Column(attack.name, attack.norm, eps, (attack.name,))
            united[attack.norm][eps.value].append(column)
            yield column
    for norm, by_eps in united.items():
        for _, columns in sorted(by_eps.items()):
            yield Column(None, norm, columns[0].eps, tuple(column.attack for column in columns))


def _row(compression: Compression, training: Training, columns: Sequence[Column], networks: list[dict]) -> Row:
    """`networks` holds, for every planned seed, the records found, by attack and ε."""

    def estimate(values: Iterable[float | None]) -> Estimate:
        return Estimate(tuple(value for value in values if value is not None), len(networks))

    def over(column: Column, figure: Callable[[list[Record]], float]) -> Estimate:
        # a seed counts once every attack of the column has judged it: a union that lacks an attack looks too robust
        judged = ([network.get((attack, column.eps.value)) for attack in column.attacks] for network in networks)
        return estimate(
            None if None in records else figure([*records, *_smaller(network, column)])
            for network, records in zip(networks, judged, strict=True)
        )

    def first(figure: Callable[[Record], float]) -> Estimate:
        return estimate(figure(next(iter(network.values()))) if network else None for network in networks)

    attacks = dict.fromkeys(column.attack for column in columns)
    return Row(
        compression.name,
        training.name,
        clean=first(lambda record: record["clean_correct"] / record["n"]),
        accuracy={column: over(column, _survivors) for column in columns},
        worst={column: over(column, _worst_class) for column in columns if column.attack is None},
        size={
            name: first(lambda record, name=name: record["size"][name])
            for name in ("parameters", "macs", "weight_bytes")
        },
        passes={
            attack: {
                way: estimate(_passes(network, attack, way, columns) for network in networks)
                for way in ("forward", "backward")
            }
            for attack in attacks
        },
        faults={column: counts for column in columns if column.attack and any(counts := _faults(column, networks))},
        verdict=_verdict(networks),
    )


def _smaller(network: dict, column: Column) -> list[Record]:
    """Of a union: what was tried in smaller balls, which lie inside this one, so that a break there is one here."""
    if column.attack:
        return []
    return [record for (_, eps), record in network.items() if record["norm"] == column.norm and eps < column.eps.value]


def _survivors(records: list[Record]) -> float:
    """The share of the test images that are robust to every attack: exact, from the outcome of every image."""
    robust = ~0
    for record in records:
        robust &= bitmap(record["outcomes"]["robust"], record["n"])
    return robust.bit_count() / records[0]["n"]


def _worst_class(records: list[Record]) -> float:
    """The lowest class accuracy under any one of the attacks."""
    return min(
        robust / n
        for record in records
        for n, robust in zip(record["per_class"]["n"], record["per_class"]["robust"], strict=True)
        if n
    )


def _passes(network: dict, attack: str | None, way: str, columns: Sequence[Column]) -> int | None:
    """Crafting's passes for one network; a craft that serves several ε counts once. None until all are there."""
    own = [column for column in columns if column.attack and attack in (None, column.attack)]
    records = [network.get((column.attack, column.eps.value)) for column in own]
    if None in records:
        return None
    return sum({record["keys"]["craft"]: record["passes"][way] for record in records}.values())


def _verdict(networks: list[dict]) -> str:
    """That of the row's worst network."""
    if any(_at_chance(next(iter(network.values()))) for network in networks if network):
        return AT_CHANCE
    return NOT_MONOTONE if any(map(_fell_back, networks)) else UNVERIFIED


def _at_chance(record: Record) -> bool:
    """Whether clean accuracy may be that of always naming the commonest class: within two standard errors of it."""
    n = record["n"]
    share = max(record["per_class"]["n"]) / n
    return record["clean_correct"] <= n * share + 2 * (n * share * (1 - share)) ** 0.5


def _fell_back(network: dict) -> bool:
    """Whether an audit of a sweep over ε found that nothing may be implied: masked gradients look like that."""
    return any(record["audit"] and record["audit"]["independent"] for record in network.values())


def _faults(column: Column, networks: list[dict]) -> tuple[int, int]:
    judged = [network.get((column.attack, column.eps.value)) for network in networks]
    records = [record for record in judged if record]
    return sum(record["violations"] for record in records), sum(record["nonfinite"] for record in records)
