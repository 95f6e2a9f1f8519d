"""HopSkipJump: along the decision boundary, by predicted labels alone (Chen et al., 2020). It needs no gradient."""

from typing import Annotated

from benchmark.engine.hop_skip_jump import HopSkipJump

NORMS = ("inf", "2")
MINIMUM_NORM = True
BLACK_BOX = True


def attack(
    estimator,
    budget,
    *,
    steps: Annotated[int, "steps >= 0"] = 64,
    init_eval: Annotated[int, "init_eval > 0"] = 100,
    max_eval: Annotated[int, "max_eval > 0"] = 10_000,
):
    return HopSkipJump(
        estimator,
        norm=budget.norm,
        max_iter=steps,
        init_eval=init_eval,
        max_eval=max_eval,
        batch_size=budget.batch_size,
    )
