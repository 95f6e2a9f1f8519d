"""Carlini & Wagner's attacks: ℓ2 as near as foolbox's, and an ℓ∞ that comes near at all."""

import pytest
import torch

from benchmark.engine.ball import distance
from benchmark.engine.carlini_wagner import CarliniWagnerL2, CarliniWagnerLInf
from benchmark.engine.deepfool import DeepFool
from benchmark.engine.fab import FAB
from benchmark.engine.judging import stands
from benchmark.engine.losses import margin
from tests.small_networks import digit_images, trained

QUICK = {"precision": "fp32", "max_iter": 60, "learning_rate": 0.1}


@pytest.mark.filterwarnings("default")  # of foolbox, not of ours
def test_l2_distances_are_those_of_foolbox():
    foolbox = pytest.importorskip("foolbox")
    estimator, (x, y) = trained(robust=True), digit_images(40)
    right = stands(estimator.model, x, y)
    x, y = x[right], y[right]
    peer = foolbox.attacks.L2CarliniWagnerAttack(steps=60, stepsize=0.1, binary_search_steps=5, initial_const=0.1)
    theirs = peer.run(foolbox.PyTorchModel(estimator.model, bounds=(0, 1)), x, y)
    ours = CarliniWagnerL2(estimator, searches=5, const=0.1, **QUICK).generate(x, y)
    assert not stands(estimator.model, ours, y).any()
    found, expected = distance(ours, x, "2"), distance(theirs, x, "2")
    assert found.median() == pytest.approx(expected.median().item(), rel=0.02)
    assert found.mean() <= 1.01 * expected.mean()


def test_linf_comes_nearer_than_deepfool_and_nearly_as_near_as_fab():
    estimator, (x, y) = trained(robust=True), digit_images(30)
    right = stands(estimator.model, x, y)
    attacks = {
        "cw": CarliniWagnerLInf(estimator, **QUICK | {"max_iter": 100, "learning_rate": 0.05}),
        "deepfool": DeepFool(estimator, "inf", precision="fp32"),
        "fab": FAB(estimator, "inf", max_iter=20, targets=4, precision="fp32"),
    }
    made = {name: attack.generate(x, y) for name, attack in attacks.items()}
    assert not stands(estimator.model, made["cw"], y).any()
    found = {name: distance(examples, x, "inf")[right].mean() for name, examples in made.items()}
    assert found["cw"] < 0.99 * found["deepfool"]
    assert found["cw"] < 1.12 * found["fab"]


def test_in_linf_the_constant_is_in_the_gradient():
    """In ART's version it is not: there every c gives the same points."""
    estimator, (x, y) = trained(robust=True), digit_images(30)
    right = stands(estimator.model, x, y)
    weak = CarliniWagnerLInf(estimator, const=1e-4, largest_const=1e-4, **QUICK).generate(x, y)
    full = CarliniWagnerLInf(estimator, **QUICK).generate(x, y)
    assert distance(full, x, "inf")[right].median() < 0.9 * distance(weak, x, "inf")[right].median()


@pytest.mark.parametrize("kind", [CarliniWagnerL2, CarliniWagnerLInf])
def test_pixels_at_the_ends_of_their_range_are_no_shelter(kind):
    """At exactly 0 or 1, tanh is flat: the first steps gain next to nothing, and no round may end for that."""
    estimator, (x, y) = trained(robust=True), digit_images(60)
    x = (x > 0.5).float()
    right = stands(estimator.model, x, y)
    assert right.sum() > 30
    x, y = x[right], y[right]
    made = kind(estimator, precision="fp32", max_iter=200, learning_rate=0.05).generate(x, y)
    assert not stands(estimator.model, made, y).any()
    norm = kind.norms[0]
    nearest = FAB(estimator, norm, max_iter=20, targets=4, precision="fp32").generate(x, y)
    assert distance(made, x, norm).median() < 1.15 * distance(nearest, x, norm).median()


@pytest.mark.parametrize("kind", [CarliniWagnerL2, CarliniWagnerLInf])
def test_more_steps_come_nearer(kind):
    estimator, (x, y) = trained(robust=True), digit_images(30)
    right = stands(estimator.model, x, y)
    few, many = (kind(estimator, const=0.1, **QUICK | {"max_iter": steps}).generate(x, y)[right] for steps in (30, 120))
    found = ~stands(estimator.model, few, y[right])
    assert found.sum() > 15 and not stands(estimator.model, many, y[right]).any()
    nearer = distance(many, x[right], kind.norms[0])[found] / distance(few, x[right], kind.norms[0])[found]
    assert nearer.mean() < 0.97


@pytest.mark.parametrize("kind", [CarliniWagnerL2, CarliniWagnerLInf])
def test_confidence_is_a_lead_of_another_logit(kind):
    estimator, (x, y) = trained(robust=True), digit_images(30)
    right = stands(estimator.model, x, y)
    sure = kind(estimator, const=0.1, confidence=2.0, **QUICK).generate(x, y)
    with torch.no_grad():
        assert margin(estimator.model(sure), y)[right].min() > 1.9
