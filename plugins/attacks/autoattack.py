"""AutoAttack (standard): APGD-CE, APGD-T, FAB-T and Square, each on what is left (Croce & Hein, 2020)."""

from typing import Annotated

from benchmark.engine.auto_attack import AutoAttack

NORMS = ("inf", "2")
SWEEP = True  # what it cannot break in a ball it is taken not to break in a smaller one, and a sample is checked
BF16 = True  # it obeys budget.precision, and has each success confirmed by the fp32 judge


def attack(
    estimator,
    budget,
    *,
    steps: Annotated[int, "steps > 0"] = 100,
    targets: Annotated[int, "targets > 0"] = 9,
    queries: Annotated[int, "queries > 1"] = 5000,
):
    return AutoAttack(
        estimator,
        norm=budget.norm,
        eps=budget.eps,
        max_iter=steps,
        targets=targets,
        queries=queries,
        batch_size=budget.batch_size,
        mode=budget.mode,
        precision=budget.precision,
    )
