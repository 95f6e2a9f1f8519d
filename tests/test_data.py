"""Datasets are split once and for all: no test image, and no validation image, is ever trained on."""

import numpy as np
import pytest
import torch

from benchmark.data import VALIDATION_MOST, Dataset, Images, TrainingData, decoded_once, prepare
from benchmark.errors import DataError
from plugins.datasets import digits


def numbered(train: int = 1000, test: int = 400, classes: int = 4) -> Dataset:
    """Images that carry their own number: (high byte, low byte, part, 0)."""

    def images(n: int, part: int) -> torch.Tensor:
        index = torch.arange(n)
        return (
            torch.stack([index // 256, index % 256, torch.full((n,), part), torch.zeros(n)], 1).byte().view(n, 1, 2, 2)
        )

    labels = lambda n: torch.arange(n) % classes  # noqa: E731
    return Dataset(images(train, 0), labels(train), images(test, 1), labels(test), tuple("abcd"[:classes]))


def numbers(images: Images) -> list[int]:
    flat = images.images.flatten(1).long()
    return (flat[:, 0] * 256 + flat[:, 1]).tolist()


def test_the_parts_are_disjoint_and_complete():
    prepared = prepare(numbered(), None, None)
    train, validation = numbers(prepared.training.train), numbers(prepared.training.validation)
    assert len(validation) == 100
    assert sorted(train + validation) == list(range(1000))
    assert numbers(prepared.test) == list(range(400))
    for part in (prepared.training.train, prepared.training.validation, prepared.test):
        assert part.indices.tolist() == numbers(part)
        assert (part.labels == part.indices % 4).all()


def test_training_data_hold_no_test_image():
    training = prepare(numbered(), None, None).training
    for images in (training.train, training.validation):
        assert (images.images[:, 0, 1, 0] == 0).all()  # the part that they say they are of
    assert set(TrainingData.__dataclass_fields__) == {"train", "validation", "classes"}


def test_a_smaller_limit_is_a_part_of_a_larger_and_validation_never_moves():
    whole, large, little = (prepare(numbered(), *limits) for limits in ((None, None), (500, 200), (50, 20)))
    assert set(numbers(little.training.train)) < set(numbers(large.training.train)) < set(numbers(whole.training.train))
    assert set(numbers(little.test)) < set(numbers(large.test)) < set(numbers(whole.test))
    assert len(little.training.train) == 50 and len(little.test) == 20
    assert numbers(whole.training.validation) == numbers(large.training.validation)
    assert numbers(whole.training.validation) == numbers(little.training.validation)
    assert little.test_total == 400


def test_subsets_are_stratified():
    for limit in (40, 200):
        labels = prepare(digits.dataset(()), limit, limit).test.labels
        assert labels.bincount(minlength=10).min() >= limit // 10 - 1
        assert labels.bincount(minlength=10).max() <= limit // 10 + 1


def test_the_split_follows_from_the_fingerprint_alone():
    torch.manual_seed(1)
    first = prepare(numbered(), 100, 100)
    torch.manual_seed(2)
    assert numbers(prepare(numbered(), 100, 100).test) == numbers(first.test)
    changed = numbered()
    changed.train_images[0, 0, 1, 1] = 1
    assert changed.fingerprint != numbered().fingerprint
    assert numbers(prepare(changed, 100, 100).test) != numbers(first.test)


def test_fingerprints_cover_pixels_labels_and_names():
    dataset = numbered()
    renamed = Dataset(*list(vars(numbered()).values())[:4], ("a", "b", "c", "e"))
    swapped = numbered()
    swapped.test_labels[:2] = swapped.test_labels[:2].flip(0)
    assert len({dataset.fingerprint, renamed.fingerprint, swapped.fingerprint, numbered().fingerprint}) == 3


def test_a_limit_beyond_the_images_is_an_error():
    with pytest.raises(DataError, match="limit train=901 is more than the 900 train images"):
        prepare(numbered(), 901, None)
    with pytest.raises(DataError, match="limit test=401 is more than the 400"):
        prepare(numbered(), None, 401)


def test_a_large_dataset_keeps_most_for_training():
    assert len(prepare(numbered(60_000), None, 1).training.validation) == VALIDATION_MOST


def test_pixels_and_batches():
    images = prepare(numbered(), None, 10).test
    assert images.pixels().dtype == torch.float32
    assert images.pixels().max() <= 1 and images.pixels()[0, 0, 1, 0] == np.float32(1) / np.float32(255)
    assert [len(labels) for _, labels in images.batches(4)] == [4, 4, 2]
    first = torch.cat([labels for _, labels in images.batches(4, torch.Generator().manual_seed(0))])
    again = torch.cat([labels for _, labels in images.batches(4, torch.Generator().manual_seed(0))])
    assert torch.equal(first, again) and sorted(first.tolist()) == sorted(images.labels.tolist())
    images.pixels().zero_()
    assert images.images.any()  # a batch is a copy


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"train_images": torch.zeros(8, 1, 2, 2)}, "train_images must be uint8"),
        ({"test_labels": torch.zeros(3, dtype=torch.int64)}, r"test_labels must be int64 \[4\]"),
        ({"train_labels": torch.full((8,), 2)}, "train_labels must be one of the 2 classes"),
        ({"test_images": torch.zeros(4, 1, 3, 3, dtype=torch.uint8)}, "differ in shape"),
    ],
)
def test_a_dataset_that_is_not_one(change, problem):
    good = {
        "train_images": torch.zeros(8, 1, 2, 2, dtype=torch.uint8),
        "train_labels": torch.zeros(8, dtype=torch.int64),
        "test_images": torch.zeros(4, 1, 2, 2, dtype=torch.uint8),
        "test_labels": torch.zeros(4, dtype=torch.int64),
        "classes": ("a", "b"),
    }
    Dataset(**good)
    with pytest.raises(DataError, match=problem):
        Dataset(**good | change)


def test_decoding_is_done_once(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    calls = []

    def decode():
        calls.append(1)
        return {"images": torch.arange(6).view(2, 3).t()}

    first, second = (decoded_once(["a", 1], decode) for _ in range(2))
    assert torch.equal(first["images"], second["images"]) and len(calls) == 1
    decoded_once(["a", 2], decode)
    assert len(calls) == 2
