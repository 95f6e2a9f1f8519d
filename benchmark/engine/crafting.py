"""The two ways to walk examples through an iterative attack: every step of all of them, or an active set."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from benchmark.engine.losses import score, succeeded
from benchmark.engine.memory import Room
from benchmark.engine.walk import State, Walk, entered, joined, keep, parted, size, store, taken


def run_all(
    walk: Walk, images: torch.Tensor, labels: torch.Tensor, index: torch.Tensor, seed: int, keep_best: bool
) -> None:
    """Every step of every run, in batches, with no host synchronisation inside one. Overwrites `images`.

    keep_best: of all points keep the one with the best score; otherwise of the last points only.
    """
    room = Room()
    for position in torch.arange(len(images)).split(walk.batch_size):
        state = entered(images, labels, index, position)
        for run in range(walk.runs):
            state |= {"run": torch.full_like(state["label"], run), "step": torch.zeros_like(state["label"])}
            state = _begun(walk, room, state, seed)
            for _ in range(walk.max_iter):
                gradient, logits = room(walk.look, state)
                if keep_best:
                    keep(state, state["point"], score(logits, state["label"], walk.targeted))
                walk.advance(state, gradient, logits)
                state["step"] = state["step"] + 1
            if keep_best or walk.runs > 1:
                logits = room(walk.oracle.logits, state["point"])
                keep(state, state["point"], score(logits, state["label"], walk.targeted))
            else:
                state["best"] = state["point"]  # nothing to choose from: no further pass
        store(state, images)


@dataclass
class Rung:
    """An attack at one ε on the way down: whom it is to attack, who is under way, and what it made.

    images: [n, …], clean ones in, examples out; seed: of its random draws. The passes are examples.
    """

    walk: Walk
    images: torch.Tensor
    seed: int
    queue: torch.Tensor = field(default_factory=lambda: torch.arange(0))  # positions
    active: State = field(default_factory=dict)
    again: State = field(default_factory=dict)  # at the end of a run that was not its last
    attacked: list[torch.Tensor] = field(default_factory=list)  # positions
    forward: int = 0
    backward: int = 0

    def enter(self, free: int, labels: torch.Tensor, index: torch.Tensor, room: Room) -> int:
        """Begin whoever is to begin: the next runs of those at the end of one, and `free` examples of the queue."""
        position, self.queue = self.queue[:free], self.queue[free:]
        if len(position) or size(self.again):
            self.attacked.append(position)
            fresh = joined([self.again, entered(self.images, labels, index, position)])
            before = self.walk.oracle.forward
            self.active = joined([self.active, _begun(self.walk, room, fresh, self.seed)])
            self.forward += self.walk.oracle.forward - before
            self.again = {}
        return len(position)

    def leave(self, state: State, ended: torch.Tensor, leaving: torch.Tensor) -> None:
        """Write down who is done, and part the others into those under way and those whose next run is due."""
        store(taken(state, leaving), self.images)
        again = taken(state, ended & ~leaving)
        again |= {"run": again["run"] + 1, "step": torch.zeros_like(again["step"])}
        self.again = again | {"settled": torch.zeros_like(again["settled"])}
        self.active = taken(state, ~ended & ~leaving)


def decide(rungs: Sequence[Rung], labels: torch.Tensor, index: torch.Tensor) -> None:
    """Each example until its first confirmed success, or else its best point. Overwrites the rungs' images.

    rungs: one attack, at one ε or at several, from the largest down. An example that the first breaks goes on to the
    next, and so on until one fails. All are in one batch: an example that is done leaves, another takes its place, and
    the batch stays full. A score in the state that is a success is the judge's, never the view's.
    """
    room, walk = Room(), rungs[0].walk
    clean = rungs[0].images
    rungs[0].queue = torch.arange(len(clean)) if walk.starts_clean else _unbroken(rungs[0], room, labels)
    while True:
        free = walk.batch_size - sum(size(rung.active) + size(rung.again) for rung in rungs)
        for rung in reversed(rungs):  # those on their way down first
            free -= rung.enter(free, labels, index, room)
        state = joined([rung.active for rung in rungs])
        if not size(state):
            return
        sizes = [size(rung.active) for rung in rungs]
        gradient, logits = room(walk.look, state)
        _count(rungs, sizes, gradient is not None)
        keep(state, state["point"], _scores(rungs, sizes, room, state["point"], state["label"], logits))
        state = _advanced(rungs, sizes, state, gradient, logits)
        ended = (state["step"] == walk.max_iter) | state["settled"]
        _judge(rungs, sizes, room, state, "point", ended)  # no gradient is wanted at the last point of a run
        last = ended & (state["run"] == walk.runs - 1)
        if walk.oracle.bf16 and len(rungs) > 1:  # or the next ε would be called out of reach on the word of bf16
            _judge(rungs, sizes, room, state, "best", last & ~succeeded(state["score"], walk.targeted))
        broken = succeeded(state["score"], walk.targeted)
        for at, (rung, part) in enumerate(zip(rungs, parted(state, sizes), strict=True)):
            won, over, done = (mask.split(sizes)[at] for mask in (broken, ended, broken | last))
            if at + 1 < len(rungs):
                rungs[at + 1].queue = torch.cat([rungs[at + 1].queue, part["position"][won].cpu()])
            rung.leave(part, over, done)


def _advanced(rungs: Sequence[Rung], sizes: list[int], state: State, gradient, logits: torch.Tensor) -> State:
    """One step of each example, by the attack at its own ε."""
    parts = parted(state, sizes)
    gradients = gradient.split(sizes) if gradient is not None else [None] * len(sizes)
    for rung, part, *seen in zip(rungs, parts, gradients, logits.split(sizes), strict=True):
        if size(part):
            rung.walk.advance(part, *seen)
            part["step"] = part["step"] + 1
    return joined(parts)


def _begun(walk: Walk, room: Room, state: State, seed: int) -> State:
    def begin(part: State) -> State:
        walk.begin(part, seed)
        return part

    return room(begin, state)


def _unbroken(rung: Rung, room: Room, labels: torch.Tensor) -> torch.Tensor:
    """The positions of the clean images that are no success yet."""
    walk, scores = rung.walk, []
    for position in torch.arange(len(rung.images)).split(walk.batch_size):
        clean, label = rung.images[position].to(labels.device), labels[position]
        _count([rung], [len(clean)], False)
        scores.append(_scores([rung], [len(clean)], room, clean, label, room(walk.oracle.logits, clean)))
    return (~succeeded(torch.cat(scores), walk.targeted)).nonzero().squeeze(1).cpu()


def _scores(rungs: Sequence[Rung], sizes: list[int], room: Room, points, labels, logits) -> torch.Tensor:
    """Scores of the view's logits, those that would be a success replaced by the judge's."""
    walk = rungs[0].walk
    scores = score(logits, labels, walk.targeted)
    proposed = succeeded(scores, walk.targeted)
    if proposed.any():
        scores[proposed] = score(room(walk.oracle.judge, points[proposed]), labels[proposed], walk.targeted)
        _count(rungs, [int(mask.sum()) for mask in proposed.split(sizes)], False)
    return scores


def _judge(rungs: Sequence[Rung], sizes: list[int], room: Room, state: State, which: str, rows: torch.Tensor) -> None:
    """Keep the judge's scores of the points or the best points in these rows, where they are larger."""
    if rows.any():
        walk, points = rungs[0].walk, state[which]
        scores = torch.full_like(state["score"], -torch.inf)
        scores[rows] = score(room(walk.oracle.judge, points[rows]), state["label"][rows], walk.targeted)
        _count(rungs, [int(mask.sum()) for mask in rows.split(sizes)], False)
        keep(state, points, scores)


def _count(rungs: Sequence[Rung], sizes: list[int], backward: bool) -> None:
    for rung, examples in zip(rungs, sizes, strict=True):
        rung.forward += examples
        rung.backward += examples * backward
