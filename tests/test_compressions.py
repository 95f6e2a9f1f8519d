"""Compressions do what they say, exactly; what they cannot do is one line, and they leave the model as it was."""

import json
from functools import cache

import pytest
import torch
import torch_pruning
from safetensors.torch import load, save
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils import prune as masks

from benchmark.data import TrainingData, prepare
from benchmark.engine.size import measure
from benchmark.errors import CompressionError
from benchmark.stages.compress import CompressContext
from plugins.compressions import prune, reinitialise
from plugins.compressions._importance import importance, prunable
from plugins.datasets import digits
from plugins.models import eight_layer_cnn, resnet_cifar

CRITERIA = ("l1", "l2", "geometric_median", "taylor", "random")
WIDTH = {"eight_layer_cnn": 0.25, "resnet_cifar": 0.125}
TAYLOR = [("eight_layer_cnn", "features.4", "features.4"), ("resnet_cifar", "layer1.0.conv1", "layer1.0.bn1")]
MODELS = {"eight_layer_cnn": eight_layer_cnn.model, "resnet_cifar": resnet_cifar.model}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


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


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def wide(model: nn.Module) -> dict[str, int]:
    return {n: len(m.weight) for n, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}


def logits(model: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(data().validation.pixels(slice(8)))


# pruning, everywhere


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


# what goes first


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


def test_a_network_with_nothing_to_prune_is_refused():
    assert "no layer besides" in refusal(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), ratio=0.5)


def test_weights_that_are_not_finite_are_refused():
    model = make("eight_layer_cnn")
    with torch.no_grad():
        model.features[4].weight[0] = torch.inf
    assert "features.4" in refusal(model, ratio=0.5)


class Halved(nn.Module):
    def forward(self, weight):
        return weight / 2


def test_computed_weights_are_refused():
    model = make("eight_layer_cnn")
    parametrize.register_parametrization(model.features[2], "weight", Halved())
    assert "features.2" in refusal(model, ratio=0.5)
    model = make("eight_layer_cnn")
    masks.l1_unstructured(model.features[4], "weight", 0.5)
    assert "features.4" in refusal(model, ratio=0.5)


# fresh weights in the same structure


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
