"""A suite file, read and checked before anything runs: YAML in, `types.Suite` out, or one `SuiteError` with its line.

Every name, type, range and cross reference is checked here, against the plugins' own signatures; a mistake that this
room lets through costs a night of training.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmark import claims, deployments, epsilons, limits, verification
from benchmark.errors import suggest
from benchmark.plugins import Plugin, Registry
from benchmark.recipes import BUDGET, REINITIALISE, UNTRAINED, Recipes
from benchmark.schema import text
from benchmark.types import BEFORE, NORMS, Attack, Compression, Grid, Limit, Recipe, Source, Suite, Training
from benchmark.yaml_nodes import Node, read, whole

AXES = {  # axis → what it looks like, for messages
    "compressions": "{dense: [], prune-50: [{prune: {ratio: 0.5}}]}",
    "trainings": "{standard: {before: {standard: {epochs: 5}}}}",
    "attacks": "{pgd-20: {pgd: {steps: 20}}}",
}
# may stand at the suite's level, as every grid's default
GRID = ("dataset", "model", "norm", "eps", "limit", "runtimes", "headline", "replay_eps", "delta", "verify", *AXES)
SUITE = ("name", "source", "seeds", "eps_space", "grids", "claims", *GRID)
ATTACK = ("norm", "eps", "eps_space", "from", "on", "stop")  # beside an attack's plugin
LARGEST_SEED = 2**32 - 1  # numpy's generators take no larger one
SUITE_NAME = re.compile(r"[A-Za-z0-9][\w.+-]*", re.ASCII)


def load(path: Path, registry: Registry) -> Suite:
    """The suite in the file at `path`; SuiteError naming file, line, key and the way out."""
    top = read(Path(path))
    keys = top.keys(SUITE, required=("name",))
    space = epsilons.space(keys["eps_space"]) if "eps_space" in keys else None
    seeds = _seeds(keys["seeds"]) if "seeds" in keys else (0,)
    reader = _Grids(Recipes(registry, space), keys, top)
    found = reader.all()
    _check_sources(found, seeds)
    grids = tuple(one.grid for one in found)
    source = keys["source"].read(text) if "source" in keys else ""
    said = claims.read(keys["claims"], grids, reader.recipes.scale) if "claims" in keys else ()
    return Suite(Path(path), _suite_name(keys["name"]), seeds, grids, source, space, said, registry.folders)


@dataclass(frozen=True)
class _Found:
    """A grid, and the places of its attacks' `from`, which can be checked once every grid is known."""

    grid: Grid
    sources: dict[str, Node]


class _Grids:
    """Reads the grids of one suite; `defaults` are the suite's own keys."""

    def __init__(self, recipes: Recipes, defaults: dict[str, Node], top: Node):
        self.recipes, self.defaults, self.top = recipes, defaults, top

    def all(self) -> list[_Found]:
        if "grids" not in self.defaults:
            return [self._grid("main", self.top, {})]
        grids = {}
        for node in self.defaults["grids"].elements("[{name: first, …}, {name: second, …}]", _grid_name):
            keys = node.keys(("name", *GRID), required=("name",))
            name = _display_name(keys["name"].read(text), keys["name"], grids)
            grids[name] = self._grid(name, node, keys)
        if not grids:
            raise self.defaults["grids"].error("is empty; give it at least one grid")
        return list(grids.values())

    def _grid(self, name: str, node: Node, own: dict[str, Node]) -> _Found:
        keys = {key: found for key, found in (self.defaults | own).items() if key in GRID}
        for key in ("dataset", "model", *AXES):
            if key not in keys:
                raise node.error(f"needs {key!r}{' (here, or for all grids at the top)' if own else ''}")
        dataset, model = (self.recipes.read(kind, keys[kind]) for kind in ("dataset", "model"))
        compressions = tuple(self._compression(name, item) for name, item in _axis(keys, "compressions"))
        trainings = tuple(self._training(name, item, compressions) for name, item in _axis(keys, "trainings"))
        for compression, (_, item) in zip(compressions, _axis(keys, "compressions"), strict=True):
            _check_trained(item.elements(), compression.steps, trainings)
        attacks, sources = [], {}
        for attack, item in _axis(keys, "attacks"):
            found, source = self._attack(attack, item, keys, [compression.name for compression in compressions])
            attacks.append(found)
            if source:
                sources[attack] = source
        limit = limits.read(keys["limit"], dataset, self.recipes.registry) if "limit" in keys else Limit()
        runtimes = deployments.runtimes(keys["runtimes"]) if "runtimes" in keys else ()
        grid = Grid(name, dataset, model, compressions, trainings, tuple(attacks), limit, runtimes)
        grid = replace(grid, verify=verification.level(keys["verify"])) if "verify" in keys else grid
        return _Found(self._focused(grid, keys), sources)

    def _focused(self, grid: Grid, keys: dict[str, Node]) -> Grid:
        """The grid with the ε that it ranks and replays, and the difference that does not matter."""
        if "replay_eps" in keys and "runtimes" not in keys:
            raise keys["replay_eps"].at_key().error("nothing is deployed, so nothing is replayed; give runtimes")
        norm = epsilons.norm(keys["norm"]) if "norm" in keys else NORMS[0]
        chosen = {
            name: read(keys[name], norm, grid, self.recipes.scale)
            for name, read in (("headline", deployments.headline), ("replay_eps", deployments.replay_eps))
            if name in keys
        }
        return replace(grid, **chosen, delta=claims.delta(keys["delta"]) if "delta" in keys else grid.delta)

    def _compression(self, name: str, node: Node) -> Compression:
        form = "[], or [{prune: {ratio: 0.5}}]"
        steps = tuple(self._step(step) for step in node.elements(form))
        return Compression(name, steps, deployments.precision(steps, self.recipes.registry))

    def _step(self, node: Node) -> Recipe:
        if node.is_mapping and list(node.items()) == ["finetune"]:
            what = node.items()["finetune"]
            return self._finetune(what)
        if node.value == "finetune":
            raise node.error("finetune needs a training, as {finetune: before} or {finetune: {NAME: {…}}}")
        return self.recipes.read("compression", node)

    def _finetune(self, node: Node) -> Recipe:
        if node.value == BEFORE.plugin:
            return BEFORE
        if node.is_mapping and list(node.items()) == [BEFORE.plugin]:
            own = node.items()[BEFORE.plugin].keys((BUDGET.key,), required=(BUDGET.key,))
            return replace(BEFORE, arguments=((BUDGET.name, own[BUDGET.key].read(BUDGET.check)),))
        return self.recipes.read("training", node, tuned=True)

    def _training(self, name: str, node: Node, compressions: Sequence[Compression]) -> Training:
        keys = node.keys(("before", "after"), ("before",), "{before: {standard: {epochs: 5}}}")
        before = self.recipes.read("training", keys["before"])
        for compression in compressions:
            scaled = any(step.plugin == BEFORE.plugin and step.arguments for step in compression.steps)
            if scaled and "epochs" not in before.kwargs:
                what = f"training {before.plugin!r} has no epochs, which compression {compression.name!r} would scale"
                raise keys["before"].error(what)
        after = self.recipes.read("training", keys["after"], tuned=True) if "after" in keys else None
        return Training(name, before, after)

    def _attack(
        self, name: str, node: Node, grid: dict[str, Node], compressions: list[str]
    ) -> tuple[Attack, Node | None]:
        beside = {key: item for key, item in node.items().items() if key in ATTACK} if node.is_mapping else {}
        space = epsilons.space(beside["eps_space"]) if "eps_space" in beside else self.recipes.space
        recipes = replace(self.recipes, space=space)
        recipe = recipes.read("attack", node, beside=ATTACK)
        keys = {key: item for key, item in grid.items() if key in ATTACK} | beside
        norm = epsilons.norm(keys["norm"]) if "norm" in keys else NORMS[0]
        plugin = self.recipes.find("attack", recipe.plugin, node)
        norms, black_box = plugin.constant("NORMS", recipe, NORMS[:1]), plugin.constant("BLACK_BOX", recipe, False)
        if norm not in norms:
            problem = f"attack {recipe.plugin!r} has no norm {norm}; it takes {', '.join(norms)}"
            raise node.error(problem + ("" if "norm" in beside else ", so give this attack its own norm"))
        if "eps" not in keys:
            raise node.error("has no ε; give eps here or for the whole suite")
        usual = epsilons.norm(grid["norm"]) if "norm" in grid else NORMS[0]
        if "norm" in beside and "eps" not in beside and norm != usual:
            raise node.error(f"has norm {norm} of its own, for which the suite's ε are not meant; give it its own eps")
        eps = epsilons.read(keys["eps"], norm, recipes.scale)
        source = _source(keys["from"], compressions) if "from" in keys else None
        deployed = deployments.runtimes(grid["runtimes"]) if "runtimes" in grid else ()
        runtime = deployments.on(keys["on"], deployed) if "on" in keys else None
        if "stop" in beside:
            elsewhere = bool(source) or (bool(deployed) and not black_box)
            _check_stop(beside["stop"], plugin, recipe, elsewhere)
        steps = recipe.kwargs.get("steps", recipe.kwargs.get("max_iter"))
        iterative = plugin.constant("ITERATIVE", recipe, True) and steps != 1
        found = Attack(name, recipe, norm, eps, source, runtime, black_box, space, "stop" in beside, iterative)
        return found, keys.get("from")


def _axis(keys: dict[str, Node], axis: str) -> Iterator[tuple[str, Node]]:
    """An axis' display names and nodes; an error if it is empty or a name cannot be shown."""
    node = keys[axis]
    seen: dict[str, Node] = {}
    for name, item in node.items(AXES[axis]).items():
        yield _display_name(name, item.at_key(), seen), item
        seen[name] = item
    if not seen:
        raise node.error("is empty; give it at least one entry")


def _display_name(name: str, node: Node, seen: dict) -> str:
    """A name as tables, paths of rows and file systems can show it."""
    if not name.strip() or name != name.strip() or not name.isprintable() or set("/|") & set(name):
        raise node.error(f"{name!r} cannot be a display name: it must be a line of text, without / and |")
    for other in seen:
        if name.casefold() == other.casefold():
            raise node.error(f"name {name!r} differs from {other!r} at most by case; rename one of them")
    return name


def _grid_name(node: Node) -> str | None:
    name = node.items().get("name") if node.is_mapping else None
    return name.value if name and isinstance(name.value, str) else None


def _suite_name(node: Node) -> str:
    name = node.read(text)
    if not SUITE_NAME.fullmatch(name):
        raise node.error(f"{name!r} cannot name a suite; use letters, digits, and . _ + - inside")
    return name


def _seeds(node: Node) -> tuple[int, ...]:
    seeds: list[int] = []
    for item in node.elements("[0, 1]"):
        seed = whole(item, 0, LARGEST_SEED)
        if seed in seeds:
            raise item.error(f"seed {seed} is given twice")
        seeds.append(seed)
    if not seeds:
        raise node.error("is empty; give at least one seed")
    return tuple(seeds)


def _source(node: Node, compressions: list[str]) -> Source:
    """Where examples are crafted; which names exist is checked once every grid is known."""
    if not node.is_mapping:
        return Source(compression=node.read(text, "dense, or {compression: dense, training: standard}"))
    keys = node.keys(("grid", "compression", "training", "seed"))
    if not keys:
        raise node.error("is empty; name a grid, compression, training or seed, or leave `from` out")
    names = {key: item.read(text) for key, item in keys.items() if key != "seed"}
    return Source(**names, seed=whole(keys["seed"], 0) if "seed" in keys else None)


def _check_trained(places: list[Node], steps: tuple[Recipe, ...], trainings: tuple[Training, ...]) -> None:
    """Whether `finetune: before` has something to repeat, and a training follows weights that are drawn anew."""
    for number, (place, step) in enumerate(zip(places, steps, strict=True), 1):
        follows = any(later.kind == "training" and later.plugin != UNTRAINED for later in steps[number:])
        for training in trainings:
            if step.plugin == BEFORE.plugin and training.before.plugin == UNTRAINED:
                what = f"before of training {training.name!r} is none, so that there is nothing to repeat"
                raise place.error(f"{what}; name a training, as {{finetune: {{standard: {{epochs: 1}}}}}}")
            after = training.after and training.after.plugin != UNTRAINED
            if step.plugin == REINITIALISE and not follows and not after:
                what = f"nothing trains the new weights of {REINITIALISE} with training {training.name!r}"
                way = "{finetune: before}" if training.before.plugin != UNTRAINED else "a finetune"
                raise place.error(f"{what}; put {way} behind it, or give the training an after")


def _check_stop(node: Node, plugin: Plugin, recipe: Recipe, elsewhere: bool) -> None:
    """Whether an attack may be told to stop at the boundary; `elsewhere`: another network or artifact judges."""
    if node.read(text) != "boundary":
        raise node.error(f"unknown stop {node.value!s}; it takes boundary")
    if plugin.constant("MINIMUM_NORM", recipe, False):
        raise node.error(f"attack {plugin.name!r} stops at the boundary by nature; leave stop out")
    if not plugin.heeds("mode"):
        raise node.error(f"attack {plugin.name!r} cannot be told to (it does not read budget.mode); leave stop out")
    if not elsewhere:
        raise node.error("only the network that is attacked judges its examples, so that it stops there anyway; "
                         "give from, or leave stop out")  # fmt: skip


def _check_sources(grids: list[_Found], seeds: tuple[int, ...]) -> None:
    """Every network that a `from` names, or leaves as the target's own, must be one that the suite makes."""
    by_name = {found.grid.name: found.grid for found in grids}
    for found in grids:
        for attack in found.grid.attacks:
            if attack.source:
                _check_source(attack.source, found.sources[attack.name], found.grid, by_name, seeds)


def _check_source(source: Source, node: Node, target: Grid, grids: dict[str, Grid], seeds: tuple[int, ...]) -> None:
    places = node.items() if node.is_mapping else {"compression": node}
    if source.seed is not None and source.seed not in seeds:
        raise places["seed"].error(f"seed {source.seed} is not among the suite's seeds {', '.join(map(str, seeds))}")
    if source.grid is not None and source.grid not in grids:
        raise places["grid"].error(f"unknown grid {source.grid!r}{suggest(source.grid, grids)}")
    origin = grids[source.grid] if source.grid is not None else target
    for axis, made, own in (
        ("compression", origin.compressions, target.compressions),
        ("training", origin.trainings, target.trainings),
    ):
        names = [entry.name for entry in made]
        name = getattr(source, axis)
        if name is not None and name not in names:
            raise places[axis].error(f"unknown {axis} {name!r} of grid {origin.name!r}{suggest(name, names)}")
        missing = [entry.name for entry in own if entry.name not in names]
        if name is None and missing:
            raise node.error(
                f"grid {origin.name!r} has no {axis} {missing[0]!r} of the target's own; name one as {axis}"
            )
    if origin.dataset != target.dataset or origin.limit.test != target.limit.test:
        raise node.error(f"grid {origin.name!r} has another dataset or test limit, so its examples do not fit here")
