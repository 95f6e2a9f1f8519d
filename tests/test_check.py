"""`python -m benchmark.check`: good plugins pass, and every check catches a plugin that is bad in its way."""

import random
import shutil

import numpy as np
import pytest
import torch

from benchmark.check.__main__ import main, recipe_of
from benchmark.check.contract import CHECKS, contract
from benchmark.check.verdict import FAILED, name
from benchmark.plugins import Registry
from benchmark.stages.workplace import Workplace
from benchmark.store import Store
from tests.conftest import FIXTURES

WEAK = {"breaks an undefended network", "breaks a linear network", "is no weaker than fgsm"}
HARMLESS = {*WEAK, "breaks a low contrast network", "is stronger than noise"}
# (kind, bad plugin) → the checks that catch it; it passes all others
BAD = {
    ("attack", "leaves_ball"): {"stays in the ball", *HARMLESS},
    # the network of low contrast lacks what it modifies: it crashes there, in the first check that goes there
    ("attack", "modifies_model"): {"leaves the network alone", "stays in the ball", *WEAK, "is stronger than noise"},
    ("attack", "ignores_seed"): {"repeats under a seed"},
    ("attack", "no_op"): HARMLESS,
    ("attack", "crashes_on_partial_batch"): {"takes a partial batch", "takes one example"},
    ("attack", "reseeds"): {"leaves global randomness alone", *WEAK},
    ("attack", "gives_nan"): {"gives examples", "takes one example", *HARMLESS},
    ("attack", "in_place"): {"leaves its input alone", "stays in the ball", *WEAK},
    ("attack", "gives_up_in_examples_mode"): {"runs every step in examples mode"},
    ("attack", "says_black_box"): {"needs predictions alone"},
    ("compression", "no_compression"): {"changes the network"},
    ("compression", "says_more"): {
        "achieves what it says",
        "leaves the dense network alone",
        "leaves the data alone",
    },
    ("compression", "draws_from_nowhere"): {"repeats under a generator", "can be trained afterwards"},
    ("compression", "cannot_be_rebuilt"): {"comes back bit for bit", "can be trained afterwards"},
    ("compression", "splits_the_head"): {"keeps the head"},
    ("training", "peeks"): {
        "repeats under a seed",
        "goes on after an interruption",
        "leaves finite statistics",
        "sees no test image",
    },
    ("training", "diverges"): {
        "learns the digits",
        "repeats under a seed",
        "goes on after an interruption",
        "leaves finite statistics",
        "reports finite numbers",
        "leaves the structure alone",
        "leaves the data alone",
    },
    ("model", "probabilities"): {
        "gives no probabilities",
        "takes each example alone",
        "changes nothing in eval mode",
        "repeats under a seed",  # its buffer counts
        "lets gradients reach the input",
        "comes back bit for bit",
    },
    ("model", "unseeded"): {"gives logits", "repeats under a seed", "lets gradients reach the input"},
    ("dataset", "careless"): {name(check) for check in CHECKS["dataset"]},
}


def check(*arguments: str) -> int:
    return main([*arguments, "--plugins", str(FIXTURES)])


@pytest.mark.parametrize(("kind", "plugin"), BAD)
def test_a_bad_plugin_is_caught_by_name(kind, plugin, tmp_path):
    registry = Registry([FIXTURES])
    recipe = recipe_of(registry, kind, plugin, "{}", tmp_path)
    found = [verdict for _, verdict in contract(Workplace(Store(tmp_path / "store"), registry), recipe, images=24)]
    assert {verdict.check for verdict in found if verdict.verdict == FAILED} == BAD[kind, plugin], found
    assert all("\n" not in verdict.reason for verdict in found)


@pytest.mark.parametrize("kind", CHECKS)
def test_every_check_catches_something_and_says_what_it_asks_for(kind):
    caught = set().union(*(names for (of_kind, _), names in BAD.items() if of_kind == kind))
    assert {name(one) for one in CHECKS[kind]} == caught
    assert all(one.__doc__.endswith(".") and "\n" not in one.__doc__ for one in CHECKS[kind])


@pytest.mark.parametrize(
    "arguments",
    [
        ("attack", "bim", "--options", "{steps: 5}", "--norm", "inf", "--images", "20"),
        ("compression", "reinitialise"),
        ("training", "none"),
        ("model", "tiny_cnn"),
        ("dataset", "digits"),
    ],
)
def test_a_good_plugin_gets_a_line_for_each_check(arguments, capsys):
    assert check(*arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{arguments[0]} {arguments[1]}: ") and ", 0 FAILED, " in lines[-1]
    for one in CHECKS[arguments[0]]:
        assert any(line.strip().startswith(name(one)) and (" ok " in line or " skipped " in line) for line in lines)


def test_a_file_of_ones_own_is_checked_wherever_it_lies(tmp_path, capsys):
    for file in ("no_op.py", "_base.py"):
        shutil.copy(FIXTURES / "attacks" / file, tmp_path / file)
    assert main(["attack", str(tmp_path / "no_op.py"), "--images", "10"]) == 1
    assert "is stronger than noise" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("attack", "pdg"), "did you mean pgd?"),
        (("attack", "pgd", "--options", "{step: 3}"), "--options {step: 3}: step: unknown parameter"),
        (("model", "checkpoint"), "--options {}: model 'checkpoint' needs file: str; give --options '{name: value}'"),
        (("attack", "pgd", "--options", "{steps: 0}"), "steps > 0"),
        (("attack", "square", "--norm", "1"), "--norm 1: attack 'square' does not take it; it takes inf, 2"),
        (("attack", "nowhere/pgd.py"), "nowhere/pgd.py: there is no such file"),
        (("training", "standard"), "needs epochs"),
    ],
)
def test_a_wrong_request_is_one_line(arguments, complaint, capsys):
    assert check(*arguments) == 2
    printed = capsys.readouterr()
    assert complaint in printed.err and printed.err.count("\n") == 1 and not printed.out


def test_what_is_checked_can_be_listed(capsys):
    assert main(["training", "--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(CHECKS["training"])


def test_checking_is_repeatable(tmp_path):
    """Whatever the generators' state: a verdict must not change from one run to the next."""
    printed = []
    for seed in (1, 2):
        random.seed(seed), np.random.seed(seed), torch.manual_seed(seed)
        registry = Registry()
        recipe = recipe_of(registry, "attack", "pgd", "{steps: 2}", tmp_path)
        printed.append(list(contract(Workplace(Store(tmp_path), registry), recipe, "inf", images=20)))
    assert printed[0] == printed[1]
