"""Fast gradient sign method: one step to the ball's surface (Goodfellow et al., 2015)."""

from benchmark.engine.pgd import PGD

NORMS = ("inf", "2", "1")
ITERATIVE = False


def attack(estimator, budget):
    return PGD(
        estimator,
        norm=budget.norm,
        eps=budget.eps,
        eps_step=budget.eps,
        max_iter=1,
        batch_size=budget.batch_size,
        # in examples mode too the step is the attack: never the clean image, however well that one scores
        mode="decide" if budget.mode == "decide" else "last",
        precision=budget.precision,
        through_clips="never",  # a second step would be no FGSM
    )
