"""SVHN, 99,289 colour 32×32 images of house numbers' digits (Netzer et al., 2011)."""

from pathlib import Path

import numpy as np
import torch

from benchmark.data import Dataset

from ._download import download
from ._torchvision import opened

TEST = (26_032, 3, 32, 32)  # the shape of the test images, for plans
FILES = ("train_32x32.mat", "test_32x32.mat")
PARTS = ({"split": "train"}, {"split": "test"})
WAYS = f"to get it, put {' and '.join(FILES)} under --data DIR or its folder svhn, or run once with a network"


def dataset(roots: tuple[Path, ...]) -> Dataset:
    """uint8 [73257, 3, 32, 32] and [26032, 3, 32, 32]; the label of a digit is the digit.

    Reads torchvision's layout, the first found in the roots or in their folders svhn, or lets torchvision download it;
    torchvision checks the files' MD5. Raises DataError.
    """
    places = [place for root in roots for place in (root, root / "svhn")]
    folder = next((place for place in places if any((place / name).is_file() for name in FILES)), None)
    if folder is None:
        folder = download("svhn", "SVHN", roots, WAYS, PARTS)
    parts = []
    for part, name in zip(PARTS, FILES, strict=True):
        source = opened("SVHN", folder, folder / name, WAYS, **part)
        parts += [torch.from_numpy(np.ascontiguousarray(source.data)), torch.from_numpy(source.labels)]
    return Dataset(*parts, tuple("0123456789"))
