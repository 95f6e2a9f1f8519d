"""Our PGD numbers beside a plain loop's and two other libraries', on every digits test image at three ε."""

import pytest

from tests import parity

pytestmark = pytest.mark.filterwarnings("default")  # of foolbox and torchattacks, not of ours


@pytest.fixture(scope="module")
def rows():
    return list(parity.rows(epochs=15))


def test_the_comparison_is_large_enough_and_not_trivial(rows):
    assert len(rows) == 6 and all(row.n >= 500 for row in rows)
    assert any(0.2 < row.robust["ours"] < 0.8 for row in rows)


@pytest.mark.parametrize("peer", [peer for peer in parity.PEERS if peer != "ours"])
def test_robust_accuracy_is_that_of_other_implementations(rows, peer):
    for row in rows:
        assert abs(row.robust[peer] - row.robust["ours"]) <= 0.005, f"{row.network} at ε {row.eps}"
        assert row.agree[peer] >= 0.99, f"{row.network} at ε {row.eps}"
