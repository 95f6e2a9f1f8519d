"""What is asked of a dataset."""

import hashlib
from collections import Counter

import torch

from benchmark.check.verdict import Subject, require
from benchmark.data import Dataset
from benchmark.stages.workplace import Workplace
from benchmark.types import Recipe

TOLERATED = 0.01  # of the test images: known datasets hold a few twice


class DatasetSubject(Subject):
    """A dataset on this machine."""

    def __init__(self, place: Workplace, recipe: Recipe):
        super().__init__(place.registry.find("dataset", recipe.plugin))
        self.place, self.recipe = place, recipe

    def loaded(self, time: int = 0) -> Dataset:
        """What the plugin gives; `time` tells apart what is loaded again. It checks types, shapes and labels itself."""
        return self.once(time, lambda: self.place.loaded(self.plugin, self.recipe))


def gives_labelled_images(dataset: DatasetSubject) -> str:
    """Square uint8 images [n, channels, height, width] and int64 labels among the classes, in two parts."""
    loaded = dataset.loaded()
    channels, height, width = loaded.shape
    counts = f"{len(loaded.train_labels):,} training and {len(loaded.test_labels):,} test images"
    return require(height == width, f"{counts}, {channels}×{height}×{width}, {len(loaded.classes)} classes")


def holds_every_class(dataset: DatasetSubject) -> str:
    """There are two classes or more, each with a name of its own, and images of each in both parts."""
    loaded = dataset.loaded()
    count = len(loaded.classes)
    lacking = [
        f"no {part} image of {loaded.classes[label]}"
        for part, labels in (("training", loaded.train_labels), ("test", loaded.test_labels))
        for label in sorted(set(range(count)) - set(labels.unique().tolist()))
    ]
    named = len(set(loaded.classes)) == count >= 2
    return require(
        named and not lacking, "; ".join(lacking[:3]) or f"{count} classes, {len(set(loaded.classes))} names"
    )


def holds_bytes(dataset: DatasetSubject) -> str:
    """Pixels go from 0 to 255, not from 0 to 1."""
    images = dataset.loaded().train_images
    low, high = int(images.min()), int(images.max())
    return require(high - low > 1, f"{low} … {high}")


def keeps_test_images_apart(dataset: DatasetSubject) -> str:
    """No test image is a training image; up to 1 % are tolerated."""
    loaded = dataset.loaded()
    known = _contents(loaded.train_images)
    twice = sum(content in known for content in _contents(loaded.test_images).elements())
    told = f"{twice:,} of {len(loaded.test_labels):,} test images are training images, too"
    return require(twice <= TOLERATED * len(loaded.test_labels), told)


def has_a_stable_fingerprint(dataset: DatasetSubject) -> str:
    """Loaded again, it holds the same bits in the same order."""
    first, second = (dataset.loaded(time).fingerprint for time in (0, 1))
    return require(first == second, first if first == second else f"{first}, then {second}")


CHECKS = (
    gives_labelled_images,
    holds_every_class,
    holds_bytes,
    keeps_test_images_apart,
    has_a_stable_fingerprint,
)


def _contents(images: torch.Tensor) -> Counter:
    """How often each image is there, by its bytes' digest."""
    return Counter(hashlib.sha256(image.tobytes()).digest() for image in images.contiguous().numpy())
