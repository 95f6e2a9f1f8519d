"""Which checks a plugin of some kind is put to."""

from collections.abc import Iterator

from benchmark.check import attack, compression, dataset, model, training
from benchmark.check.compression import CompressionSubject
from benchmark.check.dataset import DatasetSubject
from benchmark.check.model import ModelSubject
from benchmark.check.training import TrainingSubject
from benchmark.check.verdict import Subject, Verdict, verdicts
from benchmark.check.witness import AttackSubject
from benchmark.errors import RequestError, suggest
from benchmark.stages.workplace import Workplace
from benchmark.types import Recipe

IMAGES = 40  # that an attack is given in each check
CHECKS = {
    "attack": attack.CHECKS,
    "compression": compression.CHECKS,
    "training": training.CHECKS,
    "model": model.CHECKS,
    "dataset": dataset.CHECKS,
}


def contract(
    place: Workplace, recipe: Recipe, norm: str | None = None, images: int = IMAGES
) -> Iterator[tuple[str, Verdict]]:
    """Each verdict on a recipe's plugin, as it is reached, and what it is about: an attack's norm, a network.

    norm: of an attack, the only one that is checked. RequestError if the attack does not take it; PluginError if its
    file cannot be run.
    """
    for about, subject in _subjects(place, recipe, norm, images):
        for verdict in verdicts(CHECKS[recipe.kind], subject):
            yield about, verdict


def _subjects(place: Workplace, recipe: Recipe, norm: str | None, images: int) -> Iterator[tuple[str, Subject]]:
    plugin = place.registry.find(recipe.kind, recipe.plugin)
    plugin.load()
    if recipe.kind == "attack":
        norms = plugin.constant("NORMS", recipe, ("inf",))
        if norm not in (None, *norms):
            raise RequestError(f"--norm {norm}: attack {plugin.name!r} does not take it{suggest(norm, norms)}")
        for one in norms if norm is None else [norm]:
            yield f"norm {one}", AttackSubject(place.registry, recipe, one, images)
    elif recipe.kind == "compression":
        for one in compression.NETWORKS:
            yield one, CompressionSubject(place, recipe, one)
    elif recipe.kind == "training":
        yield "", TrainingSubject(place.registry, recipe)
    else:
        yield "", {"model": ModelSubject, "dataset": DatasetSubject}[recipe.kind](place, recipe)
