"""The fp32 word on what was crafted in bf16: a sample of the survivors is attacked again, in both, from equal starts.

bf16 moves 2–3 % of the gradient's signs, so it may miss what fp32 finds. What either breaks is broken; what fp32 breaks
beyond bf16 measures how much was missed, and too much of it sends the whole craft back to fp32.
"""

import torch

from benchmark.stages import again
from benchmark.stages.propose import Counts, Proposer
from benchmark.stages.sweep import Written
from benchmark.types import CraftTask

SAMPLE = 600  # survivors that are attacked again
ALLOWED = 0.005  # of all test images: what fp32 may break beyond bf16, as the sample estimates it
WORTH = 4000  # test images from which on bf16 saves more than it costs to attack the sample in both


def worthwhile(task: CraftTask, module: torch.nn.Module, n: int) -> bool:
    """Whether to craft in bf16 at all: never for a quantised twin, whose half steps it cannot tell apart."""
    return task.precision == "bf16" and n >= WORTH and not getattr(module, "quantised_twin", False)


def headline(task: CraftTask) -> int:
    """The place of the ε that is looked at again: the headline, or else the lower middle one."""
    if task.headline in task.eps:
        return task.eps.index(task.headline)
    return sorted(range(len(task.eps)), key=task.eps.__getitem__)[(len(task.eps) - 1) // 2]


def rechecked(narrow: Proposer, wide: Proposer, survivors: torch.Tensor, chunk: int) -> Written:
    """Attack a sample of the test images `survivors` again, by `narrow` (bf16) and by `wide` (fp32).

    What broke, as `again.joined` gives it, with bool `wide` (by which), and int64 `asked`: survivors, and sampled ones.
    """
    at = headline(wide.task)
    order = torch.randperm(len(survivors), generator=torch.Generator().manual_seed(wide.seed("recheck")))
    sample = survivors[order[:SAMPLE].sort().values]
    found = [again.attack(proposer, at, sample, "recheck", chunk) for proposer in (narrow, wide)]
    tensors = again.joined(found) | {
        "wide": torch.cat([torch.full_like(one.index, place, dtype=torch.bool) for place, one in enumerate(found)]),
        "asked": torch.tensor([len(survivors), len(sample)]),
    }
    counts = [Counts() for _ in wide.task.eps]
    counts[at] = found[0].counts + found[1].counts
    return tensors, counts


def report(tensors: dict[str, torch.Tensor], task: CraftTask, n: int) -> dict[str, object]:
    """What `rechecked` found, as JSON values; `redone` says that the craft must be run in fp32."""
    survivors, sampled = tensors["asked"].tolist()
    fp32 = int(tensors["wide"].sum())
    bf16 = len(tensors["wide"]) - fp32
    missed = (fp32 - bf16) / max(sampled, 1) * survivors / n
    return {
        "eps": task.eps[headline(task)],
        "survivors": survivors,
        "sampled": sampled,
        "bf16": bf16,
        "fp32": fp32,
        "redone": missed > ALLOWED,
    }
