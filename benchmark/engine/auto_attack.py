"""AutoAttack, the standard ensemble (Croce & Hein, 2020): APGD-CE, APGD-T, FAB-T and Square, one after the other.

Square's windows shrink over the queries that it has; the authors' code shrinks them as if there were 10,000, and so
stays with larger ones for all of its 5,000.
"""

from typing import ClassVar

import torch

from benchmark.engine.apgd import APGD
from benchmark.engine.attack import Attack
from benchmark.engine.ball import clip
from benchmark.engine.estimator import Passes
from benchmark.engine.fab import FAB
from benchmark.engine.losses import score, succeeded
from benchmark.engine.square import Square

_MODES = ("examples", "decide")
_TARGETED = 4  # classes that the targeted loss needs
STAGES = ("clean", "apgd-ce", "apgd-t", "fab-t", "square", "apgd-margin")


class AutoAttack(Attack):
    """Each attack gets what is left of those before it. 100 steps of each gradient attack, 9 targets, 5,000 queries.

    mode "decide": an example is done at its first success confirmed by the fp32 judge; "examples": every attack but
    FAB-T, which stops at the boundary by nature, runs all its steps on every example, and the one with the largest
    margin is given back. With fewer than four classes, for which the targeted loss is not defined, APGD on the margin
    takes the place of APGD-T: like it, and unlike cross-entropy, it has a gradient where logits are saturated.

    After `generate`, `broken_by` says for each example which of STAGES was the first to break it ("": none), in
    "examples" mode which one the example is from.
    """

    attack_params: ClassVar = [*Attack.attack_params, *("eps", "max_iter", "targets", "queries", "mode", "precision")]
    least = (*Attack.least, ("eps", 0), ("max_iter", 1), ("targets", 1), ("queries", 2))
    norms = ("inf", "2")

    def __init__(
        self,
        estimator,
        norm: str | float = "inf",
        eps: float = 0.3,
        max_iter: int = 100,
        targets: int = 9,
        queries: int = 5000,
        batch_size: int = 128,
        mode: str = "decide",
        precision: str = "auto",
        seed: int = 0,
    ):
        super().__init__(
            estimator,
            norm=norm,
            eps=eps,
            max_iter=max_iter,
            targets=targets,
            queries=queries,
            batch_size=batch_size,
            mode=mode,
            precision=precision,
            seed=seed,
        )
        self.broken_by: list[str] = []
        self._spent = Passes()

    @property
    def passes(self) -> Passes:
        own = super().passes
        return Passes(own.forward + self._spent.forward, own.backward + self._spent.backward)

    def attacks(self) -> dict[str, Attack]:
        """The ensemble, by its names in STAGES."""
        shared = {"norm": self.norm, "batch_size": self.batch_size}
        ball = shared | {"eps": self.eps, "mode": self.mode}
        steps = {"max_iter": self.max_iter, "precision": self.precision}
        chosen = {"apgd-ce": APGD(self.estimator, loss="ce", **ball, **steps)}
        if self.estimator.nb_classes >= _TARGETED:
            chosen["apgd-t"] = APGD(self.estimator, loss="dlr-targeted", targets=self.targets, **ball, **steps)
        else:
            chosen["apgd-margin"] = APGD(self.estimator, loss="margin", **ball, **steps)
        steps["precision"] = "fp32"  # FAB walks on the boundary, where bf16 does not know which side it is on
        chosen["fab-t"] = FAB(self.estimator, targets=self.targets, enough=self.eps, **shared, **steps)
        chosen["square"] = Square(self.estimator, queries=self.queries, **ball)
        return chosen

    def _craft(self, images: torch.Tensor, labels: torch.Tensor, index: torch.Tensor, seed: int) -> None:
        clean = images.to(self.device)
        best, top = clean, self._scores(clean, labels)
        origin = torch.where(succeeded(top), 0, -1)  # in STAGES; -1: of none
        for name, attack in self.attacks().items():
            left = ~succeeded(top)
            rows = (left if self.mode == "decide" or name == "fab-t" else torch.ones_like(left)).nonzero().squeeze(1)
            if len(rows):
                stage = STAGES.index(name)
                found = attack.generate(clean[rows], labels[rows], indices=index[rows], seed=seed + stage * 2**40)
                found = clip(found, clean[rows], self._norm.name, float(self.eps))  # FAB-T's may lie beyond ε
                scores = self._scores(found, labels[rows])
                better = scores > top[rows]
                best = best.index_copy(0, rows[better], found[better])
                origin[rows[better & succeeded(scores)]] = stage
                top = top.index_copy(0, rows[better], scores[better])
            spent = attack.passes
            self._spent = Passes(self._spent.forward + spent.forward, self._spent.backward + spent.backward)
        self.broken_by = ["" if place < 0 else STAGES[place] for place in origin.tolist()]
        images.copy_(best)

    def _scores(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return score(self._judged(images), labels)

    def _check_params(self) -> None:
        super()._check_params()
        self._check_choice("mode", _MODES)
