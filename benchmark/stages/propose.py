"""What an attack plugin proposes for some test examples at one ε, and what had to be mended before a judge may see it.

The plugin's attack is built anew for every call, seeded, handed a copy of the images and the true labels; its passes
are counted, its proposals checked against the ball and the pixel range before they are clipped, and the network is
looked at afterwards: an attack may not modify it.
"""

import inspect
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchmark.data import Prepared
from benchmark.engine.ball import clip, inside
from benchmark.engine.estimator import Passes, counting
from benchmark.errors import AttackError
from benchmark.stages.deployment import Deployment
from benchmark.stages.network import Network
from benchmark.stages.workplace import Workplace, derive, seed_everything, seeded_generators
from benchmark.types import Budget, CraftTask

BATCH = 256  # examples in a forward pass of an attack that heeds it


@dataclass
class Counts:
    """What happened while some examples were made: implied without an attack, outside the ball, not finite; passes."""

    implied: int = 0
    violations: int = 0
    nonfinite: int = 0
    forward: int = 0
    backward: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(**{name: value + getattr(other, name) for name, value in vars(self).items()})


@dataclass
class Proposed:
    """Examples at one ε for some of the images asked for: bool [n], those; float32, theirs; what was counted."""

    rows: torch.Tensor
    examples: torch.Tensor
    counts: Counts


class Proposer:
    """One attack plugin against one network, at any ε of its task, in "fp32" or (if the task may) "bf16"."""

    def __init__(
        self,
        task: CraftTask,
        place: Workplace,
        network: Network | Deployment,
        data: Prepared,
        precision: str = "fp32",
        batch: int = BATCH,
    ):
        self.task, self.network, self.test, self.precision, self.batch = task, network, data.test, precision, batch
        self.estimator = network.estimator(place.device)
        self.plugin = place.registry.find("attack", task.attack.plugin)
        self.plugin.load()  # before anything is seeded: running its file may draw numbers
        # what random draws depend on, beside ε: not on the other ε, the batch size or the place in the grid
        self.draws = (task.seed, data.fingerprint, task.attack.described(), task.norm)
        self._unmodified = {name: tensor.clone() for name, tensor in network.module.state_dict().items()}
        self._data = data
        self._fitted: dict[float, Any] = {}

    def propose(self, eps: float, index: torch.Tensor, part: int | str) -> tuple[torch.Tensor, Counts]:
        """Examples for the test images at `index`, float32 on their device, inside the ball, and what was counted.

        `part` names the call: attacks that do not draw by the example are seeded by it. AttackError if the attack
        breaks its contract.
        """
        clean = self.test.pixels(index)
        attack = self._attack(eps, part)
        self.estimator.model.eval()
        proposed, passes = self._generate(attack, clean, index, self._seed("craft", eps))
        self._assert_unmodified()
        return self._mended(attack, proposed, clean, eps, passes)

    def descend(self, index: torch.Tensor, part: int) -> list[Proposed] | None:
        """All ε of the task at once, from the largest down, each for what the one before broke.

        None if the attack cannot. The test images at `index` must be judged right.
        """
        attacks = [self._attack(eps, part) for eps in self.task.eps]
        if not all(getattr(attack, "descends", False) for attack in attacks):
            return None
        clean = self.test.pixels(index)
        self.estimator.model.eval()
        seeds = [self._seed("craft", eps) for eps in self.task.eps]
        made = attacks[0].descend(attacks[1:], clean, self.test.labels[index], self.test.indices[index], seeds)
        self._assert_unmodified()
        found = []
        for eps, one in zip(self.task.eps, made, strict=True):
            rows = one.attacked.to(clean.device)
            mended = self._mended(attacks[0], one.examples[rows], clean[rows], eps, one.passes)
            found.append(Proposed(rows, *mended))
        return found

    def _mended(
        self, attack: Any, proposed: torch.Tensor, clean: torch.Tensor, eps: float, passes: Passes
    ) -> tuple[torch.Tensor, Counts]:
        """What a judge may see of a proposal, and what had to be mended; AttackError if its shape is wrong."""
        if proposed.shape != clean.shape:
            raise AttackError(
                f"{type(attack).__name__}: gave examples of shape {list(proposed.shape)}, not {list(clean.shape)}"
            )
        finite = proposed.flatten(1).isfinite().all(1)
        proposed = torch.where(finite[:, None, None, None], proposed, clean)
        radius = float("inf") if self.task.minimum_norm else eps
        violations = ~inside(proposed, clean, self.task.norm, radius)
        examples = clip(proposed, clean, self.task.norm, radius)
        return examples, Counts(0, int(violations.sum()), int((~finite).sum()), passes.forward, passes.backward)

    def seed(self, *purpose: int | str | float) -> int:
        """A seed for some purpose of this attack: the same in every grid, order and batch size."""
        return derive(*purpose, *self.draws)

    def _seed(self, purpose: str, eps: float, *more: int | str) -> int:
        return self.seed(purpose, *(() if self.task.minimum_norm else (eps,)), *more)

    def fit(self) -> tuple[dict[str, torch.Tensor], list[Counts]]:
        """Fit the attack at every ε of the task; for a craft's files: no tensor, and the passes that each took."""
        return {}, [self._fit(eps) for eps in self.task.eps]

    def _fit(self, eps: float) -> Counts:
        seed_everything(self._seed("fit", eps))
        attack, train = self._built(eps), self._data.training.train
        images, labels = train.pixels().cpu().numpy(), train.labels.numpy()
        fitted, passes = self._spent(attack, lambda: self.plugin.load().fit(attack, images, labels))
        self._fitted[eps] = self._checked(fitted)
        return Counts(forward=passes.forward, backward=passes.backward)

    def _attack(self, eps: float, part: int | str) -> Any:
        """The plugin's attack: built anew, so that it owes nothing to calls before; only a fitted one is kept."""
        if "fit" in self.plugin.hooks and eps not in self._fitted:  # by a run before this one, which has counted it
            self._fit(eps)
        seed_everything(self._seed("craft", eps, part))
        return self._fitted[eps] if eps in self._fitted else self._built(eps)

    def _built(self, eps: float) -> Any:
        budget = Budget(self.task.norm, eps, self.batch, self.task.mode, self.precision)
        given = deepcopy(self.task.attack.kwargs)
        return self._checked(self.plugin.load().attack(self.estimator, budget, **given))

    def _checked(self, given: Any) -> Any:
        if not callable(getattr(given, "generate", None)):
            raise AttackError(f"attack {self.plugin.name}: gave a {type(given).__name__}, which has no generate(x, y)")
        return given

    def _generate(
        self, attack: Any, clean: torch.Tensor, index: torch.Tensor, seed: int
    ) -> tuple[torch.Tensor, Passes]:
        """What an attack gives, and the passes that it took. One that takes indices and a seed draws by the example."""
        truth = np.eye(self.network.classes, dtype=np.float32)[self.test.labels[index].numpy()]
        images = clean.cpu().numpy().copy()  # a copy: some attacks write into their input
        accepted = inspect.signature(attack.generate).parameters
        draws = {"indices": self.test.indices[index], "seed": seed}
        given = {name: value for name, value in draws.items() if name in accepted}
        examples, passes = self._spent(attack, lambda: attack.generate(images, truth, **given))
        return torch.as_tensor(np.asarray(examples), dtype=torch.float32, device=clean.device), passes

    def _spent(self, attack: Any, work: Callable[[], Any]) -> tuple[Any, Passes]:
        """What `work` gives, and the passes that the attack took for it."""
        if hasattr(attack, "passes"):  # an attack that works on a view of its own of the model counts for itself
            before = attack.passes
            done = work()
            return done, Passes(attack.passes.forward - before.forward, attack.passes.backward - before.backward)
        with counting(self.network.module) as passes, seeded_generators():
            return work(), passes

    def _assert_unmodified(self) -> None:
        before, after = self._unmodified, self.network.module.state_dict()
        changed = [key for key, tensor in before.items() if key in after and not torch.equal(tensor, after[key])]
        if changed or after.keys() != before.keys():
            what = ", ".join(changed[:3]) or "its structure"
            raise AttackError(f"attack {self.plugin.name}: modified the network that it attacked ({what})")
