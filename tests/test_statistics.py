"""Intervals and corrections: against statsmodels, or a few lines by hand, and their coverage on a known truth."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from benchmark.decidable import FEW, sentence, smallest_delta
from leaderboard.paired import Paired
from leaderboard.statistics import ALPHA, LEVEL, Error, Source, accuracy, holm
from tests.coverage_simulation import World, cover


@pytest.mark.parametrize(("correct", "n"), [(0, 10), (10, 10), (7, 10), (0, 1), (1, 1), (4321, 10_000)])
def test_one_network_has_wilsons_interval(correct, n):
    low, high = proportion_confint(correct, n, alpha=0.05, method="wilson")
    found = accuracy([correct], n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)


def by_hand(shares, n):
    """Wilson's interval with the seeds' variance added, by bisection, not by its quadratic."""
    mean, spread = np.mean(shares), np.var(shares, ddof=1) / len(shares)
    binomial = np.mean([share * (1 - share) for share in shares]) / n
    z, t = stats.norm.ppf(0.975), stats.t.ppf(0.975, len(shares) - 1)
    critical = (spread * t + binomial * z) / (spread + binomial) if spread + binomial else z
    grid = np.linspace(0, 1, 200_001)
    inside = grid[(mean - grid) ** 2 <= critical**2 * (spread + grid * (1 - grid) / n) + 1e-15]
    return inside[0], inside[-1]


@pytest.mark.parametrize("correct", [(40, 50), (62, 60, 71), (0, 3), (0, 0, 0), (99, 100, 100), (0, 100), (50, 50)])
def test_several_seeds_have_the_error_of_seeds_and_of_images(correct):
    found = accuracy(correct, 100)
    assert (found.low, found.high) == pytest.approx(by_hand([c / 100 for c in correct], 100), abs=2e-5)
    assert 0 <= found.low < found.high <= 1


def test_seeds_that_agree_leave_the_images_error():
    assert accuracy([50, 50, 50], 100) == accuracy([50], 100)


def test_an_interval_of_nothing_is_refused():
    with pytest.raises(ValueError, match="needs networks and images"):
        accuracy([], 10)


def test_one_source_is_students_t_and_a_known_one_is_normal():
    assert Error((Source(4.0, 3), Source(0.0))).half(0.9) == pytest.approx(2 * stats.t.ppf(0.95, 3))
    assert Error((Source(4.0),)).half(0.95) == pytest.approx(2 * stats.norm.ppf(0.975))


@pytest.mark.parametrize("sources", [(Source(1.0, 2),), (Source(1.0),), (Source(0.3, 2), Source(0.1))])
def test_a_p_value_is_that_of_the_interval_that_just_reaches_the_null(sources):
    error = Error(sources)
    for p in (0.7, 0.05, 1e-4):
        assert error.p(error.half(1 - p)) == pytest.approx(p, rel=1e-4)
    assert error.p(0.0) == pytest.approx(1, rel=1e-5)
    assert error.p(-error.half(0.95)) == pytest.approx(0.05, rel=1e-4)
    assert error.p(1e9) < 1e-6


@pytest.mark.parametrize("seeds", [1, 3])
def test_an_interval_holds_its_mean_where_all_are_right_or_all_wrong(seeds):
    for n in range(1, 2001):
        none, every = accuracy([0] * seeds, n), accuracy([n] * seeds, n)
        assert none.low == 0 < none.high < 1 and 0 < every.low < 1 == every.high, n


@pytest.mark.parametrize("p", [[], [0.04], [0.01, 0.04, 0.03, 0.005], [0.5, 0.5, 1.0], [1e-9, 0.02, 0.02]])
def test_holm(p):
    assert holm(p) == pytest.approx(list(multipletests(p, method="holm")[1]) if p else [])


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("world", [World(0.5, 0.05, 0.9), World(0.5, 0.001, 0.9), World(0.02, 0.0, 0.9)])
def test_intervals_cover_what_they_say_less_two_points(world, seeds):
    assert cover(world, seeds, 1000, np.random.default_rng(1))["covers"] >= LEVEL - 0.02


def test_satterthwaites_degrees_of_freedom_would_cover_too_little():
    found = cover(World(0.5, 0.05, 0.9), 2, 1000, np.random.default_rng(1))
    assert found["Satterthwaite"] < 0.9 < LEVEL - 0.03 < found["covers"]


@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
def test_the_smallest_delta_is_decided_four_times_in_five(seeds):
    n, spread = 2000, 0.005
    delta, rng = smallest_delta(n, seeds, 0.1, spread), np.random.default_rng(0)
    wander = rng.normal(0, spread, (2000, seeds)) if seeds >= FEW else np.zeros((2000, seeds))
    lost, gained = rng.binomial(n, 0.05 - wander / 2), rng.binomial(n, 0.05 + wander / 2)
    within = [
        Paired(tuple(x), tuple(y), n).interval(1 - 2 * ALPHA).inside(delta)
        for x, y in zip(lost.tolist(), gained.tolist(), strict=True)
    ]
    # from three seeds on more often, by as much as averaging images that are independent here helps
    assert 0.75 < np.mean(within) < (0.85 if seeds < FEW else 1)


def test_more_images_and_more_seeds_decide_less():
    assert smallest_delta(10_000, 3) < smallest_delta(1000, 3)
    assert smallest_delta(1000, 5) < smallest_delta(1000, 3)


@pytest.mark.parametrize("seeds", [3, 4, 5, 10])
def test_a_plan_knows_that_the_spread_of_seeds_is_estimated(seeds):
    """Images beyond number: all the error is the seeds', and the interval is as wide as their estimated spread."""
    delta, scale = smallest_delta(10**12, seeds), 0.01 / math.sqrt(seeds)

    def chance(spread: float) -> float:
        half = stats.t.ppf(0.95, seeds - 1) * spread * scale
        return max(0.0, 2 * stats.norm.cdf((delta - half) / scale) - 1)

    nodes = (np.arange(4000) + 0.5) / 4000
    power = np.mean([chance(math.sqrt(x / (seeds - 1))) for x in stats.chi2.ppf(nodes, seeds - 1)])
    assert power == pytest.approx(0.8, abs=0.01)


def test_a_plan_says_what_it_can_decide():
    assert sentence(1000, 1, 3).startswith(
        "1 seed can call two rows, compared alone, the same within ±δ down to δ = 2.9 points with 1,000"
    )
    assert "never for the method" in sentence(1000, 2, 3) and "10,000" in sentence(None, 3, 3)
    assert "The suite's δ, 2 points, is less" in sentence(1000, 1, 2) and "is less" not in sentence(1000, 1, 3)
    assert "is less" in sentence(None, 3, 0.5) and "is less" not in sentence(None, 3, 3)
