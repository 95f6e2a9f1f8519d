"""What it took to make a row: passes of its trainings, times the network's size, and passes of its attacks."""

from collections.abc import Mapping, Sequence
from itertools import takewhile

from benchmark.recipes import REINITIALISE
from benchmark.types import Compression, Training, repeated
from leaderboard.estimate import Column
from leaderboard.match import Record

SCRATCH_E, SCRATCH_B, CONTROL = "scratch-E", "scratch-B", "control"


def control(compression: Compression, training: Training) -> str:
    """What control a row is (Liu et al., 2019): scratch-E, trained for as many epochs as the dense network; scratch-B,
    in as many passes × MACs; a control of another budget. Empty for a row that is none.
    """
    drawn = [place for place, step in enumerate(compression.steps) if step.plugin == REINITIALISE]
    if not drawn:
        return ""
    at_once = takewhile(lambda step: step.kind == "training", compression.steps[drawn[-1] + 1 :])
    trainings = [repeated(step, training.before) for step in at_once]
    if len(trainings) != 1:
        return CONTROL
    if trainings[0].kwargs.get("budget") == "equal":
        return SCRATCH_B
    epochs = trainings[0].kwargs.get("epochs")
    equal = trainings[0] == training.before or (epochs is not None and epochs == training.before.kwargs.get("epochs"))
    return SCRATCH_E if equal else CONTROL


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
