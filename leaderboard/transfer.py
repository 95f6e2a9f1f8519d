"""Whose examples fool whom: the robust accuracy of networks on examples of others, as source × target."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmark.types import Suite, canonical
from leaderboard.estimate import Estimate
from leaderboard.match import Place, Record

Row = tuple[str, str, str]  # grid, compression, training
Source = Row | tuple[str, str, str, int]  # of the judging network's own seed, or of this one

ALIKE = ("dataset", "limit", "recipe", "norm", "eps", "boundary")  # the records of one matrix
FEWEST = 2  # sources that a target must face, and targets, for a matrix to say more than a column of the board


@dataclass(frozen=True)
class Matrix:
    """One attack at one ε, crafted on each of `sources` and judged by each of `targets`, in the suite's order.

    A network stands once, under its first row in the suite, however many rows it is of. A network of another seed than
    the one that judges is a source of its own, with its seed: only a source that equals the target is the target's own
    network. cells: (source, target) → accuracy, a share, one value per seed; a pair that the suite does not ask for is
    not in it. clean: target → the same without an attack. attack: its plugin; names: what the suite calls it; n: test
    images. boundary: as a record's.
    """

    dataset: str
    attack: str
    names: tuple[str, ...]
    norm: str
    eps_label: str
    n: int
    boundary: bool
    sources: tuple[Source, ...]
    targets: tuple[Row, ...]
    cells: Mapping[tuple[Source, Row], Estimate]
    clean: Mapping[Row, Estimate]

    def labels(self, rows: Sequence[Source]) -> list[str]:
        """Short names of some of its rows: what all of the matrix' rows share is left out, but for the grid."""
        every = {*self.sources, *self.targets}
        shown = [0, *(axis for axis in (1, 2) if len({row[axis] for row in every}) > 1)]
        seeds = ["".join(f", seed {seed}" for seed in row[3:]) for row in rows]
        return [" / ".join(row[axis] for axis in shown) + seed for row, seed in zip(rows, seeds, strict=True)]


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
    found = (_matrix(group, rows, first, suite.seeds) for group in groups.values())
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


def _matrix(records: list[Record], rows: list[Row], first: Mapping[Row, Row], seeds: Sequence[int]) -> Matrix:
    judged: dict[tuple[Source, Row], dict[int, float]] = defaultdict(dict)
    clean: dict[Row, dict[int, float]] = defaultdict(dict)
    for record in records:
        target = first[_target(record)]
        judged[_source(record, first), target][record["seed"]] = record["robust_correct"] / record["n"]
        clean[target][record["seed"]] = record["clean_correct"] / record["n"]
    faced = {target: {source for source, other in judged if other == target} for target in clean}
    targets = tuple(row for row in rows if len(faced.get(row, ())) >= FEWEST)
    crafted = {source for target in targets for source in faced[target]}
    one = records[0]

    def estimate(by_seed: Mapping[int, float], source: Source = ()) -> Estimate:
        planned = [seed for seed in seeds if seed not in source[3:]]
        return Estimate(tuple(by_seed[seed] for seed in sorted(by_seed)), len(planned), one["n"])

    return Matrix(
        dataset=one["dataset"]["name"],
        attack=next(iter(one["recipe"])),
        names=tuple(dict.fromkeys(record["attack"] for record in records)),
        norm=one["norm"],
        eps_label=one["eps_label"],
        n=one["n"],
        boundary=one["boundary"],
        sources=tuple(sorted(crafted, key=lambda source: (rows.index(source[:3]), source[3:]))),
        targets=targets,
        cells={pair: estimate(by_seed, pair[0]) for pair, by_seed in judged.items() if pair[1] in targets},
        clean={target: estimate(clean[target]) for target in targets},
    )


def _target(record: Record) -> Row:
    return record["grid"], record["compression"], record["training"]


def _source(record: Record, first: Mapping[Row, Row]) -> Source:
    own = record["from"]
    row = first[own["grid"], own["compression"], own["training"]]
    return row if own["seed"] == record["seed"] else (*row, own["seed"])
