"""Every noun of the benchmark, as frozen dataclasses. No torch here: a plan is made of these alone."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

PROTOCOL = "1"  # the version of the rules that a number on the board obeys; every record carries it
NORMS = ("inf", "2", "1")
RUNTIMES = ("openvino", "onnxruntime")  # what a network can be deployed to


@dataclass(frozen=True)
class Epsilon:
    """A perturbation budget's size: `value` in pixels ([0, 1] scale), and as the suite wrote it."""

    value: float
    written: float  # in the space that it was written in: equal to `value` unless that is an eps_space
    label: str  # the suite's own text, "8/255"


@dataclass(frozen=True)
class Budget:
    """What an attack may spend on one batch: handed to every attack plugin.

    norm: "inf", "2" or "1"; eps: the ball's radius in pixels; batch_size: examples per pass;
    mode: "decide" (an attack may stop at the first success) or "examples" (every step is run, because the
    examples will be judged on another network); precision: "fp32", or "bf16" where an attack that says that it can
    (`BF16 = True`) may compute the network's body in bfloat16.
    """

    norm: str
    eps: float
    batch_size: int
    mode: str = "decide"
    precision: str = "fp32"


@dataclass(frozen=True)
class Recipe:
    """A plugin's name and all of its arguments, defaults included. `arguments` holds JSON values, sorted by name."""

    kind: str  # attack, compression, training, model or dataset
    plugin: str
    arguments: tuple[tuple[str, Any], ...] = ()

    @property
    def kwargs(self) -> dict[str, Any]:
        return dict(self.arguments)

    def described(self) -> dict[str, Any]:
        """The recipe as JSON values: {plugin: {argument: value}}."""
        return {self.plugin: self.kwargs}


BEFORE = Recipe("training", "before")  # in a compression's steps: repeat the row's own `before` training


def repeated(step: Recipe, before: Recipe) -> Recipe:
    """A step of a compression as it is run: what repeats the row's `before` is that training, with what it adds."""
    if (step.kind, step.plugin) != (BEFORE.kind, BEFORE.plugin):
        return step
    return replace(before, arguments=tuple(sorted((before.kwargs | step.kwargs).items())))


@dataclass(frozen=True)
class Compression:
    """A named list of steps; a step is a compression's recipe or a training's (to fine-tune in between).

    precision: what the network is deployed in, "fp32" or "int8"; None: in nothing that a runtime computes in.
    """

    name: str
    steps: tuple[Recipe, ...] = ()
    precision: str | None = "fp32"


@dataclass(frozen=True)
class Training:
    """What happens before the compression and, if anything, after it."""

    name: str
    before: Recipe
    after: Recipe | None = None


@dataclass(frozen=True)
class Source:
    """The network that examples are crafted on; what is None is the target's own."""

    grid: str | None = None
    compression: str | None = None
    training: str | None = None
    seed: int | None = None


@dataclass(frozen=True)
class Attack:
    """A column of the board: a recipe, norm and ε list, and where its examples are crafted (None: on the target).

    runtime: they are for its artifacts (None: for the network); black_box: made of predictions alone, so that an
    artifact can be the target. eps_space: the standard deviation that its ε are divided by (None: pixels). boundary: it
    stops at its first success, deliberately, although another network will judge. iterative: it takes more than a step,
    on the image that it attacks.
    """

    name: str
    recipe: Recipe
    norm: str
    eps: tuple[Epsilon, ...]
    source: Source | None = None
    runtime: str | None = None
    black_box: bool = False
    eps_space: float | None = None
    boundary: bool = False
    iterative: bool = True


@dataclass(frozen=True)
class Limit:
    """How many examples to use of a dataset's training and test parts; None is all of them."""

    train: int | None = None
    test: int | None = None


@dataclass(frozen=True)
class Grid:
    """One dataset and model × compressions × trainings × attacks."""

    name: str
    dataset: Recipe
    model: Recipe
    compressions: tuple[Compression, ...]
    trainings: tuple[Training, ...]
    attacks: tuple[Attack, ...]
    limit: Limit = Limit()
    runtimes: tuple[str, ...] = ()  # that every network of the grid is deployed to, if its precision can be
    headline: tuple[tuple[str, float], ...] = ()  # norm → the ε (pixels) that is ranked and replayed
    replay_eps: tuple[tuple[str, float], ...] = ()  # norm and ε (pixels): replayed beside it
    delta: float = 2.0  # points of accuracy: the largest difference that does not matter
    verify: str = "none"  # how much is checked of every network: "full", "quick" (a tenth) or "none"

    def eps(self, norm: str) -> list[float]:
        """Every ε of a norm, in pixels, ascending: of attacks on networks, or without such of those on artifacts."""
        attacks = [attack for attack in self.attacks if attack.norm == norm]
        attacks = [attack for attack in attacks if attack.runtime is None] or attacks
        return sorted({eps.value for attack in attacks for eps in attack.eps})

    def headline_of(self, norm: str) -> float:
        """The ε (pixels) of a norm that is ranked: as the suite says, otherwise the lower middle one."""
        known = self.eps(norm)
        return dict(self.headline).get(norm, known[(len(known) - 1) // 2])


@dataclass(frozen=True)
class Suite:
    """A suite file, read and checked."""

    path: Path
    name: str
    seeds: tuple[int, ...]
    grids: tuple[Grid, ...]
    source: str = ""  # the paper that it reproduces
    eps_space: float | None = None  # the standard deviation that the suite's ε are divided by; None: pixels
    claims: tuple[Any, ...] = ()  # of benchmark.claims.Claim
    plugins: tuple[Path, ...] = ()  # folders of a user's own plugins that it was read with


@dataclass(frozen=True)
class Stage:
    """One unit of work: artifacts in, one artifact out. `key` is the hash of `ingredients` and nothing else.

    kind: train, compress, tune, craft, judge, deploy, latency or verify. `inputs` maps a role (network, dense, craft,
    deployment) to the key of the stage that makes it. `task` holds what its runner needs, as the dataclasses below.
    """

    kind: str
    key: str
    label: str  # for people: which row it was first planned for
    task: Any
    inputs: tuple[tuple[str, str], ...]
    ingredients: dict[str, Any] = field(hash=False, compare=False)

    def input(self, role: str) -> str | None:
        return dict(self.inputs).get(role)


@dataclass(frozen=True)
class NetworkTask:
    """Make a network: a training's or a compression's recipe, applied to a fresh model or to the input network."""

    dataset: Recipe
    limit: int | None  # training examples
    model: Recipe
    recipe: Recipe
    seed: int


@dataclass(frozen=True)
class CraftTask:
    """Make adversarial examples for the test subset against the input network, at each ε (pixels, descending)."""

    dataset: Recipe
    limit: int | None  # test examples
    attack: Recipe
    norm: str
    eps: tuple[float, ...]
    mode: str
    seed: int
    minimum_norm: bool = False  # run once, unclipped; a success at ε iff its distance is at most ε
    train_limit: int | None = None  # only for an attack that is fitted on training images
    precision: str = "fp32"  # "bf16": the attack can, and the hardware is faster at it
    headline: float | None = None  # of a craft in bf16: the ε (if it is one) whose survivors fp32 looks at again
    runtime: str | None = None  # of the input deployment, for an attack that asks for predictions alone


@dataclass(frozen=True)
class JudgeTask:
    """Judge the input network, or deployment, on the test subset: clean images, or the input craft's examples."""

    dataset: Recipe
    limit: int | None
    runtime: str | None = None  # of the input deployment


@dataclass(frozen=True)
class DeployTask:
    """Export the input network to a runtime's own file, which executes as "int8" or as "fp32"."""

    runtime: str
    precision: str


@dataclass(frozen=True)
class LatencyTask:
    """Time the input deployments (roles "0", "1", …; the first is the one that others are compared with), in turns."""

    runtime: str


@dataclass(frozen=True)
class Cell:
    """One judged attack at one ε on one network, or on its deployment, and the keys of the stages of its record."""

    grid: str
    compression: str
    training: str
    seed: int
    attack: str
    eps: Epsilon
    network: str
    clean: str
    craft: str
    judge: str
    deployed: "Deployed | None" = None  # None: the network itself is judged


@dataclass(frozen=True)
class Deployed:
    """Beside a cell's `clean` and `judge`, which are the artifact's: the artifact, and the network's own judgements.

    judge: of the same examples; None for examples that were made against the artifact.
    """

    runtime: str
    deployment: str
    clean: str
    judge: str | None


@dataclass
class Outcome:
    """What became of a plan: how many stages ran, and why those that did not could not."""

    ran: int = 0
    failed: dict[str, str] = field(default_factory=dict)  # key → the reason, on one line
    skipped: dict[str, str] = field(default_factory=dict)  # key → the label of the stage that it lacked
    tracebacks: dict[str, str] = field(default_factory=dict)  # key → for the log


@dataclass(frozen=True)
class Size:
    """A network's size: parameters, multiply–accumulates for one example, bytes of its stored weights."""

    parameters: int
    macs: int
    weight_bytes: int


def canonical(value: Any) -> str:
    """JSON with one spelling for one value: what keys are hashed from, and what records are written as."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
