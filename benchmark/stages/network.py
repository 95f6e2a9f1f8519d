"""Networks on disk: safetensors weights, and the recipe of their structure. No pickle.

A network is rebuilt in a new process from the model's recipe, then each compression step's `rebuild(module, state)`,
then its weights.
"""

import json
import traceback
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from benchmark.data import Prepared
from benchmark.engine.estimator import Classifier
from benchmark.engine.size import measure
from benchmark.errors import LeanarmorError, RequestError, StageError
from benchmark.plugins import Registry
from benchmark.stages.workplace import Workplace, seed_everything
from benchmark.types import Recipe, Size, Stage, canonical

WEIGHTS = "weights.safetensors"


@dataclass
class Network:
    """A module on the workplace's device, in eval mode, and what it was made of."""

    module: torch.nn.Module
    model: Recipe
    shape: tuple[int, int, int]  # channels, height, width of its input
    classes: int
    steps: list[dict[str, Any]]  # per compression step: plugin, state (JSON)

    def estimator(self, device: str) -> Classifier:
        return Classifier(self.module, self.shape, self.classes, device)

    def example(self) -> torch.Tensor:
        """One black image of the right shape, on the module's device."""
        return torch.zeros(1, *self.shape, device=next(self.module.parameters()).device)

    def size(self) -> Size:
        return measure(self.module, self.example())


class Whole(torch.nn.Module):
    """A bare nn.Sequential as one module: ART unrolls a Sequential, and would skip hooks and a subclass's forward."""

    def __init__(self, body: torch.nn.Sequential):
        super().__init__()
        self.body = body

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


def fresh(registry: Registry, model: Recipe, data: Prepared, device: str, seed: int) -> Network:
    """A new network of a recipe for a dataset, its weights drawn from the global generators under `seed`.

    Or its own weights, if the plugin has them (`pretrained(module, …)`), which a rebuilding does not ask for again.
    """
    network = _fresh(registry, model, data.shape, len(data.classes), device, seed)
    plugin = registry.find("model", model.plugin)
    if "pretrained" in plugin.hooks:
        plugin.load().pretrained(network.module, **deepcopy(model.kwargs))
    return network


def check(place: Workplace, stages: Iterable[Stage], where: str) -> None:
    """RequestError if a network that is to be trained cannot be made: before anything trains, not when its turn comes.

    stages: those that are to be run. where: the suite that says so.
    """
    made = set()
    for stage in (stage for stage in stages if stage.kind == "train"):
        model, dataset = stage.task.model, stage.task.dataset
        content = canonical([model.described(), dataset.described()])
        if content in made:
            continue
        try:
            fresh(place.registry, model, place.data(dataset), "cpu", 0)
        except Exception as error:  # a plugin's own, too
            frame = traceback.extract_tb(error.__traceback__)[-1]
            said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]} (at {frame.filename}:{frame.lineno})"
            reason = str(error) if isinstance(error, LeanarmorError) else f"model {model.plugin}: {said}"
            raise RequestError(f"{where}: {stage.label}: {reason}") from error
        made.add(content)


def _fresh(
    registry: Registry, model: Recipe, shape: tuple[int, int, int], classes: int, device: str, seed: int
) -> Network:
    channels, height, width = shape
    if height != width:
        raise StageError(f"images of {height}×{width} pixels: the models take square ones; give the dataset a `resize`")
    plugin = registry.find("model", model.plugin).load()
    seed_everything(seed)  # now: running the plugin's file may have drawn numbers
    module = plugin.model(classes=classes, channels=channels, size=height, **deepcopy(model.kwargs))
    module = Whole(module) if isinstance(module, torch.nn.Sequential) else module
    with torch.no_grad():
        logits = module.eval()(torch.zeros(1, *shape))
    if logits.shape != (1, classes):
        raise StageError(f"model {model.plugin}: gave logits of shape {list(logits.shape)}, not [1, {classes}]")
    return Network(module.to(device), model, shape, classes, [])


def save(place: Workplace, network: Network, folder: Path) -> dict[str, Any]:
    """Write the weights; what comes back is the JSON that `load` needs beside them.

    StageError if the network cannot be rebuilt from the two.
    """
    state = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in network.module.state_dict().items()}
    save_file(state, folder / WEIGHTS)
    described = {
        "model": {"plugin": network.model.plugin, "arguments": network.model.kwargs},
        "shape": list(network.shape),
        "classes": network.classes,
        "steps": network.steps,
        "size": vars(network.size()),
    }
    _assert_rebuilds(place, network, described, folder / WEIGHTS)
    return described


def _assert_rebuilds(place: Workplace, network: Network, described: dict[str, Any], weights: Path) -> None:
    made_by = network.steps[-1]["plugin"] if network.steps else network.model.plugin
    try:
        rebuilt = rebuild(place, json.loads(canonical(described)), weights)
        with torch.no_grad():
            logits, again = (made.module(network.example()) for made in (network, rebuilt))
        same = torch.allclose(logits, again, rtol=1e-3, atol=1e-3)  # not equal: a memory format is not stored
    except (RuntimeError, TypeError, ValueError, AttributeError) as error:
        problem = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    else:
        problem = "" if same else "the rebuilt network gives other logits"
    if problem:
        raise StageError(
            f"{made_by}: the network cannot be rebuilt from what is stored ({problem}); define rebuild(module, state)"
        )


def load(place: Workplace, key: str) -> Network:
    """The network of an artifact, rebuilt and in eval mode on the workplace's device."""
    return rebuild(place, place.store.result(key), place.store.file(key, WEIGHTS))


def rebuild(place: Workplace, described: dict[str, Any], weights: Path) -> Network:
    """The network that `save` described, in eval mode on the workplace's device: its structure, then its weights."""
    model = Recipe("model", described["model"]["plugin"], tuple(sorted(described["model"]["arguments"].items())))
    with torch.random.fork_rng(devices=[]):  # the fresh weights are thrown away: they must not cost random draws
        network = _fresh(place.registry, model, tuple(described["shape"]), described["classes"], "cpu", seed=0)
    for step in described["steps"]:
        plugin = place.registry.find("compression", step["plugin"])
        if "rebuild" in plugin.hooks:
            network.module = plugin.load().rebuild(network.module, step["state"])
        network.steps.append(step)
    network.module.load_state_dict(load_file(weights))
    network.module.to(place.device).eval()
    return network
