"""Which record fills which cell of a suite: by place, and only if it was made as the suite says now."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from benchmark.deployments import trials
from benchmark.errors import RequestError
from benchmark.outcomes import both
from benchmark.types import BEFORE, Grid, Suite, canonical, repeated

Record = Mapping[str, Any]
Place = tuple[str, str, str, int, str, float]  # grid, compression, training, seed, attack, ε in pixels
ROW = ("grid", "compression", "training", "seed")


def places(suite: Suite, grid: Grid, runtime: str | None = None) -> Iterator[Place]:
    """Every cell of a grid's networks, or of their deployments to a runtime, in the suite's order."""
    for compression in grid.compressions:
        for training in grid.trainings:
            for seed in suite.seeds:
                for trial in trials(grid, compression):
                    if trial.runtime == runtime:
                        row = (grid.name, compression.name, training.name, seed, trial.attack.name)
                        yield from ((*row, eps.value) for eps in trial.eps)


def place(line: Mapping[str, Any]) -> Place:
    """The cell of a record or of a hole, among those of its runtime."""
    return tuple(line[name] for name in (*ROW, "attack", "eps"))


def claim(suite: Suite, grid: Grid, records: Iterable[Record], runtime: str | None = None) -> dict[Place, Record]:
    """The records of a grid's cells, in the suite's order: those of its networks, or of deployments to a runtime.

    Raises RequestError when they cannot be of one run.
    """
    filed = {place(record): record for record in records if record["runtime"] == runtime}
    cells = places(suite, grid, runtime)
    found = {cell: filed[cell] for cell in cells if cell in filed and _as_planned(grid, filed[cell])}
    networks: dict[tuple, str] = {}
    for name in ("n", "dataset", "limit"):
        values = sorted({canonical(record[name]) for record in found.values()})
        if len(values) > 1:
            raise RequestError(
                f"records of grid {grid.name} disagree on {name}, {' and '.join(values[:2])}; run it again"
            )
    for record in found.values():
        row = tuple(record[name] for name in ROW)
        if networks.setdefault(row, record["keys"]["network"]) != record["keys"]["network"]:
            raise RequestError(f"records of {' / '.join(map(str, row))} are of two networks; run the suite again")
    return found


def folded(found: Mapping[Place, Record], replayed: Iterable[Record]) -> dict[Place, Record]:
    """The records of networks, with what these say of the examples that were made for their artifacts.

    Those were tried on the network too: what broke it there is broken.
    """
    result = dict(found)
    for record in replayed:
        own, word = result.get(place(record)), record["deployed"]["twin"]["robust"]
        if own and own["n"] != record["n"]:
            grid = record["grid"]
            raise RequestError(f"records of grid {grid} disagree on n, {own['n']} and {record['n']}; run it again")
        if own and word:
            robust = both(own["outcomes"]["robust"], word, own["n"])
            result[place(record)] = {**own, "outcomes": {**own["outcomes"], "robust": robust}}
    return result


def _as_planned(grid: Grid, record: Record) -> bool:
    """Whether the record's recipes are the suite's: a board never shows a figure under another recipe's name."""
    compression = _named(grid.compressions, record["compression"])
    training = _named(grid.trainings, record["training"])
    attack = _named(grid.attacks, record["attack"])
    own = {name: record[name] for name in ROW}
    named = {name: value for name, value in vars(attack.source).items() if value is not None} if attack.source else {}
    planned = {
        "dataset": grid.dataset.described(),
        "model": grid.model.described(),
        "steps": [repeated(step, training.before).described() for step in compression.steps],
        "before": training.before.described(),
        "after": training.after and training.after.described(),
        "recipe": attack.recipe.described(),
        "norm": attack.norm,
        "from": own | named,
    }
    if attack.source:  # examples that another row's network was attacked for: at full strength, or stopped
        planned["mode"] = "decide" if attack.boundary else "examples"
    made = {name: record[name] for name in planned}
    made["dataset"] = {record["dataset"]["name"]: record["dataset"]["arguments"]}
    made["steps"] = [record["before"] if step == BEFORE.described() else step for step in record["steps"]]
    made["from"] = record["from"] or own
    return canonical(planned) == canonical(made)


def _named(things: Sequence[Any], name: str) -> Any:
    return next(thing for thing in things if thing.name == name)
