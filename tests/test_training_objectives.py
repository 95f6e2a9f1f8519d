"""What trainings descend and what they attack with, against plain formulas and the papers' own loops."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from benchmark.engine.estimator import counting
from benchmark.engine.fitting import Fitting
from benchmark.engine.nearby import NearbyPGD
from benchmark.engine.objectives import clean, madry, mart, orthogonality, trades, with_orthogonality
from benchmark.engine.random_start import Draws
from plugins.trainings.free import Replayed
from tests.quantised_networks import quantised
from tests.small_networks import EPS, classifier, digit_images, fresh, trained

STEPS, STEP = 5, EPS / 4


def batch(count: int = 40):
    x, y = digit_images(count)
    generator = torch.Generator().manual_seed(1)
    return x, (x + 0.2 * torch.rand(x.shape, generator=generator)).clamp(0, 1), y


def network() -> nn.Module:
    return trained(robust=True).model.eval()


def reference_inner_problem(model, x, start, kl: bool, y) -> torch.Tensor:
    """The ℓ∞ loop of the papers' published code, from a given start."""
    x_adv = start.clone()
    for _ in range(STEPS):
        x_adv.requires_grad_()
        if kl:
            believed = functional.softmax(model(x), dim=1)
            loss = nn.KLDivLoss(reduction="sum")(functional.log_softmax(model(x_adv), dim=1), believed)
        else:
            loss = functional.cross_entropy(model(x_adv), y)
        (gradient,) = torch.autograd.grad(loss, [x_adv])
        x_adv = x_adv.detach() + STEP * torch.sign(gradient.detach())
        x_adv = torch.min(torch.max(x_adv, x - EPS), x + EPS)
        x_adv = torch.clamp(x_adv, 0.0, 1.0)
    return x_adv


@pytest.mark.parametrize("robust", [True, False])
@pytest.mark.parametrize("loss", ["kl", "ce"])
def test_the_inner_problem_is_the_papers(loss, robust):
    estimator = trained(robust)
    x, _, y = batch()
    numbers = torch.arange(1000, 1040)
    noise = Draws(7, numbers).normal(64).view_as(x)
    attack = NearbyPGD(estimator, loss=loss, eps=EPS, eps_step=STEP, max_iter=STEPS, batch_size=40, precision="fp32")
    ours = attack.generate(x, y, indices=numbers, seed=7)
    expected = reference_inner_problem(estimator.model.eval(), x, x + 1e-3 * noise, loss == "kl", y)
    # folding BatchNorm may turn a gradient that is all but zero; nothing else may differ
    assert ((ours - expected).abs() < 1e-5).float().mean() > 0.999
    assert (expected - x).abs().max() > 0.9 * EPS


def test_the_divergence_rises_in_bf16_too():
    """So near the clean image, bf16 cannot tell the two apart: a flat start would leave the points where they are."""
    estimator = trained(robust=True)
    x, _, y = batch(200)
    reached = {}
    for precision in ("fp32", "bf16"):
        attack = NearbyPGD(estimator, eps=EPS, eps_step=STEP, max_iter=STEPS, precision=precision)
        x_adv = attack.generate(x, y, seed=1)
        with torch.no_grad():
            believed, now = estimator.model(x).softmax(1), estimator.model(x_adv).log_softmax(1)
        reached[precision] = functional.kl_div(now, believed, reduction="batchmean").item()
    assert reached["bf16"] > 0.95 * reached["fp32"] > 0.01


def test_the_inner_problem_knows_no_label():
    attack = NearbyPGD(trained(robust=True), eps=EPS, eps_step=STEP, max_iter=2)
    x, _, y = batch()
    assert torch.equal(attack.generate(x, y, seed=1), attack.generate(x, (y + 1) % 10, seed=1))


@pytest.mark.parametrize(
    ("wrong", "message"), [({"targeted": True}, "targeted is True"), ({"spread": 0.0}, "spread is 0.0")]
)
def test_senseless_settings_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        NearbyPGD(trained(robust=True), eps=EPS, **wrong)


def test_plain_objectives():
    x, x_adv, y = batch()
    model = network()
    assert torch.equal(clean(model, x, x_adv, y), functional.cross_entropy(model(x), y))
    assert torch.equal(madry(model, x, x_adv, y), functional.cross_entropy(model(x_adv), y))


def test_trades_is_the_papers_loss():
    x, x_adv, y = batch()
    model = network()
    robust = nn.KLDivLoss(reduction="sum")(functional.log_softmax(model(x_adv), 1), functional.softmax(model(x), 1))
    expected = functional.cross_entropy(model(x), y) + 6.0 / len(x) * robust
    assert torch.allclose(trades(6.0)(model, x, x_adv, y), expected, atol=1e-6)


def test_mart_is_the_papers_loss():
    x, x_adv, y = batch()
    model = network()
    now, believed = functional.softmax(model(x_adv), 1), functional.softmax(model(x), 1)
    order = torch.argsort(now, dim=1)[:, -2:]
    other = torch.where(order[:, -1] == y, order[:, -2], order[:, -1])
    boosted = functional.cross_entropy(model(x_adv), y) + functional.nll_loss(torch.log(1.0 - now), other)
    divergence = (believed * (believed.log() - now.log())).sum(1)
    doubt = 1 - believed.gather(1, y.unsqueeze(1)).squeeze(1)
    expected = boosted + 5.0 * (divergence * doubt).mean()
    assert torch.allclose(mart(5.0)(model, x, x_adv, y), expected, atol=1e-5)


def test_mart_is_finite_where_the_network_is_certain():
    x, x_adv, y = batch(8)
    certain = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    with torch.no_grad():
        certain[1].weight.zero_()
        certain[1].bias.copy_(1000.0 * torch.eye(10)[(y[0] + 1) % 10])
    loss = mart(5.0)(certain, x, x_adv, y)
    loss.backward()
    assert loss.isfinite() and certain[1].weight.grad.isfinite().all()


def test_orthogonality_is_the_formula_up_to_a_constant():
    module = fresh()
    wide, tall = module[0][0], module[1][0]  # 16 × 9 and 32 × 144
    module[3] = nn.Identity()

    def formula():  # Σ ‖WᵀW − I‖², W with a column for each output, as the paper writes it
        total = 0.0
        for layer in (wide, tall):
            matrix = layer.weight.flatten(1).T
            total = total + (matrix.T @ matrix - torch.eye(matrix.shape[1])).square().sum()
        return total

    (value, expected) = (orthogonality(module), formula())
    assert torch.allclose(value + (16 - 9), expected, atol=1e-4)  # 16 rows of 9 numbers cannot all be orthogonal
    ours = torch.autograd.grad(value, [wide.weight, tall.weight])
    theirs = torch.autograd.grad(expected, [wide.weight, tall.weight])
    assert all(torch.allclose(one, other, atol=1e-4) for one, other in zip(ours, theirs, strict=True))


def test_orthogonal_layers_cost_nothing():
    module = fresh()
    for layer in (module[0][0], module[1][0], module[3]):
        nn.init.orthogonal_(layer.weight)
    assert orthogonality(module).item() < 1e-6


@pytest.mark.parametrize("twin", [False, True])
def test_the_regulariser_tames_the_layers(twin):
    module = quantised(trained(robust=False).model, 4) if twin else trained(robust=False).model
    estimator = classifier(module)
    estimator.optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
    before = orthogonality(module).item()
    x, _, y = batch(100)
    fitting = Fitting(estimator, with_orthogonality(clean, module, beta=0.1))
    for _ in range(60):
        fitting.update(x, x, y)
    assert orthogonality(module).item() < 0.8 * before


def test_free_shares_its_passes():
    estimator = classifier(fresh())
    estimator.optimizer = torch.optim.SGD(estimator.model.parameters(), lr=0.05)
    x, _, y = batch(50)
    replayed = Replayed(Fitting(estimator, madry, "fp32"), EPS, replays=4, delta=torch.zeros(32, 1, 8, 8))
    with counting(estimator.model) as passes:
        for pixels, labels in zip(x.split(32), y.split(32), strict=True):
            replayed.step(pixels, labels)
    assert (passes.forward, passes.backward) == (4 * 50, 4 * 50)  # pixels and weights in one backward pass


def test_free_goes_on_with_its_perturbation():
    """Against the authors' loop: the gradient is taken through the clamp, at the weights before the step."""
    model, reference = fresh(1), fresh(1)
    estimator = classifier(model)
    estimator.optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    optimizer = torch.optim.SGD(reference.parameters(), lr=0.05)
    x, _, y = batch(50)
    replayed = Replayed(Fitting(estimator, madry, "fp32"), EPS, replays=3, delta=torch.zeros(32, 1, 8, 8))
    noise = torch.zeros(32, 1, 8, 8)
    reference.train()
    for pixels, labels in zip(x.split(32), y.split(32), strict=True):
        replayed.step(pixels, labels)
        for _ in range(3):
            delta = noise[: len(pixels)].clone().requires_grad_()
            optimizer.zero_grad()
            functional.cross_entropy(reference((pixels + delta).clamp(0, 1)), labels).backward()
            noise[: len(pixels)] += EPS * delta.grad.sign()
            noise.clamp_(-EPS, EPS)
            optimizer.step()
    assert torch.equal(replayed.delta, noise)
    assert torch.equal(model[3].weight, reference[3].weight)
    assert noise.abs().max() == EPS
