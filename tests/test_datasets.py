"""The datasets hold what they should; what is missing or damaged is one line that names it and the way out."""

import gzip
import hashlib
import pickle
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from benchmark.data import cache_folder
from benchmark.errors import DataError
from benchmark.vision import torchvision
from plugins.datasets import cifar10, digits, fashion_mnist, image_folder

IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """A cache of its own, no Debian package, and no network: each connection is refused at once."""

    def refused(*_, **__):
        raise urllib.error.URLError("no network in the tests")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "debian")
    monkeypatch.setattr(urllib.request, "urlopen", refused)


def one_line(error: pytest.ExceptionInfo) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


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


# CIFAR-10


class OldDtype:
    """Pickles as the official files' arrays do: with a dtype whose flags are numbers (numpy 2.4.0 to 2.4.4 warn)."""

    def __reduce__(self):
        return np.dtype, ("u1", 0, 1)


def write_cifar(folder: Path, monkeypatch) -> np.ndarray:
    """Files of the official form with ten images in each, whose MD5 torchvision is told to expect."""
    folder.mkdir(parents=True)
    rows = np.random.default_rng(0).integers(0, 256, (60, 3072)).astype(np.uint8)
    classes = torchvision().datasets.CIFAR10

    def write(name: str, content: dict) -> list[str]:
        data = pickle.dumps({**content, "dtype": OldDtype()})
        (folder / name).write_bytes(data)
        return [name, hashlib.md5(data, usedforsecurity=False).hexdigest()]

    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    batches = [write(n, {"data": rows[i * 10 : i * 10 + 10], "labels": [*range(10)]}) for i, n in enumerate(names)]
    _, md5 = write("batches.meta", {"label_names": list("abcdefghij")})
    monkeypatch.setattr(classes, "train_list", batches[:5])
    monkeypatch.setattr(classes, "test_list", batches[5:])
    monkeypatch.setattr(classes, "meta", {"filename": "batches.meta", "key": "label_names", "md5": md5})
    return rows.reshape(60, 3, 32, 32)


def test_cifar10(tmp_path, monkeypatch):
    images = write_cifar(tmp_path / "data" / cifar10.FOLDER, monkeypatch)
    data = cifar10.dataset((tmp_path / "nothing", tmp_path / "data"))
    assert np.array_equal(data.train_images, images[:50])
    assert np.array_equal(data.test_images, images[50:])
    assert data.train_labels.tolist() == [*range(10)] * 5
    assert data.classes == tuple("abcdefghij")


def test_cifar10_damaged(tmp_path, monkeypatch):
    folder = tmp_path / cifar10.FOLDER
    write_cifar(folder, monkeypatch)
    (folder / "data_batch_3").write_bytes(pickle.dumps({}))
    with pytest.raises(DataError) as error:
        cifar10.dataset((tmp_path,))
    assert str(folder) in one_line(error)


def test_cifar10_missing(tmp_path, capfd):
    with pytest.raises(DataError) as error:
        cifar10.dataset((tmp_path / "nothing",))
    message = one_line(error)
    for part in ("--data DIR", cifar10.FOLDER, "with a network", str(tmp_path / "nothing")):
        assert part in message


# a folder of images


@pytest.fixture
def folder(tmp_path) -> Path:
    """Real digits as PNG, 0–2, ten to train on and four to test on of each class."""
    source = load_digits()
    for label in range(3):
        images = source.images[source.target == label][:14]
        for i, image in enumerate(images):
            path = tmp_path / "pictures" / ("train" if i < 10 else "test") / f"digit-{label}" / f"{i:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.rint(image * 255 / 16).astype(np.uint8)).save(path)
    return tmp_path / "pictures"


def read(folder: Path, **arguments):
    return image_folder.dataset((folder.parent / "nothing", folder.parent), folder=folder.name, **arguments)


def test_image_folder(folder):
    data = read(folder, channels="grey")
    assert data.classes == ("digit-0", "digit-1", "digit-2")
    assert data.train_labels.tolist() == [0] * 10 + [1] * 10 + [2] * 10
    assert data.test_labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    source = load_digits()
    first = np.rint(source.images[source.target == 1] * 255 / 16).astype(np.uint8)
    assert np.array_equal(data.train_images[10:20, 0], first[:10])
    assert np.array_equal(data.test_images[4:8, 0], first[10:14])


def test_image_folder_in_colour_and_resized(folder):
    grey, colour = read(folder, channels="grey"), read(folder)
    assert colour.shape == (3, 8, 8)
    assert torch.equal(colour.train_images[:, 2], grey.train_images[:, 0])
    assert read(folder, resize=12).shape == (3, 12, 12)


def test_image_folder_by_an_absolute_path(folder):
    assert image_folder.dataset((), folder=str(folder)).fingerprint == read(folder).fingerprint


def test_image_folder_skips_what_is_no_image(folder):
    before = read(folder).fingerprint
    for name in (".hidden.png", "notes.txt", "Thumbs.db"):
        (folder / "train" / "digit-0" / name).write_text("not an image")
    (folder / "train" / ".cache").mkdir()
    (folder / "train" / "README").write_text("")
    assert read(folder).fingerprint == before


def test_image_folder_is_decoded_once_and_again_when_it_changes(folder, monkeypatch):
    opened = []
    real = Image.open
    monkeypatch.setattr(Image, "open", lambda path: opened.append(path) or real(path))
    first = read(folder, channels="grey")
    decoded = len(opened)
    assert decoded >= 42
    assert read(folder, channels="grey").fingerprint == first.fingerprint
    assert len(opened) == decoded
    assert len(list((cache_folder() / "decoded").iterdir())) == 1
    Image.new("L", (8, 8), 77).save(folder / "test" / "digit-0" / "13.png")
    assert read(folder, channels="grey").fingerprint != first.fingerprint
    assert len(opened) > decoded


@pytest.mark.parametrize("part", ["train", "test"])
def test_image_folder_names_the_odd_size(folder, part):
    odd = folder / part / "digit-1" / "12.png"
    Image.new("L", (9, 8)).save(odd)
    with pytest.raises(DataError) as error:
        read(folder)
    assert str(odd) in one_line(error)
    assert "9×8" in str(error.value)
    assert "resize" in str(error.value)
    assert read(folder, resize=8).shape == (3, 8, 8)


def test_image_folder_names_what_cannot_be_decoded(folder):
    path = folder / "train" / "digit-2" / "03.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError) as error:
        read(folder)
    assert str(path) in one_line(error)


def test_image_folder_refuses_deep_images(folder):
    path = folder / "train" / "digit-2" / "03.png"
    Image.fromarray(np.full((8, 8), 40000, np.uint16)).save(path)
    with pytest.raises(DataError) as error:
        read(folder)
    assert str(path) in one_line(error)
    assert "8 bits" in str(error.value)


def test_image_folder_wants_the_same_classes(folder):
    (folder / "test" / "digit-7").mkdir()
    with pytest.raises(DataError, match="digit-7") as error:
        read(folder)
    one_line(error)


def test_image_folder_with_an_empty_class(folder):
    for part in ("train", "test"):
        (folder / part / "digit-7").mkdir()
    with pytest.raises(DataError, match="digit-7: no image") as error:
        read(folder)
    one_line(error)


def test_image_folder_that_is_not_there(folder):
    with pytest.raises(DataError) as error:
        image_folder.dataset((folder,), folder="elsewhere")
    assert "elsewhere" in one_line(error)
    assert "--data DIR" in str(error.value)
