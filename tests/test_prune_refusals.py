"""What cannot be pruned is refused in one line, and left as it was."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils import prune as masks

from benchmark.errors import CompressionError
from plugins.compressions import prune
from tests.compressible_networks import Halved, context, make, same, weights


def refusal(model: nn.Module, classes: int = 10, **arguments) -> str:
    before = weights(model)
    with pytest.raises(CompressionError) as error:
        prune.compress(model, context(model, classes=classes), **arguments)
    assert same(weights(model), before)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_too_little_to_take_is_refused():
    assert "no channel went" in refusal(make("eight_layer_cnn"), ratio=0.01)


def test_a_share_of_parameters_out_of_reach_is_refused_with_what_was_reached():
    model = nn.Sequential(nn.Conv2d(1, 2, 8), nn.Flatten(), nn.Linear(2, 10))
    message = refusal(model, ratio=0.3, of="parameters")
    assert "0.3 of parameters" in message
    assert "0.469" in message  # of two filters one can go: 160 parameters, 85 left


def test_a_global_share_that_would_empty_layers_is_refused():
    assert "leaves every layer a channel" in refusal(make("resnet_cifar"), ratio=0.99, scope="global")


def test_a_layer_that_cannot_shrink_is_named():
    class Coupled(nn.Module):
        """What `fixed` gives is added to the logits, so its width is theirs."""

        def __init__(self):
            super().__init__()
            self.first, self.fixed, self.head = nn.Linear(64, 32), nn.Linear(32, 10), nn.Linear(32, 10)

        def forward(self, x):
            x = torch.relu(self.first(x.flatten(1)))
            return self.fixed(x) + self.head(x)

    assert "layer fixed kept 10 of its 10 channels" in refusal(Coupled(), ratio=0.5)


def test_a_network_without_a_classifier_is_refused():
    assert "7 outputs" in refusal(make("eight_layer_cnn"), classes=7, ratio=0.5)


def test_a_network_that_cannot_be_traced_is_refused():
    class Detached(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.head = nn.Linear(64, 32), nn.Linear(32, 10)

        def forward(self, x):
            if torch.is_grad_enabled():
                raise ValueError("no gradients,\nplease")
            return self.head(self.first(x.flatten(1)))

    assert "cannot trace this network (ValueError: no gradients, please)" in refusal(Detached(), ratio=0.5)


def test_a_network_that_runs_no_more_when_pruned_is_refused():
    class Heads(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.head = nn.Linear(64, 32), nn.Linear(32, 10)

        def forward(self, x):
            heads = self.first(x.flatten(1)).unflatten(1, (4, 8))  # as attention does, whatever the layer's width
            return self.head(heads.flatten(1))

    assert "does not cut this network as a whole" in refusal(Heads(), ratio=0.5)


def test_a_network_with_nothing_to_prune_is_refused():
    assert "no layer besides" in refusal(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), ratio=0.5)


def test_weights_that_are_not_finite_are_refused():
    model = make("eight_layer_cnn")
    with torch.no_grad():
        model.features[4].weight[0] = torch.inf
    assert "features.4" in refusal(model, ratio=0.5)


def test_computed_weights_are_refused():
    model = make("eight_layer_cnn")
    parametrize.register_parametrization(model.features[2], "weight", Halved())
    assert "features.2" in refusal(model, ratio=0.5)
    model = make("eight_layer_cnn")
    masks.l1_unstructured(model.features[4], "weight", 0.5)
    assert "features.4" in refusal(model, ratio=0.5)
