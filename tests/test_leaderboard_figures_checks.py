"""The figures of the section "Checks", worked out again from the check records: counts, exact tests, power, losses."""

from html import unescape

import numpy as np
import pytest
from scipy import optimize
from scipy.stats import binom, binomtest

from tests.recomputed import N, bits, right, row_of, world
from tests.synthetic_records import page, tables

BREAKING = ("strong rerun", "gradient-free", "transfer", "single step")


@pytest.fixture(scope="module")
def shown():
    of = world()
    return of, page(of.of, of.lines, checks=of.checks).split("### Checks")[1:]


def test_what_checks_took_from_each_union(shown):
    of, sections = shown
    for grid, section in zip(("first", "second"), sections, strict=True):
        rows = tables(section)[0]
        assert len(rows) == 8
        for row in rows:
            name = (grid, row["Compression"], row["Training"])
            before = [right(network, "robust", 0.05) for network in of.networks(name)]
            lost = sum(int((a & ~b).sum()) for a, b in zip(before, of.union(name), strict=True))
            assert row["By checks @ 0.05"] == f"−{100 * lost / N / 3:.1f}" != "−0.0"


def p_value(found: int, of: int, allowed: float) -> str:
    p = binomtest(found, of, min(1.0, allowed), alternative="greater").pvalue
    return f"p = {p:.2g}" if p > 1e-12 else "p < 1e-12"


def power(of: int, allowed: float, standing: int) -> str:
    """The share of all images, in points, that the test at .001 finds nine times in ten."""
    critical = next((k for k in range(of + 1) if binom.sf(k - 1, of, min(1.0, allowed)) < 0.001), None)
    if critical is None:
        return "too few to find fault"
    rate = optimize.brentq(lambda rate: binom.sf(critical - 1, of, rate) - 0.9, 1e-9, 1 - 1e-9, xtol=1e-12)
    return f"finds {100 * rate * standing / N:.1f} points"


def test_every_checks_count_test_and_power(shown):
    of, sections = shown
    seen, suspect = 0, set()
    for grid, section in zip(("first", "second"), sections, strict=True):
        for line in tables(section)[1]:
            check = line["Check"].strip("*").removesuffix(": suspect")
            compression, _, training = line["Row"].partition("/")
            name = (grid, compression, training)
            made = next(
                one for one in of.checks if (row_of(one), one["seed"], one["check"]) == (name, int(line["Seed"]), check)
            )
            standing, examined, found = (int(bits(images).sum()) for images in made["outcomes"].values())
            told = {head: unescape(line[head]) for head in ("Found", "Test", "Power")}
            allowed = 0.01 * N / standing
            if check in BREAKING:
                loss = f"−{100 * found / examined * standing / N:.1f}" if found else "0.0"
                more = f" of {standing} that stand" if standing > examined else ""
                expected = f"{found} of {examined}{more}: {loss} points{', estimated' if more else ''}"
                expected = expected, p_value(found, examined, allowed), power(examined, allowed, standing)
                suspect |= {(*name, made["seed"], check)} if "suspect" in line["Check"] else set()
                fails = binomtest(found, examined, allowed, alternative="greater").pvalue < 0.001
                assert fails == ("suspect" in line["Check"])
            elif check == "unbounded":
                stood = examined - found
                expected = f"{stood} of {examined} survive", p_value(stood, examined, 0.01)
                rate = power(examined, 0.01, N)
                expected = (*expected, rate)
            elif check == "trained":
                expected = f"clean {standing} of {N}, chance 337; loss 2 → 0.1", p_value(standing, N, 337 / N), ""
            elif check == "random":
                expected = f"0 of {examined} answered otherwise", "none may", ""
            else:
                assert check == "zero gradient"
                expected = f"{found} of {examined} without a gradient", "none: more restarts", ""
            assert tuple(told.values()) == expected, line
            seen += 1
    assert seen == len(of.checks) == 2 * 8 * 3 * 8
    assert suspect == {("first", "pruned", "plain", seed, "strong rerun") for seed in (0, 1, 2)}


def test_what_a_check_found_in_the_ball_is_in_no_union_of_that_radius_or_more(shown):
    of, _ = shown
    main = [table for table in tables(page(of.of, of.lines, checks=of.checks)) if "Verdict" in table[0]]
    rows = {(row["Compression"], row["Training"]): row for row in main[0] if "Clean accuracy" in row}
    row = rows["pruned", "plain"]
    for label, eps in (("0.05", 0.05), ("0.1", 0.1)):
        stands = [int(union.sum()) for union in of.union(("first", "pruned", "plain"), eps)]
        assert row[f"Robust accuracy (union) @ {label}"].split(" ")[0] == f"{100 * np.mean(stands) / N:.1f}"
    assert row["Verdict"] == "suspect (a stronger attack breaks more)"
