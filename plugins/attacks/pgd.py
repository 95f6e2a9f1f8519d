"""Projected gradient descent in an ℓp ball (Madry et al., 2018). `restarts: 0` starts from the clean image."""

from typing import Annotated, Literal

from benchmark.engine.pgd import PGD

NORMS = ("inf", "2", "1")
SWEEP = True  # what it cannot break in a ball it is taken not to break in a smaller one, and a sample is checked
BF16 = True  # it obeys budget.precision, and has each success confirmed by the fp32 judge


def attack(
    estimator,
    budget,
    *,
    steps: Annotated[int, "steps > 0"] = 20,
    restarts: Annotated[int, "restarts >= 0"] = 1,
    step_ratio: Annotated[float, "step_ratio > 0"] = 0.25,
    loss: Literal["ce", "dlr", "margin"] = "ce",
    through_clips: Literal["auto", "never", "always"] = "auto",
):
    return PGD(
        estimator,
        norm=budget.norm,
        eps=budget.eps,
        eps_step=budget.eps * step_ratio,
        max_iter=steps,
        num_random_init=restarts,
        batch_size=budget.batch_size,
        loss=loss,
        mode=budget.mode,
        precision=budget.precision,
        through_clips=through_clips,
    )
