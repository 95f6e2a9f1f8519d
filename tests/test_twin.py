"""The quantised twin: values on their grids, gradients straight through, and nothing that moves by itself."""

import copy

import numpy as np
import pytest
import torch
from art.attacks.evasion import ProjectedGradientDescentPyTorch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrize

from benchmark.engine import fold, twin
from benchmark.engine.oracle import Oracle
from benchmark.engine.twin import InputQuantiser, WeightQuantiser
from plugins.models import resnet_cifar
from tests.quantised_networks import logits, network, preactivated, quantised
from tests.small_networks import accuracy, classifier, digit_images, fresh, prepared


@pytest.mark.parametrize("module", [network, preactivated], ids=["folded", "straightened"])
def test_sixteen_bits_are_as_good_as_float(module):
    x = prepared().training.train.pixels(slice(200))  # what it is calibrated on: nothing is clipped
    expected = logits(module().eval(), x)
    torch.testing.assert_close(
        logits(quantised(module(), 16, method="minmax"), x), expected, rtol=0, atol=2e-3 * float(expected.std())
    )
    assert not fold.remaining(quantised(module(), 16)), "BatchNorm is left"


def test_folding_a_residual_network_is_exact():
    torch.manual_seed(0)
    module = resnet_cifar.model(classes=10, channels=1, size=8, width=0.125).train()
    for x, _ in prepared().training.train.batches(128):
        module(x)  # statistics that are not those of a new network
    module.eval()
    x, _ = digit_images(100)
    folded = copy.deepcopy(module)
    folds = fold.foldable(folded, x[:4])
    fold.fold(folded, folds)
    assert len(folds) == 20 and not fold.remaining(folded)
    expected = logits(module, x)
    torch.testing.assert_close(logits(folded, x), expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
    assert all(parameter.requires_grad for parameter in folded.parameters())


def test_a_float_twin_of_no_width_is_the_network_itself():
    x, _ = digit_images(50)
    both = quantised(network(), None, None)
    assert both.quantised_twin and not any(parametrize.is_parametrized(part) for part in both.modules())
    torch.testing.assert_close(logits(both, x), logits(network(), x))


@pytest.mark.parametrize("bits", [8, 4, 3, 2, 1])
def test_weights_lie_on_one_grid_a_channel(bits):
    module = quantised(network(), bits, None)
    for layer in (part for part in module.modules() if isinstance(part, twin.LAYERS)):
        original = layer.parametrizations.weight.original
        for values, floats in zip(layer.weight, original, strict=True):
            assert len(values.unique()) <= 2**bits
            if bits == 1:
                assert torch.equal(values, torch.where(floats >= 0, 1, -1) * floats.abs().flatten().mean())
            else:
                steps = values / (floats.abs().max() / (2 ** (bits - 1) - 1))
                torch.testing.assert_close(steps, steps.round(), rtol=0, atol=1e-4)
                assert steps.abs().max() <= 2 ** (bits - 1) - 1 + 1e-4
    assert all(layer["weight_levels"] <= 2**bits for layer in twin.described(module))


@pytest.mark.parametrize("bits", [8, 4, 3, 2, 1])
def test_layer_inputs_lie_on_one_grid(bits):
    module, seen = quantised(network(), None, bits), {}
    for name, layer in module.named_modules():
        if isinstance(layer, twin.LAYERS):
            layer.register_forward_hook(lambda part, inputs, output, name=name: seen.update({name: inputs[0].unique()}))
    logits(module, digit_images(200)[0])
    assert len(seen) == 3
    for name, levels in seen.items():
        entry = module.get_submodule(name).entry
        assert 1 < len(levels) <= 2**bits
        steps = levels / (entry.clip / (2**bits - 1))
        torch.testing.assert_close(steps, steps.round(), rtol=0, atol=1e-3)
        assert not entry.signed and levels.min() >= 0  # pixels, and what ReLU gives


def test_signed_inputs_are_symmetric_and_one_bit_is_a_sign():
    x = torch.tensor([-3.0, -1.0, -0.1, 0.0, 0.4, 9.0])
    entry = InputQuantiser(3, signed=True, learned=False)
    entry.clip.fill_(3.0)
    assert entry(x).tolist() == [-3, -1, 0, 0, 0, 3]
    entry.bits = 1
    assert entry(x).tolist() == [-1.5, -1.5, -1.5, 1.5, 1.5, 1.5]


def test_a_channel_of_zeros_stays_zero():
    weight = torch.randn(3, 4)
    weight[1] = 0
    assert torch.equal(WeightQuantiser(8, 0)(weight)[1], torch.zeros(4))
    entry = InputQuantiser(8, signed=False, learned=False)
    entry.clip.zero_()
    assert torch.equal(entry(torch.zeros(5)), torch.zeros(5))


# gradients


def test_gradients_go_straight_through_and_stop_at_clips():
    x = torch.tensor([-1.0, 0.3, 1.2, 1.9, 2.1, 7.0], requires_grad=True)
    entry = InputQuantiser(2, signed=False, learned=False)
    entry.clip.fill_(2.0)
    weights = torch.arange(1.0, 7.0)
    (entry(x) * weights).sum().backward()
    assert x.grad.tolist() == [0, 2, 3, 4, 0, 0]
    x.grad = None
    with twin.passing_through_clips():
        value = entry(x)
        (value * weights).sum().backward()
    assert x.grad.tolist() == weights.tolist() and torch.equal(value, entry(x))


def test_clipped_values_teach_a_learned_range():
    x = torch.tensor([-5.0, 0.3, 1.9, 2.1, 7.0])
    entry = InputQuantiser(2, signed=False, learned=True)
    entry.clip.data.fill_(2.0)
    (entry(x) * torch.arange(1.0, 6.0)).sum().backward()
    assert entry.clip.grad == 4 + 5
    entry.signed, entry.clip.grad = True, None
    (entry(x) * torch.arange(1.0, 6.0)).sum().backward()
    assert entry.clip.grad == 4 + 5 - 1
    entry.signed = False
    expected = entry(x)
    entry.clip.data.neg_()  # a step that was too long
    assert torch.equal(entry(x), expected)


def test_the_gradient_of_many_bits_is_the_float_gradient():
    x, y = digit_images(50)
    gradients = []
    for module in (network().eval(), quantised(network(), 16), quantised(network(), 8, method="minmax")):
        pixels = x.clone().requires_grad_()
        functional.cross_entropy(module(pixels), y, reduction="sum").backward()
        gradients.append(pixels.grad.flatten())
    assert functional.cosine_similarity(gradients[0], gradients[1], dim=0) > 0.99
    assert functional.cosine_similarity(gradients[0], gradients[2], dim=0) > 0.95
    inner = quantised(network(), 4)
    functional.cross_entropy(inner(x), y).backward()
    for name, parameter in inner.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


def robust(module: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    attack = ProjectedGradientDescentPyTorch(
        classifier(module), eps=0.15, eps_step=0.03, max_iter=10, verbose=False, batch_size=256
    )
    return accuracy(classifier(module), torch.from_numpy(attack.generate(x.numpy(), np.eye(10)[y])), y)


def test_the_twin_is_broken_where_rounding_without_a_gradient_looks_robust(monkeypatch):
    """The error that this module exists to prevent: an attack through the rounding itself sees a gradient of zero."""
    x, y = digit_images(200)
    module = quantised(network(), 8)
    assert accuracy(classifier(module), x, y) > 90
    through = robust(module, x, y)
    assert abs(through - robust(copy.deepcopy(network()), x, y)) < 5
    monkeypatch.setattr(twin, "_straight_through", lambda value, path: value + 0 * path)
    assert robust(module, x, y) > through + 30


def test_the_oracle_attacks_the_twin_as_it_is():
    x, y = digit_images(100)
    for bits in (8, 2):
        module = quantised(network(), bits)
        oracle = Oracle(module)
        gradient, seen = oracle.gradient(x, y, lambda z, y: functional.cross_entropy(z, y, reduction="none"))
        assert not oracle.bf16
        expected = logits(module, x)  # in other batches, in which rounding may turn a value to the next level
        assert torch.isclose(seen, expected, rtol=1e-4, atol=1e-4).float().mean() > 0.97
        assert torch.allclose(seen, expected, atol=0.05 * expected.abs().max())
        assert (gradient.flatten(1).abs().sum(1) > 0).float().mean() > 0.9
        with twin.passing_through_clips():
            other, unmoved = oracle.gradient(x, y, lambda z, y: functional.cross_entropy(z, y, reduction="none"))
        assert torch.equal(seen, unmoved) and not torch.equal(gradient, other)


# nothing moves by itself


@pytest.mark.parametrize("module", [network, preactivated], ids=["folded", "straightened"])
def test_nothing_moves_while_it_is_attacked_in_train_mode(module):
    x, y = digit_images(64)
    made = quantised(module(), 4, learned=True)
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    expected = logits(made, x)
    estimator = classifier(made)
    attack = ProjectedGradientDescentPyTorch(estimator, eps=0.2, eps_step=0.1, max_iter=2, verbose=False)
    made.train()
    attack.generate(x.numpy() * 1.5, np.eye(10)[y])
    made.train()
    estimator.loss_gradient(x.numpy(), np.eye(10)[y], training_mode=True)
    assert torch.equal(logits(made.train(), x), expected)
    after = made.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items()) and before.keys() == after.keys()


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace:DeprecationWarning")  # OpenVINO's own way in
def test_a_trace_is_the_same_function_in_the_operators_of_runtimes():
    x, _ = digit_images(64)
    for bits, method in ((8, "mse"), (8, "minmax"), (16, "mse")):
        module = quantised(network(), bits, method=method, learned=True)
        with torch.no_grad():
            traced = torch.jit.trace(module, x[:2])
        assert str(traced.inlined_graph).count("fake_quantize_per_tensor_affine") == 3
        assert str(traced.inlined_graph).count("fake_quantize_per_channel_affine") == 3
        assert torch.equal(traced(x), logits(module, x))


# calibration


@pytest.mark.parametrize("learned", [False, True], ids=["fixed", "learned"])
def test_training_goes_through_and_mends_two_bits(learned):
    x, y = digit_images()
    module = quantised(network(), 2, method="minmax", learned=learned)
    before = accuracy(classifier(module), x, y)
    clips = [part.clip.clone() for part in module.modules() if isinstance(part, InputQuantiser)]
    optimizer = torch.optim.SGD(module.parameters(), lr=0.02, momentum=0.9)
    for pixels, labels in prepared().training.train.batches(64, torch.Generator().manual_seed(0)):
        optimizer.zero_grad()
        functional.cross_entropy(module.train()(pixels), labels).backward()
        optimizer.step()
    moved = [part.clip for part in module.modules() if isinstance(part, InputQuantiser)]
    assert any(not torch.equal(a, b) for a, b in zip(clips, moved, strict=True)) == learned
    assert accuracy(classifier(module), x, y) > before + 5
    assert all(layer["weight_levels"] <= 4 for layer in twin.described(module))


def test_bytes_are_those_of_the_widths():
    module = fresh()
    assert twin.weight_bytes(module) == sum(t.numel() * t.element_size() for t in module.state_dict().values())
    made = quantised(module, 4)
    weights, channels, biases = 16 * 9 + 32 * 16 * 9 + 512 * 10, 16 + 32 + 10, 16 + 32 + 10
    assert twin.weight_bytes(made) == weights // 2 + 4 * channels + 4 * biases + 4 * 3
