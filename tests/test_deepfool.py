"""DeepFool's distances are foolbox's, and it does what it is asked to do."""

from importlib.util import find_spec

import pytest
import torch

from benchmark.engine.ball import distance
from benchmark.engine.deepfool import DeepFool
from benchmark.engine.judging import stands
from tests.small_networks import digit_images, trained
from tests.speed.peers import adv_lib


@pytest.mark.filterwarnings("default")  # of foolbox, not of ours
@pytest.mark.parametrize("robust", [False, True])
@pytest.mark.parametrize("norm", ["2", "inf"])
def test_distances_are_those_of_foolbox(norm, robust):
    foolbox = pytest.importorskip("foolbox")
    estimator, (x, y) = trained(robust), digit_images(300)
    kind = {"2": foolbox.attacks.L2DeepFoolAttack, "inf": foolbox.attacks.LinfDeepFoolAttack}[norm]
    theirs = kind(steps=50, overshoot=0.02).run(foolbox.PyTorchModel(estimator.model, bounds=(0, 1)), x, y)
    ours = DeepFool(estimator, norm, precision="fp32").generate(x, y)
    assert not stands(estimator.model, ours, y).any()
    right = stands(estimator.model, x, y)  # foolbox starts from the prediction, which here is the label
    found, expected = (distance(examples, x, norm)[right] for examples in (ours, theirs))
    assert (
        found < expected + 1e-3
    ).float().mean() > 0.9  # further is what a step from inside the pixel range may come to
    assert 0.97 * expected.median() < found.median() < 1.001 * expected.median()


@pytest.mark.filterwarnings("default")  # of adv-lib, not of ours
@pytest.mark.parametrize("robust", [False, True])
@pytest.mark.parametrize("norm", ["2", "inf"])
def test_distances_are_no_longer_than_adv_libs(norm, robust):
    if not find_spec("adv_lib"):
        pytest.skip("adv-lib is not installed")
    estimator, (x, y) = trained(robust), digit_images(300)
    right = stands(estimator.model, x, y)
    theirs = adv_lib().df(estimator.model, x, y, steps=50, norm=float(norm))
    ours = DeepFool(estimator, norm, precision="fp32").generate(x, y)
    found, expected = (distance(examples, x, norm)[right] for examples in (ours, theirs))
    assert found.median() <= 1.001 * expected.median()


def test_all_classes_cost_one_forward_pass_a_step():
    estimator, (x, y) = trained(robust=False), digit_images(100)
    attack = DeepFool(estimator, precision="fp32", max_iter=1, candidates=4)
    attack.generate(x, y)
    right = int(stands(estimator.model, x, y).sum())
    assert attack.passes.backward == 4 * right
    assert attack.passes.forward == 100 + 3 * right  # the clean images; then the classes, the boundaries, the judge


def test_more_candidates_and_less_overshoot_come_nearer():
    estimator, (x, y) = trained(robust=True), digit_images(200)
    right = stands(estimator.model, x, y)

    def mean(**changes) -> float:
        examples = DeepFool(estimator, precision="fp32", **changes).generate(x, y)
        return distance(examples, x, "2")[right].mean().item()

    usual = mean()
    assert mean(candidates=1) > 1.02 * usual
    assert mean(overshoot=0.5) > 1.1 * usual


def test_it_leaves_the_label_not_the_prediction():
    estimator, (x, _) = trained(robust=False), digit_images(50)
    with torch.no_grad():
        predicted = estimator.model(x).argmax(1)
    wrong = (predicted + 1) % 10
    assert torch.equal(DeepFool(estimator).generate(x, wrong), x)
    assert not torch.equal(DeepFool(estimator).generate(x), x)  # without labels, the predictions are left
