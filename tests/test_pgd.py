"""PGD is ART's PGD, faster: equal paths, equal robust accuracy, in the ball, and the same for any batch or order."""

import copy

import numpy as np
import pytest
import torch
from art.attacks.evasion import AutoAttack, FastGradientMethod, ProjectedGradientDescentPyTorch
from art.defences.trainer import AdversarialTrainer
from art.estimators.classification import PyTorchClassifier

from benchmark.engine.losses import cross_entropy
from benchmark.engine.norms import NORMS, norm_named
from benchmark.engine.pgd import PGD
from benchmark.engine.random_start import Draws
from tests.small_networks import EPS, accuracy, classifier, digit_images, fresh, trained

BUDGETS = {"inf": EPS, "2": 1.0, "1": 2.5}
CASES = [(norm, mode) for norm in BUDGETS for mode in ("last", "examples", "decide")]
ROUNDING = 1e-4  # pixels: a gradient in ℓ2 is divided by its length, and with it what rounding has left in it


def settings(norm="inf", **changes):
    eps = BUDGETS[norm]
    given = {"norm": norm, "eps": eps, "eps_step": eps / 4, "max_iter": 20, "num_random_init": 1, "precision": "fp32"}
    return given | changes


def broken(estimator, x, y):
    with torch.no_grad():
        return estimator.model.eval()(x).argmax(1) != y


def plain_pgd(estimator, x, y, eps, step, steps, start):
    """The loop of Madry et al. (2018), as anybody writes it."""
    module, point = estimator.model.eval(), start
    for _ in range(steps):
        point = point.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(cross_entropy(module(point), y).sum(), point)
        point = (point + step * gradient.sign()).clamp(x - eps, x + eps).clamp(0, 1).detach()
    return point


@pytest.mark.parametrize(("norm", "mode"), CASES)
def test_stays_in_the_ball_and_in_the_pixel_range(norm, mode):
    estimator, (x, y) = trained(robust=True), digit_images(200)
    attack = PGD(estimator, **settings(norm, mode=mode, num_random_init=2, max_iter=7))
    examples = attack.generate(x, y)
    assert examples.min() >= 0 and examples.max() <= 1
    assert norm_named(norm).length(examples - x).max() <= BUDGETS[norm] * (1 + 1e-5) + 1e-6
    assert accuracy(estimator, examples, y) < accuracy(estimator, x, y) - 5


@pytest.mark.parametrize("norm", NORMS)
def test_random_starts_are_uniform_in_the_ball(norm):
    draws = Draws(3, torch.arange(20_000))
    length = norm_named(norm).length(norm_named(norm).start(draws, torch.Size([1, 2, 2]), 2.0)).flatten() / 2
    assert length.max() <= 1
    assert torch.quantile(length, 0.5).item() == pytest.approx(0.5 ** (1 / 4), abs=0.01)  # volume grows as r⁴


def test_draws_depend_on_the_seed_the_example_and_the_run_alone():
    index = torch.tensor([5, 900, -3])
    full = Draws(7, index, 1).normal(101)
    assert torch.equal(Draws(7, index[1:2], torch.tensor([1])).normal(101), full[1:2])
    for other in (Draws(8, index, 1), Draws(7, index + 1, 1), Draws(7, index, 2)):
        assert (other.normal(101) - full).abs().amax(1).min() > 0.1
    uniform = Draws(-1, torch.arange(100)).uniform(1000)
    assert uniform.min() > 0 and uniform.max() < 1
    assert uniform.mean().item() == pytest.approx(0.5, abs=0.005)
    assert full.mean().abs() < 0.2 and full.std().item() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("norm", ["inf", "2"])
@pytest.mark.parametrize("targeted", [False, True])
def test_without_a_random_start_it_is_arts_pgd(norm, targeted):
    estimator, (x, y) = trained(robust=False), digit_images(100)
    y = (y + 1) % 10 if targeted else y
    shared = settings(norm, num_random_init=0, targeted=targeted, batch_size=64)
    ours = PGD(estimator, **shared).generate(x.numpy(), y.numpy())
    shared.pop("precision")
    arts = ProjectedGradientDescentPyTorch(estimator, **shared | {"norm": float(norm)}, verbose=False)
    assert np.abs(ours - arts.generate(x.numpy(), y.numpy())).max() <= ROUNDING


def test_momentum_is_arts():
    estimator, (x, y) = trained(robust=False), digit_images(100)
    shared = settings(num_random_init=0, decay=1.0)
    ours = PGD(estimator, **shared).generate(x.numpy(), y.numpy())
    shared.pop("precision")
    arts = ProjectedGradientDescentPyTorch(estimator, **shared, verbose=False).generate(x.numpy(), y.numpy())
    assert np.abs(ours - arts).max() <= 1e-5
    assert np.abs(ours - PGD(estimator, **settings(num_random_init=0)).generate(x.numpy(), y.numpy())).max() > 0.01


@pytest.mark.parametrize("norm", ["inf", "2"])
def test_fgsm_is_arts_and_costs_one_gradient(norm):
    estimator, (x, y) = trained(robust=False), digit_images(100)
    eps = BUDGETS[norm]
    attack = PGD(estimator, norm, eps, eps_step=eps, max_iter=1, precision="fp32")
    ours = attack.generate(x.numpy(), y.numpy())
    arts = FastGradientMethod(estimator, norm=float(norm), eps=eps).generate(x.numpy(), y.numpy())
    assert np.abs(ours - arts).max() <= ROUNDING
    assert (attack.oracle.forward, attack.oracle.backward) == (100, 100)


@pytest.mark.filterwarnings("default")  # of foolbox and torchattacks, not of ours
@pytest.mark.parametrize("robust", [False, True])
def test_robust_accuracy_is_that_of_the_plain_loop_and_of_the_other_libraries(robust):
    foolbox, torchattacks = pytest.importorskip("foolbox"), pytest.importorskip("torchattacks")
    estimator, (x, y) = trained(robust), digit_images()
    step, model = EPS / 4, estimator.model
    theirs = {
        "plain": plain_pgd(estimator, x, y, EPS, step, 20, x),
        "torchattacks": torchattacks.PGD(model, eps=EPS, alpha=step, steps=20, random_start=False)(x, y),
        "foolbox": foolbox.attacks.LinfPGD(rel_stepsize=0.25, steps=20, random_start=False)(
            foolbox.PyTorchModel(model, bounds=(0, 1)), x, y, epsilons=EPS
        )[1],
    }
    ours = accuracy(estimator, PGD(estimator, **settings(num_random_init=0)).generate(x, y), y)
    for name, examples in theirs.items():
        assert ours == pytest.approx(accuracy(estimator, examples, y), abs=0.35), name
    assert 5 < ours < 95, "nothing to compare"
    starts = PGD(estimator, **settings(max_iter=1, eps_step=1e-12)).generate(x, y, seed=5)
    plain = accuracy(estimator, plain_pgd(estimator, x, y, EPS, step, 20, starts), y)
    for mode in ("last", "examples", "decide"):
        found = accuracy(estimator, PGD(estimator, **settings(mode=mode)).generate(x, y, seed=5), y)
        assert plain - 1 <= found <= plain + 0.2, mode  # a success on the way counts in two of the modes


@pytest.mark.parametrize("norm", BUDGETS)
def test_modes_agree_on_who_is_broken(norm):
    estimator, (x, y) = trained(robust=True), digit_images()
    run = {m: PGD(estimator, **settings(norm, mode=m, num_random_init=2)) for m in ("last", "examples", "decide")}
    found = {mode: broken(estimator, attack.generate(x, y), y) for mode, attack in run.items()}
    assert torch.equal(found["decide"], found["examples"])
    assert not (found["last"] & ~found["decide"]).any()
    assert 50 < found["decide"].sum() < 550
    assert run["decide"].oracle.backward < 0.9 * run["examples"].oracle.backward


def test_the_active_set_gives_each_survivor_the_point_that_every_step_gives():
    estimator, (x, y) = trained(robust=True), digit_images(300)
    examples = PGD(estimator, **settings(mode="examples", num_random_init=2)).generate(x, y)
    decided = PGD(estimator, **settings(mode="decide", num_random_init=2, batch_size=37)).generate(x, y)
    survivors = ~broken(estimator, decided, y)
    assert 50 < survivors.sum() < 250
    assert (decided - examples)[survivors].abs().max() <= 1e-5


@pytest.mark.parametrize("random", [0, 1])
def test_a_misclassified_image_comes_back_unchanged_from_decide(random):
    estimator, (x, y) = trained(robust=True), digit_images(64)
    wrong = broken(estimator, x, y)
    y = torch.where(torch.arange(64) < 20, (y + 1) % 10, y)
    attack = PGD(estimator, **settings(mode="decide", num_random_init=random))
    examples = attack.generate(x, y)
    assert torch.equal(examples[:20][~wrong[:20]], x[:20][~wrong[:20]])
    assert broken(estimator, examples, y)[:20][~wrong[:20]].all()


@pytest.mark.parametrize("mode", ["examples", "decide"])
def test_batch_size_and_order_change_nothing(mode):
    estimator, (x, y) = trained(robust=True), digit_images()
    outcome = {}
    for size in (17, 128, 1000):
        attack = PGD(estimator, **settings(mode=mode, batch_size=size))
        outcome[size] = accuracy(estimator, attack.generate(x, y, seed=4), y)
    assert max(outcome.values()) - min(outcome.values()) <= 0.2, outcome
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    starts = PGD(estimator, **settings(eps_step=1e-9, max_iter=1, batch_size=17))
    mixed = starts.generate(x[order], y[order], indices=order, seed=4)
    whole = PGD(estimator, **settings(eps_step=1e-9, max_iter=1, batch_size=1000)).generate(x, y, seed=4)
    torch.testing.assert_close(mixed, whole[order], rtol=0, atol=1e-6)


def test_bf16_breaks_as_many_and_each_break_is_the_judges():
    estimator, (x, y) = trained(robust=True), digit_images()
    for mode in ("last", "decide"):
        outcome = {p: PGD(estimator, **settings(mode=mode, precision=p)).generate(x, y) for p in ("fp32", "bf16")}
        robust = {precision: accuracy(estimator, examples, y) for precision, examples in outcome.items()}
        assert abs(robust["fp32"] - robust["bf16"]) <= 0.4, robust
    attack = PGD(estimator, **settings(mode="decide", precision="bf16", batch_size=64))
    kept = []
    judge = attack.oracle.judge
    attack.oracle.judge = lambda points: kept.append(points) or judge(points)
    examples = attack.generate(x, y)
    seen = {point.numpy().tobytes() for batch in kept for point in batch}
    for example in examples[broken(estimator, examples, y)]:
        assert example.numpy().tobytes() in seen, "a break that the judge has not seen"


def test_kinds_and_labels_are_taken_as_they_come():
    estimator, (x, y) = trained(robust=True), digit_images(40)
    attack = PGD(estimator, **settings())
    tensor = attack.generate(x, y, seed=0)
    assert isinstance(tensor, torch.Tensor) and tensor.dtype == torch.float32
    array = x.double().numpy()
    array.flags.writeable = False
    for labels in (y.numpy(), np.eye(10)[y.numpy()], np.eye(10, dtype=np.float32)[y.numpy()], y.numpy()[:, None]):
        examples = attack.generate(array, labels, seed=0)
        assert isinstance(examples, np.ndarray) and examples.dtype == np.float32
        np.testing.assert_array_equal(examples, tensor.numpy())
    predicted = torch.from_numpy(estimator.predict(x.numpy())).argmax(1)
    assert torch.equal(attack.generate(x, seed=0), attack.generate(x, predicted, seed=0))
    assert attack.generate(x[:0], y[:0]).shape == (0, 1, 8, 8)


def test_no_trace_is_left_behind():
    estimator, (x, y) = trained(robust=True), digit_images(64)
    estimator.model.train()
    weights, images = copy.deepcopy(estimator.model.state_dict()), x.clone()
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    for mode in ("last", "decide"):
        PGD(estimator, **settings(mode=mode, precision="auto")).generate(x, y)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)
    assert all(part.training for part in estimator.model.modules()) and torch.equal(x, images)
    assert all(torch.equal(value, weights[name]) for name, value in estimator.model.state_dict().items())
    assert all(parameter.grad is None for parameter in estimator.model.parameters())


def test_each_call_draws_new_starts_unless_it_is_given_a_seed():
    estimator, (x, y) = trained(robust=True), digit_images(20)
    attack, twin = (PGD(estimator, **settings(max_iter=1)) for _ in range(2))
    first, second = attack.generate(x, y), attack.generate(x, y)
    assert (first - second).abs().amax((1, 2, 3)).min() > 0.01
    assert torch.equal(twin.generate(x, y), first) and torch.equal(twin.generate(x, y), second)
    assert torch.equal(attack.generate(x, y, seed=0), first)


@pytest.mark.parametrize("mode", ["last", "examples", "decide"])
@pytest.mark.parametrize("loss", ["ce", "margin"])
def test_targets_are_reached(mode, loss):
    estimator, (x, y) = trained(robust=False), digit_images(100)
    target = (y + 1) % 10
    attack = PGD(estimator, **settings(mode=mode, loss=loss, targeted=True) | {"eps": 0.4, "eps_step": 0.05})
    with torch.no_grad():
        reached = (estimator.model(attack.generate(x, target)).argmax(1) == target).float().mean()
    assert reached > 0.8
    with pytest.raises(ValueError, match="y is None"):
        attack.generate(x)


def test_art_trains_with_it_and_the_attack_follows_the_weights():
    torch.manual_seed(0)
    np.random.seed(0)
    estimator, (x, y) = classifier(fresh()), digit_images(400)
    estimator.optimizer = torch.optim.Adam(estimator.model.parameters(), 3e-3)
    attack = PGD(estimator, **settings(max_iter=4, eps_step=EPS / 2))
    AdversarialTrainer(estimator, attack, ratio=1.0).fit(x.numpy(), y.numpy(), batch_size=50, nb_epochs=8)
    assert accuracy(estimator, x, y) > 80
    same = PGD(estimator, **settings(max_iter=4, eps_step=EPS / 2))  # has never seen other weights
    assert torch.equal(attack.generate(x, y, seed=1), same.generate(x, y, seed=1))
    naive = trained(robust=False)
    weakest = {e: accuracy(e, PGD(e, **settings()).generate(x, y), y) for e in (estimator, naive)}
    assert weakest[estimator] > weakest[naive] + 10, "adversarial training did not help"


def test_art_ensembles_it():
    estimator, (x, y) = trained(robust=True), digit_images(60)
    attack = PGD(estimator, **settings())
    examples = AutoAttack(estimator, eps=EPS, eps_step=EPS / 4, attacks=[attack]).generate(x.numpy(), y.numpy())
    assert accuracy(estimator, torch.from_numpy(examples), y) < accuracy(estimator, x, y)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"eps": -1.0}, "eps is -1.0; it must be at least 0"),
        ({"eps_step": 0}, "eps_step is 0; it must be positive"),
        ({"max_iter": 0}, "max_iter is 0; it must be at least 1"),
        ({"loss": "hinge"}, "loss is 'hinge'; it must be one of ce, dlr, margin"),
        ({"loss": "dlr", "targeted": True}, "loss is 'dlr', which has no use for a target; use ce or margin"),
        ({"mode": "fast"}, "mode is 'fast'; it must be one of last, examples, decide"),
    ],
)
def test_wrong_parameters_are_refused_in_one_line(changes, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        PGD(classifier(fresh()), **settings(**changes))


def test_an_unknown_norm_and_a_preprocessing_estimator_are_refused():
    with pytest.raises(ValueError, match=r"^norm 3 is unknown; it is one of inf, 2, 1$"):
        PGD(classifier(fresh()), norm=3)
    shared = {"loss": torch.nn.CrossEntropyLoss(), "input_shape": (1, 8, 8), "nb_classes": 10}
    PGD(PyTorchClassifier(fresh(), **shared))  # ART's own default is to subtract 0 and divide by 1
    with pytest.raises(ValueError, match=r"^the estimator preprocesses; set preprocessing=None"):
        PGD(PyTorchClassifier(fresh(), **shared, preprocessing=(0.5, 0.5)))
