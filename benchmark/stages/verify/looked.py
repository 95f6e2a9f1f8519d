"""What a check looks at: the test images that stand after the row's attacks, or as many of them as its size allows."""

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
    """int64, ascending places among the test images: those that stand, and those of them that are looked at.

    control: of those that do not stand, though they are right when clean, as many as the task says.
    """

    test: Images
    standing: torch.Tensor
    index: torch.Tensor
    control: torch.Tensor

    def result(self, found: torch.Tensor, **facts: Any) -> dict[str, Any]:
        """As JSON values; `found` are the test images for which the check found what it looks for."""
        named = {"standing": self.standing, "examined": self.index, "found": found}
        return {"n": len(self.test), **{name: self._packed(index) for name, index in named.items()}, **facts}

    def _packed(self, index: torch.Tensor) -> str:
        chosen = set(index.tolist())
        return pack(place in chosen for place in range(len(self.test)))


def looked(stage: Stage, place: Workplace) -> Looked:
    """A random choice that follows from the task; every network of a suite has its own."""
    task: VerifyTask = stage.task
    data = place.data(task.dataset, test_limit=task.limit)
    right, standing = _outcomes(stage, place)
    attacks = [attack.described() for attack in task.attacks]
    seed = derive("verify", task.how, attacks, task.seed, data.fingerprint, stage.input("network"))
    generator = torch.Generator().manual_seed(seed)

    def chosen(index: torch.Tensor, size: int | None) -> torch.Tensor:
        return index[torch.randperm(len(index), generator=generator)[:size].sort().values]

    places = standing.nonzero().squeeze(1)
    return Looked(
        data.test,
        places,
        chosen(places, task.size),
        chosen((right & ~standing).nonzero().squeeze(1), task.control),
    )


def _outcomes(stage: Stage, place: Workplace) -> tuple[torch.Tensor, torch.Tensor]:
    """bool [n]: right on the clean image; and on every candidate at the task's ε or less."""
    store, inputs = place.store, dict(stage.inputs)
    clean = store.result(inputs["clean"])
    n, left = clean["n"], clean["correct"][0]
    for role, key in inputs.items():
        if role.startswith("judge "):
            judged, craft = store.result(key), store.result(inputs[role.replace("judge", "craft")])
            for at, eps in enumerate(craft["eps"]):
                if craft["minimum_norm"] or eps <= stage.task.eps:
                    left = both(left, stood(judged, craft, at, stage.task.eps), n)
    right, standing = (torch.tensor(unpack(packed, n), dtype=torch.bool) for packed in (clean["correct"][0], left))
    return right, standing
