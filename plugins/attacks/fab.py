"""FAB-T: projections on linearised boundaries towards each of the likeliest classes (Croce & Hein, 2020)."""

from typing import Annotated, Literal

from benchmark.engine.fab import FAB

NORMS = ("inf", "2", "1")
MINIMUM_NORM = True


def attack(
    estimator,
    budget,
    *,
    steps: Annotated[int, "steps > 0"] = 100,
    targets: Annotated[int, "targets > 0"] = 9,
    restarts: Annotated[int, "restarts > 0"] = 1,
    through_clips: Literal["auto", "never", "always"] = "auto",
):
    return FAB(
        estimator,
        norm=budget.norm,
        max_iter=steps,
        targets=targets,
        restarts=restarts,
        batch_size=budget.batch_size,
        precision="fp32",
        through_clips=through_clips,
    )
