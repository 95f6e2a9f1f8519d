"""What pruning takes first is what each criterion ranks lowest, worked out by hand."""

import pytest
import torch
import torch_pruning
from torch import nn

from plugins.compressions._importance import importance, prunable
from tests.compressible_networks import MODELS, context, cut, data, make, wide

TAYLOR = [("eight_layer_cnn", "features.4", "features.4"), ("resnet_cifar", "layer1.0.conv1", "layer1.0.bn1")]


def lowest(scores: torch.Tensor, count: int) -> list[int]:
    return sorted(scores.argsort()[:count].tolist())


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("power", [1, 2])
def test_norms_by_hand(name, power):
    model = make(name)
    _, state = cut(model, ratio=0.5, criterion=f"l{power}")
    for layer, gone in state["removed"].items():
        filters = model.get_submodule(layer).weight
        by_hand = torch.tensor([sum(abs(v) ** power for v in f.flatten().tolist()) for f in filters])
        assert gone == lowest(by_hand, len(filters) // 2), layer


def test_a_residual_stream_is_ranked_by_its_projection():
    _, state = cut(make("resnet_cifar"), ratio=0.5)
    assert {"conv1", "layer2.0.downsample.0", "layer3.0.downsample.0", "layer4.0.downsample.0"} < set(state["removed"])
    assert not [layer for layer in state["removed"] if layer.endswith("conv2")]


@pytest.mark.parametrize("name", MODELS)
def test_geometric_median_by_brute_force(name):
    model = make(name)
    _, state = cut(model, ratio=0.5, criterion="geometric_median")
    for layer, gone in state["removed"].items():
        filters = model.get_submodule(layer).weight.detach().double().flatten(1)
        by_hand = torch.tensor([sum(float((f - g).square().sum().sqrt()) for g in filters) for f in filters])
        assert gone == lowest(by_hand, len(filters) // 2), layer


def test_geometric_median_is_not_a_norm():
    model = make("eight_layer_cnn")
    with torch.no_grad():  # two large twins in the middle of the others, which small norms would keep
        weight = model.features[2].weight
        weight += 5
        weight[:2] = 5
    _, state = cut(model, ratio=0.25, criterion="geometric_median")
    assert state["removed"]["features.2"] == [0, 1]


@pytest.mark.parametrize(("name", "layer", "gate"), TAYLOR)
def test_taylor_by_switching_channels_off(name, layer, gate):
    """(a · ∂L/∂a)² from a channel's own activations, on the mini-batches that the generator chooses."""
    model = make(name)
    model(data().train.pixels(slice(64)))  # BatchNorm gets statistics of its own
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    model.eval()
    here = context(model, seed=3)
    graph = torch_pruning.DependencyGraph().build_dependency(model, here.example)
    layers = prunable(model, graph, list(wide(model))[-1])
    scores = importance(model, layers, "taylor", here)[layer]

    outputs = {}
    model.get_submodule(gate).register_forward_hook(lambda module, inputs, output: outputs.update(a=output))
    by_hand = 0
    for pixels, labels in data().train.batches(64, torch.Generator().manual_seed(3)):
        loss = nn.functional.cross_entropy(model(pixels), labels)
        (gradient,) = torch.autograd.grad(loss, outputs["a"])
        by_hand = by_hand + (outputs["a"].detach() * gradient).double().sum((0, 2, 3)) ** 2
    assert torch.allclose(scores / scores.sum(), by_hand / by_hand.sum(), rtol=1e-3)


def test_random_follows_the_generator_alone():
    model = make("eight_layer_cnn")
    torch.manual_seed(7)
    first = cut(model, seed=1, ratio=0.5, criterion="random")[1]
    torch.manual_seed(8)
    assert cut(model, seed=1, ratio=0.5, criterion="random")[1] == first
    assert cut(model, seed=2, ratio=0.5, criterion="random")[1]["removed"] != first["removed"]
