"""What a check looks at: the test images that stand after the row's attacks, or as many of them as its size allows."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch

from benchmark.data import Images
from benchmark.outcomes import both, pack, stood, unpack
from benchmark.stages.workplace import Workplace, derive
from benchmark.types import Stage
from benchmark.verification import VerifyTask


@dataclass(frozen=True)
class Looked:
    """int64, ascending places among the test images: those that stand, and those of them that are looked at."""

    test: Images
    standing: torch.Tensor
    index: torch.Tensor

    def result(self, found: torch.Tensor, **facts: Any) -> dict[str, Any]:
        """As JSON values; `found` are the test images for which the check found what it looks for."""
        named = {"standing": self.standing, "examined": self.index, "found": found}
        return {"n": len(self.test), **{name: self._packed(index.tolist()) for name, index in named.items()}, **facts}

    def _packed(self, index: Iterable[int]) -> str:
        chosen = set(index)
        return pack(place in chosen for place in range(len(self.test)))


def looked(stage: Stage, place: Workplace) -> Looked:
    """A random choice that follows from the task; every seed and row of a suite draws its own."""
    task: VerifyTask = stage.task
    data = place.data(task.dataset, test_limit=task.limit)
    standing = torch.tensor(_standing(stage, place), dtype=torch.bool).nonzero().squeeze(1)
    attacks = [attack.described() for attack in task.attacks]
    seed = derive("verify", task.how, attacks, task.seed, data.fingerprint, stage.input("network"))
    order = torch.randperm(len(standing), generator=torch.Generator().manual_seed(seed))
    return Looked(data.test, standing, standing[order[: task.size].sort().values])


def _standing(stage: Stage, place: Workplace) -> list[bool]:
    store, inputs = place.store, dict(stage.inputs)
    clean = store.result(inputs["clean"])
    right = clean["correct"][0]
    for role, key in inputs.items():
        if role.startswith("judge "):
            judged, craft = store.result(key), store.result(inputs[role.replace("judge", "craft")])
            for at, eps in enumerate(craft["eps"]):
                if craft["minimum_norm"] or eps <= stage.task.eps:
                    right = both(right, stood(judged, craft, at, stage.task.eps), clean["n"])
    return unpack(right, clean["n"])
