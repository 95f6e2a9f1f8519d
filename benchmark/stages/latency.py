"""Time deployments in turns. What it finds is a measurement, apart from all records: the next run's would differ."""

from importlib.metadata import version

import torch

from benchmark.deploy.stopwatch import latencies
from benchmark.stages.workplace import Workplace
from benchmark.store import Draft
from benchmark.types import Stage


def latency(stage: Stage, place: Workplace, draft: Draft) -> None:
    """Measure `latency`, as `stopwatch.latencies` gives it: each artifact with its deployment, and which is dense."""
    keys = [key for _, key in stage.inputs]
    for key in keys:
        place.store.verify(key)
    shape = tuple(place.store.result(keys[0])["shape"])
    folders = [place.store.folder(key) for key in keys]
    found = latencies(folders, stage.task.runtime, shape, torch.get_num_threads(), place.tell)
    found["artifacts"] = [{"deployment": key} | one for key, one in zip(keys, found["artifacts"], strict=True)]
    draft.measured["latency"] = found | {
        "runtime": stage.task.runtime,
        "version": version(stage.task.runtime),
        "dense": stage.input("dense"),
    }
