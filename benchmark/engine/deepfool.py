"""DeepFool (Moosavi-Dezfooli et al., 2016): step by step across the nearest of the linearised class boundaries."""

from typing import ClassVar

import torch

from benchmark.engine.attack import columns
from benchmark.engine.minimum_norm import MinimumNorm, State, likeliest
from benchmark.engine.oracle import Oracle

_TINY = 1e-12  # of a gradient's length: below, there is no boundary in sight
_PUSH = 1e-4  # pixels that the authors' code adds to each step; without it an example in fourteen never gets across


class RivalOracle(Oracle):
    """An oracle that sees every class boundary from one forward pass."""

    def nearest(
        self, x: torch.Tensor, y: torch.Tensor, others: torch.Tensor, norm: str
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The linearised boundary of y and one of `others` (int64 [m, k]) that is nearest in the norm.

        Gives the gradient of z_other − z_y, that difference [m], and the boundary's distance [m] (inf: none in sight).
        """
        self.forward += len(x)
        self.backward += others.numel()
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            logits = self._viewed(x)
            gaps = logits.gather(1, others) - logits.gather(1, y.unsqueeze(1))
            closest = torch.full_like(gaps[:, 0].detach(), torch.inf)
            steepest, height = torch.zeros_like(x), torch.zeros_like(closest)
            for rank, gap in enumerate(gaps.unbind(1)):
                (gradient,) = torch.autograd.grad(gap.sum(), x, retain_graph=rank + 1 < gaps.shape[1])
                slope = dual_length(gradient, norm)
                distance = torch.where(slope > _TINY, gap.detach().abs() / slope.clamp_min(_TINY), torch.inf)
                nearer = distance < closest
                closest = torch.where(nearer, distance, closest)
                height = torch.where(nearer, gap.detach(), height)
                steepest = torch.where(columns(nearer, x), gradient, steepest)
        return steepest, height, closest


class DeepFool(MinimumNorm):
    """An example is done at its first point that the judge gets wrong, or after max_iter steps.

    Starts from the true label, as the paper's robustness does, not from the prediction. overshoot: the share of
    every step that is added to it, so that it crosses the boundary; candidates: how many classes are looked at,
    the likeliest on the clean image (the authors' code: 10, the label's own included). norm: "2" or "inf". Points are
    cut to the pixel range, which the paper leaves open, before the next step is taken from there: a perturbation that
    is added up beyond the range keeps pixels at its edge that a later step would move (foolbox's does, and comes less
    near).
    """

    attack_params: ClassVar = [*MinimumNorm.attack_params, "max_iter", "overshoot", "candidates"]
    least = (*MinimumNorm.least, ("max_iter", 1), ("overshoot", 0), ("candidates", 1))
    norms = ("inf", "2")
    oracle_class = RivalOracle

    def __init__(
        self,
        estimator,
        norm: str | float = "2",
        max_iter: int = 50,
        overshoot: float = 0.02,
        candidates: int = 9,
        batch_size: int = 128,
        precision: str = "auto",
        through_clips: str = "auto",
        seed: int = 0,
    ):
        super().__init__(
            estimator,
            norm=norm,
            max_iter=max_iter,
            overshoot=overshoot,
            candidates=candidates,
            batch_size=batch_size,
            precision=precision,
            through_clips=through_clips,
            seed=seed,
            enough=0.0,
        )

    def begin(self, state: State, seed: int) -> None:
        origin, label = state["origin"], state["label"]
        state |= {
            "point": origin,
            "others": likeliest(self.oracle.logits(origin), label, self.candidates),
            "step": torch.zeros_like(label),
        }

    def advance(self, state: State) -> torch.Tensor:
        norm = self._norm.name
        gradient, _, distance = self.oracle.nearest(state["point"], state["label"], state["others"], norm)
        blind = distance.isinf()
        step = torch.where(blind, 0, distance + _PUSH)
        step = columns((1 + self.overshoot) * step, gradient)
        point = (state["point"] + step * self._norm.steepest(gradient, state["point"], 0.0, 1.0)).clamp(0, 1)
        broken = self.oracle.confirm(point, state["label"])
        state |= {"point": point, "step": state["step"] + 1}
        self.keep(state, point, broken)
        return broken | blind | (state["step"] == self.max_iter)


def dual_length(gradient: torch.Tensor, norm: str) -> torch.Tensor:
    """[m]: how much a linear function rises over a perturbation of length 1: its gradient's length in the dual norm."""
    dual = {"inf": 1.0, "2": 2.0, "1": torch.inf}[norm]
    return torch.linalg.vector_norm(gradient.flatten(1), ord=dual, dim=1)
