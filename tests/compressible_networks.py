"""Untrained networks for the tests of compressions, the context to compress them in, and what can be seen of them."""

import json
from functools import cache

import torch
from torch import nn

from benchmark.data import TrainingData, prepare
from benchmark.engine.size import measure
from benchmark.stages.compress import CompressContext
from plugins.compressions import prune
from plugins.datasets import digits
from plugins.models import eight_layer_cnn, resnet_cifar

WIDTH = {"eight_layer_cnn": 0.25, "resnet_cifar": 0.125}
MODELS = {"eight_layer_cnn": eight_layer_cnn.model, "resnet_cifar": resnet_cifar.model}
CRITERIA = ("l1", "l2", "geometric_median", "taylor", "random")


@cache
def data() -> TrainingData:
    return prepare(digits.dataset(()), 256, 10).training


def make(name: str, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    model = MODELS[name](classes=10, channels=1, size=8, width=WIDTH[name])
    return model.train()


def context(model: nn.Module, seed: int = 0, classes: int = 10, channels: int = 1) -> CompressContext:
    example = torch.zeros(1, channels, 8, 8)
    generator = torch.Generator().manual_seed(seed)
    return CompressContext(example, data(), generator, model, measure(model, example), classes)


def cut(model: nn.Module, seed: int = 0, **arguments) -> tuple[nn.Module, dict]:
    pruned, state = prune.compress(model, context(model, seed), **arguments)
    return pruned, json.loads(json.dumps(state))


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def wide(model: nn.Module) -> dict[str, int]:
    return {n: len(m.weight) for n, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}


def logits(model: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(data().validation.pixels(slice(8)))


class Halved(nn.Module):
    def forward(self, weight):
        return weight / 2
