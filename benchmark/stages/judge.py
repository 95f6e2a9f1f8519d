"""Judge a network or a deployment: its clean test images, or the examples of a craft. Only this stage's word counts.

In fixed batches. An example stands if the judge is right on every candidate that it is shown.
"""

import torch
from safetensors.torch import save_file

from benchmark.engine.ball import distance, inside
from benchmark.engine.judging import predicted, stands
from benchmark.errors import AttackError
from benchmark.outcomes import pack
from benchmark.stages import craft as crafts
from benchmark.stages.deployment import target
from benchmark.stages.workplace import Workplace
from benchmark.store import Draft
from benchmark.types import JudgeTask, Stage

IMAGES = "images.safetensors"  # of a judge of clean images: the first ones, as bytes, to be shown beside a board
SHOWN = 4


def judge(stage: Stage, place: Workplace, draft: Draft) -> None:
    """Write packed outcomes: `correct`, one text for each ε of the craft (or one, of clean images).

    Of a minimum-norm craft, each example's `distances` as well; of clean images, what a record needs to know of them.
    """
    task: JudgeTask = stage.task
    data = place.data(task.dataset, test_limit=task.limit)
    module = target(place, stage).module
    parts = torch.arange(len(data.test)).split(crafts.CHUNK)
    key = stage.input("craft")
    crafted = place.store.result(key) if key else None
    outcomes: list[list[torch.Tensor]] = [[] for _ in (crafted["eps"] if crafted else [None])]
    distances: list[float] = []
    for number, index in enumerate(parts):
        place.tell(number, len(parts), "chunks")
        clean, labels = data.test.pixels(index), data.test.labels[index].to(place.device)
        for at, stood in enumerate(outcomes):
            images = crafts.read(place, key, number, at) if crafted else clean
            if crafted and crafted["minimum_norm"]:
                distances += distance(images, clean, crafted["norm"]).tolist()
            elif crafted:
                _assert_inside(images, clean, crafted, at, key)
            stood.append(stands(module, images, labels))
    place.tell(len(parts), len(parts), "chunks")
    whole = [torch.cat(stood).cpu() for stood in outcomes]
    if crafted:
        _fold_in(whole, place, key, module, data.test)
    draft.result = {"n": len(data.test), "correct": [pack(stood.tolist()) for stood in whole]}
    if distances:
        draft.result["distances"] = distances
    if not crafted:
        save_file({"images": data.test.images[:SHOWN].contiguous()}, draft.folder / IMAGES)
        draft.result |= {
            "predicted": torch.cat([predicted(module, data.test.pixels(index)) for index in parts]).tolist(),
            "labels": data.test.labels.tolist(),
            "classes": list(data.classes),
            "fingerprint": data.fingerprint,
            "test_total": data.test_total,
        }


def _fold_in(outcomes: list[torch.Tensor], place: Workplace, key: str, module: torch.nn.Module, test) -> None:
    """Show the candidates of the craft's own checks as well."""
    crafted = place.store.result(key)
    for at, index, image in crafts.read_checks(place, key):
        _assert_inside(image, test.pixels(index), crafted, at, key)
        outcomes[at][index] &= stands(module, image, test.labels[index].to(place.device)).cpu()


def _assert_inside(images: torch.Tensor, clean: torch.Tensor, crafted: dict, at: int, key: str) -> None:
    if not bool(inside(images, clean, crafted["norm"], crafted["eps"][at]).all()):
        raise AttackError(f"{key}: a stored example lies outside its ball; this is a bug of leanarmor's")
