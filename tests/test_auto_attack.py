"""The ensemble: as strong as torchattacks' AutoAttack, each attack on what is left, and who broke what is told."""

import pytest
import torch

from benchmark.engine.apgd import APGD
from benchmark.engine.auto_attack import STAGES, AutoAttack
from benchmark.engine.ball import inside
from benchmark.engine.judging import stands
from benchmark.engine.losses import margin
from tests.quantised_networks import quantised
from tests.small_networks import EPS, accuracy, classifier, digit_images, fresh, trained

BUDGETS = {"inf": EPS, "2": 1.0}


def attack(estimator, norm="inf", **changes):
    cheap = {"max_iter": 20, "targets": 3, "queries": 200, "precision": "fp32"}
    return AutoAttack(estimator, norm, **cheap | {"eps": BUDGETS[norm]} | changes)


@pytest.mark.filterwarnings("default")  # of torchattacks, not of ours
@pytest.mark.parametrize("norm", BUDGETS)
def test_robust_accuracy_is_torchattacks(norm):
    torchattacks = pytest.importorskip("torchattacks")
    estimator, (x, y) = trained(robust=True), digit_images(300)
    peer = torchattacks.AutoAttack(estimator.model, norm=f"L{norm}", eps=BUDGETS[norm], n_classes=4, seed=0)
    for part, steps in zip(peer._autoattack.attacks, (20, 20, 20, 200), strict=True):
        setattr(part, "n_queries" if hasattr(part, "n_queries") else "steps", steps)
    with torch.random.fork_rng():
        theirs = accuracy(estimator, peer(x, y), y)
    assert 5 < theirs < 95, "nothing to compare"
    assert accuracy(estimator, attack(estimator, norm).generate(x, y), y) == pytest.approx(theirs, abs=0.7)  # 2 of 300


@pytest.mark.parametrize("norm", BUDGETS)
@pytest.mark.parametrize("mode", ["decide", "examples"])
def test_examples_are_in_the_ball_and_the_ensemble_says_who_broke_what(norm, mode):
    estimator, (x, y) = trained(robust=True), digit_images(80)
    made = attack(estimator, norm, mode=mode)
    examples = made.generate(x, y)
    assert inside(examples, x, norm, BUDGETS[norm]).all()
    broken = ~stands(estimator.model, examples, y)
    assert [bool(who) for who in made.broken_by] == broken.tolist()
    assert set(made.broken_by) <= {"", *STAGES}
    wrong = ~stands(estimator.model, x, y)
    if mode == "decide":
        assert [who == "clean" for who in made.broken_by] == wrong.tolist()


def test_it_breaks_what_its_members_break_and_leaves_the_broken_alone():
    estimator, (x, y) = trained(robust=True), digit_images(150)
    made = attack(estimator)
    left, given = torch.ones(150, dtype=torch.bool), []
    for name, member in made.attacks().items():
        found = member.generate(x, y, seed=0)
        left &= stands(estimator.model, found, y) | ~inside(found, x, "inf", EPS)
        generate = member.generate
        member.generate = lambda x, y, g=generate, **more: given.append(len(x)) or g(x, y, **more)
        made.__dict__.setdefault("members", {})[name] = member
    made.attacks = lambda: made.members
    robust = stands(estimator.model, made.generate(x, y, seed=0), y)
    assert abs(int(robust.sum()) - int(left.sum())) <= 2  # other seeds, other starts
    counts = [made.broken_by.count(stage) for stage in STAGES]
    assert given == [150 - sum(counts[:stage]) for stage in range(1, 5)] and not counts[5]


def test_examples_mode_goes_on_beyond_the_first_success():
    estimator, (x, y) = trained(robust=True), digit_images(60)
    reached = {}
    for mode in ("decide", "examples"):
        with torch.no_grad():
            reached[mode] = margin(estimator.model(attack(estimator, mode=mode).generate(x, y, seed=0)), y)
    assert torch.equal(reached["decide"] >= 0, reached["examples"] >= 0)
    assert reached["examples"][reached["decide"] >= 0].mean() > reached["decide"][reached["decide"] >= 0].mean() + 0.5


def test_seeds_batches_and_quantised_twins():
    estimator, (x, y) = trained(robust=True), digit_images(60)
    whole = attack(estimator).generate(x, y, seed=1)
    assert torch.equal(attack(estimator).generate(x, y, seed=1), whole)
    assert not torch.equal(attack(estimator).generate(x, y, seed=2), whole)
    parts = attack(estimator, batch_size=13).generate(x, y, seed=1)
    assert (stands(estimator.model, parts, y) != stands(estimator.model, whole, y)).sum() <= 1
    twin = quantised(estimator.model, 4)
    made = attack(classifier(twin))
    robust = stands(twin, made.generate(x, y), y)
    assert [who == "" for who in made.broken_by] == robust.tolist() and robust.sum() < stands(twin, x, y).sum() - 10


def test_bf16_breaks_as_many():
    estimator, (x, y) = trained(robust=True), digit_images(300)
    robust = {
        p: accuracy(estimator, attack(estimator, precision=p).generate(x, y, seed=0), y) for p in ("fp32", "bf16")
    }
    assert abs(robust["fp32"] - robust["bf16"]) <= 0.7, robust


def test_its_passes_are_those_of_its_members():
    estimator, (x, y) = trained(robust=True), digit_images(20)
    made = attack(estimator)
    members = made.attacks()
    made.attacks = lambda: members
    made.generate(x, y)
    own = made.oracle.forward
    assert made.passes.forward == own + sum(member.passes.forward for member in members.values())
    assert made.passes.backward == sum(member.passes.backward for member in members.values()) > 0


@pytest.mark.parametrize("classes", [2, 3])
def test_with_fewer_than_four_classes_saturated_logits_do_not_hide_anything(classes):
    """There is no targeted loss then, and cross-entropy has no gradient where logits are large."""

    class Few(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body = trained(robust=True).model

        def forward(self, x):
            return 1000 * self.body(x)[:, :classes]

    estimator, (x, y) = classifier(Few()), digit_images()
    estimator._nb_classes = classes
    x, y = x[y < classes], y[y < classes]
    made = attack(estimator, queries=20, eps=2 * EPS)
    assert list(made.attacks()) == ["apgd-ce", "apgd-margin", "fab-t", "square"]
    robust = accuracy(estimator, made.generate(x, y, seed=0), y)
    alone = {
        loss: accuracy(estimator, APGD(estimator, eps=2 * EPS, max_iter=20, loss=loss, mode="decide").generate(x, y), y)
        for loss in ("ce", "margin")
    }
    assert robust <= alone["margin"] < alone["ce"] - 8, (robust, alone)
    assert "apgd-margin" in made.broken_by


def test_wrong_parameters_are_refused_in_one_line():
    with pytest.raises(ValueError, match=r"^mode is 'last'; it must be one of examples, decide$"):
        attack(classifier(fresh()), mode="last")
    with pytest.raises(ValueError, match=r"^norm is '1'; AutoAttack takes inf, 2$"):
        AutoAttack(classifier(fresh()), "1")
