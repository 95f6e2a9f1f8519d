"""Deployments in a plan: what is deployed, what is replayed there, and what that shares with the rest."""

from collections import Counter

import pytest

from benchmark.deployments import replayed, trials
from benchmark.errors import PluginError
from benchmark.plan import plan
from benchmark.plugins import Registry
from benchmark.suite import load
from benchmark.types import Grid
from tests.conftest import FIXTURES, small

SUITE = small(
    eps=[0.05, 0.1, 0.2, 0.3],
    runtimes=["openvino", "onnxruntime"],
    compressions={"dense": [], "int8": [{"quantize": {"bits": 8}}], "int4": [{"quantize": {"bits": 4}}]},
    attacks={"pgd": "pgd", "transfer": {"pgd": {}, "from": "dense"}, "asked": {"square": {}, "on": "openvino"}},
)
JUDGED = 4 + 4  # of the network: PGD and the transferred examples at each ε


def faced(grid: Grid, attack: str) -> set[float]:
    """At which ε deployments of int8 face an attack."""
    every = trials(grid, grid.compressions[1])
    return {eps.value for trial in every if trial.runtime and trial.attack.name == attack for eps in trial.eps}


@pytest.mark.parametrize(
    "steps, precision",
    [
        ([], "fp32"),
        ([{"prune": {"ratio": 0.5}}], "fp32"),
        ([{"quantize": {"bits": 8}}], "int8"),
        ([{"prune": {"ratio": 0.5}}, {"quantize": {"weights": 8, "activations": 8, "first_last": 8}}], "int8"),
        ([{"quantize": {"weights": 8}}], None),
        ([{"quantize": {"weights": 8, "activations": 4}}], None),
        ([{"quantize": {"bits": 8, "first_last": 4}}], None),
        ([{"quantize": {"bits": 4, "first_last": 8}}], None),
        ([{"quantize": {"bits": 16}}], None),
    ],
)
def test_only_what_a_runtime_computes_in_is_deployed(desk, steps, precision):
    suite, planned = desk.plan(small(runtimes=["openvino"], compressions={"row": steps}))
    assert suite.grids[0].compressions[0].precision == precision
    assert [stage.task.precision for stage in planned.stages.values() if stage.kind == "deploy"] == (
        [precision] if precision else []
    )


def test_stages(desk):
    _, planned = desk.plan(SUITE)
    kinds = Counter(stage.kind for stage in planned.stages.values())
    assert kinds["deploy"] == 2 * 2 and kinds["latency"] == 2
    # PGD swept on each of three networks, and stepped through for transfer at each ε, which is also the replay of the
    # dense network's own; the replay of int8's own; Square against two artifacts at each ε
    assert kinds["craft"] == 3 + 4 + 1 + 2 * 4
    assert len(planned.cells) == 3 * JUDGED + 2 * (2 + 4) + 2 * 2
    without = desk.plan(SUITE | {"runtimes": [], "attacks": {"pgd": "pgd", "transfer": SUITE["attacks"]["transfer"]}})
    assert without[1].stages.keys() < planned.stages.keys()  # whatever is deployed, the rest is the same


def test_the_headline_is_the_lower_middle_epsilon_unless_it_is_given(desk):
    for changes, headline, replays in (
        ({}, 0.1, [0.1]),
        ({"headline": 0.2}, 0.2, [0.2]),
        ({"headline": {"inf": 0.3}, "replay_eps": [0.05, 0.3]}, 0.3, [0.05, 0.3]),
    ):
        (grid,) = desk.plan(SUITE | changes)[0].grids
        assert grid.headline_of("inf") == headline and replayed(grid, "inf") == replays
        assert {eps.value for one in trials(grid, grid.compressions[1]) if one.runtime for eps in one.eps} >= set(
            replays
        )


def test_a_headline_for_each_norm(desk):
    attacks = {"pgd": "pgd", "far": {"pgd": {}, "norm": 2, "eps": [0.5, 1]}}
    (grid,) = desk.plan(SUITE | {"attacks": attacks, "headline": {2: 1}})[0].grids
    assert (grid.headline_of("inf"), grid.headline_of("2")) == (0.1, 1.0)
    found = {
        (one.attack.name, eps.value) for one in trials(grid, grid.compressions[0]) if one.runtime for eps in one.eps
    }
    assert found == {("pgd", 0.1), ("far", 1.0)}


def test_an_attack_that_names_a_runtime_is_for_its_artifacts_alone(desk):
    _, planned = desk.plan(SUITE)
    asked = [cell for cell in planned.cells if cell.attack == "asked"]
    assert {(cell.compression, cell.deployed.runtime) for cell in asked} == {
        ("dense", "openvino"),
        ("int8", "openvino"),
    }
    for cell in asked:
        assert planned.stages[cell.craft].input("deployment") == cell.deployed.deployment
        assert planned.stages[cell.craft].task.mode == "decide" and cell.deployed.judge is None
    sent = SUITE | {"attacks": {"pgd": {"pgd": {}, "on": "openvino"}}}  # needs gradients: replayed, at every ε
    _, planned = desk.plan(sent)
    assert len(planned.cells) == 2 * 4
    for cell in planned.cells:
        assert planned.stages[cell.craft].input("network") == cell.network
        assert planned.stages[cell.craft].task.mode == "examples" and cell.deployed.judge


def test_latency_is_of_the_first_seed_and_of_what_is_run(desk):
    path = desk.write(SUITE | {"seeds": [3, 4]})
    registry = Registry([FIXTURES])
    suite = load(path, registry)
    whole = plan(suite, registry, "cpu")
    timed = [stage for stage in whole.stages.values() if stage.kind == "latency"]
    assert len(timed) == 2
    for stage in timed:
        assert [role for role, _ in stage.inputs] == ["dense", "1"]
        assert all(" seed 3 " in f"{whole.stages[key].label} " for _, key in stage.inputs)
    part = plan(suite, registry, "cpu", lambda cell: cell.compression == "int8")
    assert "latency" not in {stage.kind for stage in part.stages.values()}
    assert {stage.ingredients["device"] for stage in plan(suite, registry, "cuda").stages.values()
            if stage.kind in ("deploy", "latency")} == {"cpu"}  # fmt: skip


def test_without_runtimes_a_plan_has_neither_deployments_nor_their_stages(desk):
    _, planned = desk.plan(small())
    assert {stage.kind for stage in planned.stages.values()} == {"train", "craft", "judge"}
    assert all(cell.deployed is None for cell in planned.cells)


def test_widths_that_cannot_be_read_are_an_error_of_the_plugin(tmp_path):
    (tmp_path / "compressions").mkdir()
    (tmp_path / "compressions" / "mine.py").write_text("WIDTHS = ('bits',)\ndef compress(model, context): pass\n")
    with pytest.raises(PluginError, match=r"mine\.py:1: WIDTHS must be a literal dict"):
        Registry([tmp_path]).find("compression", "mine")
