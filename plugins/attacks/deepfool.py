"""DeepFool: across the nearest linearised class boundary, step by step (Moosavi-Dezfooli et al., 2016)."""

from typing import Annotated, Literal

from benchmark.engine.deepfool import DeepFool

NORMS = ("inf", "2")
MINIMUM_NORM = True


def attack(
    estimator,
    budget,
    *,
    steps: Annotated[int, "steps > 0"] = 50,
    overshoot: Annotated[float, "overshoot >= 0"] = 0.02,
    candidates: Annotated[int, "candidates > 0"] = 9,
    through_clips: Literal["auto", "never", "always"] = "auto",
):
    return DeepFool(
        estimator,
        norm=budget.norm,
        max_iter=steps,
        overshoot=overshoot,
        candidates=candidates,
        batch_size=budget.batch_size,
        precision="fp32",
        through_clips=through_clips,
    )
