"""The plan: prefixes are shared, and a key depends on all that its artifact depends on and on nothing else."""

from collections import Counter

import pytest

from benchmark.plan import Plan
from tests.conftest import STANDARD, small, tiny

# tiny: 2 compressions × 2 trainings that share their `before` × 2 attacks × 2 ε × 1 seed
NETWORKS = {"train": 1, "compress": 1, "tune": 2}
JUDGED = {"craft": 4 * (2 + 1), "judge": 4 * (1 + 2 + 1)}  # FGSM at each ε by itself, PGD down the curve at once
OWN = 4 + 5 + 5 + 6  # stages of one cell on its own: dense, pruned, dense tuned, pruned and tuned


def kinds(plan: Plan) -> dict[str, int]:
    return dict(Counter(stage.kind for stage in plan.stages.values()))


def keys(plan: Plan, *of: str) -> set[str]:
    return {key for key, stage in plan.stages.items() if not of or stage.kind in of}


def test_shared_prefixes(desk):
    _, plan = desk.plan(tiny())
    assert len(plan.cells) == 4 * 2 * 2
    assert kinds(plan) == NETWORKS | JUDGED
    assert plan.naive == OWN * 2 * 2


def test_every_stage_comes_after_its_inputs(desk):
    _, plan = desk.plan(tiny())
    seen = set()
    for stage in plan.stages.values():
        assert {key for _, key in stage.inputs} <= seen, stage.label
        seen.add(stage.key)


def test_names_and_order_are_no_part_of_a_key(desk):
    suite = tiny()
    _, plan = desk.plan(suite)
    backwards = {key: dict(reversed(suite[key].items())) for key in ("compressions", "trainings", "attacks")}
    renamed = {
        axis: {f"{name} {{again}}": item for name, item in entries.items()} for axis, entries in backwards.items()
    }
    _, other = desk.plan(tiny(name="other", source="a paper", eps=[0.2, 0.1], **renamed))
    assert keys(other) == keys(plan)
    _, gridded = desk.plan(tiny(grids=[{"name": "one"}, {"name": "two"}]))
    assert keys(gridded) == keys(plan)


def test_another_attack_seed_or_row_changes_no_key(desk):
    _, plan = desk.plan(tiny())
    larger = tiny(seeds=[0, 1])
    larger["attacks"]["bim"] = "bim"
    larger["compressions"]["again"] = [{"prune": {"ratio": 0.5}}]
    _, other = desk.plan(larger)
    assert keys(plan) < keys(other)


def test_another_epsilon_changes_no_key_but_those_of_sweeps(desk):
    _, plan = desk.plan(tiny())
    _, other = desk.plan(tiny(eps=[0.1, 0.2, 0.3]))
    gone = [plan.stages[key] for key in keys(plan) - keys(other)]
    assert {stage.kind for stage in gone} == {"craft", "judge"} and len(gone) == 4 * 2
    assert all("pgd" in stage.label for stage in gone)


def test_a_sweep_is_one_craft_from_the_largest_epsilon_down(desk):
    _, plan = desk.plan(
        small(attacks={"pgd": "pgd", "fgsm": "fgsm", "away": {"pgd": {}, "from": "dense"}}, eps=[0.1, 0.3, 0.2])
    )
    made = {}
    for cell in plan.cells:
        made.setdefault(cell.attack, set()).add(plan.stages[cell.craft].task.eps)
    assert made == {"pgd": {(0.3, 0.2, 0.1)}, "fgsm": {(0.1,), (0.2,), (0.3,)}, "away": {(0.1,), (0.2,), (0.3,)}}


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({"seeds": [1]}, ()),
        ({"dataset": "fashion_mnist"}, ()),
        ({"model": {"eight_layer_cnn": {"width": 0.5}}}, ()),
        ({"limit": {"train": 100}}, ()),
        ({"limit": {"test": 100}}, ("train", "compress", "tune")),
        ({"eps": [0.11, 0.21]}, ("train", "compress", "tune", "clean")),
        ({"norm": "2"}, ("train", "compress", "tune", "clean")),
        ({"attacks": {"bim": {"bim": {"steps": 2}}}}, ("train", "compress", "tune", "clean")),
        ({"compressions": {"dense": [], "prune-50": [{"prune": {"ratio": 0.51}}]}}, ("train",)),
        ({"trainings": {"standard": {"before": {"standard": {"epochs": 5}}}}}, ()),
    ],
)
def test_what_a_key_depends_on(desk, change, kept):
    """Of the stages planned before, exactly the kinds in `kept` (a clean judge is `clean`) are planned unchanged."""
    suite = tiny(trainings={"standard": {"before": STANDARD, "after": {"pgd_at": {"epochs": 1, "eps": 0.1}}}})
    suite["compressions"].pop("dense")
    if "compressions" in change:
        change = {"compressions": {"prune-50": change["compressions"]["prune-50"]}}
    _, plan = desk.plan(suite)
    _, changed = desk.plan(suite | change)
    shared = {
        "clean" if stage.kind == "judge" and not stage.input("craft") else stage.kind
        for key, stage in plan.stages.items()
        if key in changed.stages
    }
    assert shared == set(kept)


def test_the_device_is_part_of_a_key(desk):
    from benchmark.plan import plan
    from benchmark.plugins import Registry
    from benchmark.suite import load
    from tests.conftest import FIXTURES

    registry = Registry([FIXTURES])
    suite = load(desk.write(tiny()), registry)
    assert not keys(plan(suite, registry, "cpu")) & keys(plan(suite, registry, "cuda"))


def test_a_plugins_source_is_part_of_its_stages_keys(desk, tmp_path):
    mine = tmp_path / "mine" / "attacks" / "mine.py"
    mine.parent.mkdir(parents=True)
    mine.write_text("def attack(estimator, budget): ...\n")
    suite = tiny()
    suite["attacks"]["mine"] = "mine"
    _, before = desk.plan(suite, tmp_path / "mine")
    mine.write_text("def attack(estimator, budget): return 1\n")
    _, after = desk.plan(suite, tmp_path / "mine")
    changed = [before.stages[key] for key in keys(before) - keys(after)]
    assert {stage.kind for stage in changed} == {"craft", "judge"}
    assert all("mine" in stage.label for stage in changed)
    assert len(changed) == 4 * 2 * 2  # networks × ε × (craft, judge)


def test_transfer_examples_are_crafted_once(desk):
    suite = tiny(
        compressions={"dense": [], "a": [{"prune": {"ratio": 0.3}}], "b": [{"prune": {"ratio": 0.6}}]},
        trainings={"standard": {"before": STANDARD}},
        attacks={"own": {"pgd": {"steps": 2}}, "transfer": {"pgd": {"steps": 2}, "from": "dense"}},
        eps=[0.1],
    )
    _, plan = desk.plan(suite)
    crafts = {cell.craft for cell in plan.cells if cell.attack == "transfer"}
    assert len(crafts) == 1 and len({cell.judge for cell in plan.cells if cell.attack == "transfer"}) == 3
    (craft,) = crafts
    dense = next(cell for cell in plan.cells if cell.compression == "dense")
    assert plan.stages[craft].task.mode == "examples"
    assert plan.stages[craft].input("network") == dense.network
    own = {cell.craft for cell in plan.cells if cell.attack == "own"}
    assert len(own) == 3 and {plan.stages[key].task.mode for key in own} == {"decide"}


def test_transfer_from_another_training_and_seed(desk):
    suite = tiny(
        seeds=[0, 1],
        attacks={"t": {"pgd": {"steps": 2}, "from": {"compression": "dense", "training": "standard", "seed": 1}}},
        eps=[0.1],
    )
    _, plan = desk.plan(suite)
    (craft,) = {cell.craft for cell in plan.cells}
    origin = next(c for c in plan.cells if (c.compression, c.training, c.seed) == ("dense", "standard", 1))
    assert plan.stages[craft].input("network") == origin.network
    assert plan.stages[craft].task.seed == 1


def test_a_minimum_norm_attack_is_crafted_once_for_all_epsilon(desk):
    _, plan = desk.plan(small(attacks={"least": "minimum"}, eps=[0.1, 0.2, 0.4]))
    assert len(plan.cells) == 3
    assert len({cell.craft for cell in plan.cells}) == len({cell.judge for cell in plan.cells}) == 1
    assert kinds(plan) == {"train": 1, "craft": 1, "judge": 2}


def test_a_training_limit_reaches_only_attacks_that_are_fitted(desk):
    suite = small(attacks={"fitted": "fitted", "pgd": {"pgd": {"steps": 2}}}, limit={"train": 100, "test": 50})
    _, plan = desk.plan(suite)
    limits = {
        stage.task.attack.plugin: stage.task.train_limit for stage in plan.stages.values() if stage.kind == "craft"
    }
    assert limits == {"fitted": 100, "pgd": None}
    _, compound = desk.plan(small(compressions={"x": [{"prune": {"ratio": 0.5}}, {"finetune": "before"}]}))
    assert [stage.kind for stage in compound.stages.values()][:3] == ["train", "compress", "tune"]
    tune = next(stage for stage in compound.stages.values() if stage.kind == "tune")
    assert tune.task.recipe.described()["standard"]["epochs"] == 4  # the row's own `before`
