"""Reinitialisation keeps the structure and nothing else."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from benchmark.errors import CompressionError
from plugins.compressions import reinitialise
from plugins.models import resnet_cifar
from tests.compressible_networks import MODELS, Halved, context, cut, data, make, same, weights, wide


def afresh(model: nn.Module, seed: int = 0) -> nn.Module:
    return reinitialise.compress(model, context(model, seed))


@pytest.mark.parametrize("name", MODELS)
def test_reinitialise_keeps_the_structure_and_nothing_else(name):
    model, _ = cut(make(name), ratio=0.5)
    model(data().train.pixels(slice(32)))  # moves BatchNorm's statistics
    before, random = weights(model), torch.get_rng_state()
    fresh = afresh(model)
    assert same(weights(model), before)
    assert torch.equal(torch.get_rng_state(), random)
    assert wide(fresh) == wide(model)
    assert not [
        layer for layer in wide(model) if torch.equal(weights(fresh)[f"{layer}.weight"], before[f"{layer}.weight"])
    ]
    for module in fresh.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean.abs().max() == 0
            assert module.running_var.eq(1).all()
            assert module.num_batches_tracked == 0


def test_reinitialise_follows_the_generator_alone():
    model = make("resnet_cifar")
    torch.manual_seed(5)
    first = weights(afresh(model, seed=1))
    torch.manual_seed(6)
    assert same(weights(afresh(model, seed=1)), first)
    assert not same(weights(afresh(model, seed=2)), first)


def test_reinitialise_draws_as_the_model_did():
    """Each layer's spread is that of a network built anew: ours start as PyTorch's layers do by default."""
    torch.manual_seed(1)
    model = resnet_cifar.model(classes=10, channels=3, size=8, width=0.5)
    fresh = reinitialise.compress(model, context(model, channels=3))
    drawn = weights(fresh)
    for name, weight in weights(model).items():
        if weight.numel() > 4000:
            assert float(drawn[name].std()) == pytest.approx(float(weight.std()), rel=0.05), name


def test_reinitialise_lets_a_network_have_the_last_word():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(64, 10)
            self.reset_parameters()

        def reset_parameters(self):
            nn.init.constant_(self.head.weight, 3)

        def forward(self, x):
            return self.head(x.flatten(1))

    assert afresh(Own()).head.weight.eq(3).all()


def test_reinitialise_names_what_it_cannot_reset():
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = nn.Parameter(torch.ones(1))

        def forward(self, x):
            return x * self.factor

    with pytest.raises(CompressionError, match=r"module 1 \(Scale\)"):
        afresh(nn.Sequential(nn.Flatten(), Scale(), nn.Linear(64, 10)))
    model = make("eight_layer_cnn")
    parametrize.register_parametrization(model.hidden, "weight", Halved())
    with pytest.raises(CompressionError, match="module hidden"):
        afresh(model)
