"""Nothing that a training or a compression is handed leads to a test image or a test label."""

import types

import pytest
import torch

from benchmark.data import Dataset
from benchmark.plugins import Registry
from benchmark.stages.workplace import Workplace
from tests.conftest import FIXTURES, Desk, small

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


def leaks(start: object, dataset: Dataset) -> list[str]:
    """What of the test part a thing leads to."""
    found = []
    for thing in reached(start):
        if isinstance(thing, Dataset):
            found.append("the dataset")
        if isinstance(thing, torch.Tensor):
            for name in ("test_images", "test_labels"):
                part = getattr(dataset, name)
                same = thing.shape == part.shape and torch.equal(thing.to(part.dtype), part)
                if same or thing.untyped_storage().data_ptr() == part.untyped_storage().data_ptr():
                    found.append(name)
    return found


@pytest.fixture(scope="module")
def handed(tmp_path_factory) -> tuple[Workplace, list[list[tuple]]]:
    """The place of a real run, and what its spies were handed: by the trainings, and by the compression."""
    desk, places, data = Desk(tmp_path_factory.mktemp("spied")), [], Workplace.data

    def noted(self, *arguments, **named):
        places.append(self)
        return data(self, *arguments, **named)

    suite = small(
        limit={"test": 50}, compressions={"spied": ["spy"]}, trainings={"spied": {"before": "spy", "after": "spy"}}
    )
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(Workplace, "data", noted)
        ran = desk.run(suite)
    assert ran.status == 0, ran.complained
    registry = Registry([FIXTURES])
    return places[0], [registry.find(kind, "spy").load().seen for kind in ("training", "compression")]


def test_the_walk_sees_what_there_is(handed):
    place, _ = handed
    dataset = next(iter(place._datasets.values()))
    assert leaks(place, dataset) and leaks([{"deep": (lambda: place)}], dataset)
    assert leaks(dataset.test_labels[3:], dataset) == ["test_labels"]


def test_neither_a_training_nor_a_compression_can_reach_the_test_part(handed):
    place, handed_over = handed
    dataset = next(iter(place._datasets.values()))
    assert [len(seen) for seen in handed_over] == [2, 1]
    assert leaks(handed_over, dataset) == []
    tensors = [thing for thing in reached(handed_over) if isinstance(thing, torch.Tensor)]
    assert any(len(tensor) > 500 for tensor in tensors if tensor.ndim == 4)  # the training images are among them
