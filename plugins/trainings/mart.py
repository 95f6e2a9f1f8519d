"""MART: boosted cross-entropy on PGD examples, and a KL that weighs misclassified images more (Wang et al., 2020)."""

from typing import Annotated, Literal

from benchmark.engine import objectives
from benchmark.engine.course import Course
from benchmark.engine.nearby import NearbyPGD
from benchmark.engine.selection import Best
from benchmark.engine.trainer import AdversarialTrainer


def train(
    estimator,
    data,
    context,
    *,
    epochs: Annotated[int, "epochs > 0"],
    eps: Annotated[float, "eps > 0", "pixels"],
    beta: Annotated[float, "beta >= 0"] = 5.0,
    norm: Literal["inf", "2", "1"] = "inf",
    steps: Annotated[int, "steps > 0"] = 10,
    step_ratio: Annotated[float, "step_ratio > 0"] = 0.25,
    lr: Annotated[float, "lr > 0"] = 0.1,
    momentum: Annotated[float, "0 <= momentum < 1"] = 0.9,
    weight_decay: Annotated[float, "weight_decay >= 0"] = 0.0,
    batch_size: Annotated[int, "batch_size > 0"] = 64,
    schedule: Literal["constant", "step", "cosine", "cyclic"] = "constant",
    milestones: list[int] = (),
    augment: bool = False,
    ema: Annotated[float, "0 <= ema < 1"] = 0.0,
    select: Literal["last", "best"] = "last",
    precision: Literal["auto", "fp32", "bf16"] = "auto",
):
    course = Course(epochs, batch_size, lr, momentum, weight_decay, schedule, milestones, augment, ema)
    attack = NearbyPGD(
        estimator,
        loss="ce",
        norm=norm,
        eps=eps,
        eps_step=step_ratio * eps,
        max_iter=steps,
        batch_size=batch_size,
        precision=precision,
    )
    trainer = AdversarialTrainer(estimator, attack, ratio=1.0, objective=objectives.mart(beta), precision=precision)
    watches = [Best(estimator, data.validation, norm, eps, batch_size)] if select == "best" else []
    course.run(trainer.fitting, trainer.step, data.train, context, watches)
