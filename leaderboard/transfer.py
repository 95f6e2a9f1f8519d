"""Whose examples fool whom: the robust accuracy of networks on examples of others, as source × target."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from benchmark.types import Suite, canonical
from leaderboard.estimate import Estimate
from leaderboard.match import Place, Record

Row = tuple[str, str, str]  # grid, compression, training

ALIKE = ("dataset", "limit", "recipe", "norm", "eps", "boundary")  # the records of one matrix
FEWEST = 2  # sources that a target must face, and targets, for a matrix to say more than a column of the board


@dataclass(frozen=True)
class Matrix:
    """One attack at one ε, crafted on each of `sources` and judged by each of `targets`, in the suite's order.

    A network stands once, under its first row in the suite, however many rows it is of. cells: (source, target) →
    accuracy, a share, one value per seed; a pair that the suite does not ask for is not in it. clean: target → the
    same without an attack. attack: its plugin; names: what the suite calls it; n: test images. boundary: as a record's.
    """

    dataset: str
    attack: str
    names: tuple[str, ...]
    norm: str
    eps_label: str
    n: int
    boundary: bool
    sources: tuple[Row, ...]
    targets: tuple[Row, ...]
    cells: Mapping[tuple[Row, Row], Estimate]
    clean: Mapping[Row, Estimate]

    def labels(self, rows: Iterable[Row]) -> list[str]:
        """Short names of some of its rows: what all of the matrix' rows share is left out, but for the grid."""
        every = {*self.sources, *self.targets}
        shown = [0, *(axis for axis in (1, 2) if len({row[axis] for row in every}) > 1)]
        return [" / ".join(row[axis] for axis in shown) for row in rows]


def matrices(suite: Suite, claimed: Mapping[str, Mapping[Place, Record]]) -> tuple[Matrix, ...]:
    """Every transfer matrix of a suite, of the records that its grids claim (grid → place → record).

    Records are of one matrix if their dataset, attack (by its recipe and by whether it stopped at the boundary,
    whatever its name) and ε are the same. Only examples that were crafted for another judge enter: those of a
    white-box attack may have stopped at their first success.
    """
    records = [record for found in claimed.values() for record in found.values()]
    rows = [
        (grid.name, compression.name, training.name)
        for grid in suite.grids
        for compression in grid.compressions
        for training in grid.trainings
    ]
    first = _first(rows, records)
    groups: dict[tuple, list[Record]] = defaultdict(list)
    for record in records:
        if record["from"]:
            groups[canonical([record[name] for name in ALIKE])].append(record)
    found = (_matrix(group, rows, first, len(suite.seeds)) for group in groups.values())
    return tuple(one for one in found if len(one.targets) >= FEWEST)


def _first(rows: list[Row], records: list[Record]) -> dict[Row, Row]:
    """Row → the first row in the suite that holds the same networks."""
    networks: dict[Row, dict[int, str]] = defaultdict(dict)
    for record in records:
        networks[_target(record)][record["seed"]] = record["keys"]["network"]
    first: dict[tuple[int, str], Row] = {}
    found = {}
    for row in rows:
        held = [first.setdefault(network, row) for network in sorted(networks[row].items())]
        found[row] = held[0] if held else row
    return found


def _matrix(records: list[Record], rows: list[Row], first: Mapping[Row, Row], planned: int) -> Matrix:
    judged: dict[tuple[Row, Row], dict[int, float]] = defaultdict(dict)
    clean: dict[Row, dict[int, float]] = defaultdict(dict)
    for record in records:
        target = first[_target(record)]
        judged[first[_source(record)], target][record["seed"]] = record["robust_correct"] / record["n"]
        clean[target][record["seed"]] = record["clean_correct"] / record["n"]
    faced = {target: {source for source, other in judged if other == target} for target in clean}
    targets = tuple(row for row in rows if len(faced.get(row, ())) >= FEWEST)
    one = records[0]
    return Matrix(
        dataset=one["dataset"]["name"],
        attack=next(iter(one["recipe"])),
        names=tuple(dict.fromkeys(record["attack"] for record in records)),
        norm=one["norm"],
        eps_label=one["eps_label"],
        n=one["n"],
        boundary=one["boundary"],
        sources=tuple(row for row in rows if any(row in faced[target] for target in targets)),
        targets=targets,
        cells=dict(_estimates({pair: by for pair, by in judged.items() if pair[1] in targets}, planned)),
        clean=dict(_estimates({target: clean[target] for target in targets}, planned)),
    )


def _estimates(values: Mapping, planned: int) -> Iterator[tuple]:
    for name, by_seed in values.items():
        yield name, Estimate(tuple(by_seed[seed] for seed in sorted(by_seed)), planned)


def _target(record: Record) -> Row:
    return record["grid"], record["compression"], record["training"]


def _source(record: Record) -> Row:
    return record["from"]["grid"], record["from"]["compression"], record["from"]["training"]
