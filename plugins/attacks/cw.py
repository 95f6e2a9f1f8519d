"""Carlini & Wagner (2017): ℓ2 with a binary search of the constant, ℓ∞ with a threshold that is made ever smaller.

A pixel of exactly 0 or 1 moves only after steps × learning_rate of about 7 (tanh is flat there): fewer are too weak.
"""

from typing import Annotated, Literal

from benchmark.engine.carlini_wagner import CarliniWagnerL2, CarliniWagnerLInf

NORMS = ("inf", "2")
MINIMUM_NORM = True


def attack(
    estimator,
    budget,
    *,
    steps: Annotated[int, "steps > 0"] = 200,
    learning_rate: Annotated[float, "learning_rate > 0"] = 0.05,
    searches: Annotated[int, "searches > 0"] = 9,
    const: Annotated[float, "const > 0"] = 1e-3,
    confidence: Annotated[float, "confidence >= 0"] = 0.0,
    through_clips: Literal["auto", "never", "always"] = "auto",
):
    shared = {
        "max_iter": steps,
        "learning_rate": learning_rate,
        "confidence": confidence,
        "batch_size": budget.batch_size,
        "precision": "fp32",
        "through_clips": through_clips,
    }
    if budget.norm == "inf":  # there is no binary search, and c begins where it counts
        return CarliniWagnerLInf(estimator, **shared)
    return CarliniWagnerL2(estimator, searches=searches, const=const, **shared)
