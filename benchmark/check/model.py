"""What is asked of a model."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn

from benchmark.check.verdict import Skipped, Subject, frames_in, require
from benchmark.data import Dataset, Prepared
from benchmark.errors import StageError
from benchmark.stages import network as networks
from benchmark.stages.network import Network
from benchmark.stages.workplace import Workplace
from benchmark.types import Recipe, canonical

SHAPES = ((10, 1, 8), (2, 3, 16), (7, 1, 28), (3, 3, 9), (10, 3, 32))  # classes, channels, size
IMAGES = 3


class Refused(Exception):
    """The model says that it does not take such images."""


class ModelSubject(Subject):
    """A model, built for images of several shapes. One that it refuses, in one line of its own, is passed over."""

    def __init__(self, place: Workplace, recipe: Recipe):
        super().__init__(place.registry.find("model", recipe.plugin))
        self.place, self.recipe = place, recipe

    def built(self, shape: tuple[int, int, int], time: int = 0) -> Network:
        return self.once((shape, time), lambda: self._built(*shape))

    def _built(self, classes: int, channels: int, size: int) -> Network:
        images = torch.zeros(classes, channels, size, size, dtype=torch.uint8)
        labels = torch.arange(classes)
        data = Prepared(Dataset(images, labels, images, labels, tuple(map(str, range(classes)))))
        try:
            return networks.fresh(self.place.registry, self.recipe, data, "cpu", seed=1)
        except StageError as error:
            if frames_in(self.plugin.path, error):  # its own word; what the stage finds wrong is a failure
                raise Refused(str(error)) from error
            raise

    def first(self) -> tuple[int, int, int]:
        """The first shape that it takes."""
        return self.once("first", self._first)

    def _first(self) -> tuple[int, int, int]:
        for shape in SHAPES:
            try:
                self.built(shape)
            except (Refused, Skipped) as error:
                refused = error
            else:
                return shape
        raise refused


def gives_logits(model: ModelSubject) -> str:
    """One finite float32 logit for each class, for grey and colour images of several sizes."""
    first = model.first()
    taken, wrong = [], []
    for classes, channels, size in SHAPES[SHAPES.index(first) :]:
        try:
            module = model.built((classes, channels, size)).module
        except Refused:
            continue
        logits = _logits(module, _images(channels, size))
        taken.append(f"{channels}×{size}×{size}")
        if logits.shape != (IMAGES, classes) or logits.dtype != torch.float32 or not logits.isfinite().all():
            wrong.append(f"{list(logits.shape)} {logits.dtype} for {taken[-1]}")
    return require(not wrong, "; ".join(wrong) or f"for images of {', '.join(taken)}")


def gives_no_probabilities(model: ModelSubject) -> str:
    """Logits, not their softmax, through which attacks see no gradient."""
    module = model.built(model.first()).module
    logits = _logits(module, _images(*model.first()[1:]))
    sums = logits.sum(1)
    softmax = any(isinstance(part, nn.Softmax | nn.LogSoftmax) for part in list(module.children())[-1:])
    one = bool((logits >= 0).all()) and bool(torch.allclose(sums, torch.ones_like(sums), atol=1e-4))
    negative = bool(torch.allclose(logits.logsumexp(1), torch.zeros_like(sums), atol=1e-4))
    return require(not (softmax or one or negative), f"an image's logits add up to {float(sums[0]):.3g}")


def takes_each_example_alone(model: ModelSubject) -> str:
    """In eval mode an image's logits do not depend on the others of its batch."""
    module, images = model.built(model.first()).module, _images(*model.first()[1:])
    off = float((_logits(module, images)[:1] - _logits(module, images[:1])).abs().max())
    return require(off < 1e-4, f"alone or among {IMAGES}, logits differ by {off:.1g}")


def changes_nothing_in_eval_mode(model: ModelSubject) -> str:
    """Its input (normalised inside, not in place) and its buffers are after a pass what they were."""
    module, images = model.built(model.first()).module, _images(*model.first()[1:])
    pixels, before = images.clone(), {name: tensor.clone() for name, tensor in module.state_dict().items()}
    _logits(module, images)
    changed = [name for name, tensor in module.state_dict().items() if not torch.equal(before[name], tensor)]
    wrote = not torch.equal(pixels, images)
    return require(not changed and not wrote, f"{len(changed)} tensors changed, pixels changed: {wrote}")


def repeats_under_a_seed(model: ModelSubject) -> str:
    """The seed decides the weights."""
    first, second = (model.built(model.first(), time).module.state_dict() for time in (0, 1))
    other = [name for name in first if not torch.equal(first[name], second[name])]
    return require(not other, f"{len(other)} of {len(first)} tensors differ the second time")


def lets_gradients_reach_the_input(model: ModelSubject) -> str:
    """The gradient of a logit with respect to the pixels is finite, and not zero."""
    module, images = model.built(model.first()).module, _images(*model.first()[1:]).requires_grad_()
    logits = module.eval()(images)[:, 0].sum()
    (gradient,) = torch.autograd.grad(logits, images, allow_unused=True, materialize_grads=True)
    share = float((gradient != 0).float().mean())
    return require(bool(gradient.isfinite().all()) and share > 0, f"{share:.0%} of the pixels have one")


def comes_back_bit_for_bit(model: ModelSubject) -> str:
    """Saved and rebuilt from its recipe and its weights, it gives the same bits."""
    network = model.built(model.first())
    with TemporaryDirectory() as folder:
        described = json.loads(canonical(networks.save(model.place, network, Path(folder))))
        rebuilt = networks.rebuild(model.place, described, Path(folder) / networks.WEIGHTS)
    images = _images(*model.first()[1:])
    logits = [_logits(made.module, images) for made in (network, rebuilt)]
    off = float((logits[0] - logits[1]).abs().max())
    return require(torch.equal(*logits), f"logits differ by up to {off:.3g}")


CHECKS = (
    gives_logits,
    gives_no_probabilities,
    takes_each_example_alone,
    changes_nothing_in_eval_mode,
    repeats_under_a_seed,
    lets_gradients_reach_the_input,
    comes_back_bit_for_bit,
)


def _images(channels: int, size: int) -> torch.Tensor:
    return torch.rand(IMAGES, channels, size, size, generator=torch.Generator().manual_seed(0))


def _logits(module: nn.Module, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return module.eval()(images)
