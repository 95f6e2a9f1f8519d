"""Suite → stages with content keys, and the cells that are made of them.

    base = train(dataset, model, before, seed) → one compress or tune stage per step → tune(after)
         → judge (clean);  craft(target, attack, ε, subset, mode) → judge (its examples)

A stage's key is the hash of everything that its artifact depends on, and of nothing else: no display name, no place in
the suite. So rows share their prefixes, suites share stages with each other, and a run resumes by looking.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmark.device import fastest_precision
from benchmark.plugins import Registry
from benchmark.source import code
from benchmark.types import (
    BEFORE,
    PROTOCOL,
    Attack,
    Cell,
    Compression,
    CraftTask,
    Epsilon,
    Grid,
    JudgeTask,
    NetworkTask,
    Recipe,
    Stage,
    Suite,
    Training,
    canonical,
)

# kind of stage → its module in benchmark/stages
MODULES = {"train": "train", "compress": "compress", "tune": "train", "craft": "craft", "judge": "judge"}

Keep = Callable[[Cell], bool]


@dataclass
class Plan:
    """Stages by key, each after its inputs; the cells made of them; and what naive work would be."""

    stages: dict[str, Stage] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    naive: int = 0  # stages that running each cell on its own would execute

    def needed(self, cell: Cell) -> Iterator[str]:
        """The keys of every stage that a cell rests on."""
        waiting, seen = [cell.network, cell.clean, cell.craft, cell.judge], set()
        while waiting:
            key = waiting.pop()
            if key not in seen:
                seen.add(key)
                yield key
                waiting += [made for _, made in self.stages[key].inputs]


def plan(suite: Suite, registry: Registry, device: str, keep: Keep = lambda cell: True) -> Plan:
    """Plan the cells of a suite that `keep` accepts (all by default), on "cpu" or "cuda"."""
    return _Planner(suite, registry, device).plan(keep)


class _Planner:
    def __init__(self, suite: Suite, registry: Registry, device: str):
        self.suite, self.registry, self.device = suite, registry, device
        self.precision = fastest_precision(device)
        self.made: dict[str, Stage] = {}

    def plan(self, keep: Keep) -> Plan:
        every = [cell for grid in self.suite.grids for cell in self._cells(grid)]
        result = Plan(cells=[cell for cell in every if keep(cell)])
        whole = Plan(stages=self.made)
        wanted = {key for cell in result.cells for key in whole.needed(cell)}
        result.stages = {key: stage for key, stage in self.made.items() if key in wanted}
        result.naive = sum(len(set(whole.needed(cell))) for cell in result.cells)
        return result

    def _cells(self, grid: Grid) -> Iterator[Cell]:
        for training in grid.trainings:
            for seed in self.suite.seeds:
                for compression in grid.compressions:
                    row = f"{self._name(grid)} · {compression.name} · {training.name} · seed {seed}"
                    network = self._network(grid, compression, training, seed)
                    clean = self._judge(grid, network, None, f"{row} · clean images")
                    for attack in grid.attacks:
                        source = self._source(grid, compression, training, seed, attack) or network
                        for eps, craft in self._crafts(grid, attack, source, seed, row):
                            at = f" at ε {eps.label}" if len(craft.task.eps) == 1 else ""
                            label = f"{row} · {attack.name}{at}"
                            judge = self._judge(grid, network, craft, label)
                            yield Cell(
                                grid.name, compression.name, training.name, seed, attack.name, eps,
                                network.key, clean.key, craft.key, judge.key,
                            )  # fmt: skip

    def _name(self, grid: Grid) -> str:
        return self.suite.name if len(self.suite.grids) == 1 else f"{self.suite.name}/{grid.name}"

    def _network(self, grid: Grid, compression: Compression, training: Training, seed: int) -> Stage:
        start, end = f"{self._name(grid)} · ", f"{training.name} · seed {seed}"
        stage = dense = self._network_stage("train", grid, training.before, seed, {}, start + end)
        steps = [(f"step {number}", step) for number, step in enumerate(compression.steps, 1)]
        steps += [("after", training.after)] if training.after else []
        for name, step in steps:
            recipe = training.before if step == BEFORE else step
            kind = "compress" if step.kind == "compression" else "tune"
            inputs = {"network": stage.key, "dense": dense.key}
            label = f"{start}{compression.name}, {name} · {end}"
            stage = self._network_stage(kind, grid, recipe, seed, inputs, label)
        return stage

    def _source(self, grid: Grid, compression: Compression, training: Training, seed: int, attack: Attack):
        """The network that the attack's examples are crafted on, if it is named."""
        if attack.source is None:
            return None
        named = attack.source
        other = _named(self.suite.grids, named.grid or grid.name)
        return self._network(
            other,
            _named(other.compressions, named.compression or compression.name),
            _named(other.trainings, named.training or training.name),
            seed if named.seed is None else named.seed,
        )

    def _network_stage(self, kind: str, grid: Grid, recipe: Recipe, seed: int, inputs: dict, label: str) -> Stage:
        task = NetworkTask(grid.dataset, grid.limit.train, grid.model, recipe, seed)
        return self._stage(kind, task, inputs, label, [grid.dataset, grid.model, recipe])

    def _crafts(
        self, grid: Grid, attack: Attack, target: Stage, seed: int, row: str
    ) -> Iterator[tuple[Epsilon, Stage]]:
        plugin = self.registry.find("attack", attack.recipe.plugin)
        once = bool(plugin.constant("MINIMUM_NORM", attack.recipe, False))
        values = tuple(sorted((eps.value for eps in attack.eps), reverse=True))
        mode = "examples" if attack.source else "decide"
        # only an attack that says that its failure in a ball speaks for the smaller ones, and that draws by the example
        sweeps = mode == "decide" and bool(plugin.constant("SWEEP", attack.recipe, False))
        for eps in attack.eps:
            task = CraftTask(
                grid.dataset,
                grid.limit.test,
                attack.recipe,
                attack.norm,
                eps=values[:1] if once else values if sweeps else (eps.value,),
                mode=mode,
                seed=target.task.seed,
                minimum_norm=once,
                train_limit=grid.limit.train if "fit" in plugin.hooks else None,
                precision=self.precision if plugin.constant("BF16", attack.recipe, False) else "fp32",
            )
            at = "" if once or sweeps else f" at ε {eps.label}"
            label = f"{row} · crafting {attack.name}{at}"
            yield eps, self._stage("craft", task, {"network": target.key}, label, [grid.dataset, attack.recipe])

    def _judge(self, grid: Grid, network: Stage, craft: Stage | None, label: str) -> Stage:
        inputs = {"network": network.key} | ({"craft": craft.key} if craft else {})
        return self._stage("judge", JudgeTask(grid.dataset, grid.limit.test), inputs, label, [grid.dataset])

    def _stage(self, kind: str, task: Any, inputs: dict[str, str], label: str, recipes: list[Recipe]) -> Stage:
        """The stage of this content, made once; `recipes` are those whose plugins it runs."""
        sources = {
            f"source of {recipe.kind} {recipe.plugin}": self.registry.find(recipe.kind, recipe.plugin).source
            for recipe in recipes
        }
        ingredients = {
            "stage": kind,
            "code": code(MODULES[kind]),
            "protocol": PROTOCOL,
            "device": f"{self.device} {self.precision}",
            **{name: _plain(value) for name, value in vars(task).items()},
            **{f"input {role}": key for role, key in inputs.items()},
            **sources,
        }
        key = hashlib.sha256(canonical(ingredients).encode()).hexdigest()[:32]
        return self.made.setdefault(key, Stage(kind, key, label, task, tuple(inputs.items()), ingredients))


def _plain(value: Any) -> Any:
    return asdict(value) if isinstance(value, Recipe) else value


def _named(things: tuple, name: str):
    return next(thing for thing in things if thing.name == name)
