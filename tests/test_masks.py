"""Masked networks: the zeros that were asked for, through training, attack, storage and what comes after."""

import copy
import json

import pytest
import torch
from safetensors.torch import load, save
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils import prune as torch_masks

from benchmark.engine.attack_view import AttackView
from benchmark.engine.mask import mask_of
from benchmark.engine.size import measure
from benchmark.errors import CompressionError
from plugins.compressions import n_m, prune, quantize, reinitialise, unstructured
from tests.compressible_networks import MODELS, Halved, context, data, logits, make, same, weights
from tests.conftest import STANDARD, small

PLUGINS = {
    "unstructured": (unstructured, {"sparsity": 0.9}),
    "unstructured, local": (unstructured, {"sparsity": 0.5, "scope": "local"}),
    "2:4": (n_m, {}),
    "1:2": (n_m, {"n": 1, "m": 2}),
}


def masked(model: nn.Module, case: str) -> tuple[nn.Module, dict]:
    plugin, options = PLUGINS[case]
    return plugin.compress(model, context(model), **options)


def layers(model: nn.Module) -> dict[str, nn.Module]:
    return {name: part for name, part in model.named_modules() if isinstance(part, nn.Conv2d | nn.Linear)}


def zeros(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: layer.weight == 0 for name, layer in layers(model).items()}


def share(found: dict[str, torch.Tensor]) -> float:
    return sum(int(zero.sum()) for zero in found.values()) / sum(zero.numel() for zero in found.values())


def trained(model: nn.Module) -> nn.Module:
    """A few steps with momentum and weight decay, which move what a gradient does not."""
    optimizer = torch.optim.SGD(model.train().parameters(), lr=0.05, momentum=0.9, weight_decay=1e-2)
    for images, labels in data().train.batches(64, torch.Generator().manual_seed(0)):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
    return model.eval()


def test_unstructured_takes_the_smallest_of_all():
    model = make("resnet_cifar")
    lean, state = unstructured.compress(model, context(model), sparsity=0.9)
    sizes = torch.cat([layer.weight.detach().abs().flatten() for layer in layers(model).values()])
    border = sizes.sort().values[round(len(sizes) * 0.9)]
    for name, layer in layers(model).items():
        below = layer.weight.abs() < border
        below.view(-1)[layer.weight.abs().argmax()] = False
        assert torch.equal(zeros(lean)[name], below)
        assert torch.equal(layers(lean)[name].weight[~zeros(lean)[name]], layer.weight[~zeros(lean)[name]])
    assert state["achieved"]["sparsity"] == pytest.approx(0.9, abs=1e-4)
    assert len({round(float(zero.float().mean()), 2) for zero in zeros(lean).values()}) > 3


def test_unstructured_leaves_every_layer_a_weight():
    model = make("eight_layer_cnn")
    lean, _ = unstructured.compress(model, context(model), sparsity=0.99)
    assert any(int((~zero).sum()) == 1 for zero in zeros(lean).values())
    for name, layer in layers(lean).items():
        assert layer.weight.abs().max() == layers(model)[name].weight.abs().max()


def test_unstructured_local_is_the_same_share_everywhere():
    lean, _ = masked(make("resnet_cifar"), "unstructured, local")
    assert all(abs(float(zero.float().mean()) - 0.5) < 0.01 for zero in zeros(lean).values())


@pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 4), (4, 8), (1, 2)])
def test_n_of_m_along_the_inputs(n, m):
    model = make("resnet_cifar")
    lean, state = n_m.compress(model, context(model), n=n, m=m)
    for name, layer in layers(lean).items():
        dense = layer.in_channels == 1 if name == "conv1" else False
        assert (name in state["achieved"]["unmasked_layers"]) == dense == (mask_of(layer) is None)
        if dense:
            continue
        before = layers(model)[name].weight.detach().abs()
        for start in range(0, layer.weight.shape[1], m):
            part = layer.weight[:, start : start + m]
            assert ((part != 0).sum(1) == n).all()
            left = torch.where(part != 0, before[:, start : start + m], torch.inf).amin(1)
            gone = torch.where(part == 0, before[:, start : start + m], -torch.inf).amax(1)
            assert (left >= gone).all()
    assert state["achieved"]["sparsity"] == pytest.approx(1 - n / m, abs=0.01)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("case", PLUGINS)
def test_zeros_survive_training_and_come_back(case, name):
    model = make(name)
    before = weights(model)
    lean, state = masked(model, case)
    assert same(weights(model), before)
    found = zeros(lean)
    assert state["achieved"]["sparsity"] == pytest.approx(share(found))
    assert share(found) > 0.4
    moved = weights(lean)
    trained(lean)
    assert not same(weights(lean), moved)
    assert all(torch.equal(zero, zeros(lean)[layer]) for layer, zero in found.items())
    assert same(zeros(copy.deepcopy(lean)), found)
    plugin, _ = PLUGINS[case]
    again = plugin.rebuild(make(name, seed=1), state)
    again.load_state_dict(load(save(weights(lean))))
    assert torch.equal(logits(again), logits(lean))
    assert same(zeros(again), found)


@pytest.mark.parametrize("case", PLUGINS)
def test_the_size_is_the_structures(case):
    model = make("resnet_cifar")
    lean, state = masked(model, case)
    example = torch.zeros(1, 1, 8, 8)
    assert measure(lean, example) == measure(model, example)
    assert "unchanged" in state["achieved"]["latency"]
    counted = [layer.weight for layer in layers(lean).values()]
    assert state["achieved"]["weights"] == sum(weight.numel() for weight in counted)
    assert state["achieved"]["nonzero_weights"] == sum(int(weight.count_nonzero()) for weight in counted)


@pytest.mark.parametrize("name", MODELS)
def test_the_attacks_view_is_of_the_masked_network(name):
    lean, _ = masked(trained(make(name)), "unstructured")
    images = data().validation.pixels(slice(4))
    view = AttackView(lean.eval(), images)
    assert torch.allclose(view(images), lean(images), atol=1e-4)
    assert not any(parametrize.is_parametrized(part) for part in view._body.modules())
    trained(lean)
    view.refresh()
    assert torch.allclose(view(images), lean(images), atol=1e-4)


def test_a_schedule_prunes_further_and_keeps_its_zeros():
    first, once = unstructured.compress(make("resnet_cifar"), context(make("resnet_cifar")), sparsity=0.5)
    trained(first)
    second, twice = unstructured.compress(first, context(first), sparsity=0.8)
    assert share(zeros(second)) == pytest.approx(0.8, abs=1e-3)
    assert all((zeros(second)[name] >= zero).all() for name, zero in zeros(first).items())
    again = unstructured.rebuild(unstructured.rebuild(make("resnet_cifar", seed=1), once), twice)
    again.load_state_dict(weights(second))
    assert torch.equal(logits(again), logits(second))


def test_masks_after_structured_pruning():
    pruned, _ = prune.compress(make("resnet_cifar"), context(make("resnet_cifar")), ratio=0.5)
    lean, state = unstructured.compress(pruned, context(pruned), sparsity=0.5)
    assert measure(lean, torch.zeros(1, 1, 8, 8)) == measure(pruned, torch.zeros(1, 1, 8, 8))
    assert state["achieved"]["sparsity"] == pytest.approx(0.5, abs=0.01)


def foreign(kind: str) -> nn.Module:
    model = make("eight_layer_cnn")
    if kind == "quantised":
        return quantize.compress(model, context(model), bits=8)[0]
    if kind == "parametrised":
        parametrize.register_parametrization(model.hidden, "weight", Halved())
    if kind == "torch's masks":
        torch_masks.l1_unstructured(model.hidden, "weight", 0.5)
    return model


@pytest.mark.parametrize("kind", ["quantised", "parametrised", "torch's masks"])
@pytest.mark.parametrize("case", ["unstructured", "2:4"])
def test_refuses_weights_that_are_computed(case, kind):
    model = foreign(kind)
    with pytest.raises(CompressionError, match="before that") as error:
        plugin, options = PLUGINS[case]
        plugin.compress(model, context(make("eight_layer_cnn")), **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("after", [prune, quantize, reinitialise])
def test_what_needs_plain_weights_refuses_masked_ones(after):
    lean, _ = masked(make("eight_layer_cnn"), "2:4")
    options = {prune: {"ratio": 0.5}, quantize: {"bits": 8}, reinitialise: {}}[after]
    with pytest.raises(CompressionError, match="computes its weights") as error:
        after.compress(lean, context(make("eight_layer_cnn")), **options)
    assert "\n" not in str(error.value)


def test_refuses_what_cannot_be_achieved():
    model = make("eight_layer_cnn")
    for plugin, options, reason in (
        (n_m, {"n": 4, "m": 4}, "n 4 of m 4"),
        (n_m, {"n": 2, "m": 7}, "multiple of m 7"),
        (unstructured, {"sparsity": 1e-6}, "none of"),
    ):
        with pytest.raises(CompressionError, match=reason):
            plugin.compress(model, context(model), **options)
    lean, _ = masked(model, "unstructured")
    with pytest.raises(CompressionError, match="asked for sparsity"):
        unstructured.compress(lean, context(model), sparsity=0.5)


def test_in_a_suite(desk):
    steps = [{"unstructured": {"sparsity": 0.5}}, {"finetune": "before"}, {"unstructured": {"sparsity": 0.8}}]
    trainings = {"ft": {"before": STANDARD, "after": {"pgd_at": {"epochs": 1, "eps": 0.1, "steps": 2}}}}
    suite = small(compressions={"dense": [], "sparse": steps, "2:4": [{"n_m": {}}]}, trainings=trainings)
    ran = desk.run(suite, "--limit", "test=100")
    assert ran.status == 0, ran.complained
    rows = {row["compression"]: row for row in map(json.loads, ran.records.splitlines())}
    dense, sparse, pattern = rows["dense"], rows["sparse"], rows["2:4"]
    assert [found and found["sparsity"] for found in sparse["achieved"]] == [
        pytest.approx(0.5, abs=0.01),
        None,
        pytest.approx(0.8, abs=0.01),
    ]
    assert dense["size"] == sparse["size"] == pattern["size"]
    assert min(row["clean_correct"] for row in (dense, sparse, pattern)) > 70
