"""Our PGD numbers beside a plain loop's and three other libraries', on every digits test image at three ε."""

import pytest

from tests import parity

pytestmark = pytest.mark.filterwarnings("default")  # of foolbox and torchattacks, not of ours


@pytest.fixture(scope="module")
def rows():
    return list(parity.rows())


def test_the_comparison_is_large_enough_and_not_trivial(rows):
    assert len(rows) == 6 and all(row.n >= 500 for row in rows)
    assert any(0.2 < row.robust[parity.OURS] < 0.8 for row in rows)


@pytest.mark.parametrize("peer", [peer for peer in parity.PEERS if peer not in (parity.OURS, parity.SUITE)])
def test_robust_accuracy_is_that_of_other_implementations(rows, peer):
    for row in rows:
        assert abs(row.robust[peer] - row.robust[parity.OURS]) <= 0.0034, f"{row.network} at ε {row.eps}"  # 2 of 599
        assert row.agree[peer] >= 0.99, f"{row.network} at ε {row.eps}"


def test_a_suite_runs_the_attack_at_no_less_than_its_strength(rows):
    """The best point is kept rather than the last: it breaks what the last one breaks, and a little more."""
    for row in rows:
        assert -0.03 <= row.robust[parity.SUITE] - row.robust[parity.OURS] <= 0, f"{row.network} at ε {row.eps}"
