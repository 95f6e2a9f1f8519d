"""Several ε in one active set: the outcomes of one attack after another, in fuller batches, and every pass counted."""

from itertools import pairwise

import pytest
import torch

from benchmark.engine.apgd import APGD
from benchmark.engine.judging import stands
from benchmark.engine.oracle import Oracle
from benchmark.engine.pgd import PGD
from benchmark.engine.square import Square
from tests.small_networks import digit_images, fresh, trained

CURVE = (0.3, 0.2, 0.1, 0.05)
SEEDS = (11, 12, 13, 14)
MAKES = {
    "pgd": lambda estimator, eps, **given: PGD(
        estimator, eps=eps, eps_step=eps / 4, max_iter=10, num_random_init=2, mode="decide", batch_size=64, **given
    ),
    "bim, l2": lambda estimator, eps, **given: PGD(
        estimator, norm="2", eps=8 * eps, eps_step=2 * eps, max_iter=10, mode="decide", batch_size=64, **given
    ),
    "apgd-t": lambda estimator, eps, **given: APGD(
        estimator, eps=eps, max_iter=8, loss="dlr-targeted", targets=2, mode="decide", batch_size=64, **given
    ),
    "square": lambda estimator, eps: Square(estimator, eps=eps, queries=30, mode="decide", batch_size=64),
}


def right(estimator, count: int):
    """Images that are judged right, and their labels and indices."""
    x, y = digit_images(count)
    rows = stands(estimator.model, x, y)
    return x[rows], y[rows], rows.nonzero().squeeze(1)


@pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
def test_a_descent_ends_as_attacks_one_after_another_do(make):
    estimator = trained(robust=True)
    x, y, index = right(estimator, 300)
    attacks = [make(estimator, eps) for eps in CURVE]
    made = attacks[0].descend(attacks[1:], x, y, index, SEEDS)
    attacked, differing = torch.ones(len(x), dtype=torch.bool), 0
    for one, eps, seed in zip(made, CURVE, SEEDS, strict=True):
        alone = make(estimator, eps).generate(x[attacked], y[attacked], index[attacked], seed)
        differing += int((one.attacked != attacked).sum())
        ended = stands(estimator.model, one.examples, y)
        differing += int((ended[attacked] != stands(estimator.model, alone, y[attacked])).sum())
        assert torch.equal(one.examples[~one.attacked], x[~one.attacked])
        attacked = one.attacked & ~ended
    assert differing <= 3, "more than the rounding of other batches explains"
    assert 0 < made[-1].attacked.sum() < len(x), "all or none went all the way down: nothing was tested"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_pass_of_a_descent_is_counted_where_it_was_spent(precision):
    estimator = trained(robust=True)
    x, y, index = right(estimator, 200)
    attacks = [MAKES["apgd-t"](estimator, eps, precision=precision) for eps in CURVE]
    made = attacks[0].descend(attacks[1:], x, y, index, SEEDS)
    spent = attacks[0].passes
    assert (sum(one.passes.forward for one in made), sum(one.passes.backward for one in made)) == (
        spent.forward,
        spent.backward,
    )
    assert all((one.passes.backward > 0) == bool(one.attacked.any()) for one in made)


def test_who_is_not_handed_on_stands_by_the_word_of_fp32():
    estimator = trained(robust=True)
    x, y, index = right(estimator, 400)
    attacks = [MAKES["pgd"](estimator, eps, precision="bf16") for eps in CURVE]
    made = attacks[0].descend(attacks[1:], x, y, index, SEEDS)
    for one, following in pairwise(made):
        stood = stands(estimator.model, one.examples, y)
        assert torch.equal(one.attacked & ~stood, following.attacked)


def test_no_images_are_no_reason_to_stop():
    attacks = [MAKES["pgd"](trained(robust=True), eps) for eps in CURVE]
    none = torch.zeros(0, dtype=torch.int64)
    made = attacks[0].descend(attacks[1:], torch.zeros(0, 1, 8, 8), none, none, SEEDS)
    assert [len(one.examples) for one in made] == [0] * len(CURVE)


def test_a_batch_of_any_size_is_filled_up_to_one_of_few(monkeypatch):
    module, (x, y) = fresh().eval(), digit_images(100)
    oracle, seen = Oracle(module, "fp32"), []
    oracle.refresh(x)
    view = oracle._view
    monkeypatch.setattr(oracle, "_view", lambda images: seen.append(len(images)) or view(images))
    loss = lambda logits, labels: torch.nn.functional.cross_entropy(logits, labels, reduction="none")  # noqa: E731
    whole, _ = oracle.gradient(x, y, loss)
    for count in (99, 70, 33, 32, 5, 1):
        gradient, logits = oracle.gradient(x[:count], y[:count], loss)
        assert len(gradient) == len(logits) == count
        torch.testing.assert_close(gradient, whole[:count], rtol=1e-3, atol=1e-6)
    assert seen == [100, 100, 96, 64, 32, 8, 1]
    assert oracle.forward == oracle.backward == 100 + 99 + 70 + 33 + 32 + 5 + 1
