"""Records → what is known of a grid's deployments to one runtime: the artifacts themselves, beside their networks.

An artifact is judged on the examples that were crafted on its network or on another one (*replayed*), and on those
that were made against itself (*direct*). Twin and artifact are compared on clean and on replayed images; examples that
stop at the boundary of the one are unfair to it, and those made against the other are to that, so neither counts.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from benchmark.deployments import replayed, trials
from benchmark.outcomes import bitmap
from benchmark.types import Compression, Grid, Suite, Training
from leaderboard.estimate import Column, Estimate, survivors
from leaderboard.match import Place, Record, claim, places
from leaderboard.paired import Paired
from leaderboard.statistics import Interval

LEVEL = 0.999
ALLOWED = 0.01  # what twin and artifact may differ by

Network = dict[tuple[str, float], Record]  # by attack and ε


@dataclass(frozen=True)
class Gap:
    """Accuracy of one network's twin minus that of its artifact on the same images, and the interval of that."""

    difference: float
    interval: Interval

    @property
    def differs(self) -> bool:
        """Whether more than ALLOWED is certain."""
        return self.interval.low > ALLOWED or self.interval.high < -ALLOWED

    @property
    def detectable(self) -> float:
        """The difference from which on `differs` says so, if the interval is as wide as this one."""
        return ALLOWED + (self.interval.high - self.interval.low) / 2


@dataclass(frozen=True)
class Row:
    """The deployments of a row's networks, one for each training seed. Shares are 0 to 1."""

    compression: str
    training: str
    precision: str
    keys: tuple[str, ...]  # of the artifacts, in the order of the seeds
    clean: Estimate
    agree: Estimate  # the share of clean images of which both predict the same class
    accuracy: dict[Column, Estimate]
    clean_gaps: tuple[Gap, ...]  # by seed
    gaps: dict[Column, tuple[Gap, ...]]  # by the union at an ε that is replayed, and seed
    bytes: Estimate
    kernels: tuple[tuple[str, int], ...]  # how many layers run as which, over all seeds

    @property
    def name(self) -> tuple[str, str]:
        return self.compression, self.training

    @property
    def differs(self) -> bool:
        return any(gap.differs for gaps in (self.clean_gaps, *self.gaps.values()) for gap in gaps)


@dataclass(frozen=True)
class Deployments:
    """A grid's deployments to one runtime: how many records were `found`, and the cells that have none."""

    runtime: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    found: int
    missing: tuple[Place, ...]
    boundary: frozenset[str] = frozenset()  # attacks whose replayed examples stop at their network's boundary


def build(suite: Suite, grid: Grid, records: Iterable[Record], runtime: str) -> Deployments:
    """Raises RequestError when the records cannot be of one run."""
    found = claim(suite, grid, records, runtime)
    networks: dict[tuple, Network] = defaultdict(dict)
    for (_, compression, training, seed, attack, eps), record in found.items():
        networks[compression, training, seed][attack, eps] = record
    columns = tuple(_columns(grid, runtime))
    rows = tuple(
        _row(compression, training, columns, [networks[compression.name, training.name, s] for s in suite.seeds])
        for compression in grid.compressions
        for training in grid.trainings
        if compression.precision
    )
    missing = tuple(place for place in places(suite, grid, runtime) if place not in found)
    boundary = frozenset(record["attack"] for record in found.values() if record["boundary"])
    return Deployments(runtime, columns, rows, len(found), missing, boundary)


def _columns(grid: Grid, runtime: str) -> Iterable[Column]:
    """The attacks that name the runtime, at each of their ε; then the unions at the ε that are replayed."""
    judged = [trial for trial in trials(grid, Compression("any")) if trial.runtime == runtime]
    for trial in judged:
        if trial.attack.runtime:
            for eps in sorted(trial.eps, key=lambda eps: eps.value):
                yield Column(trial.attack.name, trial.attack.norm, eps, (trial.attack.name,))
    for norm in dict.fromkeys(trial.attack.norm for trial in judged):
        for value in replayed(grid, norm):
            here = [
                (trial.attack.name, eps)
                for trial in judged
                for eps in trial.eps
                if trial.attack.norm == norm and eps.value == value
            ]
            if here:
                yield Column(None, norm, here[0][1], tuple(name for name, _ in here))


def _row(compression: Compression, training: Training, columns: Sequence[Column], networks: list[Network]) -> Row:
    made = [next(iter(network.values())) for network in networks if network]
    n = made[0]["n"] if made else None

    def share(count: Callable[[Record], int]) -> Estimate:
        return Estimate(tuple(count(record) / record["n"] for record in made), len(networks), n)

    def robust(column: Column) -> Estimate:
        shares = [survivors(judged) for network in networks if (judged := _judged(network, column))]
        return Estimate(tuple(shares), len(networks), n)

    kernels: dict[str, int] = defaultdict(int)
    for record in made:
        for kernel, count in record["deployed"]["kernels"].items():
            kernels[kernel] += count
    unions = [column for column in columns if not column.attack]
    return Row(
        compression.name,
        training.name,
        compression.precision or "",
        tuple(record["deployed"]["key"] for record in made),
        clean=share(lambda record: record["clean_correct"]),
        agree=share(lambda record: record["deployed"]["agree"]),
        accuracy={column: robust(column) for column in columns},
        clean_gaps=tuple(_gap([record], "clean") for record in made),
        gaps={
            column: tuple(_gap(fair, "robust") for network in networks if (fair := _fair(_judged(network, column))))
            for column in unions
        },
        bytes=Estimate(tuple(record["deployed"]["bytes"] for record in made), len(networks)),
        kernels=tuple(sorted(kernels.items())),
    )


def _judged(network: Network, column: Column) -> list[Record]:
    """The records behind a column; none unless all of its attacks are there: a union that lacks one looks too robust.

    Of a union also what was tried in smaller balls, which lie inside this one.
    """
    own = [network.get((attack, column.eps.value)) for attack in column.attacks]
    if None in own:
        return []
    smaller = [] if column.attack else network.values()
    return own + [one for one in smaller if one["norm"] == column.norm and one["eps"] < column.eps.value]


def _fair(records: list[Record]) -> list[Record]:
    """Those whose examples say as much of the twin as of the artifact."""
    return [record for record in records if not record["boundary"] and not record["deployed"]["direct"]]


def _gap(records: list[Record], outcome: str) -> Gap:
    """Over the images that survive all of the records, by the twin and by the artifact."""
    n, twin, artifact = records[0]["n"], ~0, ~0
    for record in records:
        twin &= bitmap(record["deployed"]["twin"][outcome], n)
        artifact &= bitmap(record["outcomes"][outcome], n)
    pairs = Paired(((artifact & ~twin).bit_count(),), ((twin & ~artifact).bit_count(),), n)
    return Gap(pairs.estimate, pairs.interval(LEVEL))
