"""Auto-PGD (Croce & Hein, 2020): PGD with momentum whose step size follows from its own progress."""

import torch

from benchmark.engine.attack import columns
from benchmark.engine.evasion import GradientAttack
from benchmark.engine.losses import LOSSES, Loss, dlr_towards
from benchmark.engine.random_start import Draws
from benchmark.engine.walk import State

_INERTIA = 0.25  # the share of the previous move in the next one
_PROGRESS = 0.75  # ρ: halve the step unless the loss rose in more than this share of a window's steps
_WINDOWS = (
    0.22,
    0.03,
    0.06,
)  # of max_iter: the first window between checkpoints, how much shorter each next, the least


class APGD(GradientAttack):
    """APGD-CE ("ce"), APGD-DLR ("dlr") and APGD-T ("dlr-targeted"); it has no step size to choose.

    "dlr-targeted" is untargeted in what it wants (any class but y) and attacks each of the `targets` most likely
    other classes in turn, each with num_random_init restarts. norm: "inf" or "2". The default mode, "examples", gives
    the best point, as Croce & Hein's own code does and ART's does not. For the rest see `GradientAttack`.
    """

    attack_params = [*GradientAttack.attack_params, "targets"]  # noqa: RUF012
    losses = (*LOSSES, "dlr-targeted")
    norms = ("inf", "2")
    starts_clean = False

    def __init__(
        self,
        estimator,
        norm: str | float = "inf",
        eps: float = 0.3,
        max_iter: int = 100,
        targeted: bool = False,
        num_random_init: int = 1,
        batch_size: int = 128,
        loss: str = "ce",
        targets: int = 9,
        mode: str = "examples",
        precision: str = "auto",
        through_clips: str = "auto",
        seed: int = 0,
    ):
        super().__init__(
            estimator,
            norm=norm,
            eps=eps,
            max_iter=max_iter,
            targeted=targeted,
            num_random_init=num_random_init,
            batch_size=batch_size,
            loss=loss,
            targets=targets,
            mode=mode,
            precision=precision,
            through_clips=through_clips,
            seed=seed,
        )

    @property
    def runs(self) -> int:
        targets = min(self.targets, self.estimator.nb_classes - 1) if self.loss == "dlr-targeted" else 1
        return self.num_random_init * targets

    def objective(self, state: State) -> Loss:
        if self.loss == "dlr-targeted":
            return lambda logits, labels: dlr_towards(logits, labels, state["target"])
        return super().objective(state)

    def within(self, origin: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
        """Into the ball, then the pixel range: the other way round, a first step of 2 ε bends in ℓ2 (1.5 points)."""
        return (origin + self._norm.project(point - origin, float(self.eps))).clamp(*self._range)

    def begin(self, state: State, seed: int) -> None:
        origin, label = state["origin"], state["label"]
        draws = Draws(seed, state["index"], state["run"])
        inside = self._norm.start(draws, origin.shape[1:], 1.0)
        on_surface = float(self.eps) * inside / self._norm.length(inside)
        point = self.within(origin, origin + on_surface)
        worst = torch.full_like(state["score"], -torch.inf)
        state |= {
            "point": point,
            "previous": point,
            "step_size": torch.full_like(worst, 2 * float(self.eps)),
            "loss": -worst,  # at the previous point; the first one is no improvement on it
            "top_loss": worst,  # and where it was reached, with the gradient there
            "top_point": point,
            "top_gradient": torch.zeros_like(point),
            "rises": torch.zeros_like(label),  # of the loss, since the last checkpoint
            "checked_loss": worst,  # the top loss at the last checkpoint
            "halved": torch.ones_like(label, dtype=torch.bool),  # at the last checkpoint
        }
        if self.loss == "dlr-targeted":
            others = self.oracle.logits(origin).scatter(1, label.unsqueeze(1), -torch.inf).argsort(1, descending=True)
            rank = state["run"] // self.num_random_init
            state["target"] = others.gather(1, rank.unsqueeze(1)).squeeze(1)

    def advance(self, state: State, gradient: torch.Tensor, logits: torch.Tensor) -> None:
        self._record(state, gradient, self.objective(state)(logits, state["label"]))
        gradient = self._at_checkpoint(state, gradient)
        origin, point = state["origin"], state["point"]
        step = columns(state["step_size"], point) * self.steepest(gradient, point)
        ahead = self.within(origin, point + step) - point
        inertia = columns(torch.where(state["step"] > 0, _INERTIA, 0.0), point)
        moved = point + (1 - inertia) * ahead + inertia * (point - state["previous"])
        state |= {"previous": point, "point": self.within(origin, moved)}

    def _record(self, state: State, gradient: torch.Tensor, loss: torch.Tensor) -> None:
        """Take note of the loss at the point, and of the point if it is the best of the run so far."""
        better = loss > state["top_loss"]
        wide = columns(better, gradient)
        state |= {
            "rises": state["rises"] + (loss > state["loss"]),
            "loss": loss,
            "top_loss": torch.where(better, loss, state["top_loss"]),
            "top_point": torch.where(wide, state["point"], state["top_point"]),
            "top_gradient": torch.where(wide, gradient, state["top_gradient"]),
        }

    def _at_checkpoint(self, state: State, gradient: torch.Tensor) -> torch.Tensor:
        """Where a window ends without enough progress: halve the step and go back to the best point; its gradient."""
        window = torch.tensor(_windows(self.max_iter), device=gradient.device)[state["step"]]
        due = window > 0
        oscillates = state["rises"] <= _PROGRESS * window
        stalls = ~state["halved"] & (state["checked_loss"] >= state["top_loss"])
        halve = due & (oscillates | stalls)
        wide = columns(halve, gradient)
        state |= {
            "step_size": torch.where(halve, state["step_size"] / 2, state["step_size"]),
            "point": torch.where(wide, state["top_point"], state["point"]),
            "halved": torch.where(due, halve, state["halved"]),
            "rises": torch.where(due, 0, state["rises"]),
            "checked_loss": torch.where(due | (state["step"] == 0), state["top_loss"], state["checked_loss"]),
        }
        return torch.where(wide, state["top_gradient"], gradient)

    def _check_params(self) -> None:
        super()._check_params()
        if not self.num_random_init >= 1 or not self.targets >= 1:
            raise ValueError(
                f"num_random_init is {self.num_random_init}, targets {self.targets}; both must be at least 1"
            )


def _windows(steps: int) -> list[int]:
    """For each step, the length of the window that ends there, or 0 between checkpoints."""
    length, shrink, least = (max(int(share * steps), 1) for share in _WINDOWS)
    ends, place = [0] * (steps + 1), 0
    while (place := place + length) <= steps:
        ends[place] = length
        length = max(length - shrink, least)
    return ends
