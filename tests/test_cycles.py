"""A run whose points come back has nothing more to find: it ends, and nothing that is found changes."""

import pytest
import torch

from benchmark.engine.pgd import PGD
from tests.small_networks import digit_images, trained
from tests.test_pgd import plain_pgd, settings

STEPS = 100


@pytest.mark.parametrize("restarts", [0, 2])
def test_a_run_that_only_repeats_itself_ends_early(restarts):
    estimator, (x, y) = trained(robust=True), digit_images(300)
    given = settings(max_iter=STEPS, num_random_init=restarts, seed=3)
    short, long = PGD(estimator, mode="decide", **given), PGD(estimator, mode="examples", **given)
    outcomes = []
    for attack in (short, long):
        with torch.no_grad():
            outcomes.append(estimator.model(attack.generate(x, y)).argmax(1) == y)
    assert torch.equal(*outcomes) and outcomes[0].any()
    survivors = int(outcomes[0].sum())
    assert short.passes.backward < 0.8 * survivors * STEPS * max(1, restarts)


def test_what_survives_a_shortened_run_survives_a_plain_loop_to_its_end():
    estimator, (x, y) = trained(robust=True), digit_images(300)
    given = settings(max_iter=STEPS, num_random_init=0)
    examples = PGD(estimator, mode="decide", **given).generate(x, y)
    last = plain_pgd(estimator, x, y, given["eps"], given["eps_step"], STEPS, x)
    with torch.no_grad():
        stood, stands = (estimator.model(points).argmax(1) == y for points in (examples, last))
    assert not (stood & ~stands).any()


def test_with_a_memory_a_point_that_comes_back_goes_on():
    estimator, (x, y) = trained(robust=True), digit_images(50)
    attack = PGD(estimator, mode="decide", **settings(max_iter=40, num_random_init=0, decay=1.0))
    with torch.no_grad():
        survivors = int((estimator.model(attack.generate(x, y)).argmax(1) == y).sum())
    assert attack.passes.backward >= survivors * 40 > 0
