"""Attack what stands once more: harder, without gradients, with another network's examples, in a far larger ball.

A piece of examples is the unit of resumption: each is a file of its own, and a kill loses at most the one in flight.
"""

import json
from dataclasses import replace
from functools import cached_property
from itertools import product
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save, save_file

from benchmark.engine.judging import stands
from benchmark.outcomes import count
from benchmark.stages import network as networks
from benchmark.stages.network import Network
from benchmark.stages.propose import Counts, Proposer
from benchmark.stages.verify.looked import looked
from benchmark.stages.workplace import Workplace, derive
from benchmark.store import Draft, write_whole
from benchmark.types import CraftTask, Recipe, Stage

PIECE = 128  # examples: what an attack is given at once, and what a kill may lose
BLIND = 0.1  # the share of examples without a gradient from which on more restarts look for one
RESTARTS = 20  # then


def attacked(stage: Stage, place: Workplace, draft: Draft) -> None:
    """Write broken.safetensors: int64 `index`, what broke, and float32 `examples`, by what.

    Each attack, crafted on each of the networks, is shown what those before it have left; the control in turn, too.
    """
    seen, judge = looked(stage, place), networks.load(place, stage.input("network"))
    sources = [role for role, _ in stage.inputs if role.startswith("other ")] or ["network"]
    left, control, trials, found = seen.index, seen.control, [], []
    for attack, source in product(_attacks(stage, place), sources):
        trial = _Trial(stage, place, judge, attack, source, len(trials))
        broken, counts = trial.broken(left, "")
        known, more = trial.broken(control, "control-")
        trials.append({
            "attack": attack.described(),
            "source": source.partition(" ")[2],
            **{"asked": len(left), "found": len(broken["index"])},
            **{name: getattr(counts + more, name) for name in ("forward", "backward", "violations")},
        })  # fmt: skip
        found.append(broken)
        left, control = (index[~torch.isin(index, of["index"])] for index, of in ((left, broken), (control, known)))
    whole = _joined(found)
    save_file(whole, draft.folder / "broken.safetensors")
    controlled = {"asked": len(seen.control), "found": len(seen.control) - len(control)}
    draft.result = seen.result(whole["index"], trials=trials, control=controlled)


def _joined(files: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {name: torch.cat([file[name] for file in files]) for name in ("index", "examples")}


def _attacks(stage: Stage, place: Workplace) -> tuple[Recipe, ...]:
    """Those of the task; with more restarts where too many examples have no gradient to begin with."""
    key = stage.input("zero gradient")
    if key is None:
        return stage.task.attacks
    blind = place.store.result(key)
    examined, found = (count(blind[name], blind["n"]) for name in ("examined", "found"))
    more = {"restarts": RESTARTS} if found > BLIND * examined else {}
    return tuple(
        replace(attack, arguments=tuple(sorted((attack.kwargs | more).items()))) for attack in stage.task.attacks
    )


class _Trial:
    """One attack, crafted on the network that has the role `source`; what it breaks of `judge`."""

    def __init__(self, stage: Stage, place: Workplace, judge: Network, attack: Recipe, source: str, number: int):
        self.stage, self.place, self.judge, self.attack, self.source = stage, place, judge, attack, source
        self.name, self.folder = f"{number}-", place.store.partial(stage.key)

    @cached_property
    def proposer(self) -> Proposer:
        """In fp32; its random starts are not those of the row's own attacks."""
        task = self.stage.task
        own = self.source == "network"
        network = self.judge if own else networks.load(self.place, self.stage.input(self.source))
        mode, seed = "decide" if own else "examples", derive("verify", task.seed)
        craft = CraftTask(task.dataset, task.limit, self.attack, task.norm, (task.radius,), mode, seed)
        return Proposer(craft, self.place, network, self.place.data(task.dataset, test_limit=task.limit))

    def broken(self, index: torch.Tensor, name: str) -> tuple[dict[str, torch.Tensor], Counts]:
        """What breaks of the test images at `index`, as broken.safetensors holds it, and what was counted."""
        files, counts = [{"index": index[:0], "examples": torch.empty(0, *self.judge.shape)}], Counts()
        pieces = index.split(PIECE) if len(index) else ()
        for number, piece in enumerate(pieces):
            self.place.tell(number, len(pieces), "pieces")
            path = self.folder / f"{self.name}{name}{number:04d}.safetensors"
            counts = counts + self._made(piece, f"{name}{number}", path)
            files.append(load_file(path))
        return _joined(files), counts

    def _made(self, index: torch.Tensor, part: str, path: Path) -> Counts:
        """The file of what breaks of a piece, made unless an earlier run has; what was counted."""
        try:
            return _counted(path)
        except (FileNotFoundError, SafetensorError):
            examples, counts = self.proposer.propose(self.stage.task.radius, index, part)
            labels = self.proposer.test.labels[index].to(examples.device)
            broken = ~stands(self.judge.module, examples, labels).cpu()
            tensors = {"index": index[broken], "examples": examples.cpu()[broken]}
            write_whole(path, save(tensors, {"counts": json.dumps(vars(counts))}))
            return counts


def _counted(path: Path) -> Counts:
    with safe_open(path, "pt") as file:
        return Counts(**json.loads(file.metadata()["counts"]))
