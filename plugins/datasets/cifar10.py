"""CIFAR-10, 60,000 colour 32×32 images in ten classes (Krizhevsky, 2009)."""

import warnings
from pathlib import Path

import numpy as np
import torch

from benchmark.data import Dataset
from benchmark.errors import DataError
from benchmark.vision import torchvision

from ._download import download

FOLDER = "cifar-10-batches-py"
WAYS = f"to get it, put torchvision's folder {FOLDER} under --data DIR, or run once with a network"


def dataset(roots: tuple[Path, ...]) -> Dataset:
    """uint8 [50000, 3, 32, 32] and [10000, 3, 32, 32].

    Reads torchvision's layout, the first found in the roots, or lets torchvision download it. torchvision checks the
    official files' MD5 before it opens them, which matters, because they are pickles. Raises DataError.
    """
    root = next((root for root in roots if (root / FOLDER).is_dir()), None)
    if root is None:
        root = download("cifar10", "CIFAR10", roots, WAYS)
    parts = []
    for train in (True, False):
        try:
            with warnings.catch_warnings():
                # the files' dtypes are pickled in a form that numpy 2.4.0 to 2.4.4 deprecate
                warnings.filterwarnings("ignore", message=r"dtype\(\): align should be passed")
                source = torchvision().datasets.CIFAR10(root, train=train)
        except (OSError, RuntimeError) as error:
            raise DataError(f"{root / FOLDER}: incomplete or damaged; delete it, and {WAYS}") from error
        parts += [
            torch.from_numpy(np.ascontiguousarray(source.data.transpose(0, 3, 1, 2))),
            torch.tensor(source.targets),
        ]
    return Dataset(*parts, tuple(source.classes))
