"""Craft adversarial examples for the test subset against one network. Plugins propose; this stage disposes.

It builds the attack for the ε, feeds it fixed chunks, seeds each, checks every proposal against the ball and the pixel
range before clipping it, counts passes, and makes sure that the network was not modified. A chunk is the unit of
resumption: a kill loses at most the one in flight.
"""

import inspect
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from benchmark.data import Images
from benchmark.engine.ball import clip, inside
from benchmark.engine.estimator import Classifier, Passes, counting
from benchmark.errors import AttackError
from benchmark.plugins import Plugin
from benchmark.stages import network as networks
from benchmark.stages.workplace import Workplace, derive, seed_everything, seeded_generators
from benchmark.store import Draft, write_whole
from benchmark.types import Budget, CraftTask, Stage

CHUNK = 256  # examples: what an attack is given at once, and what a kill may lose
COUNTS = ("violations", "nonfinite", "forward", "backward")


def craft(stage: Stage, place: Workplace, draft: Draft) -> None:
    """Write chunk-0000.safetensors … (float32 `examples`), and the counts of what happened on the way."""
    task: CraftTask = stage.task
    data = place.data(task.dataset, task.train_limit, task.limit)
    network = networks.load(place, stage.input("network"))
    estimator = network.estimator(place.device)
    before = {name: tensor.clone() for name, tensor in network.module.state_dict().items()}
    budget = Budget(task.norm, task.eps[0], CHUNK, task.mode)
    plugin = place.registry.find("attack", task.attack.plugin)
    plugin.load()  # before anything is seeded: running its file may draw numbers
    fitted = _fit(plugin, estimator, budget, task, place) if "fit" in plugin.hooks else None
    # what random draws depend on: not on the other ε, the batch size or the place in the grid
    draws = ("craft", task.seed, data.fingerprint, task.attack.described(), task.norm)
    draws += () if task.minimum_norm else (budget.eps,)
    partial = place.store.partial(stage.key)
    parts = torch.arange(len(data.test)).split(CHUNK)
    totals = dict.fromkeys(COUNTS, 0)
    for number, index in enumerate(parts):
        place.tell(number, len(parts), "chunks")
        path = partial / f"chunk-{number:04d}.safetensors"
        counts = _finished(path)
        if counts is None:
            seed_everything(derive(*draws, number))
            attack = fitted or _build(plugin, estimator, budget, task)  # anew: a chunk owes nothing to those before it
            examples, counts = _propose(attack, estimator, data.test, index, budget, task.minimum_norm, derive(*draws))
            _assert_unmodified(network.module, before, plugin.name)  # a chunk that is kept is trusted on resuming
            write_whole(path, save({"examples": examples}, {"counts": json.dumps(counts)}))
        for name in COUNTS:
            totals[name] += counts[name]
        (draft.folder / path.name).hardlink_to(path)
    place.tell(len(parts), len(parts), "chunks")
    draft.result = {
        "n": len(data.test),
        "chunks": len(parts),
        "eps": list(task.eps),
        "norm": task.norm,
        "minimum_norm": task.minimum_norm,
        **totals,
    }


def _build(plugin: Plugin, estimator: Classifier, budget: Budget, task: CraftTask) -> Any:
    return _attack(plugin, plugin.load().attack(estimator, budget, **deepcopy(task.attack.kwargs)))


def _attack(plugin: Plugin, given: Any) -> Any:
    if not callable(getattr(given, "generate", None)):
        raise AttackError(f"attack {plugin.name}: gave a {type(given).__name__}, which has no generate(x, y)")
    return given


def _fit(plugin: Plugin, estimator: Classifier, budget: Budget, task: CraftTask, place: Workplace) -> Any:
    """The attack, fitted on training images, once for all chunks."""
    data = place.data(task.dataset, train_limit=task.train_limit)
    train = data.training.train
    seed_everything(derive("fit", task.seed, data.fingerprint, task.attack.described(), task.norm, budget.eps))
    attack = _build(plugin, estimator, budget, task)
    return _attack(plugin, plugin.load().fit(attack, train.pixels().cpu().numpy(), train.labels.numpy()))


def _propose(
    attack: Any, estimator: Classifier, test: Images, index: torch.Tensor, budget: Budget, minimum_norm: bool, seed: int
) -> tuple[torch.Tensor, dict[str, int]]:
    """The examples of one chunk as the judges will see them, on the CPU, and what had to be mended to get there."""
    clean, labels = test.pixels(index), test.labels[index]
    estimator.model.eval()
    proposed, passes = _generate(attack, estimator, clean, labels, {"indices": test.indices[index], "seed": seed})
    if proposed.shape != clean.shape:
        raise AttackError(
            f"{type(attack).__name__}: gave examples of shape {list(proposed.shape)}, not {list(clean.shape)}"
        )
    finite = proposed.flatten(1).isfinite().all(1)
    proposed = torch.where(finite[:, None, None, None], proposed, clean)
    eps = float("inf") if minimum_norm else budget.eps
    violations = ~inside(proposed, clean, budget.norm, eps)
    examples = clip(proposed, clean, budget.norm, eps)
    counts = (int(violations.sum()), int((~finite).sum()), passes.forward, passes.backward)
    return examples.cpu(), dict(zip(COUNTS, counts, strict=True))


def _generate(
    attack: Any, estimator: Classifier, clean: torch.Tensor, labels: torch.Tensor, draws: dict[str, Any]
) -> tuple[torch.Tensor, Passes]:
    """What an attack proposes, and the passes that it took. One that takes indices and a seed draws by the example."""
    truth = np.eye(estimator.nb_classes, dtype=np.float32)[labels.numpy()]
    images = clean.cpu().numpy().copy()  # a copy: some attacks write into their input
    accepted = inspect.signature(attack.generate).parameters
    given = {name: value for name, value in draws.items() if name in accepted}
    if hasattr(attack, "passes"):  # an attack that works on a view of its own of the model counts for itself
        before = attack.passes
        examples = attack.generate(images, truth, **given)
        passes = Passes(attack.passes.forward - before.forward, attack.passes.backward - before.backward)
    else:
        with counting(estimator.model) as passes, seeded_generators():
            examples = attack.generate(images, truth, **given)
    return torch.as_tensor(np.asarray(examples), dtype=torch.float32, device=clean.device), passes


def _finished(path: Path) -> dict[str, int] | None:
    """The counts of a chunk that an earlier run finished; None if there is none, or it cannot be read."""
    try:
        with safe_open(path, "pt") as chunk:
            return json.loads(chunk.metadata()["counts"])
    except (FileNotFoundError, SafetensorError):
        return None


def read(place: Workplace, key: str, number: int) -> torch.Tensor:
    """The stored examples of a chunk, float32 on the workplace's device."""
    with safe_open(place.store.file(key, f"chunk-{number:04d}.safetensors"), "pt") as chunk:
        return chunk.get_tensor("examples").to(place.device)


def _assert_unmodified(module: torch.nn.Module, before: dict[str, torch.Tensor], name: str) -> None:
    after = module.state_dict()
    changed = [key for key, tensor in before.items() if key in after and not torch.equal(tensor, after[key])]
    if changed or after.keys() != before.keys():
        what = ", ".join(changed[:3]) or "its structure"
        raise AttackError(f"attack {name}: modified the network that it attacked ({what})")
