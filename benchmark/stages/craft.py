"""Craft adversarial examples for the test subset against one network: at one ε, or down a whole curve (see `sweep`).

A chunk of examples is the unit of resumption: each is a file of its own, and a kill loses at most the one in flight.
"""

import json
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save

from benchmark.data import Prepared
from benchmark.engine.judging import stands
from benchmark.stages import recheck, sweep
from benchmark.stages.deployment import Deployment, target
from benchmark.stages.network import Network
from benchmark.stages.propose import Counts, Proposer
from benchmark.stages.workplace import Workplace
from benchmark.store import Draft, link, write_whole
from benchmark.types import CraftTask, Stage

CHUNK = 256  # examples: what an attack is given at once, and what a kill may lose
CHECKS = ("audit", "recheck")  # how their files' names begin: what they broke is broken, whatever is run after them


def craft(stage: Stage, place: Workplace, draft: Draft) -> None:
    """Write chunk-0000.safetensors …, as `sweep` describes them, and the counts of what happened on the way.

    Of a sweep also audit-….safetensors; if the audit finds that nothing may be implied, every ε is run by itself. Of a
    craft in bf16 also recheck.safetensors; if that finds that too much was missed, everything is run in fp32.
    """
    task: CraftTask = stage.task
    data = place.data(task.dataset, task.train_limit, task.limit)
    network = target(place, stage)
    making = _Making(task, place, network, data, place.store.partial(stage.key))
    looked = None
    narrow = recheck.worthwhile(task, network.module, len(data.test))
    chunks, audit = making.whole("bf16" if narrow else "fp32")
    if narrow:
        looked = making.recheck(chunks)
        if looked["redone"]:
            chunks, audit = making.whole("fp32")
    for number, path in enumerate(chunks):
        link(path, draft.folder / f"chunk-{number:04d}.safetensors")
    for path in making.written:
        if path.name.startswith(CHECKS):
            link(path, draft.folder / path.name)
    counts = [vars(sum(at_eps, Counts())) for at_eps in zip(*map(_counted, making.written), strict=True)]
    if audit and audit["independent"]:
        counts = [at_eps | {"implied": 0} for at_eps in counts]
    draft.result = {
        "n": len(data.test),
        "chunks": len(chunks),
        "eps": list(task.eps),
        "norm": task.norm,
        "minimum_norm": task.minimum_norm,
        "boundary": task.minimum_norm or making.stops,
        "precision": "bf16" if looked and not looked["redone"] else "fp32",
        "audit": audit,
        "recheck": looked,
        "counts": counts,
    }


class _Making:
    """The files of a craft in flight: each is made unless an earlier run has finished it."""

    def __init__(self, task: CraftTask, place: Workplace, network: Network | Deployment, data: Prepared, folder: Path):
        self.task, self.place, self.test, self.folder = task, place, data.test, folder
        self.written: list[Path] = []
        self._proposer = cache(lambda precision: Proposer(task, place, network, data, precision))
        plugin = place.registry.find("attack", task.attack.plugin)
        self._fits = "fit" in plugin.hooks
        self.stops = bool(plugin.constant("BOUNDARY", task.attack, False))  # at its first success, whatever the mode

    def whole(self, precision: str) -> tuple[list[Path], dict[str, object] | None]:
        """Every chunk at every ε, and what the audit says of a sweep over them."""
        self._fit(precision)
        if len(self.task.eps) == 1:
            return self._chunks("independent", sweep.independent, precision), None
        chunks = self._chunks("swept", sweep.swept, precision)
        audit = self._audit(chunks, precision)
        return self._chunks("independent", sweep.independent, precision) if audit["independent"] else chunks, audit

    def recheck(self, chunks: list[Path]) -> dict[str, object]:
        """Attack survivors of chunks crafted in bf16 again."""
        self._fit("fp32")

        def make() -> sweep.Written:
            survivors = self._survivors(chunks, recheck.headline(self.task))
            return recheck.rechecked(self._proposer("bf16"), self._proposer("fp32"), survivors, CHUNK)

        found = load_file(self._file(f"{CHECKS[1]}.safetensors", make))
        return recheck.report(found, self.task, len(self.test))

    def _fit(self, precision: str) -> None:
        """Count what a fit on training images takes: once, however often a craft is resumed and fits again."""
        if self._fits:
            self._file(f"fit-{precision}.safetensors", lambda: self._proposer(precision).fit())

    def _chunks(
        self, name: str, make: Callable[[Proposer, torch.Tensor, int], sweep.Written], precision: str
    ) -> list[Path]:
        """One file for each chunk of the test images."""
        parts = torch.arange(len(self.test)).split(CHUNK)
        paths = []
        for number, index in enumerate(parts):
            self.place.tell(number, len(parts), "chunks")
            file = f"{name}-{precision}-{number:04d}.safetensors"
            paths.append(self._file(file, partial(self._made, make, precision, index, number)))
        self.place.tell(len(parts), len(parts), "chunks")
        return paths

    def _made(self, make: Callable, precision: str, index: torch.Tensor, number: int) -> sweep.Written:
        return make(self._proposer(precision), index, number)

    def _audit(self, chunks: list[Path], precision: str) -> dict[str, object]:
        def make() -> sweep.Written:
            masks = [torch.cat([_tensor(path, f"implied-{at}") for path in chunks]) for at in range(len(self.task.eps))]
            return sweep.audited(self._proposer(precision), [mask.nonzero().squeeze(1) for mask in masks], CHUNK)

        path = self._file(f"{CHECKS[0]}-{precision}.safetensors", make)
        broken = len(_tensor(path, "eps"))
        pairs = -sum(counts.implied for counts in _counted(path))
        return {"pairs": pairs, "broken": broken, "independent": broken > sweep.ALLOWED}

    def _survivors(self, chunks: list[Path], at: int) -> torch.Tensor:
        """The test images that stand, clean and attacked at the ε in place `at`."""
        module, standing = self._proposer("fp32").network.module, []
        for path, index in zip(chunks, torch.arange(len(self.test)).split(CHUNK), strict=True):
            labels = self.test.labels[index].to(self.place.device)
            attacked = _tensor(path, f"examples-{at}").to(self.place.device)
            both = stands(module, self.test.pixels(index), labels) & stands(module, attacked, labels)
            standing.append(index[both.cpu()])
        return torch.cat(standing)

    def _file(self, name: str, make: Callable[[], sweep.Written]) -> Path:
        path = self.folder / name
        if not _readable(path):
            tensors, counted = make()
            tensors = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
            write_whole(path, save(tensors, {"counts": json.dumps([vars(counts) for counts in counted])}))
        if path not in self.written:
            self.written.append(path)
        return path


def _tensor(path: Path, name: str) -> torch.Tensor:
    with safe_open(path, "pt") as file:
        return file.get_tensor(name)


def _readable(path: Path) -> bool:
    try:
        return bool(_counted(path))
    except (FileNotFoundError, SafetensorError):
        return False


def _counted(path: Path) -> list[Counts]:
    """What was counted at each ε while a file was made."""
    with safe_open(path, "pt") as file:
        return [Counts(**counts) for counts in json.loads(file.metadata()["counts"])]


def read(place: Workplace, key: str, number: int, at: int = 0) -> torch.Tensor:
    """The stored examples of a chunk at the ε of that place in the list, float32 on the workplace's device."""
    with safe_open(place.store.file(key, f"chunk-{number:04d}.safetensors"), "pt") as chunk:
        return chunk.get_tensor(f"examples-{at}").to(place.device)


def read_checks(place: Workplace, key: str) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
    """What a craft's checks broke: the ε's place in the list, the test image (int64 [1]), the example [1, c, h, w]."""
    for name in sorted(place.store.artifact(key)["files"]):
        if name.startswith(CHECKS):
            found = load_file(place.store.file(key, name))
            for at, index, example in zip(found["eps"].tolist(), found["index"], found["examples"], strict=True):
                yield at, index[None], example[None].to(place.device)
