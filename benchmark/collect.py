"""Plan + store → records, holes and measurements. No torch: a finished run, or a re-rendering, answers at once."""

from collections.abc import Iterator
from typing import Any

from benchmark.outcomes import both, count, stood, unpack
from benchmark.plan import Plan
from benchmark.store import Store
from benchmark.types import PROTOCOL, Attack, Cell, Compression, Grid, Outcome, Suite, Training, repeated
from benchmark.verification import Check, VerifyTask


def records(suite: Suite, plan: Plan, store: Store) -> Iterator[dict[str, Any]]:
    """One record for each cell whose stages are all in the store. A record holds no time: it is the same every run."""
    for cell in plan.cells:
        if all(map(store.has, plan.made_of(cell))):
            yield _record(suite, cell, plan, store)


def holes(plan: Plan, store: Store, outcome: Outcome) -> Iterator[dict[str, Any]]:
    """One line for each cell and check that could not be done, with the reason; what was not asked for has none."""
    for cell in plan.cells:
        if reason := _reason(plan, outcome, list(plan.needed(cell))):
            yield _place(cell) | {"check": None, "reason": reason}
    for check in plan.checks:
        if reason := _reason(plan, outcome, [check.key]):
            network = {name: getattr(check, name) for name in ("grid", "compression", "training", "seed", "eps")}
            yield network | {"attack": None, "runtime": None, "check": check.name, "reason": reason}


def checks(suite: Suite, plan: Plan, store: Store) -> Iterator[dict[str, Any]]:
    """One line for each check that has been done; it holds no time either."""
    for check in plan.checks:
        if store.has(check.key):
            yield _check(suite, check, plan.stages[check.key].task, store)


def measurements(plan: Plan, store: Store) -> Iterator[dict[str, Any]]:
    """What each stage took, and where; apart from the records, which must be the same on every run."""
    for stage in plan.stages.values():
        if store.has(stage.key):
            measured = store.artifact(stage.key)["measured"]
            weight = sum(path.stat().st_size for path in store.folder(stage.key).iterdir())
            named = {
                "stage": stage.kind,
                "key": stage.key,
                "label": stage.label,
                "bytes": weight,
                "joules": None,
                "latency": None,
            }
            yield named | measured


def _reason(plan: Plan, outcome: Outcome, keys: list[str]) -> str:
    """Why one of these stages has no artifact; empty if all have one, or have not been asked for."""
    for key in keys:
        if key in outcome.failed:
            return f"failed: {plan.stages[key].label}: {outcome.failed[key]}"
    return next((f"skipped: needs {outcome.skipped[key]}" for key in keys if key in outcome.skipped), "")


def _record(suite: Suite, cell: Cell, plan: Plan, store: Store) -> dict[str, Any]:
    grid = _named(suite.grids, cell.grid)
    compression = _named(grid.compressions, cell.compression)
    training = _named(grid.trainings, cell.training)
    attack = _named(grid.attacks, cell.attack)
    clean, craft, judged = store.result(cell.clean), store.result(cell.craft), store.result(cell.judge)
    network = store.result(cell.network)
    at = 0 if craft["minimum_norm"] else craft["eps"].index(cell.eps.value)
    counts = craft["counts"][at]
    right = clean["correct"][0]
    robust = both(right, stood(judged, craft, at, cell.eps.value), clean["n"])
    deployed = cell.deployed and _deployed(cell, craft, at, clean, store)
    mode = plan.stages[cell.craft].task.mode
    return _place(cell) | {
        "protocol": PROTOCOL,
        "suite": suite.name,
        "dataset": {
            "name": grid.dataset.plugin,
            "arguments": grid.dataset.kwargs,
            "fingerprint": clean["fingerprint"],
            "test_total": clean["test_total"],
        },
        "model": grid.model.described(),
        "steps": [repeated(step, training.before).described() for step in compression.steps],
        "before": training.before.described(),
        "after": training.after and training.after.described(),
        "recipe": attack.recipe.described(),
        "from": _origin(cell, attack),
        "norm": attack.norm,
        "eps_written": cell.eps.written,
        "eps_label": cell.eps.label,
        "eps_space": attack.eps_space,
        "mode": mode,
        "boundary": _elsewhere(cell, attack) and (mode == "decide" or craft["boundary"]),
        "limit": vars(grid.limit),
        "n": clean["n"],
        "clean_correct": count(right, clean["n"]),
        "robust_correct": count(robust, clean["n"]),
        "implied": counts["implied"],
        "audit": craft["audit"],
        "precision": craft["precision"],
        "recheck": craft["recheck"],
        "violations": counts["violations"],
        "nonfinite": counts["nonfinite"],
        "passes": {"forward": counts["forward"], "backward": counts["backward"]},
        "size": network["size"],
        "spent": list(_spent(cell, plan, store)),
        "achieved": _achieved(compression, cell, plan, store),
        "outcomes": {"clean": right, "robust": robust},
        "per_class": _per_class(clean, robust),
        "keys": {"network": cell.network, "craft": cell.craft, "judge": cell.judge},
        "deployed": deployed,
    }


def _check(suite: Suite, check: Check, task: VerifyTask, store: Store) -> dict[str, Any]:
    facts = dict(store.result(check.key))
    n, trials = facts.pop("n"), facts.pop("trials", [])
    outcomes = {name: facts.pop(name) for name in ("standing", "examined", "found")}
    rows = [dict(zip(("compression", "training"), row, strict=True)) for row in check.sources]
    return {
        **{name: getattr(check, name) for name in ("grid", "compression", "training", "seed", "norm", "eps", "level")},
        "check": check.name,
        "protocol": PROTOCOL,
        "suite": suite.name,
        "fingerprint": store.result(check.clean)["fingerprint"],
        "size": task.size,
        "radius": task.radius if task.attacks else None,
        "n": n,
        **{name: count(packed, n) for name, packed in outcomes.items()},
        "outcomes": outcomes,
        "trials": [
            {name: value for name, value in trial.items() if name != "source"}
            | {"from": rows[int(trial["source"])] if trial["source"] else None}
            for trial in trials
        ],
        "facts": facts,
        "keys": {"network": check.network, "check": check.key},
    }


def _spent(cell: Cell, plan: Plan, store: Store) -> Iterator[dict[str, Any]]:
    """What each training on the way to the cell's network took, the first one first."""
    for stage in map(plan.stages.__getitem__, plan.chain(cell.network)):
        if stage.kind != "compress":
            result = store.result(stage.key)
            yield {"key": stage.key, **result["passes"], "macs": result["size"]["macs"]}


def _deployed(cell: Cell, craft: dict, at: int, clean: dict, store: Store) -> dict[str, Any]:
    """What the artifact is, and what the network that it was made of says of the same images."""
    own, made, n = store.result(cell.deployed.clean), store.result(cell.deployed.deployment), clean["n"]
    twin = {"clean": own["correct"][0], "robust": None}
    if cell.deployed.judge:
        stands = stood(store.result(cell.deployed.judge), craft, at, cell.eps.value)
        twin["robust"] = both(twin["clean"], stands, n)
    return {
        "key": cell.deployed.deployment,
        "precision": made["precision"],
        "bytes": made["bytes"],
        "kernels": made["kernel_counts"],
        "agree": sum(one == other for one, other in zip(clean["predicted"], own["predicted"], strict=True)),
        "direct": cell.deployed.judge is None,
        "twin": twin,
    }


def _place(cell: Cell) -> dict[str, Any]:
    return {
        "grid": cell.grid,
        "compression": cell.compression,
        "training": cell.training,
        "seed": cell.seed,
        "attack": cell.attack,
        "eps": cell.eps.value,
        "runtime": cell.deployed and cell.deployed.runtime,
    }


def _origin(cell: Cell, attack: Attack) -> dict[str, Any] | None:
    if attack.source is None:
        return None
    named = {name: value for name, value in vars(attack.source).items() if value is not None}
    return {name: getattr(cell, name) for name in ("grid", "compression", "training", "seed")} | named


def _elsewhere(cell: Cell, attack: Attack) -> bool:
    """Whether another judges the examples than the network, or the artifact, that they were made against."""
    return attack.source is not None or (cell.deployed is not None and cell.deployed.judge is not None)


def _achieved(compression: Compression, cell: Cell, plan: Plan, store: Store) -> list[dict[str, Any] | None]:
    """Per step of the compression, what its plugin says that it achieved; of a scaled training, its epochs."""
    made = iter(store.result(cell.network)["steps"])
    found = []
    for step, key in zip(compression.steps, plan.chain(cell.network)[1:], strict=False):  # behind them may be `after`
        if step.kind == "compression":
            state = next(made)["state"]
            found.append(state.get("achieved") if isinstance(state, dict) else None)
        else:
            found.append(store.result(key).get("achieved"))
    return found


def _per_class(clean: dict, robust: str) -> dict[str, list[int]]:
    labels, classes = clean["labels"], len(clean["classes"])
    n = clean["n"]
    columns = {"n": [True] * n, "clean": unpack(clean["correct"][0], n), "robust": unpack(robust, n)}
    totals = {name: [0] * classes for name in columns}
    for name, outcomes in columns.items():
        for label, outcome in zip(labels, outcomes, strict=True):
            totals[name][label] += outcome
    return totals


def _named(things: tuple, name: str) -> Grid | Compression | Training | Attack:
    return next(thing for thing in things if thing.name == name)
