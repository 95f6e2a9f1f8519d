"""What is asked of a compression, on a plain network and on one with BatchNorm and shortcuts."""

import copy
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn

from benchmark.check import ground
from benchmark.check.verdict import Skipped, Subject, require
from benchmark.plugins import Registry
from benchmark.stages import compress as stage
from benchmark.stages import network as networks
from benchmark.stages.network import Network
from benchmark.stages.train import TrainContext
from benchmark.stages.workplace import Workplace, seed_everything
from benchmark.types import Recipe, Size, canonical

NETWORKS = {"eight_layer_cnn": {"width": 0.25}, "resnet_cifar": {"depth": 18, "width": 0.125}}
IMAGES = 20  # that two networks are compared on
TRAINED = 128  # images that a compressed network is trained on


class CompressionSubject(Subject):
    """A compression and a fresh network that it is used on."""

    def __init__(self, place: Workplace, recipe: Recipe, model: str):
        super().__init__(place.registry.find("compression", recipe.plugin))
        self.place, self.recipe = place, recipe
        self.built = _recipe(place.registry, model)
        self.training = copy.deepcopy(ground.data().training)
        self.images = ground.data().test.pixels(slice(IMAGES))

    def dense(self) -> Network:
        return networks.fresh(self.place.registry, self.built, ground.data(), "cpu", seed=1)

    def compressed(self, time: int = 0) -> tuple[Network, nn.Module]:
        """The network that the plugin gives, and the dense one that lay beside it."""
        return self.once(time, self._compressed)

    def _compressed(self) -> tuple[Network, nn.Module]:
        network, dense = self.dense(), self.dense().module
        stage.apply(self.place, self.recipe, network, dense, self.training, seed=0)
        return network, dense

    def logits(self, module: nn.Module) -> torch.Tensor:
        with torch.no_grad():
            return module.eval()(self.images)


def keeps_the_head(compression: CompressionSubject) -> str:
    """One finite logit for each class and image."""
    logits = compression.logits(compression.compressed()[0].module)
    wanted = [IMAGES, ground.CLASSES]
    finite = bool(logits.isfinite().all())
    return require(list(logits.shape) == wanted and finite, f"logits {list(logits.shape)}, all finite: {finite}")


def changes_the_network(compression: CompressionSubject) -> str:
    """The compressed network is another function."""
    logits = [compression.logits(made.module) for made in (compression.compressed()[0], compression.dense())]
    moved = float((logits[0] - logits[1]).abs().max())
    return require(moved > 0, f"logits differ by up to {moved:.3g}")


def achieves_what_it_says(compression: CompressionSubject) -> str:
    """Parameters, zeros and levels are counted; they must be those of the state's `achieved`, where that names them."""
    network = compression.compressed()[0]
    before, after = compression.dense(), network
    said = _said(network)
    counted = {"parameters_after": after.size().parameters, "parameters_before": before.size().parameters}
    wrong = [
        f"says {name} {said[name]}, counted {value}"
        for name, value in counted.items()
        if said.get(name, value) != value
    ]
    zeros = [_zeros(one.module) for one in (before, after)]
    if "sparsity" in said and zeros[1] < said["sparsity"] * 0.9:
        wrong.append(f"says sparsity {said['sparsity']:.3f}, counted {zeros[1]:.3f}")
    sizes = [one.size() for one in (before, after)]
    told = f"{_size(sizes[0], zeros[0])} → {_size(sizes[1], zeros[1])}"
    if not said and sizes[0] == sizes[1] and zeros[1] <= zeros[0] + 0.01:
        raise Skipped(
            f"it says nothing of what it achieves, and nothing is smaller: {sizes[0].parameters:,} parameters"
        )
    smaller = sizes[0] != sizes[1] or zeros[1] > zeros[0] + 0.01
    return require(smaller and not wrong, "; ".join([told, *wrong]) if smaller else f"nothing is smaller: {told}")


def comes_back_bit_for_bit(compression: CompressionSubject) -> str:
    """Saved and rebuilt in a fresh structure, it gives the same bits."""
    network = compression.compressed()[0]
    with TemporaryDirectory() as folder:
        described = json.loads(canonical(networks.save(compression.place, network, Path(folder))))
        rebuilt = networks.rebuild(compression.place, described, Path(folder) / networks.WEIGHTS)
    logits = [compression.logits(made.module) for made in (network, rebuilt)]
    off = float((logits[0] - logits[1]).abs().max())
    return require(torch.equal(*logits), f"logits differ by up to {off:.3g}")


def repeats_under_a_generator(compression: CompressionSubject) -> str:
    """From the same network and the same seeds, the same weights."""
    first, second = (compression.compressed(time)[0].module.state_dict() for time in (0, 1))
    other = [name for name in first if name not in second or not torch.equal(first[name], second[name])]
    return require(not other, f"{len(other)} of {len(first)} tensors differ the second time")


def leaves_the_dense_network_alone(compression: CompressionSubject) -> str:
    """context.dense is only looked at, and shares no memory with the compressed network."""
    network, dense = compression.compressed()
    before, after = compression.dense().module.state_dict(), dense.state_dict()
    changed = [name for name in before if name not in after or not torch.equal(before[name], after[name])]
    places = [{t.data_ptr() for t in one.values() if t.numel()} for one in (after, network.module.state_dict())]
    shared = places[0] & places[1]
    return require(not changed and not shared, f"{len(changed)} of its tensors changed, {len(shared)} are shared")


def leaves_the_data_alone(compression: CompressionSubject) -> str:
    """The training images and labels are afterwards what they were."""
    compression.compressed()
    given, kept = compression.training.train, ground.data().training.train
    changed = (given.images != kept.images).flatten(1).any(1) | (given.labels != kept.labels)
    return require(not changed.any(), f"{int(changed.sum())} of {len(kept):,} training images changed")


def can_be_trained_afterwards(compression: CompressionSubject) -> str:
    """A standard training moves its weights, keeps them finite, and leaves a network that is saved and rebuilt."""
    network = copy.deepcopy(compression.compressed()[0])
    before = {name: tensor.clone() for name, tensor in network.module.state_dict().items()}
    data = ground.limited(TRAINED)
    with TemporaryDirectory() as folder:
        context = TrainContext(seed_everything(0), lambda *_: None, network.estimator("cpu"), Path(folder) / "none")
        plugin = Registry().find("training", "standard").load()
        plugin.train(context.estimator, data.training, context, epochs=1, lr=0.01, batch_size=32)
        network.module.eval()
        after = network.module.state_dict()
        finite = all(bool(tensor.isfinite().all()) for tensor in after.values())
        moved = sum(not torch.equal(tensor, after[name]) for name, tensor in before.items())
        networks.save(compression.place, network, Path(folder))
    return require(moved > 0 and finite, f"{moved} of {len(before)} tensors moved, all finite: {finite}")


CHECKS = (
    keeps_the_head,
    changes_the_network,
    achieves_what_it_says,
    comes_back_bit_for_bit,
    repeats_under_a_generator,
    leaves_the_dense_network_alone,
    leaves_the_data_alone,
    can_be_trained_afterwards,
)


def _recipe(registry: Registry, model: str) -> Recipe:
    """A built-in model's recipe, its other arguments at their defaults."""
    defaults = {one.name: one.default for one in registry.find("model", model).parameters}
    return Recipe("model", model, tuple(sorted((defaults | NETWORKS[model]).items())))


def _said(network: Network) -> dict[str, Any]:
    state = network.steps[-1]["state"]
    return state.get("achieved", {}) if isinstance(state, dict) else {}


def _zeros(module: nn.Module) -> float:
    """The share of zeros among the weights of convolutions and linear layers."""
    weights = [part.weight for part in module.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    return sum(int((weight == 0).sum()) for weight in weights) / max(1, sum(weight.numel() for weight in weights))


def _size(size: Size, zeros: float) -> str:
    return f"{size.parameters:,} parameters ({zeros:.0%} zero), {size.macs:,} MACs, {size.weight_bytes:,} bytes"
