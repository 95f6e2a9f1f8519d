"""What a suite says of deployments: `runtimes`, an attack's `on`, and the ε that are ranked and replayed.

A number in `headline` or `replay_eps` is for the grid's own norm; a mapping gives one, or some, for each norm.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmark.errors import suggest
from benchmark.plugins import Registry
from benchmark.schema import number, text
from benchmark.types import NORMS, RUNTIMES, Attack, Compression, Epsilon, Grid, Recipe
from benchmark.yaml_nodes import Node


def runtimes(node: Node) -> tuple[str, ...]:
    """The runtimes of a grid; an empty list is none."""
    found: list[str] = []
    for item in node.elements(f"[{RUNTIMES[0]}]"):
        runtime = item.read(text)
        if runtime not in RUNTIMES:
            raise item.error(f"unknown runtime {runtime!r}{suggest(runtime, RUNTIMES)}")
        if runtime in found:
            raise item.error(f"runtime {runtime} is given twice")
        found.append(runtime)
    return tuple(found)


def on(node: Node, deployed: Sequence[str]) -> str:
    """The runtime that an attack is for, one of those that its grid is deployed to."""
    runtime = node.read(text)
    if runtime not in RUNTIMES:
        raise node.error(f"unknown runtime {runtime!r}{suggest(runtime, RUNTIMES)}")
    if runtime not in deployed:
        raise node.error(f"nothing is deployed to {runtime} here; give the grid runtimes: [{runtime}]")
    return runtime


def precision(steps: Sequence[Recipe], registry: Registry) -> str | None:
    """What a compression's networks are deployed in: "int8" if it makes all widths 8 bits, "fp32" if it sets none.

    None otherwise: no runtime computes in such widths. Which parameters set widths is a compression's own to say, in
    its constant WIDTHS.
    """
    widths: dict[str, set[int]] = {}
    for step in steps:
        named = registry.find(step.kind, step.plugin).constants.get("WIDTHS", {}) if step.kind == "compression" else {}
        for what, parameters in named.items():
            given = (step.kwargs.get(parameter) for parameter in parameters)
            widths.setdefault(what, set()).update(bits for bits in given if bits is not None)
    if not widths:
        return "fp32"
    return "int8" if all(bits == {8} for bits in widths.values()) else None


def headline(node: Node, norm: str, grid: Grid, scale: float) -> tuple[tuple[str, float], ...]:
    """Norm → the ε, in pixels, that a grid ranks; each is an ε of one of its attacks. `norm` is the grid's own."""
    return tuple((of, _eps(item, of, grid, scale)) for of, item in _by_norm(node, norm).items())


def replay_eps(node: Node, norm: str, grid: Grid, scale: float) -> tuple[tuple[str, float], ...]:
    """Norm and ε, in pixels, that are replayed beside the headline's."""
    return tuple(
        (of, _eps(one, of, grid, scale))
        for of, item in _by_norm(node, norm).items()
        for one in (item.elements() if item.is_list else [item])
    )


def _by_norm(node: Node, norm: str) -> dict[str, Node]:
    if not node.is_mapping:
        return {norm: node}
    for key, item in node.items().items():
        if key not in NORMS:
            raise item.at_key().error(f"unknown norm {key!r}{suggest(key, NORMS)}")
    return node.items()


def _eps(node: Node, norm: str, grid: Grid, scale: float) -> float:
    value = node.read(number, "0.1, or {inf: 0.1, 2: 0.5}") * scale
    known = {eps.value: eps.label for attack in grid.attacks if attack.norm == norm for eps in attack.eps}
    if value not in grid.eps(norm):
        labels = ", ".join(known[eps] for eps in grid.eps(norm)) or "none"
        raise node.error(f"ε {node.value} is no ε of norm {norm} in grid {grid.name!r}; it has {labels}")
    return value


@dataclass(frozen=True)
class Trial:
    """An attack's part in judging a network (runtime None) or its deployment, and at which ε."""

    attack: Attack
    runtime: str | None
    eps: tuple[Epsilon, ...]

    @property
    def direct(self) -> bool:
        """Whether the examples are made against the deployment; otherwise they are made on a network and replayed."""
        return bool(self.runtime) and self.attack.black_box and self.attack.source is None


def replayed(grid: Grid, norm: str) -> list[float]:
    """The ε (pixels) of a norm at which examples are replayed on deployments, ascending."""
    return sorted({grid.headline_of(norm), *(eps for of, eps in grid.replay_eps if of == norm)})


def trials(grid: Grid, compression: Compression) -> Iterator[Trial]:
    """Who judges what of a compression's networks: the network first, then its deployments.

    A deployment faces the attacks that name its runtime, and at `replayed` ε all others but black-box ones: where those
    stop on the network, at its boundary, says little of the artifact, which they could have asked instead.
    """
    yield from (Trial(attack, None, attack.eps) for attack in grid.attacks if attack.runtime is None)
    for runtime in grid.runtimes if compression.precision else ():
        for attack in grid.attacks:
            trial = Trial(attack, runtime, attack.eps)
            if attack.runtime == runtime:
                yield trial
            elif attack.runtime is None and not trial.direct:
                wanted = replayed(grid, attack.norm)
                some = tuple(eps for eps in attack.eps if eps.value in wanted)
                yield from [Trial(attack, runtime, some)] * bool(some)
