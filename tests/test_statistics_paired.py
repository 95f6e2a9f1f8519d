"""Differences of rows: the paired and the separate interval, McNemar, what is decided, and who leads."""

import statistics

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar

from leaderboard.paired import Decision, Paired, Separate, decide, decided, equivalence, leaders, mcnemar, paired
from leaderboard.wording import change, signed, verdict
from tests.coverage_simulation import World, judge


def bits(text: str) -> int:
    return int(text, 2)


@pytest.mark.parametrize(("lost", "gained"), [(0, 0), (5, 5), (3, 12), (0, 4), (40, 21)])
def test_mcnemar_is_exact(lost, gained):
    assert mcnemar(lost, gained) == pytest.approx(reference_mcnemar([[0, lost], [gained, 0]], exact=True).pvalue)


def test_pairs_are_counted_on_the_seeds_that_both_have():
    found = paired({0: bits("1100"), 1: bits("1111")}, {1: bits("0011"), 2: bits("1111"), 0: bits("1010")}, 4)
    assert found == Paired(lost=(1, 2), gained=(1, 0), n=4)
    assert found.estimate == -0.25
    assert paired({0: 1}, {1: 1}, 4) is None


def bonett_price(lost, gained, n):
    """Bonett & Price (2012), equation 6, as published."""
    p12, p21 = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    return p12 - p21, (p12 + p21 - (p12 - p21) ** 2) / (n + 2)


def test_one_network_has_bonett_and_prices_interval_and_mcnemars_p():
    found, (centre, variance) = Paired((10,), (25,), 200), bonett_price(10, 25, 200)
    half = stats.norm.ppf(0.975) * variance**0.5
    assert (found.interval().low, found.interval().high) == pytest.approx((centre - half, centre + half))
    assert found.p == mcnemar(10, 25) and found.these_networks


def test_two_networks_must_each_show_it():
    one, other, both = Paired((10,), (25,), 200), Paired((8,), (9,), 200), Paired((10, 8), (25, 9), 200)
    assert both.p == other.p > one.p and both.these_networks
    assert (both.interval().low, both.interval().high) == (other.interval().low, one.interval().high)
    assert Paired((5, 60), (60, 5), 200).p == 1.0  # opposite ways


def test_three_seeds_have_the_error_of_seeds_and_of_images():
    lost, gained, n = (10, 14, 3), (25, 30, 9), 200
    parts = [bonett_price(x, y, n) for x, y in zip(lost, gained, strict=True)]
    spread = statistics.variance([(y - x) / n for x, y in zip(lost, gained, strict=True)]) / 3
    images = statistics.fmean(variance for _, variance in parts)
    critical = (spread * stats.t.ppf(0.975, 2) + images * stats.norm.ppf(0.975)) / (spread + images)
    centre, half = statistics.fmean(centre for centre, _ in parts), critical * (spread + images) ** 0.5
    found = Paired(lost, gained, n)
    assert (found.interval().low, found.interval().high) == pytest.approx((centre - half, centre + half))
    assert not found.these_networks and found.estimate == pytest.approx(37 / 600)
    assert (found.p < 0.05) == (found.interval().low > 0)


def test_same_is_said_of_few_boards_where_nothing_is():
    """Thirty networks that each lose exactly δ, of which five in a hundred look the same by chance."""
    rng, n, delta = np.random.default_rng(0), 2000, 0.02
    false = {"alone": 0, "corrected": 0}
    for _ in range(100):
        drawn = rng.multinomial(n, (0.03 + delta, 0.03, 0.95 - delta), 30).tolist()
        pairs = [(Paired((lost,), (gained,), n), delta) for lost, gained, _ in drawn]
        false["alone"] += any(decide(*pair).within for pair in pairs)
        false["corrected"] += any(decision.within for _, decision in decided(pairs))
    assert false["alone"] > 50 and false["corrected"] <= 10, false


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_an_equivalence_test_inverts_its_interval(seeds):
    found = Paired((20, 21, 25)[:seeds], (22, 18, 27)[:seeds], 2000)
    p = equivalence(found, 0.012)
    assert 1e-6 < p < 0.05
    assert found.interval(1 - 2.01 * p).inside(0.012) and not found.interval(1 - 1.98 * p).inside(0.012)
    assert equivalence(found, 0.001) == 1


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_equal_outcomes_are_not_certainty(seeds):
    few, many = (Paired((0,) * seeds, (0,) * seeds, n) for n in (20, 2000))
    assert few.p == many.p == pytest.approx(1)
    assert few.interval().low < 0 < few.interval().high
    assert decide(few, 0.02).word == "undecided"
    assert decide(many, 0.02).word == "same"


def test_all_lost_by_every_seed():
    found = Paired((100,) * 3, (0,) * 3, 100)
    assert found.estimate == -1 and found.p < 1e-6 and found.interval().low < -0.9


def test_separate_samples():
    found = Separate((60,), 100, (150,), 200)
    p1, p2 = 61 / 102, 151 / 202  # Agresti & Caffo, 2000
    half = stats.norm.ppf(0.975) * (p1 * (1 - p1) / 102 + p2 * (1 - p2) / 202) ** 0.5
    assert (found.interval().low, found.interval().high) == pytest.approx((p2 - p1 - half, p2 - p1 + half))
    assert found.estimate == pytest.approx(0.15) and found.these_networks
    assert found.p == pytest.approx(2 * stats.norm.sf((p2 - p1) / half * stats.norm.ppf(0.975)), rel=1e-3)


def test_seeds_that_differ_widen_separate_samples():
    steady, wild = (Separate((60, 60, 60), 100, row, 100) for row in ((70, 70, 70), (50, 70, 90)))
    assert wild.p > steady.p
    assert wild.interval().high - wild.interval().low > 2 * (steady.interval().high - steady.interval().low)


def test_decisions():
    clear, slight = Paired((300,) * 3, (10,) * 3, 2000), Paired((40, 42, 41), (10, 12, 11), 10_000)
    assert decide(clear, 0.02) == Decision("worse")
    assert decide(slight, 0.02) == Decision("worse", within=True)
    assert decide(slight, 0.02, p=0.2) == Decision("same", within=True)  # after Holm's correction
    assert decide(slight, 0.02, p=0.2, same=0.2) == Decision("undecided")
    assert decide(Paired((10,) * 3, (300,) * 3, 2000), 0.02).word == "better"
    assert decide(Paired((30,), (20,), 200), 0.02) == Decision("undecided")


def test_decisions_in_words():
    assert verdict(Decision("same", True), 0.02) == "same within ±2"
    assert verdict(Decision("worse", True), 0.005) == "worse, within ±0.5"
    assert verdict(Decision("undecided"), 0.02) == "undecided"
    assert signed(-0.0001) == signed(0.0001) == "0.0" and signed(-0.012) == "−1.2"
    assert change(Paired((0,) * 3, (0,) * 3, 1000)).startswith("0.0 [−0.3, +0.3]")


def test_leaders_are_all_that_are_not_worse_than_the_first():
    rng = np.random.default_rng(0)
    easy = rng.random(2000)

    def row(share: float) -> dict[int, int]:
        return {
            seed: bits("".join("01"[int(x)] for x in easy + 0.05 * rng.standard_normal(2000) < share))
            for seed in range(3)
        }

    rows = [row(0.3), row(0.6), row(0.597), row(0.5)]
    assert leaders(rows, 2000) == [False, True, True, False]
    assert leaders([], 10) == [] and leaders([{0: 1}], 1) == [True]


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_paired_test_keeps_its_level_and_same_is_claimed_only_when_it_is(seeds):
    rng, few = np.random.default_rng(2), seeds < 3
    none = World(0.1, 0.005, 0.95, 2000, 0.0, r=float(few))
    edge = World(0.1, 0.0 if few else 0.005, 0.95, 2000, 0.02)
    found = judge(none, 0.02, seeds, 1000, rng)
    strays = 1.5 * (0.05 * 0.95 / 1000) ** 0.5  # of the simulation itself, in standard errors: a point
    assert found["false differs"] <= 0.05 + strays and found["covers"] >= 0.93
    assert judge(edge, 0.02, seeds, 1000, rng)["false same"] <= 0.05 + strays
    assert judge(World(0.1, 0, 0.95, 2000, 0.0), 0.02, seeds, 200, rng)["same"] > 0.8  # not by never claiming it
