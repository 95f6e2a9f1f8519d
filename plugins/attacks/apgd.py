"""Auto-PGD: momentum, and a step that halves where progress stalls (Croce & Hein, 2020); the best iterate is kept."""

from typing import Annotated, Literal

from benchmark.engine.apgd import APGD

NORMS = ("inf", "2")
SWEEP = True  # what it cannot break in a ball it is taken not to break in a smaller one, and a sample is checked
BF16 = True  # it obeys budget.precision, and has each success confirmed by the fp32 judge


def attack(
    estimator,
    budget,
    *,
    steps: Annotated[int, "steps > 0"] = 100,
    restarts: Annotated[int, "restarts > 0"] = 1,
    loss: Literal["ce", "dlr", "dlr-targeted", "margin"] = "ce",
    through_clips: Literal["auto", "never", "always"] = "auto",
):
    return APGD(
        estimator,
        norm=budget.norm,
        eps=budget.eps,
        max_iter=steps,
        num_random_init=restarts,
        batch_size=budget.batch_size,
        loss=loss,
        mode=budget.mode,
        precision=budget.precision,
        through_clips=through_clips,
    )
