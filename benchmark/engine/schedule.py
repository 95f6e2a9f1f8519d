"""Optimizer and learning rate of the built-in trainings; the rate moves with every batch."""

from math import cos, pi
from typing import Literal

import torch
from torch.optim.lr_scheduler import LambdaLR

from benchmark.engine.estimator import Classifier

Schedule = Literal["constant", "step", "cosine", "cyclic"]

_PEAK = 0.4  # of a cyclic training: where the rate is highest


def sgd(
    estimator: Classifier,
    epochs: int,
    batches: int,
    lr: float,
    momentum: float,
    weight_decay: float,
    schedule: Schedule,
    milestones: list[int],
) -> LambdaLR:
    """Give the estimator a fresh SGD optimizer; what comes back is stepped after each of an epoch's `batches`.

    constant: lr throughout. step: a tenth of it after each of the `milestones` (epochs that have been run). cosine:
    from lr down to 0 (Loshchilov & Hutter, 2017). cyclic: from 0 linearly up to lr at two fifths of the training, and
    down to 0 (Smith, 2018, as Wong et al., 2020, use it).
    """
    total = epochs * batches
    factors = {
        "constant": lambda done: 1.0,
        "step": lambda done: 0.1 ** sum(done >= milestone * batches for milestone in milestones),
        "cosine": lambda done: (1 + cos(pi * done / total)) / 2,
        "cyclic": lambda done: max(0.0, min((done + 1) / (_PEAK * total + 1), (total - done) / ((1 - _PEAK) * total))),
    }
    estimator.optimizer = torch.optim.SGD(
        estimator.model.parameters(), lr=lr, momentum=momentum, weight_decay=weight_decay
    )
    return LambdaLR(estimator.optimizer, factors[schedule])
