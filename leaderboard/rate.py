"""Exact binomial tests of how many images a check has found, and what such a test could have found."""

from dataclasses import dataclass

from scipy.special import bdtrc, betaincinv

ALPHA = 0.001  # of every check: sound rows must not fall to chance
ALLOWED = 0.01  # of the test images
POWER = 0.9


def at_least(k: int, m: int, share: float) -> float:
    """The chance of `k` or more among `m` that are each hit with probability `share`."""
    return float(bdtrc(k - 1, m, share)) if k else 1.0


@dataclass(frozen=True)
class Rate:
    """`found` of `examined` images, chosen at random from `standing`, of n test images.

    Were all that stand examined, not significantly more than ALLOWED · n may be found.
    """

    found: int
    examined: int
    standing: int
    n: int

    @property
    def allowed(self) -> float:
        """The rate among the standing images that would be ALLOWED of all; at most 1."""
        return min(1.0, ALLOWED * self.n / self.standing) if self.standing else 1.0

    @property
    def p(self) -> float:
        """The chance of as many or more at the allowed rate."""
        return at_least(self.found, self.examined, self.allowed)

    @property
    def over(self) -> bool:
        return self.p < ALPHA

    @property
    def share(self) -> float:
        """Of the test images, how many would be found if all that stand were examined."""
        return self.found / self.examined * self.standing / self.n if self.examined else 0.0

    @property
    def detectable(self) -> float | None:
        """The smallest such share that the test finds with a chance of POWER; None if it can find none."""
        k = next((k for k in range(self.examined + 1) if at_least(k, self.examined, self.allowed) < ALPHA), None)
        if not k:
            return None
        rate = float(betaincinv(k, self.examined - k + 1, POWER))
        return rate * self.standing / self.n
