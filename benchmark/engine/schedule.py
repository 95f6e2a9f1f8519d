"""Optimizers and learning rates of the built-in trainings, stepped once an epoch."""

from typing import Literal

import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, MultiStepLR

from benchmark.engine.estimator import Classifier

Schedule = Literal["constant", "step", "cosine"]


def sgd(
    estimator: Classifier,
    epochs: int,
    lr: float,
    momentum: float,
    weight_decay: float,
    schedule: Schedule,
    milestones: list[int],
) -> LRScheduler:
    """Give the estimator a fresh SGD optimizer; what comes back is stepped once at the end of each epoch.

    constant: lr throughout. step: a tenth of it after each of the `milestones` (epochs that have been run). cosine:
    from lr down to 0 over the epochs (Loshchilov & Hutter, 2017).
    """
    estimator.optimizer = torch.optim.SGD(
        estimator.model.parameters(), lr=lr, momentum=momentum, weight_decay=weight_decay
    )
    if schedule == "cosine":
        return CosineAnnealingLR(estimator.optimizer, T_max=epochs)
    return MultiStepLR(estimator.optimizer, milestones=list(milestones) if schedule == "step" else [], gamma=0.1)
