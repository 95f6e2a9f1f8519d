"""What planned images and seeds can decide, before a night is spent: pure Python, because a plan imports no numpy."""

import math
from statistics import NormalDist

DISAGREEMENT = 0.1  # assumed: two rows differ on this share of the images
SPREAD = 0.01  # assumed: the standard deviation of a difference of two rows over training seeds
POWER = 0.8
ALPHA = 0.05
POINTS = 200  # of an integral over the χ² distribution
FEW = 3  # fewer seeds speak of their own networks alone


def smallest_delta(n: int, seeds: int, disagreement: float = DISAGREEMENT, spread: float = SPREAD) -> float:
    """The smallest δ, a share, for which two equal rows are called "same within ±δ" with a chance of 80 % or more.

    n: test images; disagreement: the share of them on which two networks differ; spread: how much the difference varies
    over seeds. One or two seeds: for these networks, of which each must show it. Two one-sided tests need half an
    interval inside ±δ, and as much more as the estimate strays.
    """
    images, normal = disagreement / n, NormalDist()
    if seeds < FEW:
        strays = normal.inv_cdf(1 - (1 - POWER) / 2 / seeds)
        return (normal.inv_cdf(1 - ALPHA) + strays) * math.sqrt(images)
    between = (spread**2 + images) / seeds  # what is particular to an image under a seed spreads the seeds too
    low, high = 0.0, 1.0
    while high - low > 1e-5:
        middle = (low + high) / 2
        low, high = (low, middle) if _power(middle, images, between, seeds - 1) >= POWER else (middle, high)
    return high


def _power(delta: float, images: float, between: float, freedom: int) -> float:
    """The chance that two equal rows are called the same within ±δ: over the spread of seeds that a run may estimate,
    which is χ² distributed around the true one, and over how far the mean strays."""
    z, t, whole = NormalDist().inv_cdf(1 - ALPHA), _student(freedom), math.sqrt(between + images)
    step, chance, total = (freedom + 10 * math.sqrt(2 * freedom)) / POINTS, 0.0, 0.0
    for point in range(POINTS):
        x = (point + 0.5) * step
        weight = math.exp((freedom / 2 - 1) * math.log(x) - x / 2)
        seen = between * x / freedom
        half = (seen * t + images * z) / math.sqrt(seen + images)  # Cochran & Cox, as a board has it
        total += weight
        chance += weight * max(0.0, 2 * NormalDist().cdf((delta - half) / whole) - 1)
    return chance / total


def _student(freedom: int) -> float:
    """Student's one-sided quantile at α, by Cornish and Fisher's expansion (Abramowitz & Stegun, 26.7.5)."""
    z = NormalDist().inv_cdf(1 - ALPHA)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, start=1))


def sentence(n: int | None, seeds: int, delta: float, most: bool = False) -> str:
    """One line of a plan; `n` is None where all test images are used, which are counted only when they are loaded.

    delta: the suite's own, in points: where the planned images and seeds cannot decide so little, the line says so.
    most: n is a limit, and whether there are so many images is not known yet.
    """
    sizes, upto = [n] if n else [1_000, 10_000], "at most " * (most and n is not None)
    found = " and ".join(f"{100 * smallest_delta(size, seeds):.1f} points with {upto}{size:,} images" for size in sizes)
    whom = "for these networks, never for the method" if seeds < FEW else f"if seeds differ by {100 * SPREAD:g} point"
    unsure = "; at most: the dataset's images are counted when it is loaded" * bool(upto)
    counted = f"{seeds} seed{'s' if seeds > 1 else ''}"
    less = (
        f" The suite's δ, {delta:g} points, is less: equal rows will often stay undecided; plan more images or seeds, "
        "or give a larger delta."
    )
    enough = 100 * smallest_delta(sizes[-1], seeds) <= delta
    return (
        f"{counted} can call two rows, compared alone, the same within ±δ down to δ = {found} (a board of many "
        "comparisons corrects for all of them, and needs more; assumed: the rows differ on "
        f"{100 * DISAGREEMENT:g} % of the images; {whom}{unsure})." + ("" if enough else less)
    )
