"""Arrays of one's own become a dataset, in every form and layout; what is not what it should be is one line."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from benchmark.errors import DataError
from plugins.datasets import arrays
from tests.offline_datasets import one_line


def content() -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (30, 3, 6, 6)).astype(np.uint8)
    labels = (np.arange(30) % 4).astype(np.int32)
    return {
        "train_images": images[:20],
        "train_labels": labels[:20],
        "test_images": images[20:],
        "test_labels": labels[20:],
    }


def write(path: Path, given: dict[str, np.ndarray]) -> Path:
    if path.suffix == ".npz":
        np.savez(path, **given)
    elif path.suffix == ".safetensors":
        save_file({name: np.ascontiguousarray(array) for name, array in given.items()}, path)
    else:
        path.mkdir()
        for name, array in given.items():
            np.save(path / f"{name}.npy", array)
    return path


def read(path: Path, **options):
    return arrays.dataset((path.parent / "nothing", path.parent), file=path.name, **options)


@pytest.mark.parametrize("name", ["mine.npz", "mine.safetensors", "mine"])
def test_every_form(tmp_path, name):
    given = content()
    data = read(write(tmp_path / name, given))
    for part, array in given.items():
        assert np.array_equal(getattr(data, part), array)
    assert data.classes == ("0", "1", "2", "3")
    assert arrays.dataset((), file=str(tmp_path / name)).fingerprint == data.fingerprint


def test_layouts_and_names(tmp_path):
    given = content()
    expected = read(write(tmp_path / "first.npz", given), classes=["a", "b", "c", "d", "e"])
    last = {name: a.transpose(0, 2, 3, 1) if a.ndim == 4 else a for name, a in given.items()}
    assert read(write(tmp_path / "last.npz", last), layout="nhwc", classes=list("abcde")).fingerprint == (
        expected.fingerprint
    )
    assert expected.classes == tuple("abcde")
    grey = {name: a[:, 0] if a.ndim == 4 else a for name, a in given.items()}
    for layout in ("nchw", "nhwc"):
        data = read(write(tmp_path / f"grey-{layout}.npz", grey), layout=layout)
        assert np.array_equal(data.train_images[:, 0], grey["train_images"])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_of_8_bits(tmp_path, dtype):
    given = content()
    floats = {name: (a / 255).astype(dtype) if a.ndim == 4 else a for name, a in given.items()}
    assert torch.equal(
        read(write(tmp_path / "floats.npz", floats)).train_images, torch.from_numpy(given["train_images"])
    )


def changed(name: str, change) -> dict[str, np.ndarray]:
    return content() | {name: change(content()[name])}


BROKEN = {
    "missing": ({"train_images": content()["train_images"]}, "has no train_labels, test_images, test_labels"),
    "between levels": (changed("test_images", lambda a: (a / 255 + 0.002).astype("f4")), "test_images: its floats"),
    "to 255": (changed("train_images", lambda a: a.astype("f4")), "train_images: its floats"),
    "nan": (changed("train_images", lambda a: np.full(a.shape, np.nan)), "train_images: its floats"),
    "int64": (changed("train_images", lambda a: a.astype("i8")), "train_images: is int64"),
    "flat": (changed("train_images", lambda a: a.reshape(20, -1)), r"shape \[20, 108\]"),
    "no image": (changed("train_images", lambda a: a[:0]), r"shape \[0, 3, 6, 6\]"),
    "one-hot": (changed("train_labels", lambda a: np.eye(4, dtype=np.int64)[a]), r"int64 of shape \[20, 4\]"),
    "float labels": (changed("test_labels", lambda a: a.astype("f4")), "test_labels: is float32"),
    "negative": (changed("test_labels", lambda a: a - 1), "-1 … 2 are not labels from 0"),
    "too few labels": (changed("test_labels", lambda a: a[1:]), "test_labels must be int64"),
    "other size": (changed("test_images", lambda a: a[:, :, 1:]), "differ in shape"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_wrong_is_named(tmp_path, case):
    given, reason = BROKEN[case]
    with pytest.raises(DataError, match=reason) as error:
        read(write(tmp_path / "mine.npz", given))
    assert str(tmp_path / "mine.npz") in one_line(error)


def test_more_labels_than_names(tmp_path):
    with pytest.raises(DataError, match="0 … 3 are not labels from 0; name as many classes"):
        read(write(tmp_path / "mine.npz", content()), classes=["a", "b"])


def test_pickles_are_not_read(tmp_path):
    write(tmp_path / "mine.npz", content() | {"train_labels": np.array([print] * 20, dtype=object)})
    with pytest.raises(DataError, match=r"cannot be read.*save plain arrays") as error:
        read(tmp_path / "mine.npz")
    one_line(error)


@pytest.mark.parametrize("name", ["mine.npz", "mine.safetensors", "mine.mat"])
def test_a_file_that_is_something_else(tmp_path, name):
    (tmp_path / name).write_bytes(b"something else")
    with pytest.raises(DataError, match=name) as error:
        read(tmp_path / name)
    one_line(error)


@pytest.mark.parametrize("name", ["mine.npz", "mine.safetensors", "mine"])
def test_a_file_that_is_not_there(tmp_path, name):
    with pytest.raises(DataError, match="--data DIR") as error:
        read(tmp_path / name)
    one_line(error)
