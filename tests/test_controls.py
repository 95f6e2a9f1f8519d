"""The controls that a compressed network has to beat, and examples that audits stop early, in suites that are run."""

import json

import pytest

from benchmark.plugins import Registry
from benchmark.stages.train import equal_budget
from benchmark.suite import load
from tests.conftest import STANDARD, Desk, small, tiny

HALF = [{"prune": {"ratio": 0.5}}, {"reinitialise": {}}]
TRAININGS = [
    plugin.name
    for kind, _, plugin in Registry().all()
    if kind == "training" and "epochs" in {parameter.name for parameter in plugin.parameters}
]


def records(ran) -> dict[str, dict]:
    """One record of each compression."""
    assert ran.status == 0, ran.complained
    return {record["compression"]: record for record in map(json.loads, ran.records.splitlines())}


def test_equal_budget_is_equal_passes_times_macs(desk: Desk):
    compressions = {
        "dense": [],
        "scratch-e": [*HALF, {"finetune": "before"}],
        "scratch-b": [*HALF, {"finetune": {"before": {"budget": "equal"}}}],
    }
    ran = desk.run(small(compressions=compressions))
    found = records(ran)
    dense, lean = (found[name]["size"]["macs"] for name in ("dense", "scratch-b"))
    epochs = STANDARD["standard"]["epochs"]
    prune, fresh, tuned = found["scratch-b"]["achieved"]
    assert (prune["channel_ratio"], fresh) == (0.5, None)
    assert tuned == {"epochs": round(epochs * dense / lean), "dense_macs": dense, "macs": lean}
    assert abs(tuned["epochs"] * lean - epochs * dense) <= lean / 2 and tuned["epochs"] >= 2 * epochs
    assert found["scratch-e"]["achieved"][-1] is None
    trained = {name: desk.store.result(found[name]["keys"]["network"])["epochs"] for name in found}
    assert [len(trained[name]) for name in compressions] == [epochs, epochs, tuned["epochs"]]
    assert found["scratch-b"]["steps"][-1]["standard"]["budget"] == "equal"
    board = (ran.out / "leaderboard.md").read_text()
    assert "once more, in as many more epochs as make up for the fewer MACs" in board and "## Holes" not in board
    assert desk.run(small(compressions=compressions)).records == ran.records


def test_a_schedule_is_scaled_with_its_epochs():
    arguments = {"budget": "equal", "epochs": 20, "lr": 0.1, "milestones": [5, 10]}
    scaled, achieved = equal_budget(arguments, dense=900, macs=400)
    assert scaled == {"epochs": 45, "lr": 0.1, "milestones": [11, 22]}
    assert achieved == {"epochs": 45, "dense_macs": 900, "macs": 400}
    assert equal_budget(arguments, 100, 100_000)[0]["epochs"] == 1  # never none
    grown = equal_budget({"epochs": 6, "milestones": [1, 4]}, 100, 250)[0]  # a larger network has fewer epochs
    assert grown == {"epochs": 2, "milestones": [1, 1]}  # each still after an epoch, and before the last is over
    assert equal_budget(arguments | {"milestones": ()}, 2, 1)[0]["milestones"] == ()


@pytest.mark.parametrize("name", TRAININGS)
def test_every_training_with_epochs_takes_a_budget(tmp_path, name):
    assert len(TRAININGS) > 5
    plugin = Registry().find("training", name)
    given = ", ".join(f"{parameter.key}: 0.5" for parameter in plugin.parameters if parameter.key == "eps")
    steps = f"[{{finetune: {{{name}: {{epochs: 3, budget: equal, {given}}}}}}}]"
    path = tmp_path / "suite.yaml"
    path.write_text(
        "name: small\ndataset: digits\nmodel: eight_layer_cnn\neps: 0.1\nattacks: {fgsm: fgsm}\n"
        f"compressions: {{dense: {steps}}}\ntrainings: {{a: {{before: {{standard: {{epochs: 1}}}}}}}}\n"
    )
    ((step,),) = [compression.steps for compression in load(path, Registry()).grids[0].compressions]
    scaled, _ = equal_budget(step.kwargs, dense=4, macs=2)
    assert scaled["epochs"] == 6
    assert scaled.keys() <= {parameter.name for parameter in plugin.parameters}


def test_examples_stopped_at_the_boundary_are_judged_elsewhere_and_labelled(desk: Desk):
    attacks = {
        "own": {"pgd": {"steps": 4}},
        "sent": {"pgd": {"steps": 4}, "from": "dense"},
        "stopped": {"pgd": {"steps": 4}, "from": "dense", "stop": "boundary"},
    }
    suite = tiny(attacks=attacks, trainings={"standard": {"before": STANDARD}})
    _, plan = desk.plan(suite)
    crafts = {stage.label.split("crafting ")[1]: stage.task for stage in plan.stages.values() if stage.kind == "craft"}
    # what survives a large ε is not taken to survive a smaller one on another network: every ε by itself
    assert {name: len(task.eps) for name, task in crafts.items() if "stopped" in name} == {
        "stopped at ε 0.1": 1,
        "stopped at ε 0.2": 1,
    }
    ran = desk.run(suite)
    assert ran.status == 0, ran.complained
    lines = [json.loads(line) for line in ran.records.splitlines()]
    pruned = {line["attack"]: line for line in lines if line["compression"] == "prune-50" and line["eps"] == 0.2}
    assert {name: (line["mode"], line["boundary"]) for name, line in pruned.items()} == {
        "own": ("decide", False),
        "sent": ("examples", False),
        "stopped": ("decide", True),
    }
    assert pruned["stopped"]["passes"]["backward"] < pruned["sent"]["passes"]["backward"]
    assert pruned["stopped"]["robust_correct"] >= pruned["sent"]["robust_correct"]
    board = (ran.out / "leaderboard.md").read_text()
    assert "stopped (boundary) @ 0.2" in board and "sent (boundary)" not in board
    assert "stopped at the boundary where another judges" in board


def test_an_artifact_is_shown_boundary_examples_if_that_is_asked(desk: Desk):
    _, plan = desk.plan(small(attacks={"pgd": {"pgd": {"steps": 2}, "stop": "boundary"}}, runtimes=["openvino"]))
    replayed = {cell.deployed and cell.deployed.runtime: plan.stages[cell.craft].task.mode for cell in plan.cells}
    assert replayed == {None: "decide", "openvino": "decide"}
    _, plan = desk.plan(small(attacks={"pgd": {"pgd": {"steps": 2}}}, runtimes=["openvino"]))
    replayed = {cell.deployed and cell.deployed.runtime: plan.stages[cell.craft].task.mode for cell in plan.cells}
    assert replayed == {None: "decide", "openvino": "examples"}
