"""Any folder of images, laid out as train/<class>/* and test/<class>/*; decoded once, then cached."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from PIL import Image

from benchmark.data import Dataset, decoded_once
from benchmark.errors import DataError

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".pgm", ".tif", ".tiff", ".webp")
MODES = {"rgb": "RGB", "grey": "L"}
DEEP = ("I", "F")  # PIL modes (and their variants, as I;16) of more than 8 bits: converting would saturate silently


def dataset(
    roots: tuple[Path, ...],
    *,
    folder: str,
    resize: Annotated[int | None, "resize > 0"] = None,
    crop: Annotated[int | None, "crop > 0"] = None,
    channels: Literal["rgb", "grey"] = "rgb",
) -> Dataset:
    """The images under `folder`, which is absolute or lies under one of the roots; classes are sorted by name.

    All images must have one size, unless `resize` (pixels) makes them squares of that size (bilinear, not cropped).
    With `crop` it is the shorter side that `resize` sets, and the square of `crop` pixels in the middle is taken.
    Hidden files and those that are no images by their suffix are skipped. Raises DataError for a folder that is not
    there, classes that differ between train and test, and an image that cannot be read or is of another size.
    """
    top = next((root / folder for root in roots if (root / folder).is_dir()), Path(folder))
    if not (top / "train").is_dir() or not (top / "test").is_dir():
        where = ", ".join(map(str, roots))
        raise DataError(f"image_folder: no {folder} with train and test in it, in {where}; give --data DIR")
    classes = _folders(top / "train")
    if odd := sorted(set(classes) ^ set(_folders(top / "test"))):
        raise DataError(f"{top}: train and test must hold the same classes; only one of them has {', '.join(odd)}")
    if not classes:
        raise DataError(f"{top}: no class in train or test; each needs one folder of images for each class")
    files = {part: [_images(top / part / name) for name in classes] for part in ("train", "test")}
    identity = {
        "folder": str(top.resolve()),
        "files": [
            [str(path.relative_to(top)), size, modified]
            for part in files.values()
            for listed in part
            for path, size, modified in listed
        ],
        "as": [channels, resize, crop],
    }

    def decode() -> dict[str, torch.Tensor]:
        tensors, size = {}, None
        for part, by_class in files.items():
            paths = [path for listed in by_class for path, _, _ in listed]
            tensors[f"{part}_images"], size = _decode(
                paths, lambda image: _fitted(image, resize, crop), MODES[channels], size
            )
            counts = torch.tensor([len(listed) for listed in by_class])
            tensors[f"{part}_labels"] = torch.arange(len(classes)).repeat_interleave(counts)
        return tensors

    return Dataset(**decoded_once(identity, decode), classes=classes)


def _folders(part: Path) -> tuple[str, ...]:
    return tuple(sorted(entry.name for entry in os.scandir(part) if entry.is_dir() and not entry.name.startswith(".")))


def _images(folder: Path) -> list[tuple[Path, int, int]]:
    """(path, bytes, time of change in ns) of every image in a class's folder, sorted by name."""
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    wanted = [e for e in entries if not e.name.startswith(".") and e.name.lower().endswith(SUFFIXES) and e.is_file()]
    if not wanted:
        raise DataError(f"{folder}: no image in it; remove the folder, or put {', '.join(SUFFIXES)} files there")
    return [(Path(entry.path), entry.stat().st_size, entry.stat().st_mtime_ns) for entry in wanted]


def _fitted(image: Image.Image, resize: int | None, crop: int | None) -> Image.Image:
    """Resized and cropped as was asked; ValueError if the image is smaller than its crop."""
    if resize:
        size = [round(side * resize / min(image.size)) if crop else resize for side in image.size]
        image = image.resize(size, Image.Resampling.BILINEAR)
    if crop:
        if min(image.size) < crop:
            raise ValueError(f"{image.width}×{image.height} pixels, smaller than crop {crop}")
        left, top = ((side - crop) // 2 for side in image.size)
        image = image.crop((left, top, left + crop, top + crop))
    return image


def _decode(
    paths: list[Path], fit: Callable[[Image.Image], Image.Image], mode: str, size: tuple[int, int] | None
) -> tuple[torch.Tensor, tuple[int, int]]:
    """uint8 [n, c, h, w] of all files, and their (width, height), which must be `size` if one is given."""

    def pixels(path: Path) -> np.ndarray:
        try:
            with Image.open(path) as image:
                if image.mode.startswith(DEEP):
                    raise DataError(f"{path}: more than 8 bits a channel ({image.mode}); convert it to 8 bits")
                image = fit(image.convert(mode))
        except (OSError, SyntaxError, ValueError) as error:
            raise DataError(f"{path}: cannot be decoded ({error}); replace or remove it") from error
        return np.asarray(image)

    with ThreadPoolExecutor() as pool:
        first = pixels(paths[0])
        size = size or (first.shape[1], first.shape[0])
        images = np.empty((len(paths), size[1], size[0], *first.shape[2:]), np.uint8)
        for index, decoded in enumerate(pool.map(pixels, paths)):
            if decoded.shape != images.shape[1:]:
                found = f"{decoded.shape[1]}×{decoded.shape[0]}"
                raise DataError(f"{paths[index]}: {found} pixels, not {size[0]}×{size[1]} as the first; give resize")
            images[index] = decoded
    tensor = torch.from_numpy(images)
    return (tensor.unsqueeze(1) if tensor.ndim == 3 else tensor.permute(0, 3, 1, 2).contiguous()), size
