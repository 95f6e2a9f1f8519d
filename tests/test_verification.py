"""Checks in a plan: which there are, whose examples they see, and that they change no other stage."""

from collections import Counter

import pytest

from benchmark.plan import plan
from benchmark.plugins import Registry
from benchmark.suite import load
from benchmark.verification import KINDS, others
from tests.conftest import FIXTURES, small, tiny

ALONE = len(KINDS) - 1  # of a network without another one in the suite: no transfer


def test_no_other_stage_changes_its_key(desk):
    keys = {level: set(desk.plan(tiny(verify=level))[1].stages) for level in ("none", "quick", "full")}
    assert keys["none"] == set(desk.plan(tiny())[1].stages)
    assert keys["none"] < keys["quick"] and keys["none"] < keys["full"]


def test_every_network_has_every_check_that_applies(desk):
    _, planned = desk.plan(tiny(verify="full"))
    assert Counter(check.name for check in planned.checks) == dict.fromkeys((kind.name for kind in KINDS), 4)
    assert all(check.eps == 0.1 for check in planned.checks if check.norm)
    _, alone = desk.plan(small(verify="full"))
    assert len(alone.checks) == ALONE and all(not check.sources for check in alone.checks)


def test_norms_are_checked_at_their_own_headlines(desk):
    attacks = {"pgd": "pgd", "far": {"pgd": {}, "norm": 2, "eps": [0.5, 1]}, "one": {"pgd": {}, "norm": 1, "eps": 2}}
    _, planned = desk.plan(small(verify="full", attacks=attacks))
    found = {(check.name, check.norm, check.eps) for check in planned.checks if check.name == "gradient-free"}
    assert found == {("gradient-free", "inf", 0.1), ("gradient-free", "2", 0.5)}  # there is none for the third
    assert len(planned.checks) == 3 * (ALONE - 3) - 1 + 3


def test_what_an_attack_that_needs_no_gradient_broke_is_looked_at_again(desk):
    attacks = {"pgd": "pgd", "square": "square", "fgsm": "fgsm"}
    _, planned = desk.plan(small(verify="full", attacks=attacks))
    by_name = {check.name: planned.stages[check.key] for check in planned.checks}
    judged = {name: sum(role.startswith("judge ") for role, _ in stage.inputs) for name, stage in by_name.items()}
    assert judged["strong rerun"] == 3 and judged["gradient-free"] == judged["single step"] == 2
    assert judged["unbounded"] == judged["trained"] == 0


def test_only_what_iterates_on_an_image_hides_it_from_the_single_step(desk):
    attacks = {
        "pgd": "pgd",
        "one step": {"pgd": {"steps": 1}},
        "fgsm": "fgsm",
        "its": {"art": {"class": "FastGradientMethod"}},
        "all at once": "universal",
    }
    _, planned = desk.plan(small(verify="full", attacks=attacks))
    stage = next(planned.stages[check.key] for check in planned.checks if check.name == "single step")
    (judged,) = (key for role, key in stage.inputs if role.startswith("judge "))
    assert planned.stages[judged].label.endswith("· pgd at ε 0.1")


def test_every_training_of_a_network_is_looked_at(desk):
    scratch = [{"prune": {"ratio": 0.5}}, {"reinitialise": {}}, {"finetune": "before"}]
    trainings = {"tuned": {"before": {"standard": {"epochs": 2}}, "after": {"standard": {"epochs": 1}}}}
    _, planned = desk.plan(small(verify="full", compressions={"scratch": scratch}, trainings=trainings))
    stage = next(planned.stages[check.key] for check in planned.checks if check.name == "trained")
    roles = [role for role, _ in stage.inputs if "training" in role]
    assert roles == ["fresh training 0", "fresh training 1", "further training 2"]


@pytest.mark.parametrize(
    "compression, expected",
    [
        ("dense", [("a", "x"), ("b", "x")]),
        ("a", [("dense", "x"), ("b", "x")]),
        ("c", [("dense", "x"), ("b", "x")]),
    ],
)
def test_whose_examples_a_network_sees(desk, compression, expected):
    cut = {name: [{"prune": {"ratio": ratio}}] for name, ratio in (("a", 0.2), ("b", 0.4), ("c", 0.6))}
    trainings = {name: {"before": {"standard": {"epochs": epochs}}} for name, epochs in (("x", 1), ("y", 2))}
    (grid,) = desk.plan(small(compressions={"dense": []} | cut, trainings=trainings))[0].grids
    found = others(grid, next(one for one in grid.compressions if one.name == compression), grid.trainings[0])
    assert [(row and row.name, training.name) for row, training in found] == expected


def test_the_parent_of_a_grid_without_a_dense_row_is_the_network_before_the_compression(desk):
    suite = small(verify="full", compressions={"a": [{"prune": {"ratio": 0.5}}]})
    _, planned = desk.plan(suite)
    transfer = next(check for check in planned.checks if check.name == "transfer")
    assert transfer.sources == ((None, "standard"),)
    parent = planned.stages[planned.stages[transfer.key].input("other 0")]
    assert parent.kind == "train"


def test_a_part_of_a_networks_attacks_is_not_checked(desk):
    registry = Registry([FIXTURES])
    suite = load(desk.write(tiny(verify="full")), registry)
    assert not plan(suite, registry, "cpu", lambda cell: cell.attack == "pgd").checks
    some = plan(suite, registry, "cpu", lambda cell: cell.compression == "dense")
    assert {check.compression for check in some.checks} == {"dense"} and len(some.checks) == 2 * len(KINDS)
    assert {key for check in some.checks for _, key in some.stages[check.key].inputs} <= some.stages.keys()
