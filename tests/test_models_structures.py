"""Every network can be pruned, comes back bit-exactly and can be attacked: a slice of `python -m tests.structures`."""

from dataclasses import replace

import pytest

from tests.structures import CRITERIA, NETWORKS, RATIOS, Row, rows

ROTATION = [(criterion, ratio) for ratio in RATIOS for criterion in CRITERIA]


@pytest.mark.parametrize("place", range(len(NETWORKS)))
def test_structure(place):
    """One combination for each network, another one for the next; all of them are the script's."""
    name = list(NETWORKS)[place]
    if name.startswith("timm"):
        pytest.importorskip("timm")
    criterion, ratio = ROTATION[place * 4 % len(ROTATION)]
    (row,) = rows([name], (criterion,), (ratio,), size=32 if "torchvision" in name or "timm" in name else 16)
    assert isinstance(row, Row), row
    assert row.exact
    assert row.lean.parameters < row.dense.parameters * (1 - ratio / 2)
    assert row.lean.macs < row.dense.macs * (1 - ratio / 2)
    assert row.passes["fgsm"] >= 2 * 8 and row.passes["pgd"] >= 3 * 2 * 8


def test_a_row_that_is_not_exact_says_so():
    (row,) = rows(["8-layer CNN"], ("l1",), (0.5,), size=16)
    assert "bit-exact" in str(row)
    assert "NOT THE SAME" in str(replace(row, exact=False))
