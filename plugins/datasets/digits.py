"""Handwritten digits, 1,797 grey 8×8 images that come with scikit-learn (Alpaydin & Kaynak, 1998): nothing to fetch."""

from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits

from benchmark.data import Dataset

BRIGHTEST = 16  # scikit-learn's pixels are 0 … 16
PARTS = 3  # every third image of a class is a test image: 1,198 to train on, 599 to test on


def dataset(roots: tuple[Path, ...]) -> Dataset:
    """uint8 [1198, 1, 8, 8] and [599, 1, 8, 8]; the split is stratified and involves no chance."""
    source = load_digits()
    images = torch.from_numpy(np.rint(source.images * (255 / BRIGHTEST)).astype(np.uint8)).unsqueeze(1)
    labels = torch.from_numpy(source.target.astype(np.int64))
    by_class = labels.argsort(stable=True)
    in_test = torch.arange(len(labels)) % PARTS == PARTS - 1
    train, test = by_class[~in_test].sort().values, by_class[in_test].sort().values
    return Dataset(images[train], labels[train], images[test], labels[test], tuple(map(str, source.target_names)))
