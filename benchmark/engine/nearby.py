"""PGD as TRADES and MART start it: from a point very near the clean image, where a divergence has a gradient."""

from benchmark.engine.losses import LOSSES, Loss, divergence
from benchmark.engine.pgd import PGD
from benchmark.engine.random_start import Draws
from benchmark.engine.walk import State


class NearbyPGD(PGD):
    """PGD from x + spread · N(0, 1), one run; loss "kl" ascends KL(f(x) ‖ f(x′)), which knows no label.

    The inner problems of TRADES (Zhang et al., 2019; "kl") and of MART (Wang et al., 2020; "ce"), as their authors'
    code solves them in ℓ∞; other norms are this class's own. num_random_init is ignored. For the rest see `PGD`.
    """

    attack_params = [*PGD.attack_params, "spread"]  # noqa: RUF012  (ART's convention)
    losses = (*LOSSES, "kl")
    starts_clean = False
    runs = 1

    def __init__(self, estimator, *, loss: str = "kl", spread: float = 1e-3, **parameters):
        self.spread = spread
        super().__init__(estimator, loss=loss, **parameters)

    def begin(self, state: State, seed: int) -> None:
        super().begin(state, seed)
        origin = state["origin"]
        noise = Draws(seed, state["index"]).normal(origin[0].numel()).view_as(origin)
        state["point"] = origin + self.spread * noise
        if self.loss == "kl":
            # by the judge: so near the image, bf16 gives it the image's own logits, where the divergence is flat
            state["clean_logits"] = self.oracle.judge(origin)

    def objective(self, state: State) -> Loss:
        if self.loss == "kl":
            return lambda logits, labels: divergence(logits, state["clean_logits"])
        return super().objective(state)

    def _check_params(self) -> None:
        super()._check_params()
        if self.targeted:
            raise ValueError("targeted is True; the inner problems of TRADES and MART have no target")
        if not self.spread > 0:
            raise ValueError(f"spread is {self.spread}; it must be positive")
