"""Suite → stages with content keys, and the cells that are made of them.

    base = train(dataset, model, before, seed) → one compress or tune stage per step → tune(after)
         → judge (clean);  craft(target, attack, ε, subset, mode) → judge (its examples)
         → deploy(runtime) → judge (clean, and examples that are replayed or made against it);  latency (of several)
         → verify (a check of the network, on what its judges left)

A stage's key is the hash of everything that its artifact depends on, and of nothing else: no display name, no place in
the suite. So rows share their prefixes, suites share stages with each other, and a run resumes by looking.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from benchmark.deployments import Trial, trials
from benchmark.device import fastest_precision
from benchmark.plugins import Registry
from benchmark.source import code
from benchmark.types import (
    PROTOCOL,
    Attack,
    Cell,
    Compression,
    CraftTask,
    Deployed,
    DeployTask,
    Epsilon,
    Grid,
    JudgeTask,
    LatencyTask,
    NetworkTask,
    Recipe,
    Stage,
    Suite,
    Training,
    canonical,
    repeated,
)
from benchmark.verification import Check, Doubts

# kind of stage → its module in benchmark/stages
MODULES = {"tune": "train"} | {kind: kind for kind in ("train", "compress", "craft", "judge", "deploy", "latency")}

Keep = Callable[[Cell], bool]


@dataclass
class Plan:
    """Stages by key, each after its inputs; the cells made of them; and what naive work would be."""

    stages: dict[str, Stage] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    naive: int = 0  # stages that running each cell on its own would execute

    def made_of(self, cell: Cell) -> list[str]:
        """The keys of the stages that a cell's record is made of."""
        beside = (cell.deployed.deployment, cell.deployed.clean, cell.deployed.judge) if cell.deployed else ()
        return [key for key in (cell.network, cell.clean, cell.craft, cell.judge, *beside) if key]

    def needed(self, cell: Cell) -> Iterator[str]:
        """The keys of every stage that a cell rests on."""
        return self.closure(self.made_of(cell))

    def closure(self, keys: list[str]) -> Iterator[str]:
        """These stages and every one that they rest on."""
        waiting, seen = list(keys), set()
        while waiting:
            key = waiting.pop()
            if key not in seen:
                seen.add(key)
                yield key
                waiting += [made for _, made in self.stages[key].inputs]

    def chain(self, network: str) -> list[str]:
        """The keys of the stages that a network went through, from its first training to itself."""
        found = [network]
        while above := self.stages[found[-1]].input("network"):
            found.append(above)
        return found[::-1]


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
        latencies = [stage for grid in self.suite.grids for stage in self._latencies(grid)]
        kept = [cell for cell in every if keep(cell)]
        whole = Plan(stages=self.made)
        result = Plan(cells=kept, checks=[*self._checks(every, set(kept))])
        wanted = {key for cell in kept for key in whole.needed(cell)}
        verified = [set(whole.closure([check.key])) for check in result.checks]
        wanted |= set().union(*verified)
        timed = {stage.key for stage in latencies if wanted.issuperset(dict(stage.inputs).values())}
        wanted |= timed
        result.stages = {key: stage for key, stage in self.made.items() if key in wanted}
        result.naive = sum(len(set(whole.needed(cell))) for cell in result.cells) + len(timed)
        result.naive += sum(map(len, verified))
        return result

    def _checks(self, cells: list[Cell], kept: set[Cell]) -> Iterator[Check]:
        """Those of the networks of which every cell is kept: what is left out would look like what survives."""
        lacking = {(cell.grid, cell.network) for cell in cells if cell.deployed is None and cell not in kept}
        for grid in (grid for grid in self.suite.grids if grid.verify != "none"):
            whole = [cell for cell in cells if cell.grid == grid.name and (grid.name, cell.network) not in lacking]
            yield from Doubts(grid, self._name(grid), self.made, self._network, self._stage).checks(whole)

    def _cells(self, grid: Grid) -> Iterator[Cell]:
        for training in grid.trainings:
            for seed in self.suite.seeds:
                for compression in grid.compressions:
                    row = f"{self._name(grid)} · {compression.name} · {training.name} · seed {seed}"
                    network = self._network(grid, compression, training, seed)
                    for trial in trials(grid, compression):
                        source = self._source(grid, compression, training, seed, trial.attack) or network
                        if trial.runtime:
                            deployment = self._deployment(compression, trial.runtime, network, row)
                            judged = self._on_deployment(grid, trial, deployment, network, source, row)
                        else:
                            judged = self._on_network(grid, trial, network, source, row)
                        for eps, *stages in judged:
                            yield Cell(
                                grid.name, compression.name, training.name, seed, trial.attack.name, eps,
                                network.key, *stages,
                            )  # fmt: skip

    def _on_network(self, grid: Grid, trial: Trial, network: Stage, source: Stage, row: str) -> Iterator[tuple]:
        """At each ε of a trial: what its cell holds behind the network."""
        clean = self._judge(grid, network, None, f"{row} · clean images")
        for eps, craft in self._crafts(grid, trial, source, source.task.seed, row):
            judge = self._judge(grid, network, craft, f"{row} · {trial.attack.name}{_at(eps, craft)}")
            yield eps, clean.key, craft.key, judge.key

    def _on_deployment(
        self, grid: Grid, trial: Trial, deployment: Stage, network: Stage, source: Stage, row: str
    ) -> Iterator[tuple]:
        """The same of a deployment, with what its network says of the same images."""
        here = f"{row} · on {trial.runtime}"
        clean, own_clean = (
            self._judge(grid, judge, None, f"{where} · clean images")
            for judge, where in ((deployment, here), (network, row))
        )
        for eps, craft in self._crafts(grid, trial, deployment if trial.direct else source, source.task.seed, here):
            what = f"{trial.attack.name}{_at(eps, craft)}"
            judge = self._judge(grid, deployment, craft, f"{here} · {what}")
            own = None if trial.direct else self._judge(grid, network, craft, f"{row} · replayed {what}").key
            deployed = Deployed(trial.runtime, deployment.key, own_clean.key, own)
            yield eps, clean.key, craft.key, judge.key, deployed

    def _deployment(self, compression: Compression, runtime: str, network: Stage, row: str) -> Stage:
        task = DeployTask(runtime, compression.precision)
        return self._stage("deploy", task, {"network": network.key}, f"{row} · deploying to {runtime}", [])

    def _latencies(self, grid: Grid) -> Iterator[Stage]:
        """For each runtime and training, the first seed's deployments, timed in turns."""
        seed = self.suite.seeds[0]
        for runtime in grid.runtimes:
            for training in grid.trainings:
                inputs: dict[str, str] = {}
                for compression in (one for one in grid.compressions if one.precision):
                    row = f"{self._name(grid)} · {compression.name} · {training.name} · seed {seed}"
                    network = self._network(grid, compression, training, seed)
                    key = self._deployment(compression, runtime, network, row).key
                    if key not in inputs.values():
                        inputs[str(len(inputs)) if compression.steps else "dense"] = key
                if inputs:
                    label = f"{self._name(grid)} · {training.name} · seed {seed} · latency on {runtime}"
                    yield self._stage("latency", LatencyTask(runtime), inputs, label, [])

    def _name(self, grid: Grid) -> str:
        return self.suite.name if len(self.suite.grids) == 1 else f"{self.suite.name}/{grid.name}"

    def _network(self, grid: Grid, compression: Compression, training: Training, seed: int) -> Stage:
        start, end = f"{self._name(grid)} · ", f"{training.name} · seed {seed}"
        stage = dense = self._network_stage("train", grid, training.before, seed, {}, start + end)
        steps = [(f"step {number}", step) for number, step in enumerate(compression.steps, 1)]
        steps += [("after", training.after)] if training.after else []
        for name, step in steps:
            recipe = repeated(step, training.before)
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

    def _crafts(self, grid: Grid, trial: Trial, target: Stage, seed: int, row: str) -> Iterator[tuple[Epsilon, Stage]]:
        """The trial's examples at each of its ε, against `target`: a network or, if they are direct, a deployment."""
        attack = trial.attack
        plugin = self.registry.find("attack", attack.recipe.plugin)
        once = bool(plugin.constant("MINIMUM_NORM", attack.recipe, False))
        values = tuple(sorted((eps.value for eps in attack.eps), reverse=True))
        elsewhere = bool(attack.source or (trial.runtime and not trial.direct))  # another judges than who is attacked
        mode = "examples" if elsewhere and not attack.boundary else "decide"
        # only an attack that says that its failure in a ball speaks for the smaller ones, and that draws by the example
        sweeps = not elsewhere and bool(plugin.constant("SWEEP", attack.recipe, False))
        precision = self.precision if plugin.constant("BF16", attack.recipe, False) else "fp32"
        for eps in trial.eps:
            task = CraftTask(
                grid.dataset,
                grid.limit.test,
                attack.recipe,
                attack.norm,
                eps=values[:1] if once else values if sweeps else (eps.value,),
                mode=mode,
                seed=seed,
                minimum_norm=once,
                train_limit=grid.limit.train if "fit" in plugin.hooks else None,
                precision=precision,
                headline=grid.headline_of(attack.norm) if precision == "bf16" else None,
                runtime=trial.runtime if trial.direct else None,
            )
            at = "" if once or sweeps else f" at ε {eps.label}"
            label = f"{row} · crafting {attack.name}{at}"
            inputs = {_role(target): target.key}
            yield eps, self._stage("craft", task, inputs, label, [grid.dataset, attack.recipe])

    def _judge(self, grid: Grid, judge: Stage, craft: Stage | None, label: str) -> Stage:
        """What a network, or a deployment, says of clean images or of examples."""
        inputs = {_role(judge): judge.key} | ({"craft": craft.key} if craft else {})
        task = JudgeTask(grid.dataset, grid.limit.test, getattr(judge.task, "runtime", None))
        return self._stage("judge", task, inputs, label, [grid.dataset])

    def _stage(self, kind: str, task: Any, inputs: dict[str, str], label: str, recipes: list[Recipe]) -> Stage:
        """The stage of this content, made once; `recipes` are those whose plugins it runs."""
        sources = {
            f"source of {recipe.kind} {recipe.plugin}": self.registry.find(recipe.kind, recipe.plugin).source
            for recipe in recipes
        }
        ingredients = {
            "stage": kind,
            "code": code(f"verify/{task.how}" if kind == "verify" else MODULES[kind]),
            "protocol": PROTOCOL,
            # a runtime is on the CPU whatever the device, and its precision is its task's
            "device": "cpu" if kind in ("deploy", "latency") else f"{self.device} {self.precision}",
            **{name: self._content(value) for name, value in vars(task).items()},
            **{f"input {role}": key for role, key in inputs.items()},
            **sources,
        }
        key = hashlib.sha256(canonical(ingredients).encode()).hexdigest()[:32]
        return self.made.setdefault(key, Stage(kind, key, label, task, tuple(inputs.items()), ingredients))

    def _content(self, value: Any) -> Any:
        """What a key holds of a task's value: of a recipe that names files their digests, not where they lie."""
        if isinstance(value, tuple):
            return [self._content(item) for item in value]
        if not isinstance(value, Recipe):
            return value
        paths = self.registry.find(value.kind, value.plugin).constants.get("FILE_DIGESTS", {})
        return asdict(replace(value, arguments=tuple(one for one in value.arguments if one[0] not in paths)))


def _at(eps: Epsilon, craft: Stage) -> str:
    return f" at ε {eps.label}" if len(craft.task.eps) == 1 else ""


def _role(stage: Stage) -> str:
    """What a stage is to one that attacks or judges it."""
    return "deployment" if stage.kind == "deploy" else "network"


def _named(things: tuple, name: str):
    return next(thing for thing in things if thing.name == name)
