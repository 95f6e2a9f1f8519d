"""Adversarial training on PGD examples alone (Madry et al., 2018).

`select: best` leaves the epoch that is most robust on the validation split; with `ema`, the averaged weights.
`precision: auto` crafts in bf16 where the hardware is faster at it and steps in fp32; `bf16` does both in bf16.
"""

from typing import Annotated, Literal

from benchmark.engine.course import Course
from benchmark.engine.objectives import madry
from benchmark.engine.pgd import PGD
from benchmark.engine.selection import Best
from benchmark.engine.trainer import AdversarialTrainer


def train(
    estimator,
    data,
    context,
    *,
    epochs: Annotated[int, "epochs > 0"],
    eps: Annotated[float, "eps > 0", "pixels"],
    norm: Literal["inf", "2", "1"] = "inf",
    steps: Annotated[int, "steps > 0"] = 7,
    step_ratio: Annotated[float, "step_ratio > 0"] = 0.25,
    random_start: bool = True,
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
    attack = PGD(
        estimator,
        norm=norm,
        eps=eps,
        eps_step=step_ratio * eps,
        max_iter=steps,
        num_random_init=int(random_start),
        batch_size=batch_size,
        precision=precision,
    )
    trainer = AdversarialTrainer(estimator, attack, ratio=1.0, objective=madry, precision=precision)
    watches = [Best(estimator, data.validation, norm, eps, batch_size)] if select == "best" else []
    course.run(trainer.fitting, trainer.step, data.train, context, watches)
