"""What it took to make a row: passes of its trainings, times the network's size, and passes of its attacks."""

from collections.abc import Mapping, Sequence

from benchmark.recipes import REINITIALISE
from benchmark.types import Compression
from leaderboard.estimate import Column
from leaderboard.match import Record


def trained_since(compression: Compression) -> int:
    """The place, among a network's trainings, of the first that its weights have gone through.

    A control's weights were drawn anew: what trained the network whose structure it has left nothing in them.
    """
    drawn = [place for place, step in enumerate(compression.steps) if step.plugin == REINITIALISE]
    return 1 + sum(step.kind == "training" for step in compression.steps[: drawn[-1]]) if drawn else 0


def work(since: int, place: int, record: Record) -> int | None:
    """(forward + backward) × MACs of the trainings from `place` on, among those from `since` on; None: not counted."""
    if record["spent"] is None:
        return None
    return sum((one["forward"] + one["backward"]) * one["macs"] for one in record["spent"][since:][place:])


def stages(since: int, record: Record) -> tuple[str, ...]:
    """The keys of those trainings."""
    return tuple(one["key"] for one in (record["spent"] or ())[since:])


def crafting(
    network: Mapping[tuple[str, float], Record], attack: str | None, way: str, columns: Sequence[Column]
) -> int | None:
    """Passes of crafting an attack's examples (None: every attack's) for one network; None until all are there.

    A craft that serves several ε counts once.
    """
    own = [column for column in columns if column.attack and attack in (None, column.attack)]
    records = [network.get((column.attack, column.eps.value)) for column in own]
    if None in records:
        return None
    return sum({record["keys"]["craft"]: record["passes"][way] for record in records}.values())
