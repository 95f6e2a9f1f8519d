"""Adversarial training on PGD examples alone (Madry et al., 2018), by ART's AdversarialTrainer at ratio 1."""

from typing import Annotated, Literal

import numpy as np
import torch
from art.defences.trainer import AdversarialTrainer

from benchmark.engine.augment import crop_and_flip
from benchmark.engine.pgd import PGD
from benchmark.engine.schedule import sgd


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
    schedule: Literal["constant", "step", "cosine"] = "constant",
    milestones: list[int] = (),
    augment: bool = False,
):
    scheduler = sgd(estimator, epochs, lr, momentum, weight_decay, schedule, milestones)
    pixels = data.train.pixels()
    labels = np.eye(estimator.nb_classes, dtype=np.float32)[data.train.labels.numpy()]
    for _ in context.epochs(epochs, state=(scheduler,)):
        images = crop_and_flip(pixels, context.generator) if augment else pixels
        attack = PGD(
            estimator,
            norm=norm,
            eps=eps,
            eps_step=eps * step_ratio,
            max_iter=steps,
            num_random_init=int(random_start),
            batch_size=batch_size,
            precision="fp32",
            # a seed for each epoch, so that a training that goes on from a checkpoint draws what it would have drawn
            seed=int(torch.randint(2**31, (), generator=context.generator)),
        )
        trainer = AdversarialTrainer(estimator, attack, ratio=1.0)
        trainer.fit(images.cpu().numpy(), labels, batch_size=batch_size, nb_epochs=1)
        context.report(learning_rate=scheduler.get_last_lr()[0])
        scheduler.step()
