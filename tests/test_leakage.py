"""Nothing that a training or a compression is handed leads to a test image or a test label."""

import types

import pytest
import torch

from benchmark.data import Dataset, Prepared, prepare
from benchmark.plugins import Registry
from benchmark.stages.workplace import Workplace
from tests.conftest import FIXTURES, Desk, small

TESTED = 50  # test images of the run: its own are copies of the dataset's
OPAQUE = (types.ModuleType, type, str, bytes, int, float, bool, type(None))


def reached(start: object) -> list[object]:
    """Every object to which a path of attributes, items, closures and bound arguments leads."""
    seen: dict[int, object] = {}
    waiting = [start]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, OPAQUE):
            continue
        seen[id(thing)] = thing
        if isinstance(thing, dict):
            waiting += [*thing.keys(), *thing.values()]
        elif isinstance(thing, (list, tuple, set, frozenset)):
            waiting += thing
        else:
            waiting += vars(thing).values() if hasattr(thing, "__dict__") else ()
            waiting += [getattr(thing, name, None) for name in getattr(type(thing), "__slots__", ())]
            waiting += [getattr(thing, name, None) for name in ("__self__", "__func__", "__defaults__", "func", "args")]
            waiting += [cell.cell_contents for cell in getattr(thing, "__closure__", None) or ()]
    return list(seen.values())


def leaks(start: object, tested: Prepared) -> list[str]:
    """What of the test part a thing leads to: the whole dataset's, or that of the limit of the run."""
    dataset, found = tested.dataset, []
    parts = {
        "test images": (dataset.test_images, tested.test.images, tested.test.pixels()),
        "test labels": (dataset.test_labels, tested.test.labels),
    }
    unseen = set(map(_bytes, dataset.test_images)) - set(map(_bytes, dataset.train_images))
    for thing in reached(start):
        if isinstance(thing, Dataset | Prepared):
            found.append("the dataset")
        if isinstance(thing, torch.Tensor):
            for name, part in ((name, part) for name, parts in parts.items() for part in parts):
                same = thing.shape == part.shape and torch.equal(thing.to(part.dtype), part)
                if same or thing.untyped_storage().data_ptr() == part.untyped_storage().data_ptr():
                    found.append(name)
            rows = thing if thing.dtype == torch.uint8 else (thing * 255).round().clamp(0, 255).to(torch.uint8)
            if thing.ndim == 4 and unseen & set(map(_bytes, rows)):
                found.append("test images")
    return sorted(set(found))


def _bytes(image: torch.Tensor) -> bytes:
    return image.contiguous().numpy().tobytes()


@pytest.fixture(scope="module")
def handed(tmp_path_factory) -> tuple[Workplace, list[list[tuple]]]:
    """The place of a real run, and what its spies were handed: by the trainings, and by the compression."""
    desk, places, data = Desk(tmp_path_factory.mktemp("spied")), [], Workplace.data

    def noted(self, *arguments, **named):
        places.append(self)
        return data(self, *arguments, **named)

    suite = small(
        limit={"test": TESTED}, compressions={"spied": ["spy"]}, trainings={"spied": {"before": "spy", "after": "spy"}}
    )
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(Workplace, "data", noted)
        ran = desk.run(suite)
    assert ran.status == 0, ran.complained
    registry = Registry([FIXTURES])
    return places[0], [registry.find(kind, "spy").load().seen for kind in ("training", "compression")]


def split_of(place: Workplace) -> Prepared:
    (dataset,) = place._datasets.values()
    return prepare(dataset, None, TESTED)


def test_the_walk_sees_what_there_is(handed):
    place, _ = handed
    data = split_of(place)
    assert leaks(place, data) and leaks([{"deep": (lambda: place)}], data)
    assert leaks(data.dataset.test_labels[3:], data) == ["test labels"]
    assert leaks(prepare(data.dataset, None, TESTED).test, data) == ["test images", "test labels"]
    assert leaks(data.test.pixels(slice(7, 9)), data) == ["test images"]


def test_neither_a_training_nor_a_compression_can_reach_the_test_part(handed):
    place, handed_over = handed
    assert [len(seen) for seen in handed_over] == [2, 1]
    assert leaks(handed_over, split_of(place)) == []
    tensors = [thing for thing in reached(handed_over) if isinstance(thing, torch.Tensor)]
    assert any(len(tensor) > 500 for tensor in tensors if tensor.ndim == 4)  # the training images are among them
