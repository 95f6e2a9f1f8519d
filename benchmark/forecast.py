"""What a plan would run, and why: --dry-run and --explain. Nothing is run, and no torch is imported."""

import math
from collections import Counter

from benchmark import limits
from benchmark.decidable import sentence
from benchmark.plan import Plan
from benchmark.plugins import Registry
from benchmark.store import Store
from benchmark.types import Grid, Stage, Suite

FLOAT32 = 4  # bytes of a pixel's channel, as examples are stored


def dry_run(suite: Suite, plan: Plan, store: Store, registry: Registry) -> str:
    """The plan in numbers: stages by kind, what sharing saves, and what is left to do in time and disk."""
    to_run = [stage for stage in plan.stages.values() if not store.has(stage.key)]
    kinds = Counter(stage.kind for stage in plan.stages.values())
    left = Counter(stage.kind for stage in to_run)
    lines = [f"{suite.name}: {len(plan.cells)} cells on {len({cell.network for cell in plan.cells})} networks", ""]
    lines += [f"{'stage':10} {'planned':>8} {'done':>8} {'to run':>8}"]
    lines += [f"{kind:10} {kinds[kind]:8} {kinds[kind] - left[kind]:8} {left[kind]:8}" for kind in kinds]
    lines += [f"{'all':10} {len(plan.stages):8} {len(plan.stages) - len(to_run):8} {len(to_run):8}", ""]
    lines += [
        f"Running every cell on its own would take {plan.naive} stages; sharing leaves {len(plan.stages)} "
        f"({plan.naive / len(plan.stages):.1f} × fewer)."
    ]
    lines += _examples(plan, store, registry)
    lines += _estimate(to_run, store)
    planned = dict.fromkeys((*_images(grid, registry), grid.delta) for grid in suite.grids)
    lines += [sentence(n, len(suite.seeds), delta, most) for n, most, delta in planned]
    return "\n".join(lines)


def _images(grid: Grid, registry: Registry) -> tuple[int | None, bool]:
    """How many test images a grid judges (None: not known before they are loaded), and whether it may be fewer."""
    held = limits.held(grid.dataset, registry)
    return (grid.limit.test or held, held is None)


def _examples(plan: Plan, store: Store, registry: Registry) -> list[str]:
    """What examples that are crafted once and judged elsewhere weigh in the store, and how many judges share them."""
    crafts = {
        key: stage for key, stage in plan.stages.items() if stage.kind == "craft" and stage.task.mode == "examples"
    }
    if not crafts:
        return []
    judges = sum(stage.input("craft") in crafts for stage in plan.stages.values() if stage.kind == "judge")
    sizes = [_weight(stage, store, registry) for stage in crafts.values()]
    unknown = {stage.task.dataset.plugin for stage, size in zip(crafts.values(), sizes, strict=True) if size is None}
    what = f"{len(crafts)}, for {judges} judgements"
    weights = [f"{'at least ' * bool(unknown)}{sum(size or 0 for size in sizes) / 1e6:,.1f} MB"] * any(sizes)
    weights += [f"unknown for {name} until the first of them is made" for name in sorted(unknown)]
    said = f"{what}; disk: {', '.join(weights)}"
    return [f"Sets of adversarial examples that are made once and shared by all that judge them: {said}."]


def _weight(craft: Stage, store: Store, registry: Registry) -> int | None:
    """Bytes of a craft's examples: n × shape × float32 where the dataset says its shape, else what such a one took."""
    shape, task = registry.find("dataset", craft.task.dataset.plugin).constants.get("TEST"), craft.task
    if shape:
        total, *image = shape
        return (task.limit or total) * math.prod(image) * FLOAT32 * len(task.eps)
    measured = store.estimate(craft)
    return measured and measured[1]


def _estimate(to_run: list, store: Store) -> list[str]:
    if not to_run:
        return ["Everything is done: a run would write the board and nothing else."]
    known = [estimate for stage in to_run if (estimate := store.estimate(stage))]
    unknown = Counter(stage.kind for stage in to_run if not store.estimate(stage))
    if not known:
        return [f"Time left: unknown; disk: unknown (none like the {len(to_run)} stages to run has been run here yet)."]
    seconds, weight = sum(s for s, _ in known), sum(b for _, b in known)
    least = "at least " * bool(unknown)
    lines = [
        f"Time left: {least}{duration(seconds)}; disk: {least}{weight / 1e6:,.1f} MB (from {len(known)} like stages)."
    ]
    if unknown:
        what = ", ".join(f"{number} {kind}" for kind, number in unknown.items())
        lines += [f"Unknown for {unknown.total()} stages, none like which has been run here yet: {what}."]
    return lines


def explain(plan: Plan, store: Store) -> str:
    """One line for each stage that would run: why."""
    to_run = [stage for stage in plan.stages.values() if not store.has(stage.key)]
    if not to_run:
        return f"all {len(plan.stages)} stages are done"
    lines = [f"{stage.kind:8}  {stage.label}: {store.explain(stage)}" for stage in to_run]
    return "\n".join([*lines, f"{len(to_run)} of {len(plan.stages)} stages would run"])


def duration(seconds: float) -> str:
    """ "45 s", "12 min", "3 h 20 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
