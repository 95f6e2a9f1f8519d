"""A whole ε curve for little more than its largest ε, and the check that this is allowed.

The largest ε comes first. What survives it is *implied* robust at every smaller one, because an attack failed in a ball
that contains theirs; what breaks goes on to the next. That is an assumption, which masked gradients can break, so it is
tested: a random sample of implied pairs (example, ε) is attacked on its own.
"""

from dataclasses import replace

import torch

from benchmark.engine.judging import ROUNDING, stands
from benchmark.stages import again
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
    attacked, made, counted = right.clone(), {}, []
    rows = right.nonzero().squeeze(1)
    together = proposer.descend(index[rows.cpu()], part) if len(rows) else None
    for place, eps in enumerate(proposer.task.eps):
        examples, counts = clean.clone(), Counts()
        done = torch.zeros_like(attacked)
        if together:
            descended = together[place]
            done[rows[descended.rows]] = True
            examples[done], counts = descended.examples, descended.counts
        implied = right & ~attacked & ~done
        missing = (attacked & ~done).nonzero().squeeze(1)
        if len(missing):
            examples[missing], more = proposer.propose(eps, index[missing.cpu()], part)
            counts += more
        # the judge will see them in a batch of others: what rounding might break there is not implied
        chosen = (attacked | done).nonzero().squeeze(1)
        attacked[chosen] = ~stands(proposer.network.module, examples[chosen], labels[chosen], by=ROUNDING)
        made |= {f"examples-{place}": examples, f"implied-{place}": implied}
        counted.append(replace(counts, implied=int(implied.sum())))
    return made, counted


def audited(proposer: Proposer, implied: list[torch.Tensor], chunk: int) -> Written:
    """Attack a sample of the implied pairs on its own; `implied` are the test images implied at each ε.

    What broke, as `again.joined` gives it; an implied pair that was attacked is counted as implied once less.
    """
    pairs = torch.cat([torch.stack([torch.full_like(index, at), index]) for at, index in enumerate(implied)], 1)
    order = torch.randperm(pairs.shape[1], generator=torch.Generator().manual_seed(proposer.seed("audit")))
    pairs = pairs[:, order[:AUDITED].sort().values]
    asked = [pairs[1, pairs[0] == at] for at in range(len(implied))]
    found = [again.attack(proposer, at, index, "audit", chunk) for at, index in enumerate(asked)]
    counted = [one.counts + Counts(implied=-len(index)) for one, index in zip(found, asked, strict=True)]
    return again.joined(found), counted
