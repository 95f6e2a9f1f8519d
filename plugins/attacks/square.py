"""Square Attack: a random search on the ball's surface that asks for predictions only (Andriushchenko et al., 2020)."""

from typing import Annotated

from benchmark.engine.square import Square

NORMS = ("inf", "2")
BLACK_BOX = True
# No SWEEP: every point that it tries lies on the surface of its ball, so its failure says nothing of smaller balls


def attack(
    estimator,
    budget,
    *,
    queries: Annotated[int, "queries > 1"] = 1000,
    p_init: Annotated[float, "0 < p_init <= 1"] = 0.8,
    restarts: Annotated[int, "restarts > 0"] = 1,
):
    return Square(
        estimator,
        norm=budget.norm,
        eps=budget.eps,
        queries=queries,
        p_init=p_init,
        restarts=restarts,
        batch_size=budget.batch_size,
        mode=budget.mode,
    )
