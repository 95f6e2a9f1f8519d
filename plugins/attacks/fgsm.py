"""Fast gradient sign method: one step to the ball's surface (Goodfellow et al., 2015)."""

from art.attacks.evasion import FastGradientMethod

NORMS = ("inf", "2", "1")
SWEEP = False  # one step of length ε: a failure at a large ε says nothing of a smaller one


def attack(estimator, budget):
    return FastGradientMethod(
        estimator, norm=float(budget.norm), eps=budget.eps, eps_step=budget.eps, batch_size=budget.batch_size
    )
