"""The loop that all built-in trainings share: epochs, batches, learning rate, averaging, selection, checkpoints."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from math import ceil
from typing import Any

import torch

from benchmark.data import Images
from benchmark.engine.augment import crop_and_flip
from benchmark.engine.averaging import Average
from benchmark.engine.fitting import Fitting
from benchmark.engine.schedule import Schedule, sgd
from benchmark.engine.selection import Watch
from benchmark.errors import StageError

# (pixels [m, c, h, w], labels [m], each example's own number [m], this epoch's seed) → the loss, 0-dimensional
Step = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, int], torch.Tensor]


@dataclass(frozen=True)
class Course:
    """How a training goes, whatever it descends: SGD's settings, the schedule (see `schedule.sgd`), and

    augment: shift and mirror each image anew every time; ema: the decay of a moving average of the weights (see
    `Average`), 0 for none. With an average, it is what every watch looks at and what the training leaves.
    """

    epochs: int
    batch_size: int
    lr: float
    momentum: float
    weight_decay: float
    schedule: Schedule
    milestones: Sequence[int] = ()
    augment: bool = False
    ema: float = 0.0

    def __post_init__(self):
        stated, last = list(self.milestones), self.epochs - 1
        if self.schedule == "step" and not stated:
            raise StageError("schedule: step has no milestones, the epochs after which the rate falls; name some")
        if stated and self.schedule != "step":
            raise StageError(f"milestones {stated} do nothing in a {self.schedule} schedule; give schedule: step")
        if not all(1 <= milestone <= last for milestone in stated):
            raise StageError(f"milestones {stated}: each is after how many epochs the rate falls, from 1 to {last}")

    def run(
        self,
        fitting: Fitting,
        step: Step,
        images: Images,
        context: Any,
        watches: Sequence[Watch] = (),
        state: Sequence[Any] = (),
    ) -> None:
        """Train `fitting.classifier` on `images`, calling `step` once a batch.

        context: what a training plugin is given; watches: look after each epoch; state: whatever else, with a
        `state_dict`, a training that is interrupted must find again.
        """
        settings = (self.lr, self.momentum, self.weight_decay, self.schedule, list(self.milestones))
        rate = sgd(fitting.classifier, self.epochs, ceil(len(images) / self.batch_size), *settings)
        average = Average(fitting.classifier.model, self.ema) if self.ema else None
        kept = (rate, *([average] if average else []), *watches, *state)
        with fitting.formatted():
            for _ in context.epochs(self.epochs, state=kept):
                seed = int(torch.randint(2**31, (), generator=context.generator))
                total = torch.zeros((), device=images.device)
                for x, y, index in self._batches(images, context.generator):
                    total += step(x, y, index, seed) * len(y)
                    rate.step()
                    if average:
                        average.update()
                context.report(loss=total / len(images), learning_rate=rate.get_last_lr()[0])
                with average.applied() if average else nullcontext():
                    for watch in watches:
                        context.report(**watch.look())
                if any(watch.stop for watch in watches):
                    break
            if average:
                average.adopt()
            for watch in watches:
                watch.conclude()

    def _batches(
        self, images: Images, generator: torch.Generator
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """One epoch in random order; bytes become pixels on the device, batch by batch."""
        on_device = images.images.to(images.device), images.labels.to(images.device), images.indices.to(images.device)
        for index in torch.randperm(len(images), generator=generator).split(self.batch_size):
            x, y, numbers = (tensor[index.to(images.device)] for tensor in on_device)
            x = crop_and_flip(x, generator) if self.augment else x
            yield x.float().div_(255), y, numbers
