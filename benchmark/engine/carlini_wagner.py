"""Carlini & Wagner's attacks (2017) in ℓ2 and ℓ∞: Adam, in a space in which every point is within the pixel range.

x = (tanh(w) + 1) / 2        f(x) = max(z_label − max z_other + confidence, 0)
ℓ2: ‖x − x₀‖² + c f(x), c found by a binary search       ℓ∞: Σ max(|x − x₀| − τ, 0) + c f(x), τ made ever smaller
"""

from abc import abstractmethod
from typing import ClassVar

import torch

from benchmark.engine.attack import columns
from benchmark.engine.losses import margin
from benchmark.engine.minimum_norm import MinimumNorm, State

_SMOOTH = 1 - 1e-6  # keeps the ends of the pixel range at a finite w (authors' code)
_FIRST, _SECOND, _TINY = 0.9, 0.999, 1e-8  # Adam's memories of gradients and their squares; its ε
_STALLED = 0.9999  # a round may end if a tenth of its steps leaves the least loss above this share of what it was,
_PATIENCE = 30  # but no fewer steps: Adam's first ones go too far, and the loss rises before it falls
_NOTHING = 1e-4  # of c: a loss with nothing left to gain (authors' code)
_NO_LIMIT = 1e10  # a c that has not succeeded yet


class CarliniWagner(MinimumNorm):
    """What both have in common: rounds of at most max_iter steps, each with a c (and a τ) of its own.

    confidence: by how much another logit must lead; learning_rate: Adam's, in the tanh space; const: the first c.
    """

    attack_params: ClassVar = [*MinimumNorm.attack_params, *("max_iter", "learning_rate", "const", "confidence")]
    least = (*MinimumNorm.least, ("max_iter", 1), ("learning_rate", 1e-6), ("const", 1e-9), ("confidence", 0))

    def begin(self, state: State, seed: int) -> None:
        zero, never = torch.zeros_like(state["label"]), state["distance"]
        start = _unsquashed(state["origin"])
        state |= {
            "start": start,
            "w": start,
            "c": torch.full_like(never, self.const),
            "round": zero,
            "step": zero,  # in the round
            "mean": torch.zeros_like(start),
            "square": torch.zeros_like(start),
            "found": zero.bool(),  # what the round is after
            "least": never,  # loss in the round, and when it was last looked at
            "least_before": never,
            "first": never,
        }

    def advance(self, state: State) -> torch.Tensor:
        origin, c = state["origin"], state["c"]
        squashed = state["w"].tanh()
        points = (squashed + 1) / 2
        gradient, logits = self.oracle.gradient(points, state["label"], self._shortfall)
        shortfall = self._shortfall(logits, state["label"])
        self.look(state, points, shortfall == 0)
        penalty, penalty_gradient = self.penalty(state, points - origin)
        loss = penalty + c * shortfall
        self._adam(state, (penalty_gradient + columns(c, origin) * gradient) * (1 - squashed.square()) / 2)
        ended = self._ended(state, loss)
        if not ended.any():
            return ended
        done = self.next_round(state, ended)
        self._begin_round(state, ended)
        return done

    @abstractmethod
    def penalty(self, state: State, delta: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What a perturbation costs, [m], and its gradient."""

    @abstractmethod
    def look(self, state: State, points: torch.Tensor, reached: torch.Tensor) -> None:
        """Offer the points that have reached the other side; set `found` where the round has what it is after."""

    @abstractmethod
    def next_round(self, state: State, ended: torch.Tensor) -> torch.Tensor:
        """For those whose round ended: the next c. bool [m]: which of them were at their last."""

    def may_end(self, state: State) -> torch.Tensor:
        """bool [m]: whose round may end before its last step."""
        return torch.ones_like(state["found"])

    def rate(self, step: torch.Tensor) -> torch.Tensor | float:
        """Adam's learning rate at each example's step of its round."""
        return self.learning_rate

    def _shortfall(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return (self.confidence - margin(logits, labels)).clamp_min(0)

    def _adam(self, state: State, descent: torch.Tensor) -> None:
        step = state["step"] + 1
        mean = _FIRST * state["mean"] + (1 - _FIRST) * descent
        square = _SECOND * state["square"] + (1 - _SECOND) * descent.square()
        rate = columns(self.rate(state["step"]) / (1 - _FIRST**step), descent)
        root = square.sqrt() / columns((1 - _SECOND**step).sqrt(), descent)
        state |= {"step": step, "mean": mean, "square": square, "w": state["w"] - rate * mean / (root + _TINY)}

    def _ended(self, state: State, loss: torch.Tensor) -> torch.Tensor:
        """Whose round is over: all steps are done, or the last tenth of them gained nothing and may end it."""
        state["first"] = torch.where(state["step"] == 1, loss, state["first"])
        least = state["least"].minimum(loss)
        look = (state["step"] - 1) % max(_PATIENCE, self.max_iter // 10) == 0
        stalled = look & (least > _STALLED * state["least_before"])
        state |= {"least": least, "least_before": torch.where(look, least, state["least_before"])}
        return (stalled & self.may_end(state)) | (state["step"] == self.max_iter)

    def _begin_round(self, state: State, ended: torch.Tensor) -> None:
        wide = columns(ended, state["origin"])
        state |= {name: torch.where(wide, 0, state[name]) for name in ("mean", "square")}
        state |= {name: torch.where(ended, torch.inf, state[name]) for name in ("least", "least_before")}
        state |= {"step": torch.where(ended, 0, state["step"]), "found": state["found"] & ~ended}


class CarliniWagnerL2(CarliniWagner):
    """searches: rounds, each from the clean image, in which c is tenfold until it succeeds and then halves the
    interval between the greatest that failed and the least that did not. The rest as in `CarliniWagner`."""

    attack_params: ClassVar = [*CarliniWagner.attack_params, "searches"]
    least = (*CarliniWagner.least, ("searches", 1))
    norms = ("2",)

    def __init__(
        self,
        estimator,
        max_iter: int = 1000,
        learning_rate: float = 0.01,
        const: float = 1e-3,
        searches: int = 9,
        confidence: float = 0.0,
        batch_size: int = 128,
        precision: str = "auto",
        through_clips: str = "auto",
        seed: int = 0,
    ):
        super().__init__(
            estimator,
            norm="2",
            max_iter=max_iter,
            learning_rate=learning_rate,
            const=const,
            searches=searches,
            confidence=confidence,
            batch_size=batch_size,
            precision=precision,
            through_clips=through_clips,
            seed=seed,
            enough=0.0,
        )

    def begin(self, state: State, seed: int) -> None:
        super().begin(state, seed)
        state |= {"low": torch.zeros_like(state["c"]), "high": torch.full_like(state["c"], _NO_LIMIT)}

    def penalty(self, state: State, delta: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return delta.square().flatten(1).sum(1), 2 * delta

    def look(self, state: State, points: torch.Tensor, reached: torch.Tensor) -> None:
        self.offer(state, points, reached)
        state["found"] = state["found"] | reached

    def may_end(self, state: State) -> torch.Tensor:
        """Only one that has begun: a pixel of exactly 0 or 1 lies where tanh is flat, and the first steps away from
        there gain next to nothing."""
        return state["found"] | (state["least"] < _STALLED * state["first"])

    def next_round(self, state: State, ended: torch.Tensor) -> torch.Tensor:
        c, found = state["c"], state["found"]
        high = torch.where(ended & found, c.minimum(state["high"]), state["high"])
        low = torch.where(ended & ~found, c.maximum(state["low"]), state["low"])
        bounded = high < _NO_LIMIT
        state |= {
            "low": low,
            "high": high,
            "c": torch.where(ended, torch.where(bounded, (low + high) / 2, 10 * c), c),
            "w": torch.where(columns(ended, state["w"]), state["start"], state["w"]),
            "round": state["round"] + ended,
        }
        return ended & (state["round"] == self.searches)


class CarliniWagnerLInf(CarliniWagner):
    """Only what exceeds τ costs anything. A round that comes nearer than ever before lets the next one begin where it
    is, with a τ of `shrink` times the distance; one that does not multiplies c by `factor`. When c exceeds
    `largest_const`, the search goes on from the nearest point with a finer shrink (the paper's stays at 0.9, and so
    stops up to a tenth too far away), until that is within `finest` of 1. The rest as in `CarliniWagner`.

    (In ART's version c has no part in the gradient, so that nothing ever pulls towards the boundary.)
    """

    attack_params: ClassVar = [*CarliniWagner.attack_params, *("factor", "largest_const", "shrink", "finest")]
    least = (*CarliniWagner.least, ("factor", 1.01), ("shrink", 0), ("finest", 1e-4))
    norms = ("inf",)

    def __init__(
        self,
        estimator,
        max_iter: int = 1000,
        learning_rate: float = 0.01,
        const: float = 0.1,
        largest_const: float = 1e3,
        factor: float = 10.0,
        shrink: float = 0.9,
        finest: float = 0.02,
        confidence: float = 0.0,
        batch_size: int = 128,
        precision: str = "auto",
        through_clips: str = "auto",
        seed: int = 0,
    ):
        super().__init__(
            estimator,
            norm="inf",
            max_iter=max_iter,
            learning_rate=learning_rate,
            const=const,
            largest_const=largest_const,
            factor=factor,
            shrink=shrink,
            finest=finest,
            confidence=confidence,
            batch_size=batch_size,
            precision=precision,
            through_clips=through_clips,
            seed=seed,
            enough=0.0,
        )

    def begin(self, state: State, seed: int) -> None:
        super().begin(state, seed)
        one = torch.ones_like(state["c"])
        state |= {"limit": one, "shrink": self.shrink * one}

    def penalty(self, state: State, delta: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        excess = (delta.abs() - columns(state["limit"], delta)).clamp_min(0)
        return excess.flatten(1).sum(1), delta.sign() * (excess > 0)

    def rate(self, step: torch.Tensor) -> torch.Tensor | float:
        return self.learning_rate * (1 - 0.95 * step / self.max_iter)

    def _ended(self, state: State, loss: torch.Tensor) -> torch.Tensor:
        return super()._ended(state, loss) | (loss < _NOTHING * state["c"])

    def look(self, state: State, points: torch.Tensor, reached: torch.Tensor) -> None:
        state["found"] = state["found"] | self.offer(state, points, reached)

    def next_round(self, state: State, ended: torch.Tensor) -> torch.Tensor:
        nearer, origin = ended & state["found"], state["origin"]
        c = torch.where(ended & ~nearer, self.factor * state["c"], state["c"])
        exhausted = ended & (c > self.largest_const)
        shrink = torch.where(exhausted, (1 + state["shrink"]) / 2, state["shrink"])
        limit = torch.where(nearer | exhausted, shrink * state["distance"].clamp_max(1), state["limit"])
        w = torch.where(columns(exhausted, origin), _unsquashed(state["best"]), state["w"])
        never = state["distance"].isinf()
        state |= {"limit": limit, "shrink": shrink, "c": torch.where(exhausted, self.const, c), "w": w}
        return exhausted & (never | (1 - shrink < self.finest))


def _unsquashed(points: torch.Tensor) -> torch.Tensor:
    """The w of pixels."""
    return (_SMOOTH * (2 * points - 1)).atanh()
