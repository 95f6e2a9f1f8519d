"""One perturbation for all images, fitted on training images (Moosavi-Dezfooli et al., 2017; Shafahi et al., 2020)."""

from typing import Annotated

from benchmark.engine.universal import UniversalPerturbation

NORMS = ("inf", "2", "1")
ITERATIVE = False  # not on the image that it attacks


def attack(
    estimator,
    budget,
    *,
    epochs: Annotated[int, "epochs > 0"] = 20,
    images: Annotated[int, "images > 0"] = 2000,
    step_ratio: Annotated[float, "step_ratio > 0"] = 0.1,
):
    return UniversalPerturbation(
        estimator,
        norm=budget.norm,
        eps=budget.eps,
        epochs=epochs,
        images=images,
        step_ratio=step_ratio,
        batch_size=budget.batch_size,
        precision="fp32",
    )


def fit(attack, images, labels):
    return attack.fit(images, labels)
