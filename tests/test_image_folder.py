"""A folder of images becomes a dataset, decoded once; what is wrong with it is one line that names the file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from benchmark.data import cache_folder
from benchmark.errors import DataError
from plugins.datasets import image_folder
from tests.offline_datasets import cut_off, one_line


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    cut_off(monkeypatch, tmp_path / "cache")


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


def test_image_folder_cropped_in_the_middle(folder):
    whole, middle = read(folder), read(folder, crop=4)
    assert torch.equal(middle.train_images, whole.train_images[:, :, 2:6, 2:6])


def test_image_folder_of_any_shape_resized_by_the_shorter_side_and_cropped(folder):
    wide = np.zeros((8, 16, 3), np.uint8)
    wide[:, 4:12] = 200  # the square in the middle
    Image.fromarray(wide).save(folder / "test" / "digit-1" / "12.png")
    data = read(folder, resize=12, crop=10)
    assert data.shape == (3, 10, 10)
    assert (data.test_images[6] == 200).all()  # not squeezed: nothing of the black sides is seen
    assert not torch.equal(data.train_images, read(folder, resize=10).train_images)


def test_image_folder_names_what_is_smaller_than_its_crop(folder):
    with pytest.raises(DataError) as error:
        read(folder, resize=8, crop=9)
    assert "8×8 pixels, smaller than crop 9" in one_line(error)


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
