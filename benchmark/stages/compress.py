"""Apply one compression step to a network."""

from copy import deepcopy
from dataclasses import dataclass

import torch

from benchmark.data import TrainingData
from benchmark.errors import CompressionError
from benchmark.stages import network as networks
from benchmark.stages.network import Network
from benchmark.stages.workplace import Workplace, derive, seed_everything
from benchmark.store import Draft
from benchmark.types import Recipe, Size, Stage, canonical


@dataclass(frozen=True)
class CompressContext:
    """What a compression plugin is handed beside the model: nothing of the test images is within its reach."""

    example: torch.Tensor  # float32 [1, channels, height, width] on the model's device
    data: TrainingData
    generator: torch.Generator  # seeded, on the CPU
    dense: torch.nn.Module  # the trained network that the first step started from
    size: Size  # of the model as it was handed over
    classes: int


def compress(stage: Stage, place: Workplace, draft: Draft) -> None:
    """Run a compression plugin on the input network, and check what it gives back."""
    recipe = stage.task.recipe
    data = place.data(stage.task.dataset, train_limit=stage.task.limit).training
    network = networks.load(place, stage.input("network"))
    dense = networks.load(place, stage.input("dense")).module
    apply(place, recipe, network, dense, data, stage.task.seed)
    draft.result = networks.save(place, network, draft.folder)


def apply(
    place: Workplace, recipe: Recipe, network: Network, dense: torch.nn.Module, data: TrainingData, seed: int
) -> None:
    """Run a compression plugin on a network, in place, and check what it gives back; CompressionError."""
    plugin = place.registry.find("compression", recipe.plugin).load()  # first: running its file may draw numbers
    generator = seed_everything(derive("compress", recipe.described(), seed))
    context = CompressContext(network.example(), data, generator, dense, network.size(), network.classes)
    given = plugin.compress(network.module, context, **deepcopy(recipe.kwargs))
    module, state = given if isinstance(given, tuple) else (given, None)
    network.module = module.to(place.device).eval()
    network.steps.append({"plugin": recipe.plugin, "arguments": recipe.kwargs, "state": state})
    _check(network, recipe.plugin)


def settle(stage: Stage, place: Workplace, network: Network, data: TrainingData) -> None:
    """Give each of a network's compressions its say after a training (`settle` in its plugin)."""
    for step in network.steps:
        plugin = place.registry.find("compression", step["plugin"])
        if "settle" in plugin.hooks:
            module = plugin.load()
            dense = networks.load(place, stage.input("dense")).module
            generator = seed_everything(derive("settle", step["plugin"], stage.task.seed))
            context = CompressContext(network.example(), data, generator, dense, network.size(), network.classes)
            module.settle(network.module, context)


def _check(network: Network, plugin: str) -> None:
    try:
        canonical(network.steps)
    except (TypeError, ValueError) as error:
        raise CompressionError(
            f"compression {plugin}: its state is not JSON ({error}); give dicts, lists, numbers and strings"
        ) from None
    with torch.no_grad():
        logits = network.module(network.example())
    if logits.shape != (1, network.classes):
        raise CompressionError(
            f"compression {plugin}: the logits have shape {list(logits.shape)}, not [1, {network.classes}]: "
            "it changed the head; leave the last layer's outputs alone"
        )
    if not bool(logits.isfinite().all()):
        raise CompressionError(f"compression {plugin}: the logits are not finite")
