"""Attacks on few bits: one restart more, whose gradients pass through clipped activations, where it finds more."""

import copy
from functools import cache

import pytest
import torch
from torch import nn
from torch.nn import functional

from benchmark.engine import twin
from benchmark.engine.apgd import APGD
from benchmark.engine.ball import distance
from benchmark.engine.carlini_wagner import CarliniWagnerL2, CarliniWagnerLInf
from benchmark.engine.deepfool import DeepFool
from benchmark.engine.fab import FAB
from benchmark.engine.judging import stands
from benchmark.engine.losses import margin
from benchmark.engine.pgd import PGD
from benchmark.engine.universal import UniversalPerturbation
from benchmark.plugins import Registry
from benchmark.types import Budget
from tests.quantised_networks import logits, network, quantised
from tests.small_networks import classifier, digit_images, prepared, trained

EPS = 0.1
MINIMUM_NORM = {
    DeepFool: {"norm": "2"},
    FAB: {"norm": "inf", "max_iter": 10, "targets": 3},
    CarliniWagnerL2: {"max_iter": 40, "learning_rate": 0.1, "searches": 3, "const": 0.1},
    CarliniWagnerLInf: {"max_iter": 20, "learning_rate": 0.2, "largest_const": 10, "finest": 0.1},
}


@cache
def tuned(bits: int) -> nn.Module:
    """A twin of few bits, its ranges learned, trained for a while."""
    module = quantised(network(), bits, learned=True)
    optimizer = torch.optim.Adam(module.parameters(), 2e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        for x, y in prepared().training.train.batches(64, generator):
            optimizer.zero_grad()
            functional.cross_entropy(module(x), y).backward()
            optimizer.step()
    return module.eval().requires_grad_(False)


def attack(module: nn.Module, kind=PGD, **options):
    steps = {"eps_step": EPS / 4} if kind is PGD else {}
    chosen = {"eps": EPS, "max_iter": 10, "num_random_init": 1, "mode": "decide"} | steps | options
    return kind(classifier(module), **chosen)


@pytest.mark.parametrize("bits", [2, 3])
def test_it_breaks_what_gradients_that_stop_at_clips_do_not(bits):
    """From the clean image, so that nothing but the gradients can find more."""
    x, y = digit_images(400)
    module = tuned(bits)
    assert stands(module, x, y).float().mean() > 0.85
    robust = {}
    for through in ("never", "auto"):
        examples = attack(module, num_random_init=0, through_clips=through).generate(x, y)
        robust[through] = stands(module, examples, y)
    assert not (robust["auto"] & ~robust["never"]).any(), "lost what was broken without it"
    assert robust["auto"].sum() < robust["never"].sum()


def test_each_example_keeps_the_larger_margin_and_only_survivors_are_attacked_again():
    x, y = digit_images(100)
    module = tuned(2)
    margins, passes, seen = {}, {}, {}
    for mode in ("decide", "examples"):
        for through in ("never", "auto"):
            built = attack(module, mode=mode, through_clips=through)
            seen[through] = built.generate(x, y)
            margins[through], passes[mode, through] = margin(logits(module, seen[through]), y), built.passes.backward
        assert (margins["auto"] >= margins["never"] - 1e-5).all() and (margins["auto"] > margins["never"]).any()
        kept = (seen["auto"] == seen["never"]).flatten(1).all(1)
        assert kept.any() and not kept.all()
        if mode == "decide":
            assert kept[margins["never"] >= 0].all()
    assert passes["examples", "auto"] == 2 * passes["examples", "never"] == 2 * 100 * 10
    assert passes["decide", "auto"] < 2 * passes["decide", "never"]


@pytest.mark.parametrize("mode", ["decide", "examples"])
@pytest.mark.parametrize("bits", [8, None])
def test_other_networks_are_attacked_as_ever_at_no_cost(bits, mode):
    x, y = digit_images(60)
    module = quantised(network(), bits) if bits else copy.deepcopy(network())
    without, auto = (attack(module, mode=mode, through_clips=through) for through in ("never", "auto"))
    assert torch.equal(without.generate(x, y), auto.generate(x, y))
    assert without.passes == auto.passes


def test_it_can_be_asked_for_of_more_bits_and_the_last_point_stays_the_last():
    x, y = digit_images(60)
    module = quantised(network(), 8)
    always, never = (attack(module, mode="examples", through_clips=through) for through in ("always", "never"))
    always.generate(x, y), never.generate(x, y)
    assert always.passes.backward == 2 * never.passes.backward
    last, plain = (attack(tuned(2), mode="last", through_clips=through) for through in ("auto", "never"))
    assert torch.equal(last.generate(x, y), plain.generate(x, y))


def test_one_restart_is_added_whatever_their_number():
    x, y = digit_images(20)
    built = attack(tuned(2), mode="examples", num_random_init=3)
    built.generate(x, y)
    assert built.passes.backward == (3 + 1) * 10 * 20
    targeted = attack(tuned(2), APGD, mode="examples", num_random_init=2, loss="dlr-targeted", targets=3)
    targeted.generate(x, y)
    assert targeted.passes.backward == (2 + 1) * 3 * 10 * 20


def test_nothing_of_it_is_left_behind():
    x, y = digit_images(20)
    module = tuned(2)
    built = attack(module)
    built.generate(x, y)
    gradient, _ = built.oracle.gradient(x, y, margin)
    with twin.passing_through_clips():
        through, _ = built.oracle.gradient(x, y, margin)
    assert built.num_random_init == 1 and not torch.equal(gradient, through)


@pytest.mark.parametrize("kind", MINIMUM_NORM)
def test_a_minimum_norm_attack_searches_again_and_gives_back_the_nearer(kind):
    x, y = digit_images(60)
    module = tuned(2)
    right = stands(module, x, y)
    found, passes = {}, {}
    for through in ("never", "auto"):
        built = kind(classifier(module), through_clips=through, **MINIMUM_NORM[kind])
        examples = built.generate(x, y)
        length = distance(examples, x, built.norm)
        broken = right & ~stands(module, examples, y)
        assert torch.equal(broken, right & (length > 0)), "gave back what is no success"
        found[through] = torch.where(broken, length, torch.inf)
        passes[through] = built.passes.backward
    assert (found["auto"] <= found["never"]).all(), "lost what was found without it"
    assert (found["auto"] < found["never"]).any()
    assert passes["auto"] > passes["never"]


@pytest.mark.parametrize("kind", MINIMUM_NORM)
def test_a_minimum_norm_attack_searches_other_networks_once(kind):
    x, y = digit_images(10)
    module = quantised(network(), 8)
    without, auto = (kind(classifier(module), through_clips=how, **MINIMUM_NORM[kind]) for how in ("never", "auto"))
    assert torch.equal(without.generate(x, y), auto.generate(x, y))
    assert without.passes == auto.passes


def test_what_is_near_enough_is_not_searched_again():
    x, y = digit_images(30)
    module = tuned(2)
    made = [FAB(classifier(module), enough=1.0, through_clips=how, max_iter=5, targets=2) for how in ("never", "auto")]
    never, auto = (one.generate(x, y) for one in made)
    found = (never != x).flatten(1).any(1)
    assert found.sum() > 20 and torch.equal(never[found], auto[found])
    assert made[1].passes.backward < 1.5 * made[0].passes.backward


def test_a_universal_perturbation_is_fitted_again():
    train = prepared().training.train
    images, labels = train.pixels(slice(100)).numpy(), train.labels[:100].numpy()
    passes = {}
    for bits in (2, 8):
        built = UniversalPerturbation(classifier(quantised(network(), bits)), eps=EPS, epochs=2)
        passes[bits] = built.fit(images, labels).passes.backward
    assert passes[2] == 2 * passes[8] == 2 * 2 * 100


@pytest.mark.parametrize("name", ["pgd", "apgd", "bim", "deepfool", "cw", "fab"])
def test_suites_can_switch_it(name):
    build = Registry().find("attack", name).load().attack
    estimator, budget = trained(robust=False), Budget("inf", EPS, 64)
    assert build(estimator, budget).through_clips == "auto"
    assert build(estimator, budget, through_clips="never").through_clips == "never"
    with pytest.raises(ValueError, match="through_clips is 'perhaps'; it must be one of auto, never, always"):
        build(estimator, budget, through_clips="perhaps")
