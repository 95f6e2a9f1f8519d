"""Kills while something is deployed or timed: the records are those of an uninterrupted run."""

import os
import signal

import pytest

from tests.conftest import Desk, small
from tests.nursery import Nursery
from tests.test_resume import pieces, until

pytest.importorskip("openvino", reason="openvino is not installed (the extra `deploy` brings it)")

SUITE = small(
    runtimes=["openvino"],
    limit={"test": 100},
    compressions={"dense": [], "int8": [{"quantize": {"bits": 8}}]},
    attacks={
        "asked": {"art": {"class": "SquareAttack", "max_iter": 3}, "on": "openvino"},
        "pgd": {"pgd": {"steps": 2}},
    },
)


def test_killed_while_deploying_judging_and_timing(desk, tmp_path_factory):
    uninterrupted = Desk(tmp_path_factory.mktemp("uninterrupted")).run(SUITE)
    assert uninterrupted.status == 0, uninterrupted.complained
    with Nursery() as nursery:
        for pattern in ("writing/*/network.bin", "artifacts/*/*/network.bin"):
            before = pieces(desk, pattern).keys()
            pid = nursery.start(desk.arguments(SUITE), desk.folder / "log")
            until(lambda before=before, pattern=pattern: bool(pieces(desk, pattern).keys() - before))
            os.kill(pid, signal.SIGKILL)
            assert nursery.wait(pid) == -signal.SIGKILL
            for path in desk.store.root.glob("artifacts/*/*"):
                desk.store.verify(path.name)
        # once more, while it is timed: the last stage of all
        made = len(list(uninterrupted.out.parent.glob("store/artifacts/*/*")))
        pid = nursery.start(desk.arguments(SUITE), desk.folder / "log")
        until(lambda: len(list(desk.store.root.glob("artifacts/*/*"))) == made - 1)
        os.kill(pid, signal.SIGKILL)
        assert nursery.wait(pid) == -signal.SIGKILL
    resumed = desk.run(SUITE)
    assert resumed.status == 0, resumed.complained
    assert resumed.records == uninterrupted.records
    assert not list((desk.store.root / "writing").iterdir())
