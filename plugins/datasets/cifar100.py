"""CIFAR-100, 60,000 colour 32×32 images in a hundred classes (Krizhevsky, 2009)."""

from pathlib import Path

from benchmark.data import Dataset

from ._torchvision import cifar

TEST = (10_000, 3, 32, 32)  # the shape of the test images, for plans
FOLDER = "cifar-100-python"


def dataset(roots: tuple[Path, ...]) -> Dataset:
    """uint8 [50000, 3, 32, 32] and [10000, 3, 32, 32], with the hundred fine labels.

    Reads torchvision's layout, the first found in the roots, or lets torchvision download it. Raises DataError.
    """
    return cifar(roots, "cifar100", "CIFAR100", FOLDER)
