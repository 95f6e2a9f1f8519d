"""Judge a network: its clean test images, or the examples of a craft. Only this stage's word counts.

The judge is fp32, eager, in eval mode, on the original model, in fixed batches. An example stands if its true label's
logit is finite and strictly larger than every other; a tie counts as broken.
"""

import torch

from benchmark.engine.ball import distance, inside
from benchmark.errors import AttackError
from benchmark.outcomes import pack
from benchmark.stages import craft as crafts
from benchmark.stages import network as networks
from benchmark.stages.workplace import Workplace
from benchmark.store import Draft
from benchmark.types import JudgeTask, Stage


def judge(stage: Stage, place: Workplace, draft: Draft) -> None:
    """Write packed outcomes: `correct` per test example; of a minimum-norm craft, each example's distance as well."""
    task: JudgeTask = stage.task
    data = place.data(task.dataset, test_limit=task.limit)
    module = networks.load(place, stage.input("network")).module
    craft_key = stage.input("craft")
    crafted = place.store.result(craft_key) if craft_key else None
    outcomes: list[bool] = []
    distances: list[float] = []
    parts = torch.arange(len(data.test)).split(crafts.CHUNK)
    for number, index in enumerate(parts):
        place.tell(number, len(parts), "chunks")
        images, labels = data.test.pixels(index), data.test.labels[index].to(place.device)
        if crafted:
            clean, images = images, crafts.read(place, craft_key, number)
            if crafted["minimum_norm"]:
                distances += distance(images, clean, crafted["norm"]).tolist()
            elif not bool(inside(images, clean, crafted["norm"], crafted["eps"][0]).all()):
                raise AttackError(f"{craft_key}: a stored example lies outside its ball; this is a bug of leanarmor's")
        outcomes += stands(module, images, labels).tolist()
    place.tell(len(parts), len(parts), "chunks")
    draft.result = {"n": len(outcomes), "correct": pack(outcomes)}
    if distances:
        draft.result["distances"] = distances
    if not crafted:  # what a record needs to know of the test subset
        draft.result |= {
            "labels": data.test.labels.tolist(),
            "classes": list(data.classes),
            "fingerprint": data.fingerprint,
            "test_total": data.test_total,
        }


def stands(module: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """bool [n]: the true label's logit is strictly larger than every other, and all are finite."""
    with torch.no_grad():
        logits = module.eval()(images).float()
    true = logits.gather(1, labels[:, None]).squeeze(1)
    others = logits.scatter(1, labels[:, None], float("-inf")).amax(1)
    return (true > others) & logits.isfinite().all(1)
