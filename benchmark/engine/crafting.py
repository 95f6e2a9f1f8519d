"""The two ways to walk a batch of examples through an iterative attack: every step of all of them, or an active set.

A walk is a state machine for each example by itself: `begin` sets the first point of a run, `advance` takes one step,
on a batch whose examples may be at different steps. So an example's path does not depend on the others in its batch,
nor on how many of them fit into memory at once (see `Room`).
"""

from typing import Protocol

import torch

from benchmark.engine.losses import score, succeeded
from benchmark.engine.memory import Room

State = dict[str, torch.Tensor]  # one row an example: position, index, label, origin, point, best, score, run, step, …


class Logits(Protocol):
    """Where an attack's logits come from, float32 [m, classes]."""

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """What the attack goes by."""

    def judge(self, x: torch.Tensor) -> torch.Tensor:
        """What decides."""


class Walk(Protocol):
    """An attack, as far as the drivers know it."""

    oracle: Logits
    batch_size: int
    max_iter: int  # steps in a run
    runs: int  # how often an example is attacked, at most
    targeted: bool
    starts_clean: bool  # the first point is the clean image

    def begin(self, state: State, seed: int) -> None:
        """Set `point`, and whatever else the attack keeps for an example, at the start of each example's `run`."""

    def look(self, state: State) -> tuple[torch.Tensor | None, torch.Tensor]:
        """The gradient of what the attack ascends, if it takes one, and the logits, at each example's `point`."""

    def advance(self, state: State, gradient: torch.Tensor | None, logits: torch.Tensor) -> None:
        """Replace `point` by the next one, given what `look` saw there; modify no tensor.

        Set `settled` where every further point would be one that has been looked at: such a run ends.
        """


def run_all(
    walk: Walk, images: torch.Tensor, labels: torch.Tensor, index: torch.Tensor, seed: int, keep_best: bool
) -> None:
    """Every step of every run, in batches, with no host synchronisation inside one. Overwrites `images`.

    keep_best: of all points keep the one with the best score; otherwise of the last points only.
    """
    room = Room()
    for position in torch.arange(len(images)).split(walk.batch_size):
        state = _entered(images, labels, index, position)
        for run in range(walk.runs):
            state |= {"run": torch.full_like(state["label"], run), "step": torch.zeros_like(state["label"])}
            state = _begun(walk, room, state, seed)
            for _ in range(walk.max_iter):
                gradient, logits = room(walk.look, state)
                if keep_best:
                    _keep(state, state["point"], score(logits, state["label"], walk.targeted))
                walk.advance(state, gradient, logits)
                state["step"] = state["step"] + 1
            if keep_best or walk.runs > 1:
                logits = room(walk.oracle.logits, state["point"])
                _keep(state, state["point"], score(logits, state["label"], walk.targeted))
            else:
                state["best"] = state["point"]  # nothing to choose from: no further pass
        _store(state, images)


def decide(walk: Walk, images: torch.Tensor, labels: torch.Tensor, index: torch.Tensor, seed: int) -> None:
    """Each example until its first confirmed success, or else its best point. Overwrites `images`.

    An example that is done leaves, the next one takes its place, and the batch stays full. A score in the state that
    is a success is the judge's, never the view's.
    """
    room = Room()
    queue = torch.arange(len(images)) if walk.starts_clean else _unbroken(walk, room, images, labels)
    active: State = {}
    again: State = {}
    while True:
        free = walk.batch_size - _size(active) - _size(again)
        fresh = _joined(again, _entered(images, labels, index, queue[:free]))
        queue = queue[free:]
        if _size(fresh):
            active = _joined(active, _begun(walk, room, fresh, seed))
        if not _size(active):
            return
        seen, label = active["point"], active["label"]
        gradient, logits = room(walk.look, active)
        _keep(active, seen, _scores(walk, room, seen, label, logits))
        walk.advance(active, gradient, logits)
        active["step"] = active["step"] + 1
        ended = (active["step"] == walk.max_iter) | active["settled"]
        _judge_last(walk, room, active, ended)
        leaving = succeeded(active["score"], walk.targeted) | (ended & (active["run"] == walk.runs - 1))
        _store(_taken(active, leaving), images)
        again = _taken(active, ended & ~leaving)
        again |= {"run": again["run"] + 1, "step": torch.zeros_like(again["step"])}
        again["settled"] = torch.zeros_like(again["settled"])
        active = _taken(active, ~ended & ~leaving)


def _begun(walk: Walk, room: Room, state: State, seed: int) -> State:
    def begin(part: State) -> State:
        walk.begin(part, seed)
        return part

    return room(begin, state)


def _unbroken(walk: Walk, room: Room, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The positions of the clean images that are no success yet."""
    scores = []
    for position in torch.arange(len(images)).split(walk.batch_size):
        clean, label = images[position].to(labels.device), labels[position]
        scores.append(_scores(walk, room, clean, label, room(walk.oracle.logits, clean)))
    return (~succeeded(torch.cat(scores), walk.targeted)).nonzero().squeeze(1).cpu()


def _scores(walk: Walk, room: Room, points: torch.Tensor, labels: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Scores of the view's logits, those that would be a success replaced by the judge's."""
    scores = score(logits, labels, walk.targeted)
    proposed = succeeded(scores, walk.targeted).nonzero().squeeze(1)
    if len(proposed):
        scores[proposed] = score(room(walk.oracle.judge, points[proposed]), labels[proposed], walk.targeted)
    return scores


def _judge_last(walk: Walk, room: Room, state: State, ended: torch.Tensor) -> None:
    """No gradient is wanted at the last point of a run: the judge alone looks at it."""
    rows = ended.nonzero().squeeze(1)
    if len(rows):
        scores = torch.full_like(state["score"], -torch.inf)
        scores[rows] = score(room(walk.oracle.judge, state["point"][rows]), state["label"][rows], walk.targeted)
        _keep(state, state["point"], scores)


def _keep(state: State, points: torch.Tensor, scores: torch.Tensor) -> None:
    """Remember the points that score better than any before."""
    better = scores > state["score"]
    state["best"] = torch.where(better.view(-1, *[1] * (points.ndim - 1)), points, state["best"])
    state["score"] = torch.where(better, scores, state["score"])


def _entered(images: torch.Tensor, labels: torch.Tensor, index: torch.Tensor, position: torch.Tensor) -> State:
    """The state of the examples at these positions, before their first run; on the device of `labels`."""
    origin, label = images[position].to(labels.device), labels[position]
    zero = torch.zeros_like(label)
    never = torch.full(label.shape, -torch.inf, device=label.device)
    state = {"position": position.to(label.device), "index": index[position], "label": label, "run": zero, "step": zero}
    settled = torch.zeros_like(label, dtype=torch.bool)
    return state | {"origin": origin, "best": origin, "score": never, "settled": settled}


def _store(state: State, images: torch.Tensor) -> None:
    images[state["position"].to(images.device)] = state["best"].to(images.device)


def _size(state: State) -> int:
    return len(state["label"]) if state else 0


def _taken(state: State, rows: torch.Tensor) -> State:
    return {name: value[rows] for name, value in state.items()}


def _joined(first: State, second: State) -> State:
    """Both states' examples. A state that has not begun lacks the attack's own entries; `begin` sets them anew."""
    if not _size(first) or not _size(second):
        return first if _size(first) else second
    return {name: torch.cat([first[name], second[name]]) for name in first.keys() & second.keys()}
