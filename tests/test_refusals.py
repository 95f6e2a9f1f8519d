"""What cannot be run is refused in one line before anything trains, whichever grid it stands in."""

import pytest
import torch

from benchmark.data import Dataset
from benchmark.engine.course import Course
from benchmark.errors import DataError, StageError
from tests.conftest import Desk, small


def refused(desk: Desk, model: dict) -> str:
    ran = desk.run(small(grids=[{"name": "works"}, {"name": "fails", "model": model}]))
    assert ran.status == 2 and not list((desk.folder / "store" / "artifacts").iterdir())
    assert ran.complained.count("\n") == 1 and ran.complained.startswith(f"error: {desk.folder / 'tiny.yaml'}: ")
    assert "tiny/fails · standard · seed 0: model " in ran.complained
    return ran.complained


def test_a_model_that_cannot_be_made_is_told_before_another_grid_trains(desk):
    assert "unknown name 'resnett18'" in refused(desk, {"timm": {"name": "resnett18"}})


@pytest.mark.parametrize("content", [b"hello", b"a,b\n1,2\n", b"", b"\x80\x04."])
def test_weights_that_are_none_are_told_before_anything_trains(desk, content):
    (desk.folder / "net.pt").write_bytes(content)
    checkpoint = {"file": "net.pt", "architecture": {"resnet_cifar": {}}, "mean": [0.5], "std": [0.5]}
    assert "neither safetensors nor a state dict of tensors alone" in refused(desk, {"checkpoint": checkpoint})


def test_weights_that_do_not_fit_are_told_before_anything_trains(desk):
    torch.save({"weight": torch.zeros(3)}, desk.folder / "net.pt")
    checkpoint = {"file": "net.pt", "architecture": {"resnet_cifar": {}}, "mean": [0.5], "std": [0.5]}
    assert "does not fit resnet_cifar" in refused(desk, {"checkpoint": checkpoint})


def test_one_class_is_nothing_to_tell_apart():
    images, labels = torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64)
    with pytest.raises(DataError, match="it has 1 class, and there is nothing to tell apart; give two or more"):
        Dataset(images, labels, images, labels, ("cat",))


@pytest.mark.parametrize(
    ("epochs", "schedule", "milestones", "reason"),
    [
        (5, "step", (), "step has no milestones"),
        (5, "constant", (3,), r"milestones \[3\] do nothing in a constant schedule"),
        (5, "step", (5,), "from 1 to 4"),
        (5, "step", (-1, 3), "from 1 to 4"),
    ],
)
def test_milestones_that_do_nothing_are_refused(epochs, schedule, milestones, reason):
    with pytest.raises(StageError, match=reason):
        Course(epochs, 32, 0.1, 0.9, 0.0, schedule, milestones)
