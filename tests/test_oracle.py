"""The oracle gives the module's own gradients, faster; it leaves the module alone, and only the judge's word counts."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrize

from benchmark.engine.losses import LOSSES, cross_entropy, dlr_towards, margin, score, succeeded
from benchmark.engine.oracle import Oracle
from tests.small_networks import digit_images, fresh, trained

EXACT = {"rtol": 1e-3, "atol": 1e-5}  # fp32 rounding of a folded network


def plain_gradient(module, x, y, loss=cross_entropy):
    x = x.clone().requires_grad_()
    logits = copy.deepcopy(module).eval()(x)
    (gradient,) = torch.autograd.grad(loss(logits, y).sum(), x)
    return gradient, logits.detach()


class Residual(nn.Module):
    """A convolution whose output is read beside the BatchNorm that follows it, which so cannot be folded into it."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Linear(256, 10)

    def forward(self, x):
        x = self.conv(x)
        return self.head((x + self.norm(x)).flatten(1))


class Halved(nn.Module):
    def forward(self, weight):
        return weight / 2


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_gradients_of_the_folded_view_are_the_modules(loss):
    estimator, (x, y) = trained(robust=False), digit_images(64)
    oracle = Oracle(estimator.model, "fp32")
    gradient, logits = oracle.gradient(x, y, loss)
    expected, expected_logits = plain_gradient(estimator.model, x, y, loss)
    torch.testing.assert_close(logits, expected_logits, **EXACT)
    torch.testing.assert_close(gradient, expected, **EXACT)
    torch.testing.assert_close(oracle.logits(x), expected_logits, **EXACT)
    view = oracle._view._body
    assert not any(isinstance(part, nn.BatchNorm2d) for part in view.modules()), "BatchNorm was not folded"
    assert (oracle.forward, oracle.backward) == (128, 64)


@pytest.mark.parametrize("settings", [{}, {"padding": (2, 0)}, {"padding": "same"}, {"stride": 2}, {"bias": False}])
def test_a_first_layer_for_grey_images_has_its_own_gradient(settings):
    torch.manual_seed(0)
    first = nn.Conv2d(1, 6, (3, 5), **settings)
    module = nn.Sequential(first, nn.ReLU(), nn.Flatten(), nn.LazyLinear(10)).eval()
    x, y = digit_images(20)
    module(x)
    gradient, logits = Oracle(module, "fp32").gradient(x, y, cross_entropy)
    expected, expected_logits = plain_gradient(module, x, y)
    torch.testing.assert_close(logits, expected_logits, **EXACT)
    torch.testing.assert_close(gradient, expected, **EXACT)


def test_a_first_layer_that_computes_something_of_its_own_is_left_to_it():
    class Doubled(nn.Conv2d):
        def forward(self, x):
            return 2 * super().forward(x)

    torch.manual_seed(0)
    patched = nn.Conv2d(1, 6, 3)
    patched.forward = lambda x: nn.functional.conv2d(x, -torch.ones(6, 1, 3, 3))
    x, y = digit_images(20)
    for first in (Doubled(1, 6, 3), patched):
        module = nn.Sequential(first, nn.Tanh(), nn.Flatten(), nn.Linear(216, 10)).eval()
        gradient, logits = Oracle(module, "fp32").gradient(x, y, cross_entropy)
        expected, expected_logits = plain_gradient(module, x, y)
        torch.testing.assert_close(logits, expected_logits, **EXACT)
        torch.testing.assert_close(gradient, expected, **EXACT)


def test_bf16_keeps_the_gradients_direction_and_fp32_logits():
    estimator, (x, y) = trained(robust=True), digit_images(200)
    gradient, logits = Oracle(estimator.model, "bf16").gradient(x, y, margin)
    expected, expected_logits = plain_gradient(estimator.model, x, y, margin)
    assert gradient.dtype == logits.dtype == torch.float32
    assert functional.cosine_similarity(gradient.flatten(1), expected.flatten(1)).mean() > 0.98
    torch.testing.assert_close(logits, expected_logits, rtol=0.05, atol=0.2)
    assert (logits != logits.bfloat16().float()).any(), "the head computed in bf16"
    assert not torch.equal(logits, expected_logits), "the body computed in fp32"


def test_a_quantised_twin_is_never_run_in_bf16_nor_folded():
    module, (x, _) = trained(robust=True).model, digit_images(32)
    module.quantised_twin = True
    oracle = Oracle(module, "bf16")
    with torch.no_grad():
        torch.testing.assert_close(oracle.logits(x), module(x), **EXACT)
    assert not oracle._view.bf16 and any(isinstance(part, nn.BatchNorm2d) for part in oracle._view._body.modules())


def test_a_batchnorm_that_cannot_be_folded_is_kept_even_while_it_is_the_identity():
    module, (x, y) = Residual(), digit_images(32)
    oracle = Oracle(module, "fp32")
    oracle.refresh(x)
    with torch.no_grad():
        module.norm.running_mean.add_(0.5)
        module.norm.weight.mul_(3)
    oracle.refresh(x)
    torch.testing.assert_close(oracle.gradient(x, y, cross_entropy)[0], plain_gradient(module, x, y)[0], **EXACT)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_module_is_left_as_it_was(precision):
    estimator, (x, y) = trained(robust=False), digit_images(32)
    module = estimator.model
    module.train()
    module[0][1].eval()
    for parameter in module.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = copy.deepcopy(module.state_dict())
    modes = [part.training for part in module.modules()]
    oracle = Oracle(module, precision)
    oracle.gradient(x, y, cross_entropy)
    oracle.confirm(x, y)
    oracle.refresh(x)
    assert [part.training for part in module.modules()] == modes
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name
    for parameter in module.parameters():
        assert parameter.requires_grad and torch.equal(parameter.grad, torch.ones_like(parameter))


@pytest.mark.parametrize("way", ["step", "data"])
def test_the_view_follows_the_weights_without_being_rebuilt(way):
    module, (x, y) = fresh(), digit_images(32)
    oracle = Oracle(module, "fp32")
    oracle.refresh(x)
    view = oracle._view
    if way == "step":
        optimizer = torch.optim.SGD(module.parameters(), 0.1)
        cross_entropy(module.train()(x), y).mean().backward()
        optimizer.step()
    else:
        for parameter in module.parameters():
            parameter.data.mul_(1.5)  # moves no version counter
    oracle.refresh(x)
    torch.testing.assert_close(oracle.gradient(x, y, cross_entropy)[0], plain_gradient(module, x, y)[0], **EXACT)
    assert oracle._view is view


def test_the_view_is_rebuilt_when_the_structure_changes():
    module, (x, _) = fresh(), digit_images(16)
    oracle = Oracle(module, "fp32")
    oracle.refresh(x)
    with torch.no_grad():  # as pruning does: the same modules with narrower weights
        module[1][0].weight = nn.Parameter(module[1][0].weight[:8].clone())
        for name in ("weight", "bias"):
            setattr(module[1][1], name, nn.Parameter(getattr(module[1][1], name)[:8].clone()))
        module[1][1].running_mean, module[1][1].running_var = torch.zeros(8), torch.ones(8)
        module[1][1].num_features = 8
        module[3] = nn.Linear(128, 10)
        oracle.refresh(x)
        torch.testing.assert_close(oracle.logits(x), module.eval()(x), **EXACT)


def test_parametrised_weights_are_baked_and_followed():
    module, (x, y) = fresh(), digit_images(16)
    parametrize.register_parametrization(module[0][0], "weight", Halved())
    oracle = Oracle(module, "fp32")
    for _ in range(2):
        oracle.refresh(x)
        torch.testing.assert_close(oracle.gradient(x, y, cross_entropy)[0], plain_gradient(module, x, y)[0], **EXACT)
        assert parametrize.is_parametrized(module[0][0]) and not parametrize.is_parametrized(oracle._view._body[0][0])
        with torch.no_grad():
            module[0][0].parametrizations.weight.original.mul_(2)


def test_the_judge_breaks_ties_and_non_finite_logits_against_the_defender():
    logits = torch.tensor([[2.0, 1, 0], [1, 1, 0], [0, 1, 0], [torch.nan, 0, 0], [torch.inf, 0, 0], [5, 0, -torch.inf]])
    module = nn.Linear(3, 3, bias=False)
    module.weight.data = torch.eye(3)
    label = torch.zeros(6, dtype=torch.int64)
    assert succeeded(score(logits, label)).tolist() == [False, True, True, True, True, True]
    assert succeeded(score(logits, label, True), True).tolist() == [True, False, False, False, False, False]
    assert Oracle(module).confirm(logits[:3], label[:3]).tolist() == [False, True, True]


def test_losses_are_the_papers():
    logits, label = torch.tensor([[4.0, 1, 3, 0], [1, 4, 3, 0]]), torch.tensor([0, 0])
    assert margin(logits, label).tolist() == [-1, 3]
    torch.testing.assert_close(LOSSES["dlr"](logits, label), torch.tensor([-1 / 3, 1.0]))
    torch.testing.assert_close(dlr_towards(logits, label, torch.tensor([3, 1])), torch.tensor([-4 / 3.5, 3 / 3.5]))


def test_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="precision 'fp8' is unknown; it is one of auto, fp32, bf16"):
        Oracle(fresh(), "fp8")
