"""Ask the network twice, with different seeds: one that answers at random is not what the judge's word is about."""

import torch

from benchmark.engine.memory import Room
from benchmark.stages import network as networks
from benchmark.stages.verify.looked import looked
from benchmark.stages.workplace import Workplace, derive, seed_everything
from benchmark.store import Draft
from benchmark.types import Stage

BATCH = 256
ROUNDING = 1e-3  # of the largest logit: what a kernel that sums in another order may make of it


def repeated(stage: Stage, place: Workplace, draft: Draft) -> None:
    """Find the images whose logits are not the same twice."""
    seen, module = looked(stage, place), networks.load(place, stage.input("network")).module
    found = [seen.index[:0]]
    for index in seen.index.split(BATCH) if len(seen.index) else ():
        one, other = (_logits(module, seen.test.pixels(index), derive("ask", turn, stage.task.seed)) for turn in (1, 2))
        rounding = ROUNDING * float(one.nan_to_num(0, 0, 0).abs().max())
        same = torch.isclose(one, other, rtol=0, atol=rounding, equal_nan=True)
        found.append(index[~same.all(1).cpu()])
    draft.result = seen.result(torch.cat(found))


@torch.no_grad()
def _logits(module: torch.nn.Module, images: torch.Tensor, seed: int) -> torch.Tensor:
    seed_everything(seed)
    return Room()(module.eval(), images).float()
