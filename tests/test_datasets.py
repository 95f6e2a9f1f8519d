"""The datasets that are published hold what they should; what is missing or damaged is one line with the way out."""

import gzip
import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat
from sklearn.datasets import load_digits

from benchmark.errors import DataError
from benchmark.vision import torchvision
from plugins.datasets import cifar10, cifar100, digits, fashion_mnist, svhn
from tests.offline_datasets import cut_off, one_line

IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """A cache of its own, no network, and no Debian package."""
    cut_off(monkeypatch, tmp_path / "cache")
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "debian")


# digits


def test_digits():
    data = digits.dataset(())
    assert data.shape == (1, 8, 8)
    assert data.train_images.shape[0] == 1198
    assert data.test_images.shape[0] == 599
    assert data.classes == tuple("0123456789")
    share = data.test_labels.bincount() / (data.train_labels.bincount() + data.test_labels.bincount())
    assert share.min() > 0.32
    assert share.max() < 0.35
    source = load_digits()
    ours = sorted(image.numpy().tobytes() for image in torch.cat([data.train_images, data.test_images]))
    assert ours == sorted(np.rint(image * 255 / 16).astype(np.uint8).tobytes() for image in source.images)
    assert data.fingerprint == digits.dataset(()).fingerprint


def test_digits_labels_belong_to_their_images():
    data = digits.dataset(())
    pairs = zip(load_digits().images, load_digits().target, strict=True)
    known = {np.rint(image * 255 / 16).astype(np.uint8).tobytes(): label for image, label in pairs}
    assert all(known[i.numpy().tobytes()] == int(y) for i, y in zip(data.test_images, data.test_labels, strict=True))


# Fashion-MNIST


def idx(array: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes((0, 0, 8, array.ndim)) + sizes + array.astype(np.uint8).tobytes()


def write_idx(folder: Path, compressed: bool) -> np.ndarray:
    """Forty training and twenty test images of 28×28, which are returned, in the four files."""
    folder.mkdir(parents=True)
    images = np.random.default_rng(0).integers(0, 256, (60, 28, 28))
    labels = np.arange(60) % 10
    for name, array in zip(IDX, (images[:40], labels[:40], images[40:], labels[40:]), strict=True):
        content = gzip.compress(idx(array)) if compressed else idx(array)
        (folder / (name + ".gz" * compressed)).write_bytes(content)
    return images


@pytest.mark.parametrize("inside", ["FashionMNIST/raw", "", "fashion-mnist"])
@pytest.mark.parametrize("compressed", [True, False])
def test_fashion_mnist_layouts(tmp_path, inside, compressed):
    images = write_idx(tmp_path / "given" / inside, compressed)
    data = fashion_mnist.dataset((tmp_path / "empty", tmp_path / "given"))
    assert data.train_images.dtype == torch.uint8
    assert np.array_equal(data.train_images[:, 0], images[:40])
    assert np.array_equal(data.test_images[:, 0], images[40:])
    assert data.test_labels.tolist() == [i % 10 for i in range(40, 60)]
    assert (len(data.classes), data.classes[0], data.classes[9]) == (10, "T-shirt/top", "Ankle boot")


def test_fashion_mnist_from_debian_but_a_root_comes_first(tmp_path):
    write_idx(tmp_path / "debian", compressed=True)
    assert len(fashion_mnist.dataset((tmp_path,)).train_labels) == 40
    write_idx(tmp_path / "root", compressed=True)
    (tmp_path / "root" / f"{IDX[0]}.gz").write_bytes(b"broken")
    with pytest.raises(DataError, match="root"):
        fashion_mnist.dataset((tmp_path / "root",))


@pytest.mark.skipif(
    not Path("/usr/share/datasets/fashion-mnist").is_dir(), reason="Debian's dataset-fashion-mnist is not installed"
)
def test_the_real_fashion_mnist(monkeypatch):
    monkeypatch.setattr(fashion_mnist, "DEBIAN", Path("/usr/share/datasets/fashion-mnist"))
    data = fashion_mnist.dataset(())
    assert (data.train_images.shape, data.test_images.shape) == ((60000, 1, 28, 28), (10000, 1, 28, 28))
    assert data.train_labels.bincount().tolist() == [6000] * 10
    assert data.fingerprint == "e5394e2eb9de3ab6"


def test_fashion_mnist_missing_says_the_three_ways(tmp_path, capfd):
    with pytest.raises(DataError) as error:
        fashion_mnist.dataset((tmp_path / "nothing",))
    message = one_line(error)
    for part in ("apt-get install dataset-fashion-mnist", "--data DIR", "with a network", "no network in the tests"):
        assert part in message
    assert str(tmp_path / "nothing") in message


def damage(content: bytes, how: str) -> bytes:
    return {
        "cut": content[:-5],
        "longer": content + b"x",
        "header": content[:6],
        "other type": bytes((0, 0, 9)) + content[3:],
        "empty": b"",
    }[how]


@pytest.mark.parametrize("how", ["cut", "longer", "header", "other type", "empty"])
@pytest.mark.parametrize("name", IDX)
def test_a_damaged_idx_file_is_named(tmp_path, name, how):
    write_idx(tmp_path / "data", compressed=False)
    path = tmp_path / "data" / name
    path.write_bytes(damage(path.read_bytes(), how))
    with pytest.raises(DataError) as error:
        fashion_mnist.dataset((tmp_path / "data",))
    assert str(path) in one_line(error)


@pytest.mark.parametrize("how", ["cut", "flipped"])
def test_a_damaged_gz_file_is_named(tmp_path, how):
    write_idx(tmp_path / "data", compressed=True)
    path = tmp_path / "data" / f"{IDX[0]}.gz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content if how == "flipped" else content[: len(content) // 2])
    with pytest.raises(DataError) as error:
        fashion_mnist.dataset((tmp_path / "data",))
    assert str(path) in one_line(error)


# CIFAR-10 and CIFAR-100

CIFAR = {
    "cifar10": (cifar10, "CIFAR10", "labels", "label_names"),
    "cifar100": (cifar100, "CIFAR100", "fine_labels", "fine_label_names"),
}


class OldDtype:
    """Pickles as the official files' arrays do: with a dtype whose flags are numbers (numpy 2.4.0 to 2.4.4 warn)."""

    def __reduce__(self):
        return np.dtype, ("u1", 0, 1)


def write_cifar(name: str, folder: Path, monkeypatch) -> np.ndarray:
    """Files of the official form with ten images in each, whose MD5 torchvision is told to expect."""
    folder.mkdir(parents=True)
    rows = np.random.default_rng(0).integers(0, 256, (60, 3072)).astype(np.uint8)
    _, class_name, labels, key = CIFAR[name]
    classes = getattr(torchvision().datasets, class_name)

    def write(name: str, content: dict) -> list[str]:
        data = pickle.dumps({**content, "dtype": OldDtype()})
        (folder / name).write_bytes(data)
        return [name, hashlib.md5(data, usedforsecurity=False).hexdigest()]

    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    batches = [write(n, {"data": rows[i * 10 : i * 10 + 10], labels: [*range(10)]}) for i, n in enumerate(names)]
    _, md5 = write("batches.meta", {key: list("abcdefghij")})
    monkeypatch.setattr(classes, "train_list", batches[:5])
    monkeypatch.setattr(classes, "test_list", batches[5:])
    monkeypatch.setattr(classes, "meta", {"filename": "batches.meta", "key": key, "md5": md5})
    return rows.reshape(60, 3, 32, 32)


@pytest.mark.parametrize("name", CIFAR)
def test_cifar(name, tmp_path, monkeypatch):
    plugin = CIFAR[name][0]
    images = write_cifar(name, tmp_path / "data" / plugin.FOLDER, monkeypatch)
    data = plugin.dataset((tmp_path / "nothing", tmp_path / "data"))
    assert np.array_equal(data.train_images, images[:50])
    assert np.array_equal(data.test_images, images[50:])
    assert data.train_labels.tolist() == [*range(10)] * 5
    assert data.classes == tuple("abcdefghij")


@pytest.mark.parametrize("name", CIFAR)
def test_cifar_damaged(name, tmp_path, monkeypatch):
    plugin = CIFAR[name][0]
    folder = tmp_path / plugin.FOLDER
    write_cifar(name, folder, monkeypatch)
    (folder / "data_batch_3").write_bytes(pickle.dumps({}))
    with pytest.raises(DataError) as error:
        plugin.dataset((tmp_path,))
    assert str(folder) in one_line(error)


# SVHN


def write_svhn(folder: Path, monkeypatch) -> np.ndarray:
    """The two files of the official form, whose MD5 torchvision is told to expect: digits 1 … 10, which is a zero."""
    folder.mkdir(parents=True)
    images = np.random.default_rng(0).integers(0, 256, (30, 3, 32, 32)).astype(np.uint8)
    parts = {}
    for part, rows in (("train", slice(20)), ("test", slice(20, 30))):
        path = folder / f"{part}_32x32.mat"
        labels = (np.arange(30)[rows, None] % 10 + 1).astype(np.uint8)
        savemat(path, {"X": images[rows].transpose(2, 3, 1, 0), "y": labels})
        parts[part] = ["", path.name, hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()]
    monkeypatch.setattr(torchvision().datasets.SVHN, "split_list", parts)
    return images


@pytest.mark.parametrize("inside", ["", "svhn"])
def test_svhn(tmp_path, monkeypatch, inside):
    images = write_svhn(tmp_path / "data" / inside, monkeypatch)
    data = svhn.dataset((tmp_path / "nothing", tmp_path / "data"))
    assert np.array_equal(data.train_images, images[:20])
    assert np.array_equal(data.test_images, images[20:])
    assert data.train_labels.tolist() == [*range(1, 10), 0] * 2
    assert data.classes == tuple("0123456789")


def test_svhn_damaged(tmp_path, monkeypatch):
    write_svhn(tmp_path / "data", monkeypatch)
    (tmp_path / "data" / "test_32x32.mat").write_bytes(b"broken")
    with pytest.raises(DataError) as error:
        svhn.dataset((tmp_path / "data",))
    assert "test_32x32.mat" in one_line(error)


@pytest.mark.parametrize(
    ("plugin", "wanted"),
    [(cifar10, cifar10.FOLDER), (cifar100, cifar100.FOLDER), (svhn, "train_32x32.mat and test_32x32.mat")],
)
def test_what_is_missing_says_the_ways(plugin, wanted, tmp_path, capfd):
    with pytest.raises(DataError) as error:
        plugin.dataset((tmp_path / "nothing",))
    message = one_line(error)
    for part in ("--data DIR", wanted, "with a network", str(tmp_path / "nothing")):
        assert part in message
