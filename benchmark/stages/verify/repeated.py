"""Ask the network twice, with different seeds: one that answers at random is not what the judge's word is about."""

import torch

from benchmark.engine.losses import score
from benchmark.engine.memory import Room
from benchmark.stages import network as networks
from benchmark.stages.verify.looked import looked
from benchmark.stages.workplace import Workplace, derive, seed_everything
from benchmark.store import Draft
from benchmark.types import Stage

BATCH = 256
ROUNDING = 1e-3  # of the distance between an image's logits: what a kernel that sums in another order may make of it


def repeated(stage: Stage, place: Workplace, draft: Draft) -> None:
    """Find the images whose logits, or of which the judge's word, are not the same twice."""
    seen, module = looked(stage, place), networks.load(place, stage.input("network")).module
    found = [seen.index[:0]]
    for index in seen.index.split(BATCH) if len(seen.index) else ():
        one, other = (_logits(module, seen.test.pixels(index), derive("ask", turn, stage.task.seed)) for turn in (1, 2))
        labels = seen.test.labels[index].to(one.device)
        same = _alike(one, other) & ((score(one, labels) < 0) == (score(other, labels) < 0))
        found.append(index[~same.cpu()])
    draft.result = seen.result(torch.cat(found))


def _alike(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """bool [n]: two answers to an image are the same but for rounding.

    Its own logits are the measure, less what they have in common: an offset, or another image, would hide the noise.
    """
    finite = one.nan_to_num(0, 0, 0)
    rounding = ROUNDING * (finite.amax(1) - finite.amin(1))
    return (torch.isclose(one, other, rtol=0, atol=0, equal_nan=True) | ((one - other).abs() <= rounding[:, None])).all(
        1
    )


@torch.no_grad()
def _logits(module: torch.nn.Module, images: torch.Tensor, seed: int) -> torch.Tensor:
    seed_everything(seed)
    return Room()(module.eval(), images).float()
