"""Attack some test images once more, and keep what breaks: for the checks of a craft, whose finds are folded in."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from benchmark.engine.judging import stands
from benchmark.stages.propose import Counts, Proposer


@dataclass(frozen=True)
class Found:
    """What broke at one ε: int64 [k], the test images, and float32 [k, c, h, w] on the CPU, what broke them."""

    at: int  # the ε, as its place in the task's list
    index: torch.Tensor
    examples: torch.Tensor
    counts: Counts


def attack(proposer: Proposer, at: int, index: torch.Tensor, part: str, chunk: int) -> Found:
    """Attack the test images at `index` on their own, at the ε in place `at`, in pieces of `chunk`."""
    broken, examples, counts = [index[:0]], [proposer.test.pixels(slice(0, 0)).cpu()], Counts()
    for piece in index.split(chunk) if len(index) else ():
        made, spent = proposer.propose(proposer.task.eps[at], piece, part)
        stood = stands(proposer.network.module, made, proposer.test.labels[piece].to(made.device)).cpu()
        broken.append(piece[~stood])
        examples.append(made.cpu()[~stood])
        counts = counts + spent
    return Found(at, torch.cat(broken), torch.cat(examples), counts)


def joined(found: Iterable[Found]) -> dict[str, torch.Tensor]:
    """As tensors of one file: int64 `eps` (places in the task's list), int64 `index`, float32 `examples`."""
    found = list(found)
    return {
        "eps": torch.cat([torch.full_like(one.index, one.at) for one in found]),
        "index": torch.cat([one.index for one in found]),
        "examples": torch.cat([one.examples for one in found]),
    }
