"""FAB, the fast adaptive boundary attack (Croce & Hein, 2020), in its targeted version, FAB-T."""

from typing import ClassVar

import torch
from torch.nn.functional import pad

from benchmark.engine.attack import columns
from benchmark.engine.losses import Loss
from benchmark.engine.minimum_norm import MinimumNorm, State, likeliest
from benchmark.engine.random_start import Draws

_LEAST_STEP = 1e-8  # pixels: keeps the weight of the clean image finite where both projections stand still
_START = {"inf": 0.3, "2": 1.0, "1": 5.0}  # the farthest that a random start may lie is half of this (authors' code)
_SMALLEST = torch.finfo(torch.float32).tiny


class FAB(MinimumNorm):
    """Projects the point, and the clean image, on a linearised class boundary within the pixel range, goes a little
    beyond a weighted mean of both, and from there, once across, a share `1 − beta` of the way back to the clean image.

    Every one of the `targets` likeliest other classes is run for max_iter steps, from the clean image and then from
    restarts − 1 random points. alpha_max: the greatest weight of the clean image's projection; eta: how far beyond.
    The defaults are those of the standard AutoAttack.
    """

    attack_params: ClassVar = [
        *MinimumNorm.attack_params,
        *("max_iter", "targets", "restarts", "alpha_max", "eta", "beta"),
    ]
    least = (*MinimumNorm.least, ("max_iter", 1), ("targets", 1), ("restarts", 1), ("alpha_max", 0), ("eta", 1))

    def __init__(
        self,
        estimator,
        norm: str | float = "inf",
        max_iter: int = 100,
        targets: int = 9,
        restarts: int = 1,
        alpha_max: float = 0.1,
        eta: float = 1.05,
        beta: float = 0.9,
        enough: float = 0.0,
        batch_size: int = 128,
        precision: str = "auto",
        through_clips: str = "auto",
        seed: int = 0,
    ):
        super().__init__(
            estimator,
            norm=norm,
            max_iter=max_iter,
            targets=targets,
            restarts=restarts,
            alpha_max=alpha_max,
            eta=eta,
            beta=beta,
            enough=enough,
            batch_size=batch_size,
            precision=precision,
            through_clips=through_clips,
            seed=seed,
        )

    def begin(self, state: State, seed: int) -> None:
        zero = torch.zeros_like(state["label"])
        others = likeliest(self.oracle.logits(state["origin"]), state["label"], self.targets)
        stream = Draws(seed, state["index"]).key
        state |= {"others": others, "stream": stream, "run": zero, "step": zero, "point": state["origin"]}

    def advance(self, state: State) -> torch.Tensor:
        self._restart(state)
        origin, point, label = state["origin"], state["point"], state["label"]
        gradient, logits = self.oracle.gradient(point, label, self._gap(state))
        gap = self._gap(state)(logits, label)
        gap_at_origin = gap + (gradient * (origin - point)).flatten(1).sum(1)
        here = project(point, gradient, gap, self._norm.name)
        back = project(origin, gradient, gap_at_origin, self._norm.name)
        length, length_back = (self._norm.length(delta).clamp_min(_LEAST_STEP) for delta in (here, back))
        weight = (length / (length + length_back)).clamp_max(self.alpha_max)
        point = ((point + self.eta * here) * (1 - weight) + (origin + self.eta * back) * weight).clamp(0, 1)
        broken = self.oracle.confirm(point, label)
        self.keep(state, point, broken)
        returned = origin + self.beta * (point - origin)
        state |= {"point": torch.where(columns(broken, point), returned, point), "step": state["step"] + 1}
        ended = state["step"] == self.max_iter
        state |= {"run": state["run"] + ended, "step": torch.where(ended, 0, state["step"])}
        return state["run"] == state["others"].shape[1] * self.restarts

    def _gap(self, state: State) -> Loss:
        """z_target − z_label, for the target of each example's run."""
        target = state["others"].gather(1, (state["run"] // self.restarts).unsqueeze(1))

        def gap(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            return (logits.gather(1, target) - logits.gather(1, labels.unsqueeze(1))).squeeze(1)

        return gap

    def _restart(self, state: State) -> None:
        """Put those that begin a run at its first point."""
        rows = ((state["step"] == 0) & (state["run"] > 0)).nonzero().squeeze(1)
        if not len(rows):
            return
        origin, run = state["origin"][rows], state["run"][rows]
        noise = self._norm.start(Draws(0, state["stream"][rows], run), origin.shape[1:], 1.0)
        radius = state["distance"][rows].clamp_max(_START[self._norm.name]) / 2
        random = (origin + columns(radius, origin) * noise / self._norm.length(noise)).clamp(0, 1)
        point = state["point"].clone()
        point[rows] = torch.where(columns(run % self.restarts > 0, origin), random, origin)
        state["point"] = point


def project(point: torch.Tensor, gradient: torch.Tensor, gap: torch.Tensor, norm: str) -> torch.Tensor:
    """The shortest step, in the norm, to where gap + ⟨gradient, step⟩ = 0 within the pixel range [0, 1].

    point, gradient: [m, …]; gap: [m]. Where the range does not reach so far, as near to it as it lets.

    Every pixel moves against the gap at its own rate until it is at the end of the range: all at the same rate in ℓ∞,
    in proportion to the slope in ℓ2, and in ℓ1 one after the other, the steepest first. What is sought is how long.
    """
    slope = gradient.flatten(1) * -gap.sign().unsqueeze(1)
    steep = slope.abs()
    room = torch.where(slope > 0, 1 - point.flatten(1), point.flatten(1)).clamp_min(0).masked_fill(slope == 0, 0)
    if norm == "1":
        order = steep.argsort(dim=1, descending=True)
        gained = (steep * room).gather(1, order).cumsum(1)
        missing = gap.abs().unsqueeze(1) - pad(gained[:, :-1], (1, 0))
        moved = (missing / steep.gather(1, order).clamp_min(_SMALLEST)).clamp_min(0)
        size = torch.zeros_like(room).scatter(1, order, moved).minimum(room)
    else:
        rate = torch.ones_like(steep) if norm == "inf" else steep
        until = room / rate.clamp_min(_SMALLEST)  # how long each pixel can move
        until, order = until.sort(dim=1)
        speed = (rate * steep).gather(1, order)  # of the gap's closing, by this pixel
        moving = speed.flip(1).cumsum(1).flip(1)  # together, of all that are not at an end before this one
        lasted = pad(until[:, :-1], (1, 0))
        gained = ((until - lasted) * moving).cumsum(1)  # when this pixel stops
        last = (gained < gap.abs().unsqueeze(1)).sum(1, keepdim=True).clamp_max(steep.shape[1] - 1)
        short = gained.gather(1, last) - gap.abs().unsqueeze(1)
        time = until.gather(1, last) - short / moving.gather(1, last).clamp_min(_SMALLEST)
        size = (rate * time.clamp_min(0)).minimum(room)
    return (size * slope.sign()).view_as(point)
