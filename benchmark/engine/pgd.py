"""Projected gradient descent and its family, as one ART attack that takes and gives numpy arrays or tensors."""

import torch

from benchmark.engine.evasion import GradientAttack
from benchmark.engine.random_start import Draws
from benchmark.engine.walk import State


class PGD(GradientAttack):
    """Steps of length eps_step along the steepest ascent of the loss, projected back into the ball.

    The family, by its settings:

    - FGSM (Goodfellow et al., 2015): max_iter=1, eps_step=eps, num_random_init=0
    - R-FGSM (Wong et al., 2020): max_iter=1, eps_step=1.25 · eps, num_random_init=1
    - BIM (Kurakin et al., 2017): num_random_init=0
    - PGD (Madry et al., 2018): num_random_init ≥ 1, the number of restarts, each from a point uniform in the ball
    - MI-FGSM (Dong et al., 2018): decay=1.0, the gradients' memory; num_random_init=0

    norm: "inf", "2" or "1"; loss: "ce", "dlr" or "margin". The default mode, "last", gives with num_random_init ≤ 1
    what ART's ProjectedGradientDescentPyTorch gives, ℓ1 excepted (see `norms.L1`). For the rest see `GradientAttack`.
    """

    attack_params = [*GradientAttack.attack_params, "eps_step", "decay"]  # noqa: RUF012

    def __init__(
        self,
        estimator,
        norm: str | float = "inf",
        eps: float = 0.3,
        eps_step: float = 0.1,
        decay: float | None = None,
        max_iter: int = 100,
        targeted: bool = False,
        num_random_init: int = 0,
        batch_size: int = 128,
        loss: str = "ce",
        mode: str = "last",
        precision: str = "auto",
        through_clips: str = "auto",
        seed: int = 0,
    ):
        super().__init__(
            estimator,
            norm=norm,
            eps=eps,
            eps_step=eps_step,
            decay=decay,
            max_iter=max_iter,
            targeted=targeted,
            num_random_init=num_random_init,
            batch_size=batch_size,
            loss=loss,
            mode=mode,
            precision=precision,
            through_clips=through_clips,
            seed=seed,
        )

    def begin(self, state: State, seed: int) -> None:
        origin = state["origin"]
        state["point"] = origin
        if self.num_random_init:
            draws = Draws(seed, state["index"], state["run"])
            start = self._norm.start(draws, origin.shape[1:], float(self.eps))
            state["point"] = self.within(origin, origin + start)
        if self.decay is not None:
            state["momentum"] = torch.zeros_like(origin)
        state["before"] = torch.full_like(origin, torch.nan)  # the point before this one

    def advance(self, state: State, gradient: torch.Tensor, logits: torch.Tensor) -> None:
        if self.decay is not None:
            size = gradient.flatten(1).abs().sum(1).clamp_min(torch.finfo(gradient.dtype).tiny)
            gradient = self.decay * state["momentum"] + gradient / size.view(-1, *[1] * (gradient.ndim - 1))
            state["momentum"] = gradient
        point = state["point"]
        step = self.steepest(gradient, point) * float(self.eps_step)
        state["point"] = self.within(state["origin"], point + step)
        if self.decay is None:  # without a memory, a point that comes back brings back all that followed it
            state["settled"] = (state["point"] == state["before"]).flatten(1).all(1)
            state["before"] = point

    def _check_params(self) -> None:
        super()._check_params()
        if not self.eps_step > 0:
            raise ValueError(f"eps_step is {self.eps_step}; it must be positive")
