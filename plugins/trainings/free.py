"""Free adversarial training: `replays` of each batch, one backward pass for weights and pixels (Shafahi et al., 2019).

An epoch costs `replays` epochs of standard training, so take as many fewer of them. ℓ∞.
"""

from typing import Annotated, Literal

import torch

from benchmark.engine.course import Course
from benchmark.engine.fitting import Fitting
from benchmark.engine.objectives import madry
from benchmark.engine.selection import Best


def train(
    estimator,
    data,
    context,
    *,
    epochs: Annotated[int, "epochs > 0"],
    eps: Annotated[float, "eps > 0", "pixels"],
    replays: Annotated[int, "replays > 0"] = 8,
    lr: Annotated[float, "lr > 0"] = 0.1,
    momentum: Annotated[float, "0 <= momentum < 1"] = 0.9,
    weight_decay: Annotated[float, "weight_decay >= 0"] = 0.0,
    batch_size: Annotated[int, "batch_size > 0"] = 64,
    schedule: Literal["constant", "step", "cosine", "cyclic"] = "constant",
    milestones: list[int] = (),
    augment: bool = False,
    ema: Annotated[float, "0 <= ema < 1"] = 0.0,
    select: Literal["last", "best"] = "last",
    precision: Literal["auto", "fp32", "bf16"] = "auto",
):
    course = Course(epochs, batch_size, lr, momentum, weight_decay, schedule, milestones, augment, ema)
    fitting = Fitting(estimator, madry, precision)
    replayed = Replayed(fitting, eps, replays, torch.zeros(batch_size, *estimator.input_shape, device=estimator.device))
    watches = [Best(estimator, data.validation, "inf", eps, batch_size)] if select == "best" else []
    course.run(fitting, replayed.step, data.train, context, watches, state=[replayed])


class Replayed:
    """One perturbation a place in the batch, which goes on from batch to batch as in the authors' code."""

    def __init__(self, fitting: Fitting, eps: float, replays: int, delta: torch.Tensor):
        self.fitting, self.eps, self.replays, self.delta = fitting, eps, replays, delta

    def step(self, x: torch.Tensor, y: torch.Tensor, *_) -> torch.Tensor:
        """`replays` steps of the optimizer, each with a step of the perturbation; the last one's loss."""
        for _ in range(self.replays):
            delta = self.delta[: len(x)].clone().requires_grad_()
            loss = self.fitting.update(x, (x + delta).clamp(0, 1), y)
            self.delta[: len(x)] = (delta.detach() + self.eps * delta.grad.sign()).clamp(-self.eps, self.eps)
        return loss

    def state_dict(self) -> dict[str, torch.Tensor]:
        return {"delta": self.delta}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        self.delta.copy_(state["delta"])
