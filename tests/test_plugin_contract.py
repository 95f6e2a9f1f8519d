"""Every built-in plugin, present and future, keeps the contract of its kind: a new file is checked at once."""

from pathlib import Path

import pytest

from benchmark.check.__main__ import recipe_of
from benchmark.check.contract import contract
from benchmark.check.verdict import FAILED, SKIPPED
from benchmark.errors import DataError, PluginError
from benchmark.plugins import Registry
from benchmark.stages.workplace import Workplace
from benchmark.store import Store
from tests.offline_datasets import cut_off

REGISTRY = Registry()
IMAGES, FEW, FEWEST = 24, 10, 4  # that an attack is given, one that is slow by nature, and the slowest
# arguments that a plugin needs, and those that make it quick enough for a test; every other is its default
ARGUMENTS = {
    ("attack", "pgd"): "{steps: 5}",
    ("attack", "apgd"): "{steps: 10}",
    ("attack", "square"): "{queries: 150}",
    ("attack", "autoattack"): "{steps: 10, targets: 2, queries: 100}",
    ("attack", "cw"): "{steps: 20, learning_rate: 0.2, searches: 3, const: 0.5}",
    ("attack", "fab"): "{steps: 10, targets: 2}",
    ("attack", "hop_skip_jump"): "{steps: 6, init_eval: 30}",
    ("attack", "universal"): "{epochs: 5, images: 200}",
    ("compression", "prune"): "{ratio: 0.5}",
    ("compression", "quantize"): "{bits: 8}",
    ("compression", "unstructured"): "{sparsity: 0.5}",
    ("training", "standard"): "{epochs: 2}",
    ("training", "defensive_quantization"): "{epochs: 2}",
    ("training", "fgsm_rs"): "{epochs: 3, eps: 0.05}",
    ("training", "free"): "{epochs: 2, eps: 0.05, replays: 2}",
    ("training", "mart"): "{epochs: 2, eps: 0.05, steps: 2}",
    ("training", "pgd_at"): "{epochs: 2, eps: 0.05, steps: 2}",
    ("training", "trades"): "{epochs: 2, eps: 0.05, steps: 2}",
    ("model", "resnet_cifar"): "{width: 0.125}",
    ("model", "eight_layer_cnn"): "{width: 0.25}",
    ("model", "densenet"): "{width: 0.125}",
    ("model", "mobilenet_v1"): "{width: 0.125}",
    ("model", "mobilenet_v2"): "{width: 0.125}",
    ("model", "preact_resnet"): "{width: 0.125}",
    ("model", "timm"): "{name: test_efficientnet}",
    ("model", "torchvision"): "{name: mobilenet_v3_small}",
    ("model", "vgg"): "{width: 0.125}",
    ("model", "wide_resnet"): "{depth: 10, width: 0.125}",
}
# ART's classes that a test can afford, and the settings that make them so
ART = {
    "AutoConjugateGradient": "max_iter: 20, nb_random_init: 1, loss_type: difference_logits_ratio",
    "AutoProjectedGradientDescent": "max_iter: 5, nb_random_init: 1",
    "BasicIterativeMethod": "max_iter: 10",
    "BoundaryAttack": "max_iter: 3, init_size: 5, num_trial: 3",
    "CarliniL0Method": "max_iter: 10, binary_search_steps: 3, initial_const: 1",
    "CarliniL2Method": "max_iter: 5, binary_search_steps: 3, initial_const: 1",
    "DeepFool": "max_iter: 10, epsilon: 0.02",
    "ElasticNet": "max_iter: 5, binary_search_steps: 2, initial_const: 1",
    "FastGradientMethod": "",
    "HopSkipJump": "max_iter: 1, max_eval: 50, init_eval: 10, init_size: 10",
    "MomentumIterativeMethod": "max_iter: 10",
    "NewtonFool": "max_iter: 30",
    "ProjectedGradientDescent": "max_iter: 10",
    "ProjectedGradientDescentPyTorch": "max_iter: 10",
    "SignOPTAttack": "max_iter: 1, query_limit: 100, num_trial: 20, k: 50",
    "SquareAttack": "max_iter: 50",
}
# … and what these may fail: NewtonFool is weak, the others have too few queries here
BREAKS = {"breaks an undefended network", "breaks a linear network", "breaks a low contrast network"}
FAILS = {
    "BoundaryAttack": {*BREAKS, "is stronger than noise"},
    "HopSkipJump": {*BREAKS, "is stronger than noise"},
    "NewtonFool": {"breaks a linear network", "is no weaker than fgsm"},
    "SquareAttack": {"breaks a linear network"},
}
SLOWEST = {"SignOPTAttack", "CarliniL0Method"}
TOO_SLOW = {"AutoAttack", "CarliniLInfMethod"}  # take minutes before they break anything
NOT_CHECKED_BY_NAME = {"art"}


def failed(kind: str, name: str, folder: Path, options: str | None = None, images: int | None = None) -> dict[str, str]:
    """The checks that a plugin fails, with their reasons."""
    place = Workplace(Store(folder / "store"), REGISTRY)
    options = ARGUMENTS.get((kind, name), "{}") if options is None else options
    recipe = recipe_of(REGISTRY, kind, name, options, folder)
    plugin = REGISTRY.find(kind, name)
    slow = any(plugin.constant(trait, recipe, False) for trait in ("MINIMUM_NORM", "BLACK_BOX"))
    found = list(contract(place, recipe, images=images or (FEW if slow else IMAGES)))
    assert any(verdict.verdict != SKIPPED for _, verdict in found)
    return {f"{verdict.check} {about}": verdict.reason for about, verdict in found if verdict.verdict == FAILED}


def needs(kind: str, name: str) -> list[str]:
    """The parameters that a suite has to give and that nobody has written down here."""
    given = ARGUMENTS.get((kind, name), "")
    return [one.key for one in REGISTRY.find(kind, name).parameters if one.required and f"{one.key}:" not in given]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (kind, name)
        for kind in ("attack", "compression", "training")
        for name in REGISTRY.names(kind)
        if name not in NOT_CHECKED_BY_NAME
    ],
)
def test_plugin(kind, name, tmp_path):
    assert REGISTRY.find(kind, name).summary
    assert failed(kind, name, tmp_path) == {}


@pytest.mark.parametrize("name", list(ART))
def test_attack_of_art(name, tmp_path):
    found = failed("attack", "art", tmp_path, f"{{class: {name}, {ART[name]}}}", FEWEST if name in SLOWEST else None)
    assert {check.rpartition(" norm")[0] for check in found} <= FAILS.get(name, set()), found


def test_every_class_of_art_is_checked():
    classes = set(REGISTRY.find("attack", "art").constants["CLASSES"])
    assert classes == set(ART) | TOO_SLOW


@pytest.mark.parametrize("name", REGISTRY.names("model"))
def test_model(name, tmp_path):
    if missing := needs("model", name):
        pytest.skip(f"{name} needs {', '.join(missing)}")
    try:
        assert failed("model", name, tmp_path) == {}
    except PluginError as error:
        assert "pip install" in str(error)
        pytest.skip(str(error))


@pytest.mark.parametrize("name", REGISTRY.names("dataset"))
def test_dataset(name, tmp_path, monkeypatch):
    cut_off(monkeypatch, tmp_path / "cache")
    if missing := needs("dataset", name):
        pytest.skip(f"{name} needs {', '.join(missing)}")
    offline = any(one.key == "download" for one in REGISTRY.find("dataset", name).parameters)
    options = "{download: false}" if offline else "{}"
    recipe = recipe_of(REGISTRY, "dataset", name, options, tmp_path)
    try:
        Workplace(Store(tmp_path / "store"), REGISTRY).loaded(REGISTRY.find("dataset", name), recipe)
    except DataError as error:
        assert "\n" not in str(error)
        pytest.skip(f"{name} is not on this machine: {error}")
    assert failed("dataset", name, tmp_path, options) == {}
