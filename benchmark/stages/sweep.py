"""A whole ε curve for little more than its largest ε, and the check that this is allowed.

The largest ε comes first. What survives it is *implied* robust at every smaller one, because an attack failed in a ball
that contains theirs; what breaks goes on to the next. That is an assumption, which masked gradients can break, so it is
tested: a random sample of implied pairs (example, ε) is attacked on its own.
"""

from dataclasses import replace

import torch

from benchmark.engine.judging import stands
from benchmark.stages.propose import Counts, Proposer

AUDITED = 200  # implied pairs that are attacked on their own
ALLOWED = 1  # of them may break; more, and the sweep is given up

Made = dict[str, torch.Tensor]  # the tensors of one file
Written = tuple[Made, list[Counts]]  # with what was counted at each ε


def independent(proposer: Proposer, index: torch.Tensor, part: int) -> Written:
    """Every ε by itself, for the test images at `index`: float32 `examples-0`, `examples-1`, … in the task's order."""
    made = [proposer.propose(eps, index, part) for eps in proposer.task.eps]
    return {f"examples-{place}": examples for place, (examples, _) in enumerate(made)}, [counts for _, counts in made]


def swept(proposer: Proposer, index: torch.Tensor, part: int) -> Written:
    """The ε from the largest down, each on what the one before broke. Beside the examples, bool `implied-0`, ….

    An example that is not attacked (implied robust, or wrong on its clean image) is its clean image.
    """
    clean = proposer.test.pixels(index)
    labels = proposer.test.labels[index].to(clean.device)
    right = stands(proposer.network.module, clean, labels)
    attacked, made, counted = right, {}, []
    for place, eps in enumerate(proposer.task.eps):
        implied = right & ~attacked
        examples, counts = clean.clone(), Counts()
        chosen = attacked.nonzero().squeeze(1)
        if len(chosen):
            examples[chosen], counts = proposer.propose(eps, index[chosen.cpu()], part)
        made |= {f"examples-{place}": examples, f"implied-{place}": implied}
        counted.append(replace(counts, implied=int(implied.sum())))
        # in the very batch that the judge will see, so that rounding cannot part their words
        attacked = attacked & ~stands(proposer.network.module, examples, labels)
    return made, counted


def audited(proposer: Proposer, implied: list[torch.Tensor], chunk: int) -> Written:
    """Attack a sample of the implied pairs on its own; `implied` are the test images implied at each ε.

    What broke: int64 `eps` (its place in the task's order), int64 `index` (of the test image), float32 `examples`.
    """
    pairs = torch.cat([torch.stack([torch.full_like(at, place), at]) for place, at in enumerate(implied)], 1)
    order = torch.randperm(pairs.shape[1], generator=torch.Generator().manual_seed(proposer.seed("audit")))
    pairs = pairs[:, order[:AUDITED].sort().values]
    found, counted = [], []
    for place, eps in enumerate(proposer.task.eps):
        index = pairs[1, pairs[0] == place]
        counts = Counts(implied=-len(index))
        for piece in index.split(chunk):
            if len(piece):
                examples, spent = proposer.propose(eps, piece, "audit")
                stood = stands(proposer.network.module, examples, proposer.test.labels[piece].to(examples.device)).cpu()
                found.append((torch.full_like(piece[~stood], place), piece[~stood], examples.cpu()[~stood]))
                counts = counts + spent
        counted.append(counts)
    nothing = (torch.zeros(0, dtype=torch.int64),) * 2 + (proposer.test.pixels(slice(0, 0)).cpu(),)
    names = ("eps", "index", "examples")
    return {
        name: torch.cat(parts) for name, parts in zip(names, zip(nothing, *found, strict=True), strict=True)
    }, counted
