"""APGD beside torchattacks' and adv-lib's, TRADES' inner problem beside a plain loop, on every digits test image."""

import pytest

from tests import parity_apgd, parity_trades

pytestmark = pytest.mark.filterwarnings("default")  # of the peers, not of ours


@pytest.fixture(scope="module")
def apgd():
    return list(parity_apgd.rows(seeds=1, only="pgd_at"))


@pytest.fixture(scope="module")
def trades():
    return list(parity_trades.rows())


def test_apgd_is_compared_on_something_that_is_not_trivial(apgd):
    assert {row.attack for row in apgd} == {"APGD-CE", "APGD-DLR", "APGD-T"}
    assert all(row.n >= 500 for row in apgd)
    assert all(0.2 < row.mean(parity_apgd.OURS) < 0.9 for row in apgd)


@pytest.mark.parametrize("peer", [peer for peer in parity_apgd.PEERS if peer != parity_apgd.OURS])
def test_apgd_is_as_strong_as_other_implementations(apgd, peer):
    for row in apgd:
        stronger = row.mean(peer) - row.mean(parity_apgd.OURS)
        assert stronger >= -0.015, row.attack  # random starts move it by a point
        assert stronger <= (0.015 if peer == "torchattacks" else 0.05), row.attack  # adv-lib's APGD-T is weaker


def test_the_inner_problem_of_trades_is_solved_as_by_a_plain_loop(trades):
    assert [row.n for row in trades] == [599, 599]
    for row in trades:
        assert row.divergence[parity_trades.OURS] > 0.1
        assert row.divergence[parity_trades.PLAIN] == pytest.approx(row.divergence[parity_trades.OURS], rel=0.01)
        # near the image the divergence is flat, and bf16's rounding pushes off from it: it may well get further
        assert row.divergence[parity_trades.BF16] >= 0.9 * row.divergence[parity_trades.OURS], row.network
        assert abs(row.robust[parity_trades.OURS] - row.robust[parity_trades.PLAIN]) <= 0.005, row.network
