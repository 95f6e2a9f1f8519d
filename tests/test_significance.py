"""A board's comparisons with the dense rows, its leaders and its claims, from records of a known truth."""

import statistics
from dataclasses import replace

import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from benchmark.claims import Claim, Measure, fingerprint
from leaderboard.estimate import Column
from leaderboard.evidence import claims_section, how_sure
from leaderboard.figures import CLEAN
from leaderboard.registration import Registration
from leaderboard.significance import headlines, rows, significance
from leaderboard.verdict import Verdict
from tests.synthetic_outcomes import N, evidence
from tests.synthetic_records import LARGE, tables

A, S = "adversarial", "standard"
UNION = Measure(None, "inf", LARGE)
DELTA = "Δ to dense: robust accuracy (union) @ 0.1"
TRUTH = {("half", A): (0.9, 0.5), ("most", A): (0.9, 0.42), ("all", A): (0.9, 0.3)}
TRUTH |= {(name, S): (0.95, 0.1) for name in ("dense", "half", "most", "all")}


def everyone(figures, but=()) -> dict:
    """Every row is sound, except those in `but`."""
    return {(figures.grid.name, row): Verdict("sound") for row in rows(figures.grid) if row not in but}


def table_of(figures) -> dict[tuple[str, str], dict[str, str]]:
    (table,) = tables("\n\n".join(how_sure(figures.suite, figures, significance([figures], everyone(figures)))) + "\n")
    return {(line["Compression"], line["Training"]): line for line in table}


def test_the_measures_are_clean_accuracy_and_the_headline_union():
    figures = evidence(TRUTH)
    assert headlines(figures.grid) == [UNION]
    found = significance([figures], everyone(figures))
    assert {measure for _, _, measure in found.compared} == {CLEAN, UNION}
    assert not any(row[0] == "dense" for _, row, _ in found.compared)


def test_every_p_value_is_corrected_over_the_board():
    figures = evidence(TRUTH)
    found = significance([figures], everyone(figures))
    raw = [compared.difference.p for compared in found.compared.values()]
    corrected = [compared.p for compared in found.compared.values()]
    assert len(raw) == 12 and corrected == pytest.approx(list(multipletests(raw, method="holm")[1]))


def test_a_difference_is_recomputed_from_the_outcomes():
    figures = evidence(TRUTH)
    compared = significance([figures], everyone(figures)).compared["digits", ("most", A), UNION]
    pair = [figures.outcomes((name, A), UNION) for name in ("dense", "most")]
    shares, variances = [], []
    for seed in (0, 1, 2):
        dense, most = (f"{row[seed]:0{N}b}" for row in pair)
        gained = sum(x < y for x, y in zip(dense, most, strict=True)) + 1
        lost = sum(x > y for x, y in zip(dense, most, strict=True)) + 1
        shares.append((gained - lost) / N)
        variances.append(((gained + lost) / (N + 2) - ((gained - lost) / (N + 2)) ** 2) / (N + 2))
    spread, images = statistics.variance(shares) / 3, statistics.fmean(variances)
    t = (spread * stats.t.ppf(0.975, 2) + images * stats.norm.ppf(0.975)) / (spread + images)
    interval = compared.difference.interval()
    assert compared.difference.estimate == pytest.approx(statistics.fmean(shares))
    assert (interval.high - interval.low) / 2 == pytest.approx(t * (spread + images) ** 0.5)
    assert compared.decision.word == "worse"


def test_leaders_are_ranked_rows_with_every_seed():
    figures = evidence(TRUTH, lacking=[("half", A, 1)])
    leading = {row for _, row, measure in significance([figures], everyone(figures)).leading if measure == UNION}
    assert leading == {("dense", A)}  # of equal truth is half, which lacks a seed
    whole = evidence(TRUTH)
    found = significance([whole], everyone(whole, but=[("dense", A)]))
    assert {row for _, row, measure in found.leading if measure == UNION} == {("half", A)}


def test_the_table_shows_differences_and_the_attack_that_decided():
    cells = table_of(evidence(TRUTH, seeds=(0,)))
    dense, most = cells["dense", A], cells["most", A]
    assert dense[DELTA] == "—"
    assert most[DELTA].startswith("−") and most[DELTA].endswith("] worse (these networks, 1 of 1 seed)")
    assert most["Decided by @ 0.1"].startswith("pgd-20")
    assert most["Δ to dense: clean accuracy"].endswith("] same within ±2 (these networks, 1 of 1 seed)")


def test_a_word_on_fewer_than_three_seeds_is_of_these_networks_however_many_were_planned():
    lacking = [("most", A, 1), ("most", A, 2), ("all", A, 2)]
    cells = table_of(evidence(TRUTH, lacking=lacking))
    assert cells["most", A][DELTA].endswith("] worse (these networks, 1 of 3 seeds)")
    assert cells["all", A][DELTA].endswith("] worse (these networks, 2 of 3 seeds)")
    assert cells["half", A][DELTA].endswith("] same within ±2")


def test_suspect_rows_are_not_tested_and_doubts_stand_beside_the_word():
    figures = evidence(TRUTH)
    verdicts = everyone(figures, but=[("half", A)]) | {("digits", ("all", A)): Verdict("suspect", ("masked",))}
    found = significance([figures], verdicts)
    fine = [one for (_, row, _), one in found.compared.items() if row != ("all", A)]
    assert [one.p for one in fine] == pytest.approx(
        list(multipletests([x.difference.p for x in fine], method="holm")[1])
    )
    assert len(fine) == 10 and found.compared["digits", ("all", A), UNION].decision is None
    (table,) = tables("\n\n".join(how_sure(figures.suite, figures, found)) + "\n")
    cells = {(line["Compression"], line["Training"]): line[DELTA] for line in table}
    assert cells["all", A].startswith("−") and cells["all", A].endswith("] — (suspect)")
    assert cells["half", A].endswith("] same within ±2 (unverified)") and cells["most", A].endswith("] worse")
    reference = everyone(figures) | {("digits", ("dense", A)): Verdict("suspect", ("masked",))}
    found = significance([figures], reference)
    assert found.compared["digits", ("most", A), UNION].decision is None
    assert found.compared["digits", ("most", A), UNION].doubts == ("dense row suspect",)
    assert found.compared["digits", ("most", S), UNION].decision and len(found.compared) == 12


def test_a_missing_row_is_a_hole():
    cells = table_of(evidence(TRUTH, lacking=[("all", A, seed) for seed in (0, 1, 2)]))
    assert set(list(cells["all", A].values())[2:]) == {"—"}


def test_who_leads_a_column():
    figures = evidence(TRUTH)
    found = significance([figures], everyone(figures, but=[("half", A)]))
    union, lone = (Column(attack, "inf", LARGE, ("pgd-20",)) for attack in (None, "pgd-20"))
    assert found.leads("digits", ("dense", A), union) and not found.leads("digits", ("most", A), union)
    assert not found.leads("digits", ("half", A), union)  # it may not be ranked
    assert not found.leads("digits", ("dense", A), lone) and not found.leads("other", ("dense", A), union)
    assert found.leads("digits", ("dense", S), None) and not found.leads("digits", ("dense", A), None)


def test_claims_are_listed_with_their_word_their_numbers_and_when_they_were_fixed():
    claim = Claim("within", "", "digits", (("half", A),), (("dense", A),), UNION)
    figures = evidence(TRUTH)
    of = replace(figures.suite, claims=(claim, replace(claim, text="a <b> | c", rows=(("all", A),))))
    text = "\n".join(claims_section(of, [figures], Registration(0, 48, 0), everyone(figures)))
    assert "- **holds**: digits: half/adversarial within dense/adversarial (Robust accuracy (union) @ 0.1)" in text
    assert "- **fails**: a &#60;b&#62; &#124; c" in text
    assert "Fixed when 0 of 48 cells had been judged" in text and fingerprint(of) in text
    assert "not known when" in "\n".join(claims_section(of, [figures], None, {}))
    assert claims_section(figures.suite, [figures], None, {}) == [] and tables(text) == []
