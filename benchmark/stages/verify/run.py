"""Do a check, in the way that its task names."""

from benchmark.stages.verify.attacked import attacked
from benchmark.stages.verify.gradients import gradients
from benchmark.stages.verify.repeated import repeated
from benchmark.stages.verify.trained import trained
from benchmark.stages.workplace import Workplace
from benchmark.store import Draft
from benchmark.types import Stage

WAYS = {way.__name__: way for way in (attacked, gradients, repeated, trained)}


def verify(stage: Stage, place: Workplace, draft: Draft) -> None:
    """Write what `Looked.result` holds, which images stood, were looked at and were found, and facts beside it."""
    WAYS[stage.task.how](stage, place, draft)
