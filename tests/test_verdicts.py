"""Verdicts from check records that no run has made: tests against scipy's own, words, and what counts in a union."""

import pytest
from scipy.stats import binom, binomtest

from benchmark.claims import Claim, Measure
from benchmark.outcomes import pack
from benchmark.types import Attack, Recipe
from benchmark.verification import KINDS
from leaderboard import check_records, compare, records
from leaderboard.match import places
from leaderboard.rate import ALPHA, Rate
from leaderboard.table import Row, build
from tests.synthetic_checks import BY_NAME, FACTS, LEARNED, SAME, all_checks, check
from tests.synthetic_records import CLEAN, FGSM, LARGE, PGD, SMALL, every, grid, page, record, suite, tables

ROBUST = "1111110000"
UNION = Measure(None, "inf", SMALL)


def found(of, checks: list[dict], lines=None) -> dict[tuple[str, str], Row]:
    assert [check_records.CHECK.check(one) for one in checks] == [""] * len(checks)
    assert [records.problem(one, check_records.CHECK) for one in checks] == [""] * len(checks)
    return {row.name: row for row in build(of, lines or every(of, ROBUST), checks).tables[0].rows}


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
    checks += [check(of, cell, kind, **changes), check(of, (*cell[:2], "tuned", 1), kind)]
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
        of,
        ("digits", "dense", "plain", 1),
        kind,
        facts=FACTS | {"trainings": [{"fresh": True, "epochs": epochs, "losses": []}]},
    )
    checks = [one for one in all_checks(of) if one["keys"] != silent["keys"] or one["check"] != "trained"]
    assert str(found(of, [*checks, silent])["dense", "plain"].verdict) == verdict


def test_without_an_attack_that_needs_no_gradient_a_row_is_never_sound():
    of = suite(grid(attacks=(Attack("pgd-20", PGD, "1", (SMALL, LARGE)),)))
    words = {str(row.verdict) for row in found(of, all_checks(of)).values()}
    assert words == {"unverified (no gradient-free check for ℓ1, so never sound)"}


def of_two(lines: dict[str, str]):
    """A suite of these attacks, and the records of what each leaves standing."""
    known = {
        "pgd": Attack("pgd", PGD, "inf", (SMALL,)),
        "one": Attack("one", FGSM, "inf", (SMALL,), iterative=False),
        "square": Attack("square", Recipe("attack", "square"), "inf", (SMALL,), black_box=True),
    }
    of = suite(grid(attacks=tuple(known[name] for name in lines)))
    return of, [record(of, cell, lines[cell[4]]) for cell in places(of, of.grids[0])]


def test_a_row_is_not_certified_by_checks_of_what_another_attack_had_left():
    strong, weak = ROBUST, "1111111000"
    of, lines = of_two({"pgd": strong, "one": weak, "square": "0111111100"})
    checks = all_checks(of, lines)
    assert {one["standing"] for one in checks if one["norm"]} == {5, 6}
    assert {str(row.verdict) for row in found(of, checks, lines).values()} == {"sound"}
    fewer, left = of_two({"one": weak, "square": "0111111100"})  # pgd is deleted from the suite
    for row in found(fewer, checks, left).values():
        assert row.verdict.word == "unverified"
        assert "strong rerun is missing: it looked at what other attacks had left" in str(row.verdict)
        assert "gradient-free is missing" in str(row.verdict) and "single step is missing" in str(row.verdict)
    fewer, left = of_two({"pgd": strong, "one": weak})  # it needed no gradient: gradient-free had not seen it anyway
    words = {str(row.verdict) for row in found(fewer, checks, left).values()}
    assert all("strong rerun is missing" in word and "gradient-free" not in word for word in words)
    more, unjudged = of_two({"pgd": strong, "one": weak, "square": "0111111100"})
    some = [line for line in unjudged if line["attack"] != "one"]
    assert all("strong rerun is missing" in str(row.verdict) for row in found(more, checks, some).values())


@pytest.mark.parametrize(
    "name, changes, reason",
    [
        ("strong rerun", {"size": 1}, "it looked at 6 images"),
        ("strong rerun", {"examined": "1000000000"}, "it looked at 1 images"),
        ("unbounded", {"examined": "1000000000"}, "it looked at 1 images"),
        ("zero gradient", {"standing": CLEAN, "examined": CLEAN}, "it looked at what other attacks had left"),
        ("strong rerun", {"protocol": "0"}, "protocol 0, not 1"),
        ("strong rerun", {"trials": []}, "it was made in another way"),
        ("transfer", {"trials": []}, "it was made in another way"),
    ],
)
def test_a_check_that_is_less_than_it_should_be_is_missing(name, changes, reason):
    of, cell = suite(), ("digits", "dense", "plain", 1)
    bits = {key: bits for key, bits in changes.items() if key in ("standing", "examined")}
    small = check(of, cell, BY_NAME[name])
    small |= changes | {key: text.count("1") for key, text in bits.items()}
    small["outcomes"] |= {key: pack(bit == "1" for bit in text) for key, text in bits.items()}
    if name == "unbounded":
        small["found"], small["outcomes"]["found"] = small["examined"], small["outcomes"]["examined"]
    same = [one for one in all_checks(of) if one["keys"]["check"] != small["keys"]["check"]]
    rows = found(of, [*same, small])
    assert str(rows["dense", "plain"].verdict) == f"unverified ({name} is missing: {reason}, seed 1)"
    assert str(rows["dense", "tuned"].verdict) == "sound"


def test_more_restarts_are_as_planned_and_other_steps_are_not():
    of, cell, kind = suite(), ("digits", "dense", "plain", 1), BY_NAME["strong rerun"]
    for arguments, word in (({"restarts": 20}, "sound"), ({"restarts": 1}, "unverified"), ({"steps": 1}, "unverified")):
        made = check(of, cell, kind)
        made["trials"] = [one | {"attack": {"pgd": one["attack"]["pgd"] | arguments}} for one in made["trials"]]
        same = [one for one in all_checks(of) if one["keys"]["check"] != made["keys"]["check"]]
        assert found(of, [*same, made])["dense", "plain"].verdict.word == word


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
    lost = check(of, ("digits", "dense", "plain", 0), kind, "1000000000", eps=0.05)
    row = found(of, [lost])["dense", "plain"]
    for column, estimate in row.accuracy.items():
        assert estimate.values == ((0.5, 0.6) if column.attack is None else (0.6, 0.6))
    assert "@ 0.05, and what the checks broke; pgd-20, one @ 0.1, and what" in page(
        of, every(of, ROBUST), checks=[lost]
    )
    unbounded = check(of, ("digits", "dense", "plain", 0), next(kind for kind in KINDS if kind.name == "unbounded"))
    assert {estimate.mean for estimate in found(of, [unbounded])["dense", "plain"].accuracy.values()} == {0.6}
    assert ", and what the checks broke" not in page(of, every(of, ROBUST), checks=[unbounded])


def test_a_check_that_broke_the_most_decided_the_union():
    of = suite(grid(attacks=(Attack("pgd-20", PGD, "inf", (SMALL,)), Attack("one", FGSM, "inf", (SMALL,)))))
    kind = next(kind for kind in KINDS if kind.name == "strong rerun")
    plain, tuned = (("digits", "dense", training, 0) for training in ("plain", "tuned"))
    checks = [check(of, plain, kind, "1111100000"), check(of, tuned, kind, "1000000000")]
    rows = tables(page(of, every(of, ROBUST), checks=checks).split("### How sure")[1])[0]
    by = {(row["Compression"], row["Training"]): row["Decided by @ 0.05"] for row in rows}
    # of the 8 clean images of either seed the attacks break 2; the check 5 of the first, which leaves 3 and 8 of 20
    assert by["dense", "plain"] == "strong rerun (check), others −20.0"
    assert by["dense", "tuned"] == "pgd-20, others −5.0"
    assert by["prune-50", "plain"] == "pgd-20"


def test_rows_that_were_not_checked_alike_are_compared_by_attacks_alone():
    """Of equal rows one had a strong rerun, which broke an image: that makes it no worse than the other."""
    of = suite(claims=(Claim("within", "", "digits", (("prune-50", "plain"),), (("dense", "plain"),), UNION),))
    one, other = (("digits", row, "plain", 0) for row in ("prune-50", "dense"))
    rerun = [check(of, cell, BY_NAME["strong rerun"], "1000000000") for cell in (one, other)]
    blind = check(of, one, BY_NAME["zero gradient"], "1000000000", radius=None)  # it breaks nothing
    quick = check(of, other, BY_NAME["strong rerun"], "1000000000", level="quick")
    for checks, lost, alone in (
        ([], 0, False),
        ([blind], 0, False),
        (rerun[:1], 0, True),
        (rerun, 0, False),
        ([rerun[0], quick], 0, True),
        ([rerun[0], rerun[1] | {"protocol": "0"}], 0, True),
    ):
        board = build(of, every(of, ROBUST), checks)
        (figures,) = board.figures
        pair = figures.difference(("dense", "plain"), ("prune-50", "plain"), UNION)
        assert (pair.lost, pair.gained, pair.alone) == ((lost, 0), (0, 0), alone)
        text = page(of, every(of, ROBUST), checks=checks)
        rows = tables(text.split("### How sure")[1])[0]
        delta = next(row for row in rows if (row["Compression"], row["Training"]) == ("prune-50", "plain"))
        assert ("by attacks alone" in delta["Δ to dense: robust accuracy (union) @ 0.05"]) == alone
        assert "by attacks alone" not in delta["Δ to dense: clean accuracy"]
        assert ("by attacks alone" in text.split("## Claims")[1].split("##")[0]) == alone


def test_two_boards_are_compared_with_what_checks_broke():
    of = suite()
    kind = next(kind for kind in KINDS if kind.name == "strong rerun")
    cell = ("digits", "dense", "plain", 0)
    before, after = (
        compare.figures(every(of, ROBUST), checks) for checks in ([], [check(of, cell, kind, "1000000000")])
    )
    lower = {name for name in before if after[name].mean < before[name].mean}
    assert {name[:4] for name in lower} == {("digits", "dense", "plain", compare.UNION)}
    assert all(after[name].mean == 0.55 for name in lower) and lower
    changes = {change.name: change for change in compare.compare(before, after)}
    # that one run looked harder has changed nothing about the network
    assert all(
        changes[name].difference.estimate == 0 and "by attacks alone" in compare.report([changes[name]])
        for name in lower
    )
    alike = compare.compare(after, after)
    assert "by attacks alone" not in compare.report(alike) and {one.before.mean for one in alike} >= {0.55}


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
