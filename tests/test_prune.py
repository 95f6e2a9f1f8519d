"""Pruned networks have the widths that were asked for, the weights that they had, and come back in a new process."""

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from plugins.compressions import prune
from tests.compressible_networks import CRITERIA, MODELS, cut, logits, make, same, weights, wide


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("ratio", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("name", MODELS)
def test_channels_go_and_the_structure_comes_back(name, criterion, ratio):
    model = make(name)
    before, random = weights(model), torch.get_rng_state()
    pruned, state = cut(model, ratio=ratio, criterion=criterion)

    dense, lean = wide(model), wide(pruned)
    head = list(dense)[-1]
    assert lean.pop(head) == 10
    assert all(abs(lean[layer] - dense[layer] * (1 - ratio)) <= 1 for layer in lean)
    assert state["achieved"]["widths"] == {**lean, head: 10}
    assert state["achieved"]["parameters_before"] == parameters(model)
    assert state["achieved"]["parameters_after"] == parameters(pruned) < parameters(model)
    assert state["achieved"]["channel_ratio"] == pytest.approx(ratio, abs=0.05)

    assert same(weights(model), before)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(module.training for module in [*model.modules(), *pruned.modules()])
    assert all(p.grad is None for p in [*model.parameters(), *pruned.parameters()])

    again = prune.rebuild(make(name, seed=1), state)
    again.load_state_dict(load(save(weights(pruned))))
    assert logits(pruned).isfinite().all()
    assert torch.equal(logits(pruned), logits(again))


@pytest.mark.parametrize("ratio", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("scope", ["local", "global"])
@pytest.mark.parametrize("name", MODELS)
def test_a_share_of_parameters(name, scope, ratio):
    model = make(name)
    pruned, state = cut(model, ratio=ratio, of="parameters", scope=scope)
    assert parameters(pruned) / parameters(model) == pytest.approx(1 - ratio, abs=0.02)
    again = prune.rebuild(make(name, seed=1), state)
    assert wide(again) == wide(pruned)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_global_scope_takes_what_is_least_anywhere(criterion):
    model = make("eight_layer_cnn")
    pruned, state = cut(model, ratio=0.5, criterion=criterion, scope="global")
    dense, lean = wide(model), wide(pruned)
    layers = [layer for layer in dense if layer != "head"]
    kept = sum(lean[layer] for layer in layers) / sum(dense[layer] for layer in layers)
    assert kept == pytest.approx(0.5, abs=0.01)
    assert state["achieved"]["channel_ratio"] == pytest.approx(1 - kept)
    assert len({round(lean[layer] / dense[layer], 2) for layer in layers}) > 1
    assert min(lean.values()) >= 1


@pytest.mark.parametrize("criterion", ["l1", "l2", "geometric_median"])
def test_global_scope_does_not_depend_on_the_scale_of_a_layer(criterion):
    model = make("eight_layer_cnn")
    before = cut(model, ratio=0.5, criterion=criterion, scope="global")[1]["removed"]
    with torch.no_grad():
        model.features[4].weight *= 64
    assert cut(model, ratio=0.5, criterion=criterion, scope="global")[1]["removed"] == before


def test_the_weights_that_stay_are_the_networks_own():
    model = make("eight_layer_cnn")
    pruned, state = cut(model, ratio=0.5)
    gone = set(state["removed"]["features.2"])
    kept = [i for i in range(8) if i not in gone]
    inputs = [i for i in range(8) if i not in state["removed"]["features.0"]]
    assert torch.equal(pruned.features[2].weight, model.features[2].weight[kept][:, inputs])


def test_pruning_again_starts_from_the_pruned_network():
    once, first = cut(make("resnet_cifar"), ratio=0.5)
    twice, second = cut(once, ratio=0.5)
    assert wide(twice)["conv1"] == 2
    again = prune.rebuild(prune.rebuild(make("resnet_cifar", seed=1), first), second)
    again.load_state_dict(weights(twice))
    assert torch.equal(logits(again), logits(twice))


# what bites


@pytest.mark.parametrize("part", ["layer2", ""])
def test_frozen_weights_are_pruned_and_stay_frozen(part):
    model = make("resnet_cifar")
    model.get_submodule(part).requires_grad_(False)
    model.layer3.eval()
    pruned, _ = cut(model, ratio=0.5)
    assert wide(pruned)["layer2.0.conv1"] == 8
    assert [p.requires_grad for p in pruned.parameters()] == [p.requires_grad for p in model.parameters()]
    assert [m.training for m in pruned.modules()] == [m.training for m in model.modules()]


def test_no_layer_is_emptied():
    pruned, _ = cut(make("eight_layer_cnn"), ratio=0.95)
    assert wide(pruned)["features.0"] == 1
    assert logits(pruned).isfinite().all()


class Grouped(nn.Module):
    """Grouped and depthwise convolutions and GroupNorm, whose channels go together."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, padding=1)
        self.grouped = nn.Conv2d(16, 32, 3, groups=4)
        self.norm = nn.GroupNorm(4, 32)
        self.depthwise = nn.Conv2d(32, 32, 3, groups=32)
        self.point = nn.Conv2d(32, 24, 1)
        self.head = nn.Conv2d(24, 10, 4)

    def forward(self, x):
        x = self.depthwise(torch.relu(self.norm(self.grouped(torch.relu(self.stem(x))))))
        return self.head(torch.relu(self.point(x))).flatten(1)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_grouped_and_depthwise_convolutions_and_a_convolutional_head(criterion):
    torch.manual_seed(0)
    model = Grouped()
    pruned, state = cut(model, ratio=0.5, criterion=criterion)
    assert wide(pruned) == {"stem": 8, "grouped": 16, "depthwise": 16, "point": 12, "head": 10}
    assert (pruned.grouped.groups, pruned.depthwise.groups) == (4, 16)
    again = prune.rebuild(Grouped(), state)
    again.load_state_dict(weights(pruned))
    assert torch.equal(logits(pruned), logits(again))


def test_channels_that_go_together_count_as_many_under_global_scope():
    torch.manual_seed(0)
    pruned, state = cut(Grouped(), ratio=0.5, scope="global")
    assert state["achieved"]["channel_ratio"] == pytest.approx(0.5, abs=0.04)
    assert logits(pruned).isfinite().all()
