"""What an iterative attack is to those who drive it: a state machine for each example by itself.

`begin` sets the first point of a run, `advance` takes one step, on a batch whose examples may be at different steps. So
an example's path does not depend on the others in its batch, nor on how many of them fit into memory at once (see
`Room`).
"""

from collections.abc import Sequence
from typing import Protocol

import torch

State = dict[str, torch.Tensor]  # one row an example: position, index, label, origin, point, best, score, run, step, …


class Logits(Protocol):
    """Where an attack's logits come from, float32 [m, classes]."""

    bf16: bool  # whether what it goes by is off by more than fp32 rounding
    forward: int  # examples that have passed

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


def entered(images: torch.Tensor, labels: torch.Tensor, index: torch.Tensor, position: torch.Tensor) -> State:
    """The state of the examples at these positions, before their first run; on the device of `labels`."""
    origin, label = images[position].to(labels.device), labels[position]
    zero = torch.zeros_like(label)
    never = torch.full(label.shape, -torch.inf, device=label.device)
    state = {"position": position.to(label.device), "index": index[position], "label": label, "run": zero, "step": zero}
    settled = torch.zeros_like(label, dtype=torch.bool)
    return state | {"origin": origin, "best": origin, "score": never, "settled": settled}


def keep(state: State, points: torch.Tensor, scores: torch.Tensor) -> None:
    """Remember the points that score better than any before."""
    better = scores > state["score"]
    state["best"] = torch.where(better.view(-1, *[1] * (points.ndim - 1)), points, state["best"])
    state["score"] = torch.where(better, scores, state["score"])


def store(state: State, images: torch.Tensor) -> None:
    """Write each example's best point where it came from."""
    images[state["position"].to(images.device)] = state["best"].to(images.device)


def size(state: State) -> int:
    """How many examples."""
    return len(state["label"]) if state else 0


def taken(state: State, rows: torch.Tensor) -> State:
    """The examples in these rows."""
    return {name: value[rows] for name, value in state.items()}


def joined(states: Sequence[State]) -> State:
    """All their examples. A state that has not begun lacks the attack's own entries; `begin` sets them anew."""
    states = [state for state in states if size(state)]
    if len(states) < 2:
        return states[0] if states else {}
    shared = set.intersection(*(set(state) for state in states))
    return {name: torch.cat([state[name] for state in states]) for name in states[0] if name in shared}


def parted(state: State, sizes: Sequence[int]) -> list[State]:
    """What was joined, apart again: so many rows each."""
    pieces = {name: value.split(sizes) for name, value in state.items()}
    return [{name: value[at] for name, value in pieces.items()} for at in range(len(sizes))]
