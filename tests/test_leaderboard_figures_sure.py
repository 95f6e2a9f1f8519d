"""How sure a board says it is, against scipy and statsmodels on the same records: Δ, bounds, words, and who decided."""

import pytest
from statsmodels.stats.multitest import multipletests

from tests.recomputed import N, World, difference, right, world
from tests.synthetic_records import page, tables

DELTA = 0.04
MEASURES = {"clean accuracy": "clean", "robust accuracy (union) @ 0.05": "union"}


@pytest.fixture(scope="module", params=[(0, 1, 2), (0,), (0, 1)], ids=["three seeds", "one seed", "two seeds"])
def shown(request) -> tuple[World, str]:
    of = world(request.param)
    return of, page(of.of, of.lines, checks=of.checks)


def of_grids(text: str, head: str) -> dict[tuple[str, str, str], dict[str, str]]:
    """The rows of each grid's table that has this column."""
    found = [table for table in tables(text) if head in table[0]]
    assert len(found) == 2
    return {
        (grid, row["Compression"], row["Training"]): row
        for grid, table in zip(("first", "second"), found, strict=True)
        for row in table
    }


def by_hand(of: World, pairs: dict[tuple, tuple], suspect: set[tuple] = frozenset()) -> dict[tuple, str]:
    """(row, measure) → what a cell must say of the row minus its reference; Holm over all that are not suspect."""
    found = {
        (row, name): difference(getattr(of, what)(reference), getattr(of, what)(row))
        for row, reference in pairs.items()
        for name, what in MEASURES.items()
    }
    tested = [place for place in found if place[0] not in suspect]
    corrected = multipletests([found[place].p for place in tested], method="holm")[1]
    same = multipletests([found[place].equivalence(DELTA) for place in tested], method="holm")[1]
    seeds = len(of.of.seeds)
    few = f" (these networks, {seeds} of {seeds} seed{'s' if seeds > 1 else ''})" if seeds < 3 else ""
    words = [found[place].word(*both, DELTA) for place, *both in zip(tested, corrected, same, strict=True)]
    said = {place: f"{word}{few}" for place, word in zip(tested, words, strict=True)}
    return {place: f"{one.text()} {said.get(place, '— (suspect)')}" for place, one in found.items()}


def test_every_difference_to_dense_its_bounds_and_its_word(shown):
    of, text = shown
    rows = of_grids(text, "Δ to dense: clean accuracy")
    pairs = {row: (row[0], "dense", row[2]) for row in rows if row[1] != "dense"}
    verdicts = of_grids(text, "Worst class @ 0.05")
    suspect = {row for row, line in verdicts.items() if line["Verdict"].startswith("suspect")}
    assert suspect == {("first", "pruned", "plain")}
    expected = by_hand(of, pairs, suspect)
    assert len(expected) == 24
    for (row, name), cell in expected.items():
        assert rows[row][f"Δ to dense: {name}"] == cell, (row, name)
    words = {cell.split("] ")[1].split(" (")[0] for cell in expected.values()}
    assert "worse" in words and len(words) > 1
    assert all(rows[row]["Δ to dense: clean accuracy"] == "—" for row in rows if row[1] == "dense")


def test_every_difference_to_a_control(shown):
    of, text = shown
    rows = of_grids(text, "Control's work")
    assert {row[1] for row in rows} == {"pruned"} and {line["Control"] for line in rows.values()} == {
        "scratch (scratch-E)"
    }
    verdicts = of_grids(text, "Worst class @ 0.05")
    suspect = {row for row, line in verdicts.items() if line["Verdict"].startswith("suspect")}
    assert suspect & rows.keys() and rows.keys() - suspect
    for (row, name), cell in by_hand(of, {row: (row[0], "scratch", row[2]) for row in rows}, suspect).items():
        assert rows[row][f"Δ to its control: {name}"] == cell, (row, name)
        # plain: the first training is (1,000 + 500) × 8 M, the control's own (100 + 100) × 1 M; tuned: one more of both
        works = {"plain": 0.2 / 12.0, "tuned": 0.4 / 12.2}
        assert rows[row]["Control's work"] == f"{works[row[2]]:.3g} ×"


def test_what_decided_a_union_and_what_the_others_took_beyond_it(shown):
    of, text = shown
    deciders = set()
    for row, line in of_grids(text, "Decided by @ 0.05").items():
        seeds, clean = of.of.seeds, of.clean(row)
        alone = {
            name: sum(int(right(network, "robust", 0.05, name).sum()) for network in of.networks(row))
            for name in ("pgd-20", "one")
        }
        broken = [of.found(row, seed, 0.05) for seed in seeds]
        for check in broken[0]:
            left = sum(int((own & ~by[check]).sum()) for own, by in zip(clean, broken, strict=True))
            if any(by[check].any() for by in broken):
                alone[f"{check} (check)"] = left
        first = min(alone, key=alone.__getitem__)
        more = 100 * (alone[first] - sum(int(stands.sum()) for stands in of.union(row))) / N / len(seeds)
        assert line["Decided by @ 0.05"] == (f"{first}, others −{more:.1f}" if more >= 0.05 else first), row
        deciders.add(first)
    assert deciders == {"pgd-20", "strong rerun (check)"}
