"""Records → tables of numbers: one per grid, in the suite's order, with every planned cell in it, run or not.

The suite says which cells there should be; only records that were made by the suite's own recipes fill them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from benchmark.claims import Measure
from benchmark.errors import RequestError
from benchmark.types import Compression, Grid, Limit, Suite, Training
from leaderboard import deployed
from leaderboard.checked import Check, Checked
from leaderboard.deployed import Deployments
from leaderboard.estimate import Column, Estimate, survivors
from leaderboard.figures import Figures
from leaderboard.match import ROW, Place, Record, claim, place, places
from leaderboard.transfer import Matrix, matrices
from leaderboard.verdict import NOT_YET, Verdict
from leaderboard.verdicts import verdicts
from leaderboard.work import control, crafting, stages, trained_since, work


@dataclass(frozen=True)
class Row:
    """Grid × compression × training. Accuracies and class accuracies are shares, 0 to 1."""

    compression: str
    training: str
    clean: Estimate
    accuracy: dict[Column, Estimate]
    worst: dict[Column, Estimate]  # by union column: the worst class under the attack that is worst for it
    size: dict[str, Estimate]  # parameters, macs, weight_bytes; nonzero: parameters that no mask has set to zero
    passes: dict[str | None, dict[str, Estimate]]  # by attack, or None for all: forward and backward passes of crafting
    work: dict[str, Estimate]  # passes × MACs of its trainings: `training` all of them, `tuning` those after the first
    trainings: tuple[tuple[str, ...], ...]  # by network: the stages of the trainings that are counted in `work`
    faults: dict[Column, tuple[int, int]] = field(default_factory=dict)  # proposals outside the ball; not finite
    control: str = ""  # what control it is, as `work.control` says
    verdict: Verdict = NOT_YET

    @property
    def name(self) -> tuple[str, str]:
        return self.compression, self.training

    @property
    def labelled(self) -> str:
        """The compression, and what control it is."""
        return f"{self.compression} ({self.control})" if self.control else self.compression


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
    deployed: tuple[Deployments, ...] = ()  # by runtime

    @property
    def unions(self) -> list[Column]:
        return [column for column in self.columns if column.attack is None]

    @property
    def middles(self) -> list[Column]:
        """The union at the headline ε of each norm: as the suite says, otherwise the lower middle one."""
        return [column for column in self.unions if column.eps.value == self.grid.headline_of(column.norm)]

    @property
    def ordered(self) -> list[Row]:
        """The ranked rows by their union at the (first) headline ε, the best first; then the others, as they were."""

        def place(row: Row) -> tuple[bool, float]:
            able = self.ranks(row)
            return not able, -row.accuracy[self.middles[0]].mean if able else 0.0

        return sorted(self.rows, key=place)

    def ranks(self, row: Row) -> bool:
        """Whether a row is ranked: it is sound, and has a union at the headline ε."""
        return row.verdict.sound and bool(self.middles and row.accuracy[self.middles[0]].values)

    def dense(self, row: Row) -> Row | None:
        """The row whose size this row's is compared with: uncompressed, of the same training if that was run."""
        plain = {compression.name for compression in self.grid.compressions if not compression.steps}
        rows = [other for other in self.rows if other.compression in plain and other.size["parameters"].values]
        return min(rows, key=lambda other: other.training != row.training, default=None)


@dataclass(frozen=True)
class Board:
    """A suite's tables; `strangers` counts the records that no cell of the suite claims; `figures`: a grid's each.

    transfers: whose examples fool whom, over all grids.
    """

    suite: Suite
    tables: tuple[Table, ...]
    protocols: tuple[str, ...]
    strangers: int
    figures: tuple[Figures, ...] = ()
    transfers: tuple[Matrix, ...] = ()

    @property
    def verdicts(self) -> dict[tuple[str, tuple[str, str]], Verdict]:
        """By grid and row."""
        return {(table.grid.name, row.name): row.verdict for table in self.tables for row in table.rows}


def build(suite: Suite, records: Iterable[Record], checks: Iterable[Check] = ()) -> Board:
    """Raises RequestError when the records cannot be of one run: other test images, or other networks in one row."""
    records, checks = list(records), list(checks)
    claimed = {grid.name: claim(suite, grid, records) for grid in suite.grids}
    every = [record for found in claimed.values() for record in found.values()]
    protocols = tuple(sorted({record["protocol"] for record in every}))
    if len(protocols) > 1:
        raise RequestError(f"records of protocols {', '.join(protocols)} cannot share a board; run the suite again")
    figures = tuple(_figures(suite, grid, claimed[grid.name], records, checks) for grid in suite.grids)
    tables = tuple(_table(one, claimed[one.grid.name], records) for one in figures)
    claims = len(every) + sum(one.found for table in tables for one in table.deployed)
    return Board(suite, tables, protocols, len(records) - claims, figures, matrices(suite, claimed))


def _figures(
    suite: Suite, grid: Grid, found: dict[Place, Record], records: list[Record], checks: list[Check]
) -> Figures:
    replayed = [record for runtime in grid.runtimes for record in claim(suite, grid, records, runtime).values()]
    return Figures(suite, grid, found, Checked(grid, found, checks), replayed)


def _table(figures: Figures, found: dict[Place, Record], records: list[Record]) -> Table:
    suite, grid = figures.suite, figures.grid
    networks: dict[tuple, dict[tuple[str, float], Record]] = defaultdict(dict)
    for (_, compression, training, seed, attack, eps), record in found.items():
        networks[compression, training, seed][attack, eps] = record
    columns = tuple(_columns(grid))
    rows = [
        _row(compression, training, columns, [networks[compression.name, training.name, seed] for seed in suite.seeds])
        for compression in grid.compressions
        for training in grid.trainings
    ]
    deployments = tuple(deployed.build(suite, grid, records, runtime) for runtime in grid.runtimes)
    words = verdicts(suite, grid, found, deployments, figures.checked)
    rows = [_checked(row, figures, words[row.name]) for row in rows]
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
        boundary=frozenset(_judged_elsewhere(found.values(), records)),
        deployed=deployments,
    )


def _judged_elsewhere(found: Iterable[Record], records: Iterable[Record]) -> Iterator[str]:
    """The attacks whose examples stop at a boundary and are judged by some other network than they were crafted on."""
    networks = {place(record)[:4]: record["keys"]["network"] for record in records}
    for record in found:
        source = record["from"] and tuple(record["from"][name] for name in ROW)
        if record["boundary"] and source and networks.get(source) != record["keys"]["network"]:
            yield record["attack"]


def _checked(row: Row, figures: Figures, verdict: Verdict) -> Row:
    """The row with its verdict, and with unions that hold what its checks, and examples for its artifacts, broke."""
    unions = {}
    for column, estimate in row.accuracy.items():
        if column.attack is None:
            stood = figures.outcomes(row.name, Measure(None, column.norm, column.eps)).values()
            unions[column] = replace(estimate, values=tuple(right.bit_count() / figures.n for right in stood))
    return replace(row, verdict=verdict, accuracy=row.accuracy | unions)


def _columns(grid: Grid) -> Iterator[Column]:
    """Each attack on networks at its ε, in the suite's order; then the unions, by norm and ascending ε."""
    united: dict[str, dict[float, list[Column]]] = defaultdict(lambda: defaultdict(list))
    for attack in (one for one in grid.attacks if one.runtime is None):
        for eps in sorted(attack.eps, key=lambda eps: eps.value):
            column = Column(attack.name, attack.norm, eps, (attack.name,))
            united[attack.norm][eps.value].append(column)
            yield column
    for norm, by_eps in united.items():
        for _, columns in sorted(by_eps.items()):
            yield Column(None, norm, columns[0].eps, tuple(column.attack for column in columns))


def _row(compression: Compression, training: Training, columns: Sequence[Column], networks: list[dict]) -> Row:
    """`networks` holds, for every planned seed, the records found, by attack and ε."""

    def estimate(values: Iterable[float | None], n: int | None = None) -> Estimate:
        return Estimate(tuple(value for value in values if value is not None), len(networks), n)

    def over(column: Column, figure: Callable[[list[Record]], float], n: int | None = None) -> Estimate:
        # a seed counts once every attack of the column has judged it: a union that lacks an attack looks too robust
        judged = ([network.get((attack, column.eps.value)) for attack in column.attacks] for network in networks)
        values = (
            None if None in records else figure([*records, *_smaller(network, column)])
            for network, records in zip(networks, judged, strict=True)
        )
        return estimate(values, n)

    def first(figure: Callable[[Record], float | None], n: int | None = None) -> Estimate:
        return estimate((figure(next(iter(network.values()))) if network else None for network in networks), n)

    n = next((record["n"] for network in networks for record in network.values()), None)
    attacks = dict.fromkeys(column.attack for column in columns)
    since = trained_since(compression)
    return Row(
        compression.name,
        training.name,
        clean=first(lambda record: record["clean_correct"] / record["n"], n),
        accuracy={column: over(column, survivors, n) for column in columns},
        worst={column: over(column, _worst_class) for column in columns if column.attack is None},
        size={
            name: first(lambda record, name=name: record["size"][name])
            for name in ("parameters", "macs", "weight_bytes")
        }
        | {"nonzero": first(_nonzero)},
        passes={
            attack: {
                way: estimate(crafting(network, attack, way, columns) for network in networks)
                for way in ("forward", "backward")
            }
            for attack in attacks
        },
        work={name: first(partial(work, since, place)) for name, place in (("training", 0), ("tuning", 1))},
        trainings=tuple(stages(since, next(iter(network.values()))) for network in networks if network),
        faults={column: counts for column in columns if column.attack and any(counts := _faults(column, networks))},
        control=control(compression, training),
    )


def _nonzero(record: Record) -> int | None:
    """Parameters that are not masked; None for a network without masks."""
    masks = [step for step in record["achieved"] if step and "nonzero_weights" in step]
    return record["size"]["parameters"] - masks[-1]["weights"] + masks[-1]["nonzero_weights"] if masks else None


def _smaller(network: dict, column: Column) -> list[Record]:
    """Of a union: what was tried in smaller balls, which lie inside this one, so that a break there is one here."""
    if column.attack:
        return []
    return [record for (_, eps), record in network.items() if record["norm"] == column.norm and eps < column.eps.value]


def _worst_class(records: list[Record]) -> float:
    """The lowest class accuracy under any one of the attacks."""
    return min(
        robust / n
        for record in records
        for n, robust in zip(record["per_class"]["n"], record["per_class"]["robust"], strict=True)
        if n
    )


def _faults(column: Column, networks: list[dict]) -> tuple[int, int]:
    judged = [network.get((column.attack, column.eps.value)) for network in networks]
    records = [record for record in judged if record]
    return sum(record["violations"] for record in records), sum(record["nonfinite"] for record in records)
