"""What a row costs beside what it is worth: sizes, speed and work, and which rows no other beats at both.

A row is on a *front* if no other is at least as robust for at most the same cost, and better in one of the two.
"""

import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from benchmark.types import canonical
from leaderboard.estimate import Column
from leaderboard.table import Row, Table
from leaderboard.timing import NAMES, timing_of, timings

Name = tuple[str, str]
Lines = Iterable[Mapping[str, Any]]


@dataclass(frozen=True)
class Cost:
    """One kind of cost: by row the mean over its networks, in a unit (m: thousandths) that takes a decimal prefix."""

    name: str
    unit: str
    of: Mapping[Name, float]
    compares: bool = True  # False: only within this machine, so that it makes no front
    built: bool = False  # True: follows from the structure alone, whatever the training
    machines: Mapping[Name, frozenset[str]] = field(default_factory=dict)  # where a row's seconds or joules were taken


def costs(table: Table, measurements: Lines) -> list[Cost]:
    """Every cost that is known of some row of a grid; less is better."""
    measurements = list(measurements)
    sizes = (("Parameters", "", "parameters"), ("MACs", "", "macs"), ("Weights", "B", "weight_bytes"))
    found = [
        _cost(table, name, unit, lambda row, key=key: row.size[key].values, built=True) for name, unit, key in sizes
    ]
    work = (("Training", "training"), ("Fine-tuning", "tuning"))
    found += [_cost(table, name, "", lambda row, key=key: row.work[key].values) for name, key in work]
    for name, unit, what in (("Training time", "s", "seconds"), ("Training energy", "J", "joules")):
        spent = {line["key"]: line[what] for line in measurements if line[what] is not None}
        cost = _cost(table, name, unit, lambda row, of=spent: _spent(row, of), compares=False)
        found.append(replace(cost, machines=_machines(table, measurements)))
    known = timings(measurements)
    for deployments in table.deployed:
        runtime = NAMES[deployments.runtime]
        artifacts = {row.name: row.bytes.values for row in deployments.rows}
        times = {row.name: [timing.own["1"]["median"]] for row in deployments.rows if (timing := timing_of(row, known))}
        found.append(_cost(table, f"Artifact, {runtime}", "B", lambda row, of=artifacts: of.get(row.name), built=True))
        found.append(_cost(table, f"Latency, {runtime}", "s", lambda row, of=times: of.get(row.name)))
    return [cost for cost in found if any(cost.of.values())]


def _cost(table: Table, name: str, unit: str, values: Callable[[Row], Any], **more: bool) -> Cost:
    return Cost(name, unit, {row.name: statistics.fmean(of) for row in table.rows if (of := values(row))}, **more)


def _spent(row: Row, spent: Mapping[str, float]) -> list[float]:
    """By network; only of those whose trainings have all been measured."""
    return [sum(spent[key] for key in keys) for keys in row.trainings if keys and spent.keys() >= set(keys)]


def _machines(table: Table, measurements: Lines) -> dict[Name, frozenset[str]]:
    """By row, the machines on which its networks were trained."""
    of = {line["key"]: canonical(line["machine"]) for line in measurements}
    trained = {row.name: [key for keys in row.trainings for key in keys or ()] for row in table.rows}
    return {name: frozenset(of[key] for key in keys if key in of) for name, keys in trained.items()}


def worth(table: Table, union: Column) -> dict[Name, float]:
    """Mean robust accuracy of the rows that nothing speaks against."""
    able = [row for row in table.rows if row.accuracy[union].values and not row.verdict.suspect]
    return {row.name: row.accuracy[union].mean for row in able}


def fronts(table: Table, union: Column, cost: Cost) -> tuple[set[Name], set[Name]]:
    """The rows on the front of the sound ones, and on that of all that nothing speaks against: it stays to be seen."""
    value = worth(table, union)
    sound = {row.name for row in table.rows if row.verdict.sound}
    return front(cost.of, {name: share for name, share in value.items() if name in sound}), front(cost.of, value)


def front(cost: Mapping[Name, float], value: Mapping[Name, float]) -> set[Name]:
    """The rows that no other beats, among those whose cost and value are known (Pareto)."""
    known = [name for name in value if name in cost]

    def beaten(name: Name) -> bool:
        own = (cost[name], -value[name])
        others = ((cost[other], -value[other]) for other in known)
        return any(other != own and other[0] <= own[0] and other[1] <= own[1] for other in others)

    return {name for name in known if not beaten(name)}


def reference(table: Table, cost: Cost, row: Row) -> Name | None:
    """The dense row that a cost is compared with; None for a dense row, or in a grid without one.

    It is of the same training: what another one takes says nothing of this one's compression. What the structure alone
    decides is any dense row's.
    """
    plain = [compression.name for compression in table.grid.compressions if not compression.steps]
    if not plain or row.compression in plain:
        return None
    own = (plain[0], row.training)
    others = [name for name in cost.of if name[0] in plain] if cost.built else []
    return own if own in cost.of else next(iter(others), own)


def relative(table: Table, cost: Cost, row: Row) -> float | None:
    """The cost as a share of the dense row's; None for a dense row, or where one of both is not known.

    Nor are seconds a share of those that another machine took.
    """
    dense = reference(table, cost, row)
    if row.name not in cost.of or not cost.of.get(dense) or cost.machines.get(row.name) != cost.machines.get(dense):
        return None
    return cost.of[row.name] / cost.of[dense]
