"""Datasets: uint8 images in memory, decoded once; float32 batches in [0, 1] on the device.

The dataset plugins make a `Dataset`; `prepare` splits it into what each part of the benchmark may see. A training or a
compression never gets the test images: it is handed `TrainingData`, which does not hold them.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from benchmark.errors import DataError
from benchmark.types import Recipe, canonical

VALIDATION_SHARE = 0.1  # of the training images, held out before any limit is applied
VALIDATION_MOST = 5_000  # images: enough for ±1.4 points, without starving the training of a large dataset


@dataclass(frozen=True)
class Dataset:
    """A labelled image dataset in memory.

    Images are uint8, shape [n, channels, height, width]; labels int64, shape [n], in 0 … len(classes) − 1.
    """

    train_images: torch.Tensor
    train_labels: torch.Tensor
    test_images: torch.Tensor
    test_labels: torch.Tensor
    classes: tuple[str, ...]

    def __post_init__(self):
        if len(self.classes) < 2:
            raise DataError(f"it has {len(self.classes)} class, and there is nothing to tell apart; give two or more")
        for part in ("train", "test"):
            images, labels = getattr(self, f"{part}_images"), getattr(self, f"{part}_labels")
            if images.dtype != torch.uint8 or images.ndim != 4:
                raise DataError(f"{part}_images must be uint8 [n, c, h, w], not {images.dtype} {list(images.shape)}")
            if labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
                raise DataError(f"{part}_labels must be int64 [{len(images)}], not {labels.dtype} {list(labels.shape)}")
            if not len(labels) or not 0 <= int(labels.min()) <= int(labels.max()) < len(self.classes):
                raise DataError(
                    f"{part}_labels must be one of the {len(self.classes)} classes, and at least one of them"
                )
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            raise DataError("training and test images differ in shape")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return tuple(self.train_images.shape[1:])

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (16 hex digits) of the pixels, labels and class names."""
        digest = hashlib.sha256(canonical([list(self.classes), self.shape]).encode())
        for tensor in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            digest.update(tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Images:
    """Labelled images on their way into a network: uint8 [n, c, h, w], int64 [n], and each one's place in its file."""

    images: torch.Tensor
    labels: torch.Tensor
    indices: torch.Tensor
    device: str = "cpu"

    def __len__(self) -> int:
        return len(self.labels)

    def pixels(self, index: torch.Tensor | slice = slice(None)) -> torch.Tensor:
        """float32 [m, c, h, w] in [0, 1] on the device."""
        return self.images[index].to(self.device).float().div_(255)

    def batches(
        self, size: int, generator: torch.Generator | None = None
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """(pixels, labels) batches of at most `size`; shuffled if a generator is given."""
        order = torch.randperm(len(self), generator=generator) if generator else torch.arange(len(self))
        for index in order.split(size):
            yield self.pixels(index), self.labels[index].to(self.device)


@dataclass(frozen=True)
class TrainingData:
    """All that a training or a compression may see: training images and a validation split, no test image."""

    train: Images
    validation: Images
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Prepared:
    """A dataset, split: `training` for stages that make networks, `test` for those that attack and judge them.

    Each part is made when it is first asked for, and kept.
    """

    dataset: Dataset
    train_limit: int | None = None
    test_limit: int | None = None
    device: str = "cpu"

    @property
    def classes(self) -> tuple[str, ...]:
        return self.dataset.classes

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return self.dataset.shape

    @property
    def fingerprint(self) -> str:
        return self.dataset.fingerprint

    @property
    def test_total(self) -> int:
        """Test images before the limit."""
        return len(self.dataset.test_labels)

    @cached_property
    def training(self) -> TrainingData:
        order = _stratified(self.dataset.train_labels, int(self.fingerprint, 16))
        held_out = _held_out(self.dataset)
        train = self._part("train", order[held_out:][: self.train_limit])
        return TrainingData(train, self._part("train", order[:held_out]), self.classes)

    @cached_property
    def test(self) -> Images:
        order = _stratified(self.dataset.test_labels, int(self.fingerprint, 16) + 1)
        return self._part("test", order[: self.test_limit])

    def _part(self, part: str, index: torch.Tensor) -> Images:
        images, labels = getattr(self.dataset, f"{part}_images"), getattr(self.dataset, f"{part}_labels")
        index = index.sort().values
        return Images(images[index], labels[index], index, self.device)


def prepare(dataset: Dataset, train_limit: int | None, test_limit: int | None, device: str = "cpu") -> Prepared:
    """Hold out the validation split, then apply the limits; each choice is stratified and follows from the fingerprint.

    The validation split does not depend on the limits, and a smaller limit takes a part of what a larger one takes.
    """
    available = {"train": len(dataset.train_labels) - _held_out(dataset), "test": len(dataset.test_labels)}
    for part, limit in (("train", train_limit), ("test", test_limit)):
        if limit is not None and limit > available[part]:
            held = f" beside the {_held_out(dataset)} held out for validation" if part == "train" else ""
            raise DataError(
                f"limit {part}={limit} is more than the {available[part]} {part} images there are{held}; "
                f"give at most {available[part]}"
            )
    return Prepared(dataset, train_limit, test_limit, device)


def _held_out(dataset: Dataset) -> int:
    return min(VALIDATION_MOST, max(1, int(len(dataset.train_labels) * VALIDATION_SHARE)))


def _stratified(labels: torch.Tensor, seed: int) -> torch.Tensor:
    """A random order of the indices in which every prefix holds the classes in (nearly) their own proportions."""
    generator = torch.Generator().manual_seed(seed % 2**63)
    place = torch.empty(len(labels), dtype=torch.float64)
    for label in labels.unique():
        index = (labels == label).nonzero().squeeze(1)
        index = index[torch.randperm(len(index), generator=generator)]
        offset = torch.rand((), generator=generator, dtype=torch.float64)
        place[index] = (torch.arange(len(index), dtype=torch.float64) + offset) / len(index)
    return place.argsort(stable=True)


def search_roots(given: tuple[Path, ...] = ()) -> tuple[Path, ...]:
    """Where dataset plugins look, in order: --data, $LEANARMOR_DATA, ./data, and the user's cache."""
    named = os.environ.get("LEANARMOR_DATA")
    return (*given, *([Path(named)] if named else []), Path("data"), cache_folder() / "data")


def cache_folder() -> Path:
    """The user's cache: $XDG_CACHE_HOME/leanarmor, or ~/.cache/leanarmor."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "leanarmor"


def decoded_once(identity: object, decode: Callable[[], dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """What `decode()` gives, from the user's cache if it has been decoded before.

    `identity` is a JSON value that changes when the source does (names, sizes and times of the files, say).
    """
    name = hashlib.sha256(canonical(identity).encode()).hexdigest()[:32]
    path = cache_folder() / "decoded" / f"{name}.safetensors"
    if path.exists():
        return load_file(path)
    tensors = {key: value.contiguous() for key, value in decode().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}")
    save_file(tensors, beside)
    beside.replace(path)
    return tensors


def dataset_key(recipe: Recipe, source: str) -> str:
    """The name under which a dataset's fingerprint is remembered: its recipe and its plugin's source."""
    return hashlib.sha256(canonical([recipe.described(), source]).encode()).hexdigest()[:16]
