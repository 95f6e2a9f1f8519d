"""Train a network: a fresh one (`train`), or one that a compression made (`tune`)."""

import pickle
import random
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark.data import Images, TrainingData
from benchmark.engine.estimator import Classifier, Passes, counting
from benchmark.errors import StageError
from benchmark.stages import network as networks
from benchmark.stages.compress import settle
from benchmark.stages.network import Network
from benchmark.stages.workplace import Workplace, derive, seed_everything
from benchmark.store import Draft, write_whole
from benchmark.types import NetworkTask, Stage

SECONDS_BETWEEN_CHECKPOINTS = 20.0
BATCH = 256  # images in a forward pass that trains nothing


def train(stage: Stage, place: Workplace, draft: Draft) -> None:
    """Train a fresh network."""
    task: NetworkTask = stage.task
    data = place.data(task.dataset, train_limit=task.limit)
    network = networks.fresh(place.registry, task.model, data, place.device, derive("fresh weights", task.seed))
    draft.result = _fit(stage, place, network, data.training)
    draft.result |= networks.save(place, network, draft.folder)


def tune(stage: Stage, place: Workplace, draft: Draft) -> None:
    """Train the input network on, then let its compressions settle (recalibrate, say)."""
    data = place.data(stage.task.dataset, train_limit=stage.task.limit)
    network = networks.load(place, stage.input("network"))
    draft.result = _fit(stage, place, network, data.training)
    settle(stage, place, network, data.training)
    draft.result |= networks.save(place, network, draft.folder)


def _fit(stage: Stage, place: Workplace, network: Network, data: TrainingData) -> dict[str, Any]:
    task: NetworkTask = stage.task
    found = place.registry.find("training", task.recipe.plugin)
    plugin = found.load()  # first: running its file may draw numbers
    arguments, achieved = deepcopy(task.recipe.kwargs), None
    if "budget" in arguments.keys() - {parameter.name for parameter in found.parameters}:
        dense = networks.load(place, stage.input("dense"))
        arguments, achieved = equal_budget(arguments, dense.size().macs, network.size().macs)
    generator = seed_everything(derive(stage.kind, task.recipe.described(), task.seed))
    estimator = network.estimator(place.device)
    context = TrainContext(generator, place.tell, estimator, place.store.partial(stage.key) / "checkpoint.pt")
    with counting(estimator.model, context.passes):
        plugin.train(estimator, data, context, **arguments)
    network.module.eval()
    if not all(bool(tensor.isfinite().all()) for tensor in network.module.state_dict().values()):
        raise StageError(f"training {task.recipe.plugin}: the weights are not finite; a lower lr may help")
    return {
        "epochs": context.history,
        "passes": vars(context.passes),
        "validation_accuracy": accuracy(network.module, data.validation),
    } | ({"achieved": achieved} if achieved else {})


def equal_budget(arguments: dict[str, Any], dense: int, macs: int) -> tuple[dict[str, Any], dict[str, int]]:
    """A training's arguments so that it costs what it costs on the dense network, and what came of it.

    dense, macs: multiply–accumulates for one image, of the dense network and of the one that is trained. Epochs, and
    the milestones of a schedule, are as many times more as the network is smaller (scratch-B of Liu et al., 2019).
    """
    scaled = {name: value for name, value in arguments.items() if name != "budget"}
    factor = dense / macs
    scaled["epochs"] = max(1, round(arguments["epochs"] * factor))
    if scaled.get("milestones"):
        last = scaled["epochs"] - 1
        scaled["milestones"] = [max(1, min(last, round(one * factor))) for one in arguments["milestones"]]
    return scaled, {"epochs": scaled["epochs"], "dense_macs": dense, "macs": macs}


def accuracy(module: torch.nn.Module, images: Images) -> float:
    """The share of images whose largest logit is the label's (not the judge's word: ties go to the lower class)."""
    with torch.no_grad():
        return sum(int((module(x).argmax(1) == y).sum()) for x, y in images.batches(BATCH)) / len(images)


@dataclass
class TrainContext:
    """What a training plugin is handed beside the estimator and the data.

    generator: a seeded torch.Generator on the CPU. The engine seeds Python, numpy and torch as well.
    """

    generator: torch.Generator
    tell: Callable[[int, int, str], None]
    estimator: Classifier
    checkpoint: Path
    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = field(default_factory=lambda: SECONDS_BETWEEN_CHECKPOINTS)  # from one checkpoint to the next
    passes: Passes = field(default_factory=Passes)  # images through the network so far, its attack's included

    def epochs(self, count: int, state: tuple = ()) -> Iterator[int]:
        """The epochs still to run, 0-based: `for epoch in context.epochs(epochs, state=(scheduler,))`.

        Owns progress, checkpoints and the random state: after a kill, a training goes on from its last checkpoint and
        ends with the same bits. `state` are the objects with a `state_dict` that the training keeps beside the model
        and `estimator.optimizer`, both of which are covered.
        """
        kept = (self.estimator.model, self.estimator.optimizer, *state)
        saved = time.monotonic()
        for epoch in range(self._restore(kept), count):
            self.tell(epoch, count, "epochs")
            self.history.append({})
            yield epoch
            if time.monotonic() - saved > self.seconds and epoch + 1 < count:
                self._save(epoch + 1, kept)
                saved = time.monotonic()
        self.tell(count, count, "epochs")

    def report(self, **values: float) -> None:
        """Numbers of this epoch (loss=…, learning_rate=…), kept with the network."""
        self.history[-1].update({name: float(value) for name, value in values.items()})

    def _save(self, epoch: int, kept: tuple) -> None:
        name, keys, position, gauss, cached = np.random.get_state()
        content = {
            "epoch": epoch,
            "history": self.history,
            "passes": vars(self.passes),
            "kept": [thing.state_dict() for thing in kept],
            "generator": self.generator.get_state(),
            "torch": torch.random.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "numpy": [name, torch.from_numpy(keys.astype(np.int64)), position, gauss, cached],
            "python": random.getstate(),
        }
        whole = BytesIO()
        torch.save(content, whole)
        write_whole(self.checkpoint, whole.getvalue())

    def _restore(self, kept: tuple) -> int:
        if not self.checkpoint.exists():
            return 0
        try:
            content = torch.load(self.checkpoint, weights_only=True)
        except (RuntimeError, EOFError, pickle.UnpicklingError):  # damaged: begin again, rather than fail for ever
            return 0
        for thing, state in zip(kept, content["kept"], strict=True):
            thing.load_state_dict(state)
        self.history[:] = content["history"]
        vars(self.passes).update(content["passes"])  # what this process did to get here, the first one did as well
        self.generator.set_state(content["generator"])
        torch.random.set_rng_state(content["torch"])
        if content["cuda"]:
            torch.cuda.set_rng_state_all(content["cuda"])
        name, keys, *rest = content["numpy"]
        np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
        random.setstate(content["python"])
        return content["epoch"]
