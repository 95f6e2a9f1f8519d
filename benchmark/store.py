"""Key → artifact on disk: whole or not at all, checked on reading, and able to say why a stage runs again.

artifacts/ab/abcd…/artifact.json   what made it, its result, its provenance, checksums of its files
artifacts/ab/abcd…/weights.safetensors, …
partial/abcd…/                     pieces of a stage in flight: a training's checkpoint, a craft's chunks
ledger/…json                       label → the ingredients it was last made from (for --explain)
fingerprints/…                     dataset → fingerprint of its tensors, when it was first loaded
timings.jsonl                      what stages took, for estimates
damaged/                           artifacts whose bytes were not those that were written
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

from benchmark.errors import DataError, RequestError, StoreError
from benchmark.types import Stage, canonical

FORMAT = 1


@dataclass
class Draft:
    """An artifact being written: put files into `folder`, then say what came out."""

    folder: Path
    result: dict[str, Any] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)  # seconds, machine: never part of a record
    provenance: dict[str, Any] = field(default_factory=dict)


class Store:
    """The artifacts below one folder. Several runs may use it at once: the first to finish a stage wins."""

    def __init__(self, root: Path):
        self.root = root
        self._read: dict[str, dict] = {}
        self._sound: set[Path] = set()
        try:
            (root / "artifacts").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RequestError(f"--store {root}: {error.strerror}; give a folder that can be written to") from None

    def folder(self, key: str) -> Path:
        return self.root / "artifacts" / key[:2] / key

    def has(self, key: str) -> bool:
        return (self.folder(key) / "artifact.json").exists()

    def sound(self, key: str) -> bool:
        """Whether an artifact is there and its JSON is what was written; a damaged one is moved aside."""
        with suppress(StoreError):
            return self.has(key) and bool(self.artifact(key))
        return False

    def artifact(self, key: str) -> dict[str, Any]:
        """An artifact's JSON, checked against its own digest; StoreError if it is missing or damaged."""
        if key not in self._read:
            path = self.folder(key) / "artifact.json"
            try:
                content = json.loads(path.read_text())
                digest = content.pop("digest")
            except FileNotFoundError:
                raise StoreError(f"{path.parent}: no such artifact") from None
            except (ValueError, KeyError, TypeError, AttributeError):
                self._quarantine(key, "artifact.json cannot be read")
            if digest != _digest(content):
                self._quarantine(key, "artifact.json is not what was written")
            self._read[key] = content
        return self._read[key]

    def result(self, key: str) -> dict[str, Any]:
        return self.artifact(key)["result"]

    def file(self, key: str, name: str) -> Path:
        """The path of an artifact's file, its bytes checked the first time it is asked for."""
        path = self.folder(key) / name
        if path not in self._sound:
            expected = self.artifact(key)["files"].get(name)
            if expected is None:
                raise StoreError(f"{path}: the artifact has no such file")
            if not path.exists() or _file_digest(path) != expected:
                self._quarantine(key, f"{name} is not what was written")
            self._sound.add(path)
        return path

    def verify(self, key: str) -> None:
        """Check every byte of an artifact; StoreError (and the artifact moved aside) if one is wrong."""
        for name in self.artifact(key)["files"]:
            self.file(key, name)

    @contextmanager
    def writing(self, stage: Stage) -> Iterator[Draft]:
        """Write an artifact: nothing appears unless the block ends well, and then all of it does."""
        beside = self.root / "writing" / f"{stage.key}.{os.getpid()}"
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        try:
            draft = Draft(beside)
            yield draft
            self._commit(stage, draft)
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    def partial(self, key: str) -> Path:
        """A folder for the pieces of a stage in flight; it outlives a kill and goes when the artifact appears."""
        path = self.root / "partial" / key
        path.mkdir(parents=True, exist_ok=True)
        return path

    def fingerprint(self, name: str, fingerprint: str, described: str) -> None:
        """Remember a dataset's fingerprint; DataError if another one is remembered under that name."""
        path = self.root / "fingerprints" / name
        if path.exists() and (known := path.read_text()) != fingerprint:
            raise DataError(
                f"dataset {described}: its images are not those that {self.root} has results for (fingerprint "
                f"{fingerprint}, was {known}); bring the old ones back, or give another --store"
            )
        if not path.exists():
            write_whole(path, fingerprint.encode())

    def estimate(self, stage: Stage) -> tuple[float, int] | None:
        """(seconds, bytes) that a stage of this work took, the median over networks and seeds; None if never run."""
        known = self._timings.get(_like(stage))
        return (median(s for s, _ in known), int(median(b for _, b in known))) if known else None

    @cached_property
    def _timings(self) -> dict[str, list[tuple[float, int]]]:
        known: dict[str, list[tuple[float, int]]] = {}
        for line in _lines(self.root / "timings.jsonl"):
            known.setdefault(line["like"], []).append((line["seconds"], line["bytes"]))
        return known

    def explain(self, stage: Stage) -> str:
        """Why a stage that is not in the store has to run: what differs from when its label was last made."""
        path = self._ledger(stage)
        if not path.exists():
            return "it has never been run"
        before = json.loads(path.read_text())["ingredients"]
        now = json.loads(canonical(stage.ingredients))
        changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
        if not changed:
            return "its artifact is no longer in the store"
        return ", ".join(_change(name, before.get(name), now.get(name)) for name in sorted(changed))

    def remember(self, stage: Stage) -> None:
        """Note under its label what a stage is made from now, so that a later change can be explained."""
        content = {"label": stage.label, "key": stage.key, "ingredients": stage.ingredients}
        path = self._ledger(stage)
        if not path.exists() or json.loads(path.read_text())["key"] != stage.key:
            write_whole(path, json.dumps(content).encode())

    def _ledger(self, stage: Stage) -> Path:
        name = hashlib.sha256(f"{stage.kind} {stage.label}".encode()).hexdigest()[:32]
        return self.root / "ledger" / f"{name}.json"

    def _commit(self, stage: Stage, draft: Draft) -> None:
        files = {path.name: _file_digest(path) for path in sorted(draft.folder.iterdir())}
        content = {
            "format": FORMAT,
            "label": stage.label,
            "key": stage.key,
            "ingredients": stage.ingredients,
            "result": draft.result,
            "measured": draft.measured,
            "provenance": draft.provenance,
            "files": files,
        }
        content = json.loads(canonical(content))
        write_whole(draft.folder / "artifact.json", json.dumps(content | {"digest": _digest(content)}).encode())
        for path in (*draft.folder.iterdir(), draft.folder):
            _sync(path)
        weight = sum(path.stat().st_size for path in draft.folder.iterdir())
        target = self.folder(stage.key)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not self.has(stage.key):
            shutil.rmtree(target, ignore_errors=True)  # the remains of one that has lost its JSON
        try:
            draft.folder.rename(target)
        except OSError:
            if not self.has(stage.key):  # otherwise another run finished the same stage first: its artifact stays
                raise
        _sync(target.parent)
        self.remember(stage)
        line = {"like": _like(stage), "seconds": draft.measured.get("seconds", 0.0), "bytes": weight}
        with open(self.root / "timings.jsonl", "a") as timings:
            timings.write(json.dumps(line) + "\n")
        self.tidy()

    def tidy(self) -> None:
        """Remove the pieces of stages that are done: what kills, and runs that were slower, have left."""
        for left in (*self.root.glob("partial/*"), *self.root.glob("writing/*")):
            if self.has(left.name.partition(".")[0]):
                shutil.rmtree(left, ignore_errors=True)

    def _quarantine(self, key: str, problem: str) -> None:
        """Move a damaged artifact aside, so that the next look finds it missing and makes it again."""
        aside = self.root / "damaged" / f"{key}.{os.getpid()}"
        shutil.rmtree(aside, ignore_errors=True)
        aside.parent.mkdir(exist_ok=True)
        self.folder(key).rename(aside)
        self._read.pop(key, None)
        raise StoreError(f"{self.folder(key)}: {problem}; moved to {aside}, and will be made again")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all, and survives a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with open(beside, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    _sync(path.parent)


def link(source: Path, target: Path) -> None:
    """The same file under another name; a copy where the file system has no hard links."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(content: dict) -> str:
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def _file_digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _like(stage: Stage) -> str:
    """What stages of the same work share: everything but the seed and which network it is done to."""
    shared = {k: v for k, v in stage.ingredients.items() if k != "seed" and not k.startswith(("input ", "source "))}
    return hashlib.sha256(canonical(shared).encode()).hexdigest()[:16]


def _lines(path: Path) -> Iterator[dict]:
    """The lines of a JSON Lines file; one that a kill cut short is passed over."""
    if path.exists():
        for line in path.read_text().splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue


def _change(name: str, before: Any, now: Any) -> str:
    if name.startswith("source of "):
        return f"the {name} changed"
    if name.startswith("input "):
        return f"its {name.removeprefix('input ')} is made anew"
    short = [text if len(text := canonical(value)) <= 60 else "…" for value in (before, now)]
    return f"{name} changed" if "…" in short else f"{name} changed from {short[0]} to {short[1]}"
