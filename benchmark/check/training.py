"""What is asked of a training."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn

from benchmark.check import ground
from benchmark.check.verdict import Failed, Skipped, Subject, require
from benchmark.plugins import Registry
from benchmark.stages.train import TrainContext, accuracy
from benchmark.stages.workplace import seed_everything
from benchmark.types import Recipe

GAINED = 0.2  # of the validation images, to be learned at least


class Stop(Exception):
    """Raised in the middle of a training."""


@dataclass(frozen=True)
class Trained:
    """What a training left."""

    module: nn.Module
    history: list[dict[str, float]]
    test_images: int  # that went through the network
    images: int


class TrainingSubject(Subject):
    """A training of a small fresh network with BatchNorm."""

    def __init__(self, registry: Registry, recipe: Recipe):
        super().__init__(registry.find("training", recipe.plugin))
        self.recipe, self.data = recipe, copy.deepcopy(ground.data().training)

    def fresh(self) -> nn.Module:
        seed_everything(0)
        return ground.Convolutional()

    def trained(self, time: int = 0) -> Trained:
        """The network after the training; `time` tells apart what is done again in the same way."""
        return self.once(time, lambda: self._in_a_folder(self._train))

    def resumed(self) -> Trained:
        """… after a training that was stopped in its second epoch, and taken up by a new process."""
        return self.once("resumed", lambda: self._in_a_folder(self._stopped_and_resumed))

    def _in_a_folder(self, run: Callable[[Path], Trained]) -> Trained:
        with TemporaryDirectory() as folder:
            return run(Path(folder) / "checkpoint.pt")

    def _stopped_and_resumed(self, checkpoint: Path) -> Trained:
        def tell(done: int, total: int, what: str) -> None:
            if done == 1 < total:
                raise Stop

        try:
            self._train(checkpoint, tell)
        except Stop:
            return self._train(checkpoint)
        raise Skipped("it has no second epoch, so it cannot be interrupted between two; give it more epochs")

    def _train(self, checkpoint: Path, tell: Callable[[int, int, str], None] = lambda *_: None) -> Trained:
        network = ground.undefended().network()
        network.module = self.fresh()
        plugin = self.plugin.load()
        context = TrainContext(seed_everything(1), tell, network.estimator("cpu"), checkpoint, seconds=-1.0)
        seen = {"test": 0, "all": 0}
        test = {image.tobytes() for image in ground.data().test.images.numpy()}
        test -= {image.tobytes() for part in (self.data.train, self.data.validation) for image in part.images.numpy()}

        def look(module: nn.Module, given: tuple) -> None:
            bytes_ = (given[0].detach() * 255).round().clamp(0, 255).to(torch.uint8).numpy()
            seen["all"] += len(bytes_)
            seen["test"] += sum(image.tobytes() in test for image in bytes_)

        handle = network.module.register_forward_pre_hook(look)
        plugin.train(context.estimator, self.data, context, **copy.deepcopy(self.recipe.kwargs))
        handle.remove()
        return Trained(network.module.eval(), context.history, seen["test"], seen["all"])


def learns_the_digits(training: TrainingSubject) -> str:
    """Accuracy on the validation split rises by at least 20 points, and the loss, if it is reported, falls."""
    trained = training.trained()
    before, after = (accuracy(module.eval(), training.data.validation) for module in (training.fresh(), trained.module))
    if not training.plugin.parameters and not trained.history and not trained.images:
        raise Skipped("it takes no parameters and trains nothing")
    losses = [epoch["loss"] for epoch in trained.history if "loss" in epoch]
    told = f"accuracy {before:.3f} → {after:.3f}"
    told += f", loss {losses[0]:.3f} → {losses[-1]:.3f}" if len(losses) > 1 else ""
    return require(after >= before + GAINED and (len(losses) < 2 or losses[-1] < losses[0]), told)


def repeats_under_a_seed(training: TrainingSubject) -> str:
    """The same start and the same seed give the same weights."""
    return _same(training.trained(), training.trained(time=1), "the second time")


def goes_on_after_an_interruption(training: TrainingSubject) -> str:
    """Stopped in its second epoch and taken up from the checkpoint of context.epochs, it ends with the same weights."""
    trained = training.trained()
    if not trained.images:
        raise Skipped("it trains nothing")
    if not trained.history:
        raise Failed("it never asks for context.epochs(n): after a kill it begins again")
    return _same(trained, training.resumed(), "after an interruption")


def leaves_finite_statistics(training: TrainingSubject) -> str:
    """Weights and BatchNorm's statistics are finite, and BatchNorm's have moved: it trains in train mode."""
    trained, start = training.trained(), training.fresh().state_dict()
    left = trained.module.state_dict()
    odd = [name for name, tensor in left.items() if not tensor.isfinite().all()]
    statistics = [name for name in start if "running" in name]
    moved = sum(not torch.equal(start[name], left[name]) for name in statistics)
    told = f"{len(odd)} of {len(left)} tensors are not finite, {moved} of {len(statistics)} statistics moved"
    return require(not odd and (moved == len(statistics) or not trained.images), told)


def reports_finite_numbers(training: TrainingSubject) -> str:
    """What it reports of its epochs are finite numbers."""
    numbers = [value for epoch in training.trained().history for value in epoch.values()]
    odd = sum(not torch.tensor(float(value)).isfinite() for value in numbers)
    return require(not odd, f"{odd} of {len(numbers)} are not")


def sees_no_test_image(training: TrainingSubject) -> str:
    """No image that went through the network is, bit for bit, a test image: it is given none, and fetches none."""
    trained = training.trained()
    return require(not trained.test_images, f"{trained.test_images} of {trained.images:,} images were")


def leaves_the_structure_alone(training: TrainingSubject) -> str:
    """The network has the modules and tensors that it had, so that what was stored can be rebuilt."""
    network, start = training.trained().module, training.fresh()
    shapes = [{name: tensor.shape for name, tensor in one.state_dict().items()} for one in (start, network)]
    kinds = [{name: type(part) for name, part in one.named_modules()} for one in (start, network)]
    return require(
        shapes[0] == shapes[1] and kinds[0] == kinds[1], f"{len(kinds[1])} modules, {len(shapes[1])} tensors"
    )


def leaves_the_data_alone(training: TrainingSubject) -> str:
    """The training images and labels are afterwards what they were."""
    training.trained()
    given, kept = training.data.train, ground.data().training.train
    changed = (given.images != kept.images).flatten(1).any(1) | (given.labels != kept.labels)
    return require(not changed.any(), f"{int(changed.sum())} of {len(kept):,} training images changed")


CHECKS = (
    learns_the_digits,
    repeats_under_a_seed,
    goes_on_after_an_interruption,
    leaves_finite_statistics,
    reports_finite_numbers,
    sees_no_test_image,
    leaves_the_structure_alone,
    leaves_the_data_alone,
)


def _same(first: Trained, second: Trained, when: str) -> str:
    left, right = first.module.state_dict(), second.module.state_dict()
    other = [name for name in left if name not in right or not torch.equal(left[name], right[name])]
    return require(not other, f"{len(other)} of {len(left)} tensors differ {when}")
