"""Minimum-norm attacks: how near is the nearest image that the judge gets wrong?

Each example walks by itself, in an active set: one that is done leaves, the next one takes its place, and the batch
stays full. So an example's path depends neither on the batch size nor on the other examples, nor on how many of them
fit into memory at once.
"""

from abc import abstractmethod
from functools import partial
from typing import ClassVar

import torch

from benchmark.engine import twin
from benchmark.engine.attack import Attack, columns
from benchmark.engine.losses import score, succeeded

State = dict[str, torch.Tensor]  # one row an example: position, index, label, origin, best, distance, …


class MinimumNorm(Attack):
    """Gives back the nearest example found that the fp32 judge gets wrong; the clean image where it is one, or if none
    is found. No point that the judge has not seen is ever given back.

    enough: an example is done once one is found at this distance, in pixels; 0: never, look for the nearest.
    through_clips: whether a quantised twin is searched a second time, with gradients that pass through clipped
    activations as if they were not clipped; the nearer example of both is given back. "auto": if the twin has a layer
    of at most twin.LOW_BITS activation bits; "always": any twin. A network that clips nothing is searched once.
    """

    attack_params: ClassVar = [*Attack.attack_params, "enough", "precision", "through_clips"]
    least = (*Attack.least, ("enough", 0))

    def _craft(self, images: torch.Tensor, labels: torch.Tensor, index: torch.Tensor, seed: int) -> None:
        self.oracle.refresh(images[:4].to(self.device))
        clean = images.clone() if twin.is_passed_through(self.estimator.model, self.through_clips) else None
        self._search(images, labels, index, seed)
        if clean is not None:
            self._search_through_clips(images, clean, labels, index, seed + 2**62)  # with other random draws

    def _search_through_clips(
        self, images: torch.Tensor, clean: torch.Tensor, labels: torch.Tensor, index: torch.Tensor, seed: int
    ) -> None:
        distance = self._found(images, clean)
        rows = (distance > float(self.enough)).nonzero().squeeze(1)
        if not len(rows):
            return
        again, own = clean[rows], rows.to(labels.device)
        with twin.passing_through_clips():
            self._search(again, labels[own], index[own], seed)
        nearer = self._found(again, clean[rows]) < distance[rows]
        images[rows[nearer]] = again[nearer]

    def _found(self, images: torch.Tensor, clean: torch.Tensor) -> torch.Tensor:
        """Each example's distance, [n]; inf where nothing was found, or nothing was looked for."""
        length = self._length(images - clean)
        return torch.where(length > 0, length, torch.inf)

    def _search(self, images: torch.Tensor, labels: torch.Tensor, index: torch.Tensor, seed: int) -> None:
        """Overwrite `images`, clean ones, with what is found from them."""
        queue = (~succeeded(score(self._judged(images), labels))).nonzero().squeeze(1).cpu()
        active: State = {}
        while len(queue) or active:
            free = self.batch_size - (len(active["label"]) if active else 0)
            if free and len(queue):
                fresh = self._room(partial(self._begun, seed), self._entered(images, labels, index, queue[:free]))
                queue = queue[free:]
                active = {name: torch.cat([active[name], fresh[name]]) for name in fresh} if active else fresh
            active, done = self._room(self._advanced, active)
            done = done | (active["distance"] <= float(self.enough))
            if done.any():
                images[active["position"][done].to(images.device)] = active["best"][done].to(images.device)
                active = {name: value[~done] for name, value in active.items()} if not done.all() else {}

    def _check_params(self) -> None:
        super()._check_params()
        self._check_choice("through_clips", twin.THROUGH_CLIPS)

    @abstractmethod
    def begin(self, state: State, seed: int) -> None:
        """Set whatever the attack keeps for an example beside what is in the state already."""

    @abstractmethod
    def advance(self, state: State) -> torch.Tensor:
        """One step; `keep` what is found, replace entries but modify no tensor. bool [m]: which examples are done."""

    def keep(self, state: State, points: torch.Tensor, broken: torch.Tensor) -> None:
        """Remember the points that are nearer than any before; broken: the judge's word, bool [m]."""
        distance = self._length(points - state["origin"])
        better = broken & (distance < state["distance"])
        state["best"] = torch.where(columns(better, points), points, state["best"])
        state["distance"] = torch.where(better, distance, state["distance"])

    def offer(self, state: State, points: torch.Tensor, proposed: torch.Tensor) -> torch.Tensor:
        """Show the judge what is proposed and nearer than any before; `keep` what it confirms: bool [m], which."""
        nearer = proposed & (self._length(points - state["origin"]) < state["distance"])
        rows = nearer.nonzero().squeeze(1)
        if len(rows):
            nearer[rows] = self.oracle.confirm(points[rows], state["label"][rows])
            self.keep(state, points, nearer)
        return nearer

    def _begun(self, seed: int, state: State) -> State:
        state = dict(state)  # as in the next: if memory runs out, what was given must be as it was
        self.begin(state, seed)
        return state

    def _advanced(self, state: State) -> tuple[State, torch.Tensor]:
        state = dict(state)
        done = self.advance(state)
        return state, done

    def _entered(
        self, images: torch.Tensor, labels: torch.Tensor, index: torch.Tensor, position: torch.Tensor
    ) -> State:
        origin = images[position].to(self.device)
        position = position.to(self.device)
        own = {"position": position, "index": index[position], "label": labels[position]}
        never = torch.full((len(position),), torch.inf, device=self.device)
        return own | {"origin": origin, "best": origin, "distance": never}


def likeliest(logits: torch.Tensor, labels: torch.Tensor, count: int) -> torch.Tensor:
    """int64 [m, min(count, classes − 1)]: the classes other than the label, the likeliest first."""
    others = logits.scatter(1, labels.unsqueeze(1), -torch.inf)
    return others.argsort(dim=1, descending=True)[:, : min(count, logits.shape[1] - 1)]
