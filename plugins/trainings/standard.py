"""Standard training: cross-entropy on clean images, SGD."""

from typing import Annotated, Literal

import torch.nn.functional as F

from benchmark.engine.augment import crop_and_flip
from benchmark.engine.schedule import sgd


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
    schedule: Literal["constant", "step", "cosine"] = "constant",
    milestones: list[int] = (),
    augment: bool = False,
):
    scheduler = sgd(estimator, epochs, lr, momentum, weight_decay, schedule, milestones)
    model = estimator.model
    for _ in context.epochs(epochs, state=(scheduler,)):
        model.train()
        total = 0.0
        for images, labels in data.train.batches(batch_size, context.generator):
            images = crop_and_flip(images, context.generator) if augment else images
            loss = F.cross_entropy(model(images), labels)
            estimator.optimizer.zero_grad()
            loss.backward()
            estimator.optimizer.step()
            total += loss.detach() * len(labels)
        context.report(loss=total / len(data.train), learning_rate=scheduler.get_last_lr()[0])
        scheduler.step()
