"""Which compressions make a curve: those with the same steps and options, but for one number that grows.

`prune` at .1, .3 and .5 is a curve; `int8` beside it, or a control whose weights were drawn anew, is not on it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from benchmark.recipes import REINITIALISE
from benchmark.types import Compression, Recipe

FALLS = frozenset(("bits", "weights", "activations", "n"))  # they count what is kept: the fewer, the more is compressed

Member = tuple[float, Compression]  # with the number that grows


@dataclass(frozen=True)
class Family:
    """Names of compressions, the mildest first. curve: one number grows along them; a lone compression is none.

    whole: the dense network is where the curve starts, as the number is of the only compression in it.
    """

    names: tuple[str, ...]
    curve: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Axis:
    """Compressions side by side: `ticks` names the places 0, 1, …; `curves` are the places that a line joins.

    again: places where the dense network stands once more, as the start of another curve.
    """

    ticks: tuple[str, ...]
    places: dict[str, int]
    curves: tuple[tuple[int, ...], ...]
    again: tuple[int, ...]


def families(compressions: Sequence[Compression]) -> list[Family]:
    """All compressions, in the suite's order of each family's first."""
    left, found = list(compressions), []
    while left:
        first = left[0]
        alone = not first.steps or _drawn_anew(first)
        able = [one for one in left if one.steps and not _drawn_anew(one)]
        members, whole = ([first], False) if alone else max(_curves(first, able), key=lambda one: len(one[0]))
        curve = len(members) > 1
        found.append(Family(tuple(one.name for one in members), curve, curve and whole))
        left = [one for one in left if one not in members]
    return found


def dense(compressions: Sequence[Compression]) -> str | None:
    return next((one.name for one in compressions if not one.steps), None)


def axis(shown: Sequence[Family], start: str | None) -> Axis:
    """start: the dense network's name, repeated before every curve of which it is the start and not the neighbour."""
    ticks: list[str] = []
    places: dict[str, int] = {}
    curves, again = [], []
    for family in shown:
        begins: tuple[int, ...] = ()
        if family.whole and start is not None:
            if ticks[-1:] != [start]:
                again.append(len(ticks))
                ticks.append(start)
            begins = (len(ticks) - 1,)
        own = tuple(range(len(ticks), len(ticks) + len(family.names)))
        places |= dict(zip(family.names, own, strict=True))
        ticks += family.names
        curves += [(*begins, *own)] * family.curve
    return Axis(tuple(ticks), places, tuple(curves), tuple(again))


def together(shown: Sequence[Family], most: int) -> list[list[Family]]:
    """The families, in order, in groups of at most so many compressions; a larger one is cut into even pieces."""
    groups: list[list[Family]] = []
    room = 0
    for family in shown:
        pieces = -(-len(family.names) // most)
        size = -(-len(family.names) // pieces)
        for start in range(0, len(family.names), size):
            piece = replace(family, names=family.names[start : start + size], whole=family.whole and start == 0)
            if len(piece.names) > room:
                groups.append([])
                room = most
            groups[-1].append(piece)
            room -= len(piece.names)
    return groups


def _drawn_anew(compression: Compression) -> bool:
    return any(step.plugin == REINITIALISE for step in compression.steps)


def _curves(first: Compression, able: Sequence[Compression]) -> Iterator[tuple[list[Compression], bool]]:
    """Every curve through `first` that some number makes, and whether the dense network is its start."""
    single = sum(step.kind == "compression" for step in first.steps) == 1
    for place, step in enumerate(first.steps):
        for argument, value in step.arguments:
            if _number(value):
                members = _growing(first, able, place, argument)
                yield _ordered(members, argument in FALLS), single and step.kind == "compression"
    rounds = _rounds(first, able)
    once = rounds[0].steps[: _period(rounds[0])]
    yield rounds, sum(step.kind == "compression" for step in once) == 1


def _growing(first: Compression, able: Sequence[Compression], place: int, argument: str) -> list[Member]:
    """The compressions that differ from `first` in nothing but this argument of this step; `first` among them."""
    same = _without(first, place, argument)
    found: dict[float, Compression] = {}
    for one in (first, *able):
        if len(one.steps) > place and _without(one, place, argument) == same:
            value = one.steps[place].kwargs.get(argument)
            if _number(value):
                found.setdefault(value, one)
    return list(found.items())


def _ordered(members: list[Member], falls: bool) -> list[Compression]:
    return [one for _, one in sorted(members, key=lambda member: member[0], reverse=falls)]


def _without(compression: Compression, place: int, argument: str) -> tuple[Recipe, ...]:
    step = compression.steps[place]
    rest = tuple((name, value) for name, value in step.arguments if name != argument)
    return (*compression.steps[:place], replace(step, arguments=rest), *compression.steps[place + 1 :])


def _rounds(first: Compression, able: Sequence[Compression]) -> list[Compression]:
    """The compressions that go on where the one before ends, with the same plugins once more (iterative pruning)."""
    ordered = sorted(able, key=lambda one: len(one.steps))
    chain = [next(one for one in ordered if first.steps[: len(one.steps)] == one.steps)]
    period = _period(chain[0])
    for one in ordered:
        longer = len(one.steps) > len(chain[-1].steps) and one.steps[: len(chain[-1].steps)] == chain[-1].steps
        if longer and len(one.steps) % period == 0 and _period(one) == period:
            chain.append(one)
    return chain if first in chain else [first]


def _period(compression: Compression) -> int:
    """How many steps make a round: their plugins are then repeated to the end."""
    plugins = [(step.kind, step.plugin) for step in compression.steps]
    sizes = range(1, len(plugins) + 1)
    return next(size for size in sizes if plugins == plugins[:size] * (len(plugins) // size))


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
