"""Arrays of one's own: train_images, train_labels, test_images, test_labels as .npz, .safetensors or .npy."""

from pathlib import Path
from typing import Literal
from zipfile import BadZipFile

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file

from benchmark.data import Dataset
from benchmark.errors import DataError

NAMES = ("train_images", "train_labels", "test_images", "test_labels")
GREY = 3  # dimensions of images without a channel's
CLOSE = 1e-4  # how far from a multiple of 1/255 a float may be


def dataset(
    roots: tuple[Path, ...], *, file: str, layout: Literal["nchw", "nhwc"] = "nchw", classes: list[str] = ()
) -> Dataset:
    """The four arrays of `file`, which is absolute or lies under one of the roots, or the working folder.

    Images: uint8, or floats in [0, 1] that are multiples of 1/255 (the threat model is that of 8-bit images), [n,
    channels, height, width], or with the channels last (layout: nhwc), or [n, height, width] if they are grey. Labels:
    whole numbers from 0, [n]. `classes` names them, 0, 1, … by default. No pickle is read. Raises DataError.
    """
    path = next((root / file for root in roots if (root / file).exists()), Path(file))
    arrays = _read(path, ", ".join(map(str, roots)))
    if missing := [name for name in NAMES if name not in arrays]:
        raise DataError(f"{path}: has no {', '.join(missing)}; it must hold {', '.join(NAMES)}")
    tensors = {}
    for part in ("train", "test"):
        images, labels = (f"{part}_images", f"{part}_labels")
        tensors[images] = _images(f"{path}: {images}", arrays[images], layout)
        tensors[labels] = _labels(f"{path}: {labels}", arrays[labels], classes)
    most = max(int(tensors[name].max()) for name in ("train_labels", "test_labels"))
    names = tuple(classes) or tuple(str(label) for label in range(most + 1))
    try:
        return Dataset(**tensors, classes=names)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _read(path: Path, searched: str) -> dict[str, np.ndarray]:
    if not path.exists():
        raise DataError(f"arrays: no {path}, nor is it under {searched or 'a root'}; mend file, or give --data DIR")
    try:
        if path.is_dir():
            return {name.stem: np.load(name, allow_pickle=False) for name in sorted(path.glob("*.npy"))}
        if path.suffix == ".safetensors":
            return load_file(path)
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as content:
                return {name: content[name] for name in content.files if name in NAMES}
    except (OSError, ValueError, SafetensorError, EOFError, BadZipFile) as error:
        raise DataError(f"{path}: cannot be read ({' '.join(str(error).split())}); save plain arrays") from error
    raise DataError(f"{path}: not .npz, .safetensors or a folder of .npy; save the arrays as one of these")


def _images(where: str, array: np.ndarray, layout: str) -> torch.Tensor:
    """uint8 [n, c, h, w]."""
    if array.ndim == GREY:
        array = array[:, None] if layout == "nchw" else array[..., None]
    if array.ndim != GREY + 1 or not array.size:
        raise DataError(f"{where}: shape {list(array.shape)} is not that of images; give [n, h, w] or {layout}")
    if layout == "nhwc":
        array = array.transpose(0, 3, 1, 2)
    if np.issubdtype(array.dtype, np.floating):
        levels = array * 255.0
        whole = np.rint(levels)
        if not (np.abs(levels - whole) <= 255 * CLOSE).all() or whole.min() < 0 or whole.max() > 255:
            raise DataError(f"{where}: its floats are not multiples of 1/255 in [0, 1]; save uint8, 0 … 255")
        array = whole.astype(np.uint8)
    if array.dtype != np.uint8:
        raise DataError(f"{where}: is {array.dtype}; save uint8, 0 … 255, or floats in [0, 1]")
    return torch.from_numpy(np.ascontiguousarray(array))


def _labels(where: str, array: np.ndarray, classes: list[str]) -> torch.Tensor:
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer) or not len(array):
        raise DataError(f"{where}: is {array.dtype} of shape {list(array.shape)}; save whole numbers from 0, shape [n]")
    if array.min() < 0 or (classes and array.max() >= len(classes)):
        raise DataError(f"{where}: {array.min()} … {array.max()} are not labels from 0; name as many classes")
    return torch.from_numpy(array.astype(np.int64))
