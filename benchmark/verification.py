"""How a network's figures are doubted: the checks of a suite's `verify`, what each looks at, whose examples it sees.

    verify: full     # every check at its size: a row can be sound
    verify: quick    # a tenth of it: it can find fault, and no more
    verify: none

What a check finds is counted by its stage; what follows from that is the leaderboard's to say.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from benchmark.errors import suggest
from benchmark.recipes import REINITIALISE
from benchmark.schema import text
from benchmark.types import Attack, Cell, Compression, Grid, Recipe, Stage, Training
from benchmark.yaml_nodes import Node

LEVELS = ("full", "quick", "none")
QUICK = 10  # a quick check is smaller by this factor


@dataclass(frozen=True)
class VerifyTask:
    """Doubt the input network in one way, which is a module of benchmark/stages/verify.

    Looked at are at most `size` of the examples that stand on the clean image and at `eps` (pixels) or less, by the
    input judgements "judge 0", … of the crafts "craft 0", …. Of `attacks` examples are made at `radius`, on the input
    networks "other 0", … or, if there are none, on the network itself. Beside what stands they are shown `control`
    examples that do not: what an attack cannot break there, it would not find here.
    """

    dataset: Recipe
    limit: int | None  # test examples
    how: str
    size: int | None
    seed: int
    norm: str
    eps: float
    radius: float
    attacks: tuple[Recipe, ...] = ()
    control: int = 0


@dataclass(frozen=True)
class Check:
    """A check of one network, at the headline ε of a norm or (None) of the network as such, and the stage that does it.

    sources: the rows that its examples come from, as (compression, training); a compression of None is the dense
    network before anything was done to it.
    """

    name: str
    grid: str
    compression: str
    training: str
    seed: int
    norm: str | None
    eps: float | None
    level: str
    network: str
    clean: str
    key: str
    sources: tuple[tuple[str | None, str], ...] = ()


@dataclass(frozen=True)
class Kind:
    """One kind of check.

    how: the module that does it. size: how many examples, at most, it looks at when full (None: all), of those that
    stand after the row's attacks `of` a kind: "every", "gradient" (all but those that need predictions alone),
    "iterative" (all but single steps and universal perturbations), or "no" (all that are right when clean). radius: of
    its own examples, in ℓ∞, if not the headline ε. norms: for which it can be done. whole: it is of the network,
    whatever the norm.
    """

    name: str
    how: str
    size: int | None
    of: str = "no"
    attacks: tuple[Recipe, ...] = ()
    radius: float | None = None
    norms: tuple[str, ...] = ("inf", "2", "1")
    whole: bool = False
    control: int = 0  # examples that the row's attacks have broken, to see whether this one can

    def counts(self, attack: Attack) -> bool:
        """Whether what an attack of the row broke is out of the check's sight."""
        return {"every": True, "gradient": not attack.black_box, "iterative": attack.iterative, "no": False}[self.of]

    def size_at(self, level: str) -> int | None:
        """How many examples it looks at, at most (None: all), at a level of checks."""
        return self.size and self.size // (QUICK if level == "quick" else 1)


def _attack(plugin: str, **arguments: object) -> Recipe:
    return Recipe("attack", plugin, tuple(sorted(arguments.items())))


ZERO, STRONG, TRANSFER, TRAINED = "zero gradient", "strong rerun", "transfer", "trained"
FRESH, FURTHER = "fresh training", "further training"  # roles of a trained check's inputs, numbered
KINDS = (
    Kind(ZERO, "gradients", 500, "every"),
    Kind(STRONG, "attacked", 500, "every", (_attack("pgd", steps=100, restarts=5, loss="margin"),)),
    Kind(
        "gradient-free", "attacked", 200, "gradient", (_attack("square", queries=1000),), norms=("inf", "2"), control=50
    ),
    Kind(TRANSFER, "attacked", 500, "every", (_attack("pgd", steps=50),), control=50),
    Kind("single step", "attacked", 2000, "iterative", (_attack("fgsm"),)),
    Kind(
        "unbounded",
        "attacked",
        200,
        # from the clean image: the noise of a random start in so large a ball breaks any network without a gradient
        attacks=tuple(_attack("pgd", steps=100, restarts=0, loss=loss) for loss in ("ce", "margin")),
        radius=0.5,
        whole=True,
    ),
    Kind("random", "repeated", 1000, whole=True),
    Kind(TRAINED, "trained", None, whole=True),
)


def level(node: Node) -> str:
    """What a suite says under `verify`."""
    given = node.read(text, ", ".join(LEVELS[:-1]) + f" or {LEVELS[-1]}")
    if given not in LEVELS:
        raise node.error(f"unknown level {given!r}{suggest(given, LEVELS)}")
    return given


def others(grid: Grid, compression: Compression, training: Training) -> list[tuple[Compression | None, Training]]:
    """Whose examples a network is shown: its dense parent's and its nearest sibling's; a dense one two other rows'."""
    place = grid.compressions.index(compression)
    near = sorted(
        (other for other in grid.compressions if other is not compression),
        key=lambda other: (bool(other.steps), abs(grid.compressions.index(other) - place)),
    )
    rows: list[tuple[Compression | None, Training]] = [(other, training) for other in near]
    if compression.steps and all(other.steps for other in near):
        rows = [(None, training), *rows]
    return [*rows, *((compression, other) for other in grid.trainings if other is not training)][:2]


@dataclass(frozen=True)
class Doubts:
    """Plans a grid's checks: `network` gives a row's stage, `make` that of a kind, task, inputs, label and recipes.

    name: of the grid, for labels; stages: by key, those that are planned.
    """

    grid: Grid
    name: str
    stages: Mapping[str, Stage]
    network: Callable[[Grid, Compression, Training, int], Stage]
    make: Callable[[str, VerifyTask, dict[str, str], str, list[Recipe]], Stage]

    def checks(self, cells: Iterable[Cell]) -> Iterator[Check]:
        """Of every network among the cells, which are the grid's."""
        own: dict[tuple[str, str, int], list[Cell]] = {}
        for cell in cells:
            if cell.deployed is None:
                own.setdefault((cell.compression, cell.training, cell.seed), []).append(cell)
        for place, judged in own.items():
            made: dict[tuple[str, str | None], str] = {}
            norms = dict.fromkeys(self._attack(cell).norm for cell in judged)
            for kind in KINDS:
                for norm in [None] if kind.whole else [norm for norm in norms if norm in kind.norms]:
                    check = self._check(kind, norm, place, judged, made)
                    if check:
                        made[kind.name, norm] = check.key
                        yield check

    def _check(self, kind: Kind, norm: str | None, place: tuple, judged: list[Cell], made: dict) -> Check | None:
        compression = next(one for one in self.grid.compressions if one.name == place[0])
        training = next(one for one in self.grid.trainings if one.name == place[1])
        sources = others(self.grid, compression, training) if kind.name == TRANSFER else []
        if kind.name == TRANSFER and not sources:
            return None
        eps, grid, one = norm and self.grid.headline_of(norm), self.grid, judged[0]
        smaller = QUICK if grid.verify == "quick" else 1
        task = VerifyTask(
            grid.dataset,
            grid.limit.test,
            kind.how,
            kind.size_at(grid.verify),
            place[2],
            norm or "inf",
            eps or 0.0,
            kind.radius or eps or 0.0,
            kind.attacks,
            kind.control // smaller,
        )
        inputs = {"network": one.network, "clean": one.clean}
        tried = [cell for cell in judged if self._attack(cell).norm == norm and cell.eps.value <= eps]
        seen = dict.fromkeys((cell.judge, cell.craft) for cell in tried if kind.counts(self._attack(cell)))
        for number, pair in enumerate(seen):
            inputs |= dict(zip((f"judge {number}", f"craft {number}"), pair, strict=True))
        for number, (row, under) in enumerate(sources):
            own = (row, under) if row else (Compression("dense"), replace(under, after=None))
            inputs[f"other {number}"] = self.network(grid, *own, place[2]).key
        if kind.name == STRONG:
            inputs["zero gradient"] = made[ZERO, norm]
        if kind.name == TRAINED:
            inputs["dense"] = self.stages[one.network].input("dense") or one.network
            inputs |= self._trainings(one.network)
        label = f"{self.name} · {place[0]} · {place[1]} · seed {place[2]} · check {kind.name}"
        stage = self.make("verify", task, inputs, label, [grid.dataset, *kind.attacks])
        names = tuple((row and row.name, under.name) for row, under in sources)
        return Check(kind.name, grid.name, *place, norm, eps, grid.verify, one.network, one.clean, stage.key, names)

    def _trainings(self, network: str) -> dict[str, str]:
        """By role, the trainings that a network went through: those of fresh weights, and those that went on."""
        chain = [self.stages[network]]
        while above := chain[0].input("network"):
            chain.insert(0, self.stages[above])
        found, fresh = {}, True
        for stage in chain:
            if stage.kind in ("train", "tune"):
                found[f"{FRESH if fresh else FURTHER} {len(found)}"] = stage.key
                fresh = False
            elif stage.task.recipe.plugin == REINITIALISE:
                fresh = True
        return found

    def _attack(self, cell: Cell) -> Attack:
        return next(attack for attack in self.grid.attacks if attack.name == cell.attack)
