"""Craft adversarial examples for the test subset against one network: at one ε, or down a whole curve (see `sweep`).

A chunk of examples is the unit of resumption: each is a file of its own, and a kill loses at most the one in flight.
"""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save

from benchmark.stages import network as networks
from benchmark.stages import sweep
from benchmark.stages.propose import Counts, Proposer
from benchmark.stages.workplace import Workplace
from benchmark.store import Draft, link, write_whole
from benchmark.types import CraftTask, Stage

CHUNK = 256  # examples: what an attack is given at once, and what a kill may lose
AUDIT = "audit.safetensors"


def craft(stage: Stage, place: Workplace, draft: Draft) -> None:
    """Write chunk-0000.safetensors …, as `sweep` describes them, and the counts of what happened on the way.

    Of a sweep also audit.safetensors; if the audit finds that nothing may be implied, every ε is run by itself.
    """
    task: CraftTask = stage.task
    data = place.data(task.dataset, task.train_limit, task.limit)
    proposer = Proposer(task, place, networks.load(place, stage.input("network")), data)
    files = _Files(place.store.partial(stage.key), proposer, place)
    audit = None
    if len(task.eps) == 1:
        chunks = files.chunks("independent", sweep.independent)
    else:
        chunks = files.chunks("swept", sweep.swept)
        report = files.audit(chunks)
        broken = len(_tensor(report, "eps"))
        audit = {"pairs": -sum(counts.implied for counts in _counted(report)), "broken": broken}
        audit["independent"] = broken > sweep.ALLOWED
        if audit["independent"]:
            chunks = files.chunks("independent", sweep.independent)
        link(report, draft.folder / AUDIT)  # what it broke is broken, whatever is run after it
    for number, path in enumerate(chunks):
        link(path, draft.folder / f"chunk-{number:04d}.safetensors")
    counts = [vars(sum(at_eps, Counts())) for at_eps in zip(*map(_counted, files.written), strict=True)]
    if audit and audit["independent"]:
        counts = [at_eps | {"implied": 0} for at_eps in counts]
    draft.result = {
        "n": len(data.test),
        "chunks": len(chunks),
        "eps": list(task.eps),
        "norm": task.norm,
        "minimum_norm": task.minimum_norm,
        "audit": audit,
        "counts": counts,
    }


class _Files:
    """The files of a craft in flight: each is made unless an earlier run has finished it."""

    def __init__(self, folder: Path, proposer: Proposer, place: Workplace):
        self.folder, self.proposer, self.place = folder, proposer, place
        self.written: list[Path] = []

    def chunks(self, name: str, make: Callable[[Proposer, torch.Tensor, int], sweep.Written]) -> list[Path]:
        """One file for each chunk of the test images."""
        parts = torch.arange(len(self.proposer.test)).split(CHUNK)
        paths = []
        for number, index in enumerate(parts):
            self.place.tell(number, len(parts), "chunks")
            path = self.folder / f"{name}-{number:04d}.safetensors"
            paths.append(self._file(path, lambda index=index, number=number: make(self.proposer, index, number)))
        self.place.tell(len(parts), len(parts), "chunks")
        return paths

    def audit(self, chunks: list[Path]) -> Path:
        """The audit of swept chunks."""

        def make() -> sweep.Written:
            places = range(len(self.proposer.task.eps))
            masks = [torch.cat([_tensor(path, f"implied-{at}") for path in chunks]) for at in places]
            return sweep.audited(self.proposer, [mask.nonzero().squeeze(1) for mask in masks], CHUNK)

        return self._file(self.folder / AUDIT, make)

    def _file(self, path: Path, make: Callable[[], sweep.Written]) -> Path:
        if not _readable(path):
            tensors, counted = make()
            tensors = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
            write_whole(path, save(tensors, {"counts": json.dumps([vars(counts) for counts in counted])}))
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


def read_audit(place: Workplace, key: str) -> dict[str, torch.Tensor]:
    """What an audit broke: `eps` (places in the list), `index` (of the test images), `examples`; empty without one."""
    if AUDIT not in place.store.artifact(key)["files"]:
        return {}
    return load_file(place.store.file(key, AUDIT))
