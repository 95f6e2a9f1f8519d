"""Verdicts from check records that no run has made: tests against scipy's own, words, and what counts in a union."""

import pytest
from scipy.stats import binom, binomtest

from benchmark.outcomes import pack
from benchmark.types import PROTOCOL, Attack
from benchmark.verification import KINDS
from leaderboard import check_records, compare, records
from leaderboard.rate import ALPHA, Rate
from leaderboard.table import Row, build
from tests.synthetic_records import FGSM, LARGE, PGD, SMALL, every, grid, page, suite, tables

CLEAN, ROBUST = "1111111100", "1111110000"
LEARNED, SAME = ({"fresh": True, "epochs": 3, "losses": [2.0, last]} for last in (0.1, 2.0))
FACTS = {"trainings": [LEARNED], "answers": 3, "commonest": 4, "size": {}, "dense": {}, "broken_promises": []}


def check(cell: tuple, kind, found: str = "0" * 10, level: str = "full", **changes) -> dict:
    """The record of a check of the network of a cell, which looks at all that stands; `found` as a text of 0 and 1."""
    standing = CLEAN if kind.of == "no" else ROBUST
    examined = "0" * 10 if kind.name == "trained" else standing
    if kind.name == "unbounded":
        found = examined
    outcomes = {"standing": standing, "examined": examined, "found": found}
    return {
        **dict(zip(("grid", "compression", "training", "seed"), cell, strict=False)),
        "check": kind.name,
        "norm": None if kind.whole else "inf",
        "eps": None if kind.whole else 0.05,
        "protocol": PROTOCOL,
        "suite": "small",
        "fingerprint": "f00d",
        "level": level,
        "size": kind.size,
        "radius": (kind.radius or 0.05) if kind.attacks else None,
        "n": 10,
        **{name: bits.count("1") for name, bits in outcomes.items()},
        "outcomes": {name: pack(bit == "1" for bit in bits) for name, bits in outcomes.items()},
        "trials": [],
        "facts": FACTS if kind.name == "trained" else {},
        "keys": {"network": f"net {cell[1:4]}", "check": f"{kind.name} {cell}"},
    } | changes


def all_checks(of, **changes) -> list[dict]:
    cells = dict.fromkeys(tuple(record[name] for name in records.CELL)[:4] for record in every(of))
    return [check(cell, kind, **changes) for cell in cells for kind in KINDS]


def found(of, checks: list[dict]) -> dict[tuple[str, str], Row]:
    assert [check_records.CHECK.check(one) for one in checks] == [""] * len(checks)
    assert [records.problem(one, check_records.CHECK) for one in checks] == [""] * len(checks)
    return {row.name: row for row in build(of, every(of, ROBUST), checks).tables[0].rows}


def test_a_row_is_sound_when_every_check_of_every_network_passed():
    of = suite()
    assert {str(row.verdict) for row in found(of, all_checks(of)).values()} == {"sound"}
    assert {str(row.verdict) for row in found(of, all_checks(of, level="quick")).values()} == {"unverified (quick)"}
    assert {str(row.verdict) for row in found(of, []).values()} == {"unverified (verify: none)"}
    asked = suite(grid(verify="full"))
    assert {str(row.verdict) for row in found(asked, []).values()} == {"unverified (every check is missing)"}


def test_what_is_missing_is_named_with_its_seed():
    of = suite()
    some = [one for one in all_checks(of) if (one["check"], one["seed"]) != ("unbounded", 1)]
    assert {str(row.verdict) for row in found(of, some).values()} == {"unverified (unbounded is missing, seed 1)"}


@pytest.mark.parametrize(
    "name, changes, reason",
    [
        ("strong rerun", {"found": "1111000000"}, "a stronger attack breaks more"),
        ("gradient-free", {"found": "1111000000"}, "an attack without gradients breaks more"),
        ("transfer", {"found": "1111000000"}, "examples of other networks break more"),
        ("single step", {"found": "1111000000"}, "a single step breaks what the attacks did not"),
        ("random", {"found": "1000000000"}, "its answers are random, and not judged on the mean of 100 passes or more"),
        ("trained", {"facts": FACTS | {"trainings": [SAME]}}, "its loss did not fall"),
        ("trained", {"facts": FACTS | {"trainings": [LEARNED, SAME]}}, "its loss did not fall"),  # a control's own
        ("trained", {"facts": FACTS | {"answers": 1}}, "collapsed, one answer to every image"),
        ("trained", {"facts": FACTS | {"commonest": 9}}, "not shown to be above chance"),
        ("trained", {"facts": FACTS | {"broken_promises": ["prune: x"]}}, "not compressed as it says"),
    ],
)
def test_the_worst_network_speaks_for_its_row(name, changes, reason):
    of = suite()
    kind = next(kind for kind in KINDS if kind.name == name)
    cell = ("digits", "dense", "plain", 1)
    checks = [
        one for one in all_checks(of) if one["check"] != name or (one["compression"], one["seed"]) != ("dense", 1)
    ]
    checks += [check(cell, kind, **changes), check((*cell[:2], "tuned", 1), kind)]
    rows = found(of, checks)
    assert str(rows["dense", "plain"].verdict) == f"suspect ({reason}, seed 1)"
    assert str(rows["prune-50", "plain"].verdict) == "sound"


@pytest.mark.parametrize(
    "epochs, verdict", [(3, "unverified (its training tells no loss, seed 1)"), (1, "sound"), (0, "sound")]
)
def test_a_training_that_tells_no_loss(epochs, verdict):
    of = suite()
    kind = next(kind for kind in KINDS if kind.name == "trained")
    silent = check(
        ("digits", "dense", "plain", 1),
        kind,
        facts=FACTS | {"trainings": [{"fresh": True, "epochs": epochs, "losses": []}]},
    )
    checks = [one for one in all_checks(of) if one["keys"] != silent["keys"] or one["check"] != "trained"]
    assert str(found(of, [*checks, silent])["dense", "plain"].verdict) == verdict


def test_without_an_attack_that_needs_no_gradient_a_row_is_never_sound():
    of = suite(grid(attacks=(Attack("pgd-20", PGD, "1", (SMALL, LARGE)),)))
    able = [one | ({"norm": "1"} if one["norm"] else {}) for one in all_checks(of) if one["check"] != "gradient-free"]
    words = {str(row.verdict) for row in found(of, able).values()}
    assert words == {"unverified (no gradient-free check for ℓ1, so never sound)"}


def test_nine_survivors_of_two_hundred_are_too_many():
    assert [Rate(k, 200, 200, 200).over for k in (8, 9)] == [False, True]


@pytest.mark.parametrize("k, examined, standing, n", [(7, 50, 300, 1000), (0, 200, 200, 200), (60, 500, 4000, 10000)])
def test_the_test_and_its_power_are_scipys(k, examined, standing, n):
    rate = Rate(k, examined, standing, n)
    allowed = 0.01 * n / standing
    assert rate.p == pytest.approx(binomtest(k, examined, allowed, alternative="greater").pvalue)
    critical = next(k for k in range(examined) if binom.sf(k - 1, examined, allowed) < ALPHA)
    assert binom.sf(critical - 1, examined, rate.detectable * n / standing) == pytest.approx(0.9)


def test_few_survivors_can_lose_no_more_than_a_point():
    assert not Rate(10, 10, 10, 1000).over and Rate(10, 10, 10, 1000).detectable is None


def test_what_a_check_breaks_is_broken_in_unions_of_that_ball_and_larger_ones():
    of = suite()
    kind = next(kind for kind in KINDS if kind.name == "strong rerun")
    lost = check(("digits", "dense", "plain", 0), kind, "1000000000", eps=0.05)
    row = found(of, [lost])["dense", "plain"]
    for column, estimate in row.accuracy.items():
        assert estimate.values == ((0.5, 0.6) if column.attack is None else (0.6, 0.6))
    unbounded = check(("digits", "dense", "plain", 0), next(kind for kind in KINDS if kind.name == "unbounded"))
    assert {estimate.mean for estimate in found(of, [unbounded])["dense", "plain"].accuracy.values()} == {0.6}


def test_a_check_that_broke_the_most_decided_the_union():
    of = suite(grid(attacks=(Attack("pgd-20", PGD, "inf", (SMALL,)), Attack("one", FGSM, "inf", (SMALL,)))))
    kind = next(kind for kind in KINDS if kind.name == "strong rerun")
    plain, tuned = (("digits", "dense", training, 0) for training in ("plain", "tuned"))
    checks = [check(plain, kind, "1111100000"), check(tuned, kind, "1000000000")]
    rows = tables(page(of, every(of, ROBUST), checks=checks).split("### How sure")[1])[0]
    by = {(row["Compression"], row["Training"]): row["Decided by @ 0.05"] for row in rows}
    # of the 8 clean images of either seed the attacks break 2; the check 5 of the first, which leaves 3 and 8 of 20
    assert by["dense", "plain"] == "strong rerun (check), others −20.0"
    assert by["dense", "tuned"] == "pgd-20, others −5.0"
    assert by["prune-50", "plain"] == "pgd-20"


def test_two_boards_are_compared_with_what_checks_broke():
    of = suite()
    kind = next(kind for kind in KINDS if kind.name == "strong rerun")
    cell = ("digits", "dense", "plain", 0)
    before, after = (compare.figures(every(of, ROBUST), checks) for checks in ([], [check(cell, kind, "1000000000")]))
    lower = {name for name in before if after[name].mean < before[name].mean}
    assert {name[:4] for name in lower} == {("digits", "dense", "plain", compare.UNION)}
    assert all(after[name].mean == 0.55 for name in lower) and lower


def test_a_check_of_another_network_or_headline_is_not_this_rows():
    for changes in ({"keys": {"network": "another", "check": "x"}}, {"fingerprint": "cafe"}):
        rows = found(suite(), all_checks(suite(), **changes))
        assert {str(row.verdict) for row in rows.values()} == {"unverified (verify: none)"}
    rows = found(suite(grid(headline=(("inf", 0.1),))), all_checks(suite()))
    assert all("strong rerun is missing" in str(row.verdict) for row in rows.values())


def test_what_checks_took_is_a_figure_only_where_one_has_tried():
    of = suite()
    looked = ("zero gradient", "unbounded", "random", "trained")
    for names, shown in ((looked, "—"), (("single step",), "0.0"), (("transfer", *looked), "0.0")):
        checks = [one for one in all_checks(of) if one["check"] in names]
        (*rows,) = tables(page(of, every(of, ROBUST), checks=checks).split("### Checks")[1])[0]
        assert [row["By checks @ 0.05"] for row in rows] == [shown] * 4
    nothing = [one | {"standing": 0, "examined": 0, "outcomes": dict.fromkeys(one["outcomes"], pack([False] * 10))}
               for one in all_checks(of) if one["norm"]]  # fmt: skip
    rows = tables(page(of, every(of, "0" * 10), checks=nothing).split("### Checks")[1])[0]
    assert [row["By checks @ 0.05"] for row in rows] == ["—"] * 4


def test_the_page_shows_numbers_tests_and_power():
    of = suite()
    checks = [
        one
        | {"outcomes": one["outcomes"] | {"found": pack([True] + [False] * 9)}, "found": 1}
        | {"facts": {"control": {"asked": 2, "found": 1}}}
        if one["check"] == "transfer"
        else one
        for one in all_checks(of)
    ]
    rows, every_check = tables(page(of, every(of, ROBUST), checks=checks).split("### Checks")[1])[:2]
    assert [row["By checks @ 0.05"] for row in rows] == ["−10.0"] * 4
    line = next(line for line in every_check if (line["Row"], line["Check"]) == ("dense/plain", "transfer"))
    assert line["Found"] == "1 of 6: −10.0 points"
    assert line["Test"] == f"p = {binomtest(1, 6, 0.1 / 6, alternative='greater').pvalue:.2g}"
    assert line["Power"].startswith("finds ")
    assert line["Power"].endswith("; breaks 1 of 2 that the row's own attacks break")


def test_the_legend_says_how_many_images_each_check_looks_at():
    sizes = page(suite(), every(suite())).split("**Sizes**")[1].split("\n")[0]
    for kind in KINDS:
        if kind.size:
            group = next(group for group in sizes.split(": ")[-1].split("; ") if kind.name in group)
            assert f" {kind.size:,} ({kind.size // 10})" in group
