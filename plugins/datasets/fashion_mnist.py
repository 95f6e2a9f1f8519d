"""Fashion-MNIST, 70,000 grey 28×28 images of clothes (Xiao et al., 2017)."""

import gzip
import zlib
from math import prod
from pathlib import Path

import torch

from benchmark.data import Dataset
from benchmark.errors import DataError

from ._download import download

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
PARTS = ("train", "t10k")
DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # where the package dataset-fashion-mnist puts the files
TORCHVISION = Path("FashionMNIST") / "raw"
WAYS = (
    "to get it, apt-get install dataset-fashion-mnist, or put its four *-ubyte.gz files under --data DIR, "
    "or run once with a network"
)


def dataset(roots: tuple[Path, ...]) -> Dataset:
    """uint8 [60000, 1, 28, 28] and [10000, 1, 28, 28].

    Looks in each root for torchvision's layout, for the four files, and for a folder fashion-mnist of them; then
    where Debian's package puts them; then torchvision downloads them. Raises DataError if all of that fails, or if
    a file is damaged.
    """
    places = [root / inside for root in roots for inside in (TORCHVISION, "", "fashion-mnist")]
    folder = next((place for place in (*places, DEBIAN) if _complete(place)), None)
    if folder is None:
        folder = download("fashion_mnist", "FashionMNIST", (*roots, DEBIAN), WAYS) / TORCHVISION
    parts = []
    for part in PARTS:
        images = read_idx(_file(folder, f"{part}-images-idx3-ubyte"), dimensions=3)
        labels = read_idx(_file(folder, f"{part}-labels-idx1-ubyte"), dimensions=1)
        parts += [images.unsqueeze(1), labels.long()]
    return Dataset(*parts, CLASSES)


def _complete(folder: Path) -> bool:
    return all(_file(folder, f"{part}-{kind}-ubyte") for part in PARTS for kind in ("images-idx3", "labels-idx1"))


def _file(folder: Path, name: str) -> Path | None:
    """The compressed file first: it carries a checksum."""
    return next((path for path in (folder / f"{name}.gz", folder / name) if path.is_file()), None)


def read_idx(path: Path, dimensions: int) -> torch.Tensor:
    """The uint8 tensor in an IDX file (LeCun's format: two zero bytes, type, rank, big-endian sizes, values)."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}); fetch it again") from error
    header = 4 + 4 * dimensions
    if content[:4] != bytes((0, 0, 8, dimensions)) or len(content) < header:  # 8: unsigned bytes
        raise DataError(f"{path}: not an IDX file of unsigned bytes in {dimensions} dimensions; fetch it again")
    shape = [int.from_bytes(content[at : at + 4]) for at in range(4, header, 4)]
    if len(content) - header != prod(shape):
        raise DataError(
            f"{path}: damaged, {len(content) - header:,} bytes where its header says {prod(shape):,}; fetch it again"
        )
    return torch.frombuffer(bytearray(content[header:]), dtype=torch.uint8).view(shape)
