"""Standard training: cross-entropy on clean images, SGD."""

from typing import Annotated, Literal

from benchmark.engine.course import Course
from benchmark.engine.fitting import Fitting
from benchmark.engine.objectives import clean


def train(
    estimator,
    data,
    context,
    *,
    epochs: Annotated[int, "epochs > 0"],
    lr: Annotated[float, "lr > 0"] = 0.1,
    momentum: Annotated[float, "0 <= momentum < 1"] = 0.9,
    weight_decay: Annotated[float, "weight_decay >= 0"] = 0.0,
    batch_size: Annotated[int, "batch_size > 0"] = 64,
    schedule: Literal["constant", "step", "cosine", "cyclic"] = "constant",
    milestones: list[int] = (),
    augment: bool = False,
    ema: Annotated[float, "0 <= ema < 1"] = 0.0,
    precision: Literal["fp32", "bf16"] = "fp32",
):
    course = Course(epochs, batch_size, lr, momentum, weight_decay, schedule, milestones, augment, ema)
    fitting = Fitting(estimator, clean, precision)
    course.run(fitting, lambda x, y, *_: fitting.update(x, x, y), data.train, context)
