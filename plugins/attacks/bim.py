"""Basic iterative method: FGSM in small steps from the clean image (Kurakin et al., 2017)."""

from typing import Annotated

from art.attacks.evasion import BasicIterativeMethod

NORMS = ("inf",)


def attack(
    estimator,
    budget,
    *,
    steps: Annotated[int, "steps > 0"] = 10,
    step_ratio: Annotated[float, "step_ratio > 0"] = 0.25,
):
    return BasicIterativeMethod(
        estimator,
        eps=budget.eps,
        eps_step=budget.eps * step_ratio,
        max_iter=steps,
        batch_size=budget.batch_size,
        verbose=False,
    )
