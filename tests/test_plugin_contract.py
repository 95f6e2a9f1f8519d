"""One contract test per kind of plugin, over every plugin there is: a new file is tested at once."""

import copy
import warnings
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.data import Dataset, Prepared, prepare, search_roots
from benchmark.engine.ball import distance, inside
from benchmark.engine.estimator import Classifier
from benchmark.engine.size import measure
from benchmark.errors import DataError
from benchmark.plugins import Plugin, Registry
from benchmark.recipes import Recipes
from benchmark.stages.compress import CompressContext
from benchmark.stages.judge import stands
from benchmark.stages.network import Network
from benchmark.stages.propose import Proposer
from benchmark.stages.train import accuracy
from benchmark.stages.workplace import Workplace, seed_everything
from benchmark.store import Store
from benchmark.types import CraftTask, Recipe
from benchmark.yaml_nodes import read
from tests.conftest import FIXTURES
from tests.offline_datasets import cut_off

REGISTRY = Registry([FIXTURES])
BUILT_IN = Registry()
EPS = {"inf": 0.15, "2": 1.0, "1": 4.0}
# arguments that a plugin needs, and those that make it quick enough for a test; every other is its default
ARGUMENTS = {
    ("attack", "pgd"): "{steps: 5}",
    ("compression", "prune"): "{ratio: 0.5}",
    ("compression", "quantize"): "{bits: 8}",
    ("training", "standard"): "{epochs: 2}",
    ("training", "pgd_at"): "{epochs: 2, eps: 0.05, steps: 2}",
    ("model", "resnet_cifar"): "{width: 0.125}",
    ("model", "eight_layer_cnn"): "{width: 0.25}",
}
# ART's classes that a test can afford, and the settings that make them so
ART = {
    "AutoConjugateGradient": "max_iter: 20, nb_random_init: 1, loss_type: difference_logits_ratio",
    "AutoProjectedGradientDescent": "max_iter: 5, nb_random_init: 1",
    "BasicIterativeMethod": "max_iter: 5",
    "BoundaryAttack": "max_iter: 3, init_size: 5, num_trial: 3",
    "CarliniL0Method": "max_iter: 10, binary_search_steps: 3, initial_const: 1",
    "CarliniL2Method": "max_iter: 5, binary_search_steps: 3, initial_const: 1",
    "DeepFool": "max_iter: 10, epsilon: 0.02",
    "ElasticNet": "max_iter: 5, binary_search_steps: 2, initial_const: 1",
    "FastGradientMethod": "",
    "HopSkipJump": "max_iter: 1, max_eval: 50, init_eval: 10, init_size: 10",
    "MomentumIterativeMethod": "max_iter: 5",
    "NewtonFool": "max_iter: 30",
    "ProjectedGradientDescent": "max_iter: 5",
    "ProjectedGradientDescentPyTorch": "max_iter: 5",
    "SignOPTAttack": "max_iter: 1, query_limit: 100",
    "SquareAttack": "max_iter: 50",
}
SLOW = {"AutoAttack", "CarliniLInfMethod"}  # take minutes before they break anything


def plugins(kind: str) -> list[str]:
    return BUILT_IN.names(kind)


def recipe(kind: str, name: str, folder: Path, arguments: str | None = None) -> Recipe:
    """The recipe as a suite would give it, defaults filled in."""
    arguments = ARGUMENTS.get((kind, name), "{}") if arguments is None else arguments
    path = folder / "recipe.yaml"
    path.write_text(f"{name}: {arguments}\n")
    return Recipes(REGISTRY).read(kind, read(path))


@cache
def data() -> Prepared:
    return prepare(BUILT_IN.find("dataset", "digits").load().dataset(()), None, 300)


@cache
def trained() -> nn.Module:
    """A tiny network that knows the digits, by the standard training."""
    seed_everything(0)
    module = REGISTRY.find("model", "tiny_cnn").load().model(classes=10, channels=1, size=8)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    generator = torch.Generator().manual_seed(0)
    for _ in range(6):
        for images, labels in data().training.train.batches(32, generator):
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(images), labels).backward()
            optimizer.step()
    assert accuracy(module.eval(), data().training.validation) > 0.9
    return module


class Context:
    """The part of a training's context that plugins use."""

    def __init__(self):
        self.generator, self.reported = torch.Generator().manual_seed(0), []

    def epochs(self, count: int, state: tuple = ()):
        assert all(hasattr(thing, "state_dict") for thing in state)
        yield from range(count)

    def report(self, **values: float) -> None:
        self.reported.append({name: float(value) for name, value in values.items()})


def attacked(plugin: Plugin, given: Recipe, norm: str, n: int, store: Path) -> tuple[torch.Tensor, dict[str, int]]:
    """The examples for the first `n` test images as the craft stage makes them, in one chunk."""
    minimum = bool(plugin.constant("MINIMUM_NORM", given, False))
    task = CraftTask(Recipe("dataset", "digits"), n, given, norm, (EPS[norm],), "decide", 0, minimum, 200)
    network = Network(copy.deepcopy(trained()), Recipe("model", "tiny_cnn"), (1, 8, 8), 10, [])
    proposer = Proposer(task, Workplace(Store(store), REGISTRY), network, data())
    examples, counts = proposer.propose(EPS[norm], torch.arange(n), 0)
    return examples, vars(counts)


def check_attack(plugin: Plugin, given: Recipe, norm: str, n: int, folder: Path, beats_noise: bool = True) -> None:
    examples, counts = attacked(plugin, given, norm, n, folder)
    again, _ = attacked(plugin, given, norm, n, folder)
    clean, labels = data().test.pixels(slice(n)), data().test.labels[:n]
    assert torch.equal(examples, again), "not deterministic under the engine's seeds"
    assert examples.shape == clean.shape and examples.dtype == torch.float32
    assert (counts["violations"], counts["nonfinite"]) == (0, 0)
    assert counts["forward"] >= n
    minimum = bool(plugin.constant("MINIMUM_NORM", given, False))
    assert inside(examples, clean, norm, np.inf if minimum else EPS[norm]).all()
    right, stood = stands(trained(), clean, labels), stands(trained(), examples, labels)
    if minimum:
        assert (right & ~stood).sum() > 0.2 * n, "breaks nothing"
    else:
        noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
        noise *= EPS[norm] / distance(noise, torch.zeros_like(noise), norm).view(-1, 1, 1, 1)
        noisy = stands(trained(), (clean + noise).clamp(0, 1), labels)
        assert (right & stood).sum() < (right & noisy).sum() - 0.05 * n, "breaks no more than noise"


CASES = [
    (name, norm)
    for name in plugins("attack")
    if "OPTIONS_FROM" not in BUILT_IN.find("attack", name).constants
    for norm in BUILT_IN.find("attack", name).constants.get("NORMS", ("inf",))
]


@pytest.mark.parametrize(("name", "norm"), CASES)
def test_attack(name, norm, tmp_path):
    plugin = BUILT_IN.find("attack", name)
    assert plugin.summary
    check_attack(plugin, recipe("attack", name, tmp_path), norm, 45, tmp_path)  # not a multiple of anything


@pytest.mark.parametrize(
    "name",
    list(ART),
)
def test_attack_of_art(name, tmp_path):
    plugin = BUILT_IN.find("attack", "art")
    given = recipe("attack", "art", tmp_path, f"{{class: {name}, {ART[name]}}}")
    norms = plugin.constant("NORMS", given)
    few = 20 if plugin.constant("BLACK_BOX", given, False) or plugin.constant("MINIMUM_NORM", given, False) else 45
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ART's own
        for norm in norms:
            check_attack(plugin, given, norm, few, tmp_path)


def test_every_class_of_art_has_a_contract_test():
    classes = set(BUILT_IN.find("attack", "art").constants["CLASSES"])
    assert classes == set(ART) | SLOW


@pytest.mark.parametrize("model", ["eight_layer_cnn", "resnet_cifar"])
@pytest.mark.parametrize("name", plugins("compression"))
def test_compression(name, model, tmp_path):
    plugin, given = BUILT_IN.find("compression", name), recipe("compression", name, tmp_path)
    made = recipe("model", model, tmp_path)
    build = lambda: BUILT_IN.find("model", model).load().model(classes=10, channels=1, size=8, **made.kwargs)  # noqa: E731
    generator = seed_everything(0)
    dense = build().eval()
    example = torch.zeros(1, 1, 8, 8)
    context = CompressContext(example, data().training, generator, dense, measure(dense, example), 10)
    result = plugin.load().compress(copy.deepcopy(dense), context, **given.kwargs)
    module, state = result if isinstance(result, tuple) else (result, None)
    module.eval()
    images = data().test.pixels(slice(5))
    with torch.no_grad():
        logits = module(images)
        assert logits.shape == (5, 10) and logits.isfinite().all()
        assert not torch.equal(logits, dense(images)), "did nothing"
        torch.manual_seed(99)
        rebuilt = build()
        if "rebuild" in plugin.hooks:
            rebuilt = plugin.load().rebuild(rebuilt, state)
        rebuilt.load_state_dict(module.state_dict())
        assert torch.equal(rebuilt.eval()(images), logits)


@pytest.mark.parametrize("name", plugins("training"))
def test_training(name, tmp_path):
    plugin, given = BUILT_IN.find("training", name), recipe("training", name, tmp_path)
    trained_twice = []
    for _ in range(2):
        seed_everything(0)
        module = REGISTRY.find("model", "tiny_cnn").load().model(classes=10, channels=1, size=8)
        untrained = accuracy(module, data().training.validation)
        seed_everything(1)
        context = Context()
        plugin.load().train(Classifier(module, (1, 8, 8), 10), data().training, context, **given.kwargs)
        assert accuracy(module.eval(), data().training.validation) > untrained + 0.2
        assert all(np.isfinite(list(values.values())).all() for values in context.reported)
        trained_twice.append(module.state_dict())
    assert all(torch.equal(tensor, trained_twice[1][key]) for key, tensor in trained_twice[0].items())


@pytest.mark.parametrize(("classes", "channels", "size"), [(10, 1, 8), (2, 3, 16), (7, 1, 28), (3, 3, 9)])
@pytest.mark.parametrize("name", plugins("model"))
def test_model(name, classes, channels, size, tmp_path):
    given = recipe("model", name, tmp_path)
    make = partial(BUILT_IN.find("model", name).load().model, classes=classes, channels=channels, size=size)
    seed_everything(0)
    module = make(**given.kwargs).eval()
    seed_everything(0)
    again = make(**given.kwargs).eval()
    images = torch.rand(3, channels, size, size)
    with torch.no_grad():
        logits = module(images)
        assert logits.shape == (3, classes) and logits.isfinite().all()
        assert torch.equal(again(images), logits), "the seed does not decide the weights"
        assert torch.allclose(module(images[:1]), logits[:1], atol=1e-5), "an example depends on its batch"
    assert not any(isinstance(layer, nn.Softmax | nn.LogSoftmax) for layer in module.modules())


@pytest.mark.parametrize("name", plugins("dataset"))
def test_dataset(name, tmp_path, monkeypatch):
    cut_off(monkeypatch, tmp_path / "cache")
    parameters = {one.key: one for one in BUILT_IN.find("dataset", name).parameters}
    if any(one.required for one in parameters.values()):
        pytest.skip(f"{name} needs data of one's own")
    given = recipe("dataset", name, tmp_path, "{download: false}" if "download" in parameters else "{}")
    try:
        dataset = BUILT_IN.find("dataset", name).load().dataset(search_roots(), **given.kwargs)
    except DataError as error:
        assert "\n" not in str(error)
        pytest.skip(f"{name} is not on this machine: {error}")
    assert isinstance(dataset, Dataset)
    assert len(dataset.classes) >= 2 and dataset.test_labels.unique().tolist() == list(range(len(dataset.classes)))
    assert dataset.train_images.float().std() > 1  # bytes, not a fraction of one
    split = prepare(dataset, 100, 50)
    assert len(split.training.train) == 100 and len(split.test) == 50
