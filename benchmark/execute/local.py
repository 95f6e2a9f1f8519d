"""Run the stages of a plan in this process, one after another."""

import os
import platform
import time
import traceback
from collections.abc import Callable
from contextlib import suppress

from benchmark.errors import LeanarmorError, StoreError
from benchmark.execute.energy import Meter
from benchmark.execute.heap import keep_pages
from benchmark.plan import Plan
from benchmark.stages.compress import compress
from benchmark.stages.craft import craft
from benchmark.stages.deploy import deploy
from benchmark.stages.judge import judge
from benchmark.stages.latency import latency
from benchmark.stages.train import train, tune
from benchmark.stages.verify.run import verify
from benchmark.stages.workplace import Workplace, compute_exactly, provenance
from benchmark.types import Outcome, Stage

RUNNERS = {
    "train": train,
    "compress": compress,
    "tune": tune,
    "craft": craft,
    "judge": judge,
    "deploy": deploy,
    "latency": latency,
    "verify": verify,
}


def run(plan: Plan, place: Workplace, began: Callable[[Stage], None], ended: Callable[[Stage, bool], None]) -> Outcome:
    """Run what is not in the store. A failure is never stored: its dependants are skipped, the rest goes on."""
    outcome = Outcome()
    keep_pages()
    compute_exactly()
    for stage in plan.stages.values():
        _ensure(stage, plan, place, outcome, began, ended)
    return outcome


def _ensure(stage: Stage, plan: Plan, place: Workplace, outcome: Outcome, began, ended) -> bool:
    """Make sure that a stage's artifact is there and sound; False if it cannot be had."""
    if stage.key in outcome.failed or stage.key in outcome.skipped:
        return False
    if place.store.has(stage.key):
        return True
    for _, key in stage.inputs:
        if not _ensure_sound(plan.stages[key], plan, place, outcome, began, ended):
            root = outcome.skipped.get(key) or plan.stages[key].label
            outcome.skipped[stage.key] = root
            ended(stage, False)
            return False
    began(stage)
    reason = _run_one(stage, place, outcome)
    if reason:
        outcome.failed[stage.key] = reason
    ended(stage, not reason)
    return not reason


def _ensure_sound(stage: Stage, plan: Plan, place: Workplace, outcome: Outcome, began, ended) -> bool:
    """As `_ensure`, but an artifact that turns out damaged is made again."""
    if place.store.has(stage.key):
        with suppress(StoreError):  # it has been moved aside
            place.store.verify(stage.key)
    return _ensure(stage, plan, place, outcome, began, ended)


def _run_one(stage: Stage, place: Workplace, outcome: Outcome) -> str | None:
    """Run a stage; what comes back is the reason, on one line, if it failed."""
    started, meter = time.perf_counter(), Meter()
    try:
        with place.store.writing(stage) as draft:
            RUNNERS[stage.kind](stage, place, draft)
            draft.provenance |= provenance(place.device)
            draft.measured |= {
                "seconds": round(time.perf_counter() - started, 3),
                "joules": meter.joules() if place.device == "cpu" else None,  # a GPU's is not in it
                "machine": _machine(place.device),
            }
    except (Exception, SystemExit) as error:  # ours, a plugin's or a library's: the grid goes on without it
        if place.store.has(stage.key):  # another run on this store was faster, and took our pieces away
            return None
        if isinstance(error, LeanarmorError):
            return str(error)
        outcome.tracebacks[stage.key] = traceback.format_exc()
        return f"{type(error).__name__}: {' '.join(str(error).split())} (at {_where(error)})"
    outcome.ran += 1
    return None


def _where(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.filename}:{frame.lineno}"


def _machine(device: str) -> dict[str, object]:
    return {"system": platform.system(), "processor": platform.machine(), "cores": os.cpu_count(), **provenance(device)}
