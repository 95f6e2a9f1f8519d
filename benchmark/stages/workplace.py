"""What every stage is given beside its task: where things are, what to run on, and whom to tell."""

import hashlib
import platform
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark import __version__
from benchmark.data import Dataset, Prepared, dataset_key, prepare, search_roots
from benchmark.errors import DataError, LeanarmorError, RequestError
from benchmark.plugins import Plugin, Registry
from benchmark.store import Store
from benchmark.types import NetworkTask, Recipe, canonical

RUNTIMES = {"openvino": ("openvino",), "onnxruntime": ("onnxruntime", "onnx")}  # what each is made of
LIBRARIES = ("torch", "adversarial-robustness-toolbox", "torch-pruning", "numpy")


@dataclass
class Workplace:
    """The surroundings of a stage. `tell(done, total, what)` reports progress inside a stage."""

    store: Store
    registry: Registry
    device: str = "cpu"
    data_folders: tuple[Path, ...] = ()
    tell: Callable[[int, int, str], None] = lambda done, total, what: None
    _datasets: dict[str, Dataset] = field(default_factory=dict)
    _prepared: dict[tuple, Prepared] = field(default_factory=dict)

    def data(self, recipe: Recipe, train_limit: int | None = None, test_limit: int | None = None) -> Prepared:
        """A recipe's dataset, loaded once a run, its fingerprint checked against the store's, split and limited."""
        name = canonical(recipe.described())
        if name not in self._datasets:
            plugin = self.registry.find("dataset", recipe.plugin)
            dataset = self.loaded(plugin, recipe)
            self.store.fingerprint(dataset_key(recipe, plugin.source), dataset.fingerprint, recipe.plugin)
            self._datasets[name] = dataset
        asked = (name, train_limit, test_limit)
        if asked not in self._prepared:
            self._prepared[asked] = prepare(self._datasets[name], train_limit, test_limit, self.device)
        return self._prepared[asked]

    def loaded(self, plugin: Plugin, recipe: Recipe) -> Dataset:
        """What a dataset plugin gives, loaded anew; DataError, in one line, if it fails or gives anything else."""
        try:
            dataset = plugin.load().dataset(search_roots(self.data_folders), **recipe.kwargs)
        except LeanarmorError:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise DataError(f"dataset {recipe.plugin} ({plugin.path}): {reason}") from error
        if not isinstance(dataset, Dataset):
            raise DataError(f"dataset {recipe.plugin} ({plugin.path}): gave a {type(dataset).__name__}, not a Dataset")
        return dataset

    def check(self, tasks: Iterable[Any]) -> None:
        """Before anything trains: PluginError for a plugin that cannot be imported, DataError for a dataset that is
        not there or too small, RequestError for a runtime that is not installed."""
        for task in tasks:
            if runtime := getattr(task, "runtime", None):
                _require(runtime)
            if not hasattr(task, "dataset"):
                continue
            for recipe in (thing for thing in vars(task).values() if isinstance(thing, Recipe)):
                self.registry.find(recipe.kind, recipe.plugin).load()
            limits = (task.limit, None) if isinstance(task, NetworkTask) else (None, task.limit)
            self.data(task.dataset, *limits)


def _require(runtime: str) -> None:
    missing = [library for library in RUNTIMES[runtime] if not find_spec(library)]
    if missing:
        raise RequestError(
            f"runtime {runtime}: {' and '.join(missing)} cannot be found; install leanarmor's extra `deploy`: "
            "pip install 'leanarmor[deploy]', or pip install -e '.[deploy]' in a checkout"
        )


def derive(*parts: object) -> int:
    """A seed in 0 … 2³²−1 that is a function of the parts' JSON and of nothing else."""
    return int.from_bytes(hashlib.sha256(canonical(parts).encode()).digest()[:4])


def seed_everything(seed: int) -> torch.Generator:
    """Seed Python, numpy (ART's random starts follow it) and torch; the generator is for code that takes one."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)


@contextmanager
def seeded_generators() -> Iterator[None]:
    """Inside, `np.random.RandomState()` is seeded from numpy's global generator, not from the operating system.

    ART's decision-based attacks (HopSkipJump, BoundaryAttack) draw their starts from such a one.
    """

    class Seeded(np.random.RandomState):
        def __init__(self, seed=None):
            super().__init__(np.random.randint(2**32, dtype=np.uint32) if seed is None else seed)

    original, np.random.RandomState = np.random.RandomState, Seeded
    try:
        yield
    finally:
        np.random.RandomState = original


def compute_exactly() -> None:
    """Make torch's fp32 mean fp32, and the same bits come out of the same work, on a GPU as on a CPU."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False  # on by default: convolutions with 10 bits of mantissa
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


def provenance(device: str) -> dict[str, object]:
    """Versions and machine: what a reader needs to make the same bits again."""
    return {
        "leanarmor": __version__,
        "python": platform.python_version(),
        **{library: version(library) for library in LIBRARIES},
        "device": torch.cuda.get_device_name() if device == "cuda" else platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
    }
