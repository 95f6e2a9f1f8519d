"""Datasets in torchvision's layouts, read by torchvision, or downloaded by it."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark.data import Dataset
from benchmark.errors import DataError
from benchmark.vision import torchvision

from ._download import download


def cifar(roots: tuple[Path, ...], name: str, class_name: str, folder: str) -> Dataset:
    """torchvision's CIFAR10 or CIFAR100 from `folder` under the first root that has it. Raises DataError.

    torchvision checks the official files' MD5 before it opens them, which matters, because they are pickles.
    """
    ways = f"to get it, put torchvision's folder {folder} under --data DIR, or run once with a network"
    root = next((root for root in roots if (root / folder).is_dir()), None)
    if root is None:
        root = download(name, class_name, roots, ways)
    parts = []
    for train in (True, False):
        source = opened(class_name, root, root / folder, ways, train=train)
        parts += [
            torch.from_numpy(np.ascontiguousarray(source.data.transpose(0, 3, 1, 2))),
            torch.tensor(source.targets),
        ]
    return Dataset(*parts, tuple(source.classes))


def opened(class_name: str, root: Path, place: Path, ways: str, **part: Any) -> Any:
    """torchvision's dataset of a part; DataError that names `place` and the `ways` if it is incomplete or damaged."""
    kind: Callable = getattr(torchvision().datasets, class_name)
    try:
        with warnings.catch_warnings():
            # CIFAR's arrays' dtypes are pickled in a form that numpy 2.4.0 to 2.4.4 deprecate
            warnings.filterwarnings("ignore", message=r"dtype\(\): align should be passed")
            return kind(root, **part)
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(f"{place}: incomplete or damaged; delete it, and {ways}") from error
