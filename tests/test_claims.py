"""Claims as a suite writes them, their mistakes by line, and what synthetic records of a known truth make of them."""

from dataclasses import replace

import pytest

from benchmark.claims import Claim, Measure, fingerprint, read
from benchmark.errors import SuiteError
from benchmark.plugins import Registry
from benchmark.suite import load
from benchmark.types import Attack
from benchmark.yaml_nodes import read as read_yaml
from leaderboard.claims import evaluate
from leaderboard.evidence import claims_section
from leaderboard.table import build
from leaderboard.verdict import Verdict
from tests.synthetic_outcomes import ROWS, N, evidence
from tests.synthetic_records import FGSM, LARGE, PGD, SMALL, every, grid, suite


@pytest.fixture
def parse(tmp_path):
    def parse(text, *grids, scale=1.0):
        path = tmp_path / "suite.yaml"
        path.write_text(text)
        return read(read_yaml(path).items()["claims"], grids or (grid(),), scale)

    return parse


def test_a_claim_is_read_whole(parse):
    (claim,) = parse(
        "claims:\n- text: It\n    matches\n"
        "  comparable: {rows: prune-50/tuned, to: dense/plain, attack: pgd-20, eps: .1}\n"
    )
    measure = Measure("pgd-20", "inf", LARGE)
    assert claim == Claim(
        "comparable", "It matches", "digits", (("prune-50", "tuned"),), (("dense", "plain"),), measure
    )


def test_stars_are_every_row_and_the_rows_own(parse):
    (claim,) = parse("claims: [{within: {rows: '*/*', to: dense/*, of: clean, delta: 1.5}}]")
    assert claim.rows == (("prune-50", "plain"), ("prune-50", "tuned"))
    assert claim.to == (("dense", "plain"), ("dense", "tuned"))
    assert claim.measure == Measure() and claim.delta == 1.5


def test_orders_are_read(parse):
    falls, knee = parse(
        "claims:\n- monotone: {rows: [dense/plain, prune-50/plain], direction: rises}\n"
        "- knee before: {rows: '*/plain'}\n"
    )
    assert falls.rises and falls.to == () and falls.measure == Measure(None, "inf", SMALL)  # the headline ε's union
    assert knee.rows == (("dense", "plain"), ("prune-50", "plain"))


def test_epsilon_is_the_suites_own_and_of_a_named_attack_the_attacks(parse):
    (claim,) = parse("claims: [{better: {rows: dense/plain, to: dense/tuned, eps: 1/5}}]", scale=0.5)
    assert claim.measure.eps == LARGE
    attacks = (Attack("one", FGSM, "inf", (SMALL, LARGE)), Attack("paper", PGD, "inf", (LARGE,), eps_space=0.5))
    for attack, eps in (("one", "0.1"), ("paper", "0.2")):
        text = f"claims: [{{better: {{rows: dense/plain, to: dense/tuned, attack: {attack}, eps: {eps}}}}}]"
        (claim,) = parse(text, grid(attacks=attacks), scale=2.0)
        assert claim.measure.eps == LARGE


MISTAKES = {
    "{within: {rows: dense/plain, to: dense/tuned}, better: {rows: dense/plain, to: dense/tuned}}": "one comparison",
    "{text: nothing}": "one comparison, not 0; it takes comparable, better, no worse than",
    "{betr: {rows: dense/plain}}": "unknown key; it takes text, comparable, better",
    "{better: {rows: dense/plain}}": "needs 'to'",
    "{better: {to: dense/plain}}": "needs 'rows'",
    "{better: {rows: dense, to: dense/plain}}": "must name a row as COMPRESSION/TRAINING, not dense",
    "{better: {rows: dens/plain, to: dense/plain}}": "unknown compression 'dens' of grid 'digits'; it takes dense",
    "{better: {rows: dense/plain, to: dense/plane}}": "(did you mean plain?)",
    "{better: {rows: dense/plain, to: [dense/plain]}}": "must be one row",
    "{better: {rows: dense/plain, to: dense/*}}": "compares a row with itself",
    "{better: {rows: [], to: dense/plain}}": "is empty; name a row",
    "{better: {grid: digit, rows: dense/plain, to: dense/tuned}}": "unknown grid 'digit'; it takes digits",
    "{better: {rows: dense/plain, to: dense/tuned, attack: pgd}}": "unknown attack 'pgd'; it takes pgd-20, one",
    "{better: {rows: dense/plain, to: dense/tuned, attack: one, eps: .05}}": "ε .05 is not among those",
    "{better: {rows: dense/plain, to: dense/tuned, attack: one}}": "needs 'eps', one of 0.1",
    "{better: {rows: dense/plain, to: dense/tuned, norm: 2}}": "no attack here has norm 2; it takes inf",
    "{better: {rows: dense/plain, to: dense/tuned, of: clean, eps: .1}}": "does not go with clean accuracy",
    "{better: {rows: dense/plain, to: dense/tuned, of: cleen}}": "(did you mean clean?)",
    "{better: {rows: dense/plain, to: dense/tuned, delta: 0.02}}": "is in points of accuracy, 0.1 to 50, not 0.02",
    "{monotone: {rows: dense/plain}}": "needs two rows or more",
    "{monotone: {rows: '*/plain', direction: up}}": "unknown direction 'up'; it takes falls, rises",
    "{monotone: {rows: '*/plain', to: dense/plain}}": "to: unknown key",
    "{knee before: {rows: '*/plain', of: clean}}": "leave `of` out",
    "{comparable: {rows: dense/plain, to: dense/tuned, over: '*/plain'}}": "must be one row",
    "{comparable: {rows: dense/plain, to: dense/tuned, delta: 3}}": "delta: unknown key",
    "{lighter: {rows: '*/plain', to: dense/plain, by: 66}}": "needs 'of', one of parameters, MACs, bytes",
    "{lighter: {rows: '*/plain', to: dense/plain, of: MACs}}": "needs 'by', in %",
    "{lighter: {rows: '*/plain', to: dense/plain, of: macs, by: 66}}": "unknown size 'macs'; it takes parameters",
    "{lighter: {rows: '*/plain', to: dense/plain, of: bytes, by: 166}}": "above 0 and below 100, not 166",
    "{lighter: {rows: '*/plain', to: dense/plain, of: bytes, by: 66, eps: .1}}": "eps: unknown key",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_one_line_with_its_place(parse, text):
    with pytest.raises(SuiteError) as caught:
        parse(f"name: a\nclaims:\n  - {text}\n")
    message = str(caught.value)
    assert ":3: claims.1" in message and MISTAKES[text] in message and "\n" not in message


def test_several_grids_or_norms_must_be_told_apart(parse):
    with pytest.raises(SuiteError, match="needs 'grid', one of a, b"):
        parse("claims: [{better: {rows: dense/plain, to: dense/tuned}}]", grid("a"), grid("b"))
    two = grid(attacks=(Attack("a", PGD, "inf", (LARGE,)), Attack("b", FGSM, "2", (LARGE,))))
    with pytest.raises(SuiteError, match="needs 'norm'; it takes inf, 2"):
        parse("claims: [{better: {rows: dense/plain, to: dense/tuned}}]", two)


SUITE = """\
name: small
seeds: [0, 1, 2]
dataset: digits
model: eight_layer_cnn
eps: [0.1]
delta: 1.5
compressions: {dense: [], half: [{prune: {ratio: 0.5}}]}
trainings: {standard: {before: {standard: {epochs: 2}}}}
attacks: {pgd-20: {pgd: {steps: 20}}}
claims:
  - within: {rows: half/standard, to: dense/standard}
"""


def test_a_suite_holds_its_claims_and_its_delta(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(SUITE)
    read = load(path, Registry())
    assert [claim.kind for claim in read.claims] == ["within"] and read.grids[0].delta == 1.5
    path.write_text(SUITE.replace("delta: 1.5", "delta: 3"))
    assert fingerprint(load(path, Registry())) != fingerprint(read)  # the suite's δ is a part of them
    for wrong, message in ((SUITE.replace("half/", "halve/"), ":11: claims.1.within.rows: unknown compression"),
                           (SUITE.replace("1.5", "0.015"), ":6: delta: is in points of accuracy")):  # fmt: skip
        path.write_text(wrong)
        with pytest.raises(SuiteError, match=message):
            load(path, Registry())


@pytest.mark.parametrize(
    ("by", "word"),
    [("of: parameters, by: 75", "holds"), ("of: MACs, by: 87.5", "holds"), ("of: bytes, by: 76", "fails")],
)
def test_sizes_are_counted(parse, by, word):
    """The synthetic pruned network has a quarter of the parameters and of the bytes, and an eighth of the MACs."""
    (claim,) = parse(f"claims: [{{lighter: {{rows: '*/*', to: dense/*, {by}}}}}]")
    of = suite(claims=(claim,))
    (figures,) = build(of, every(of)).figures
    assert evaluate(claim, figures, {}).word == word and not evaluate(claim, figures, {}).unverified
    masked = dict.fromkeys((("digits", row) for row in claim.rows), Verdict("suspect", ("masked",)))
    assert evaluate(claim, figures, masked).word == word  # a size is no accuracy
    assert (
        "prune-50/tuned: 75.0 % fewer bytes than dense/tuned" in evaluate(claim, figures, {}).numbers
        or "bytes" not in by
    )
    (figures,) = build(of, [line for line in every(of) if line["seed"] == 0]).figures
    assert evaluate(claim, figures, {}).word == "inconclusive"
    assert f"lighter dense/plain, dense/tuned ({by.split()[-1]} % of" in "\n".join(
        claims_section(of, [figures], None, {})
    )


def decided(parse, claim: str, shares: dict, **options):
    (read,) = parse(f"claims: [{claim}]", ROWS)
    return evaluate(read, evidence(shares, **options), {})


A, S = "adversarial", "standard"
ALL_ROWS = [(compression.name, training) for compression in ROWS.compressions for training in (A, S)]
PAIR = "{rows: half/adversarial, to: dense/adversarial"
ORDER = "{rows: '*/adversarial'"
DECIDED = [
    (f"better: {PAIR}}}", {("half", A): (0.9, 0.55)}, "holds"),
    (f"better: {PAIR}}}", {}, "fails"),  # a gain of two points is excluded
    (f"better: {PAIR}}}", {("half", A): (0.9, 0.51)}, "fails"),  # there, and too small to matter
    (f"better: {PAIR}, delta: 0.1}}", {("half", A): (0.9, 0.52)}, "holds"),
    (f"better: {PAIR}, delta: 0.1}}", {}, "inconclusive"),
    (f"better: {PAIR}}}", {("half", A): (0.9, 0.4)}, "fails"),
    (f"no worse than: {PAIR}}}", {("half", A): (0.9, 0.495)}, "holds"),
    (f"no worse than: {PAIR}}}", {("half", A): (0.9, 0.45)}, "fails"),
    (f"no worse than: {PAIR}, delta: 5}}", {("half", A): (0.9, 0.45)}, "inconclusive"),
    (f"within: {PAIR}}}", {("half", A): (0.9, 0.505)}, "holds"),
    (f"within: {PAIR}}}", {("half", A): (0.9, 0.55)}, "fails"),
    (f"within: {PAIR}, of: clean}}", {("half", A): (0.9, 0.2)}, "holds"),
    (f"comparable: {PAIR}}}", {("dense", S): (0.9, 0.1)}, "holds"),
    # adversarial training gained but 5 points, so that only half a point may be lost
    (f"comparable: {PAIR}}}", {("half", A): (0.9, 0.487), ("dense", S): (0.9, 0.45)}, "fails"),
    (f"no worse than: {PAIR}}}", {("half", A): (0.9, 0.487), ("dense", S): (0.9, 0.45)}, "holds"),
    (f"monotone: {ORDER}}}", {("half", A): (0.9, 0.45), ("most", A): (0.9, 0.4), ("all", A): (0.9, 0.3)}, "holds"),
    (f"monotone: {ORDER}}}", {("most", A): (0.9, 0.6), ("all", A): (0.9, 0.3)}, "fails"),
    (f"monotone: {ORDER}}}", {("most", A): (0.9, 0.51), ("all", A): (0.9, 0.3)}, "holds"),  # by less than δ: no step
    (f"monotone: {ORDER}}}", {("half", A): (0.9, 0.51), ("most", A): (0.9, 0.52), ("all", A): (0.9, 0.53)}, "fails"),
    (f"monotone: {ORDER}}}", {}, "inconclusive"),
    (f"monotone: {ORDER}, direction: rises}}", {("most", A): (0.9, 0.6), ("all", A): (0.9, 0.7)}, "holds"),
    (f"knee before: {ORDER}}}", {("most", A): (0.9, 0.4), ("all", A): (0.5, 0.1)}, "holds"),
    (f"knee before: {ORDER}}}", {("most", A): (0.7, 0.4), ("all", A): (0.5, 0.1)}, "fails"),
    (f"knee before: {ORDER}}}", {("most", A): (0.88, 0.4), ("all", A): (0.5, 0.1)}, "inconclusive"),
]


@pytest.mark.parametrize(("claim", "shares", "word"), DECIDED)
def test_a_claim_is_decided_by_its_records(parse, claim, shares, word):
    found = decided(parse, f"{{{claim}}}", shares)
    assert found.word == word, found.numbers
    assert all("\n" not in line for line in found.numbers)


def test_every_part_must_be_shown(parse):
    claim = "{within: {rows: '*/adversarial', to: dense/adversarial}}"
    assert decided(parse, claim, {}).word == "holds"
    assert decided(parse, claim, {("all", A): (0.9, 0.52)}).word == "inconclusive"
    assert decided(parse, claim, {("all", A): (0.9, 0.3)}).word == "fails"


def test_the_numbers_stand_beside_the_word(parse):
    found = decided(parse, f"{{comparable: {PAIR}}}}}", {("dense", S): (0.9, 0.4)})
    pair, margin, gain = found.numbers
    assert pair.startswith("half/adversarial − dense/adversarial: ") and "[" in pair
    assert margin.startswith("δ = 1") and gain.startswith("dense/adversarial gains +10")
    assert "these networks" in decided(parse, f"{{within: {PAIR}}}}}", {}, seeds=(0,)).numbers[0]


@pytest.mark.parametrize("delta", [0.5, 2, 10])
def test_what_is_comparable_does_not_hang_on_the_suites_delta(parse, delta):
    shares = {("half", A): (0.9, 0.46), ("dense", S): (0.9, 0.1)}  # four points are lost, of forty gained
    (claim,) = parse(f"claims: [{{comparable: {PAIR}}}}}]", replace(ROWS, delta=delta))
    found = evaluate(claim, evidence(shares), {})
    assert found.word == "fails" and "δ = 2 points" in found.numbers
    (loss,) = parse(f"claims: [{{no worse than: {PAIR}}}}}]", replace(ROWS, delta=10))
    assert evaluate(loss, evidence(shares), {}).word == "holds"


def test_a_missing_network_leaves_a_claim_inconclusive(parse):
    found = decided(parse, f"{{within: {PAIR}}}}}", {}, lacking=[("half", A, 1), ("half", A, 2)])
    assert (found.word, found.numbers) == ("inconclusive", ("half/adversarial has no result of seeds 1, 2",))


def test_a_claim_that_rests_on_a_suspect_row_is_inconclusive(parse):
    sound = {("digits", row): Verdict("sound") for row in ALL_ROWS}
    masked, figures = Verdict("suspect", ("a stronger attack breaks more",)), evidence({("dense", S): (0.9, 0.1)})
    (within,) = parse(f"claims: [{{within: {PAIR}}}}}]", ROWS)
    (comparable,) = parse(f"claims: [{{comparable: {PAIR}}}}}]", ROWS)
    assert evaluate(within, figures, sound) == replace(evaluate(within, figures, {}), unverified=False)
    assert evaluate(within, figures, {}).unverified
    for claim, row, word in (
        (within, ("half", A), "inconclusive"),
        (within, ("dense", A), "inconclusive"),
        (within, ("dense", S), "holds"),  # it is not about that row
        (comparable, ("dense", S), "inconclusive"),  # δ rests on it
    ):
        found = evaluate(claim, figures, sound | {("digits", row): masked})
        assert found.word == word and not found.unverified
        why = f"{row[0]}/{row[1]} is suspect (a stronger attack breaks more)"
        assert (found.numbers[0] == why) == (word == "inconclusive") and len(found.numbers) > 1
    text = "\n".join(claims_section(replace(suite(ROWS), claims=(within,)), [figures], None, {}))
    assert "- **holds** (on unverified rows): " in text


def test_figures_name_the_attack_that_decided_a_union():
    figures = evidence({})
    union = Measure(None, "inf", LARGE)
    found = figures.decider(("half", A), union)
    assert found.name == "pgd-20" and not found.check
    robust = [figures.outcomes(("half", A), Measure(name, "inf", LARGE)) for name in ("pgd-20", "one")]
    both = [left & right for left, right in zip(robust[0].values(), robust[1].values(), strict=True)]
    assert list(figures.outcomes(("half", A), union).values()) == both
    assert found.union == pytest.approx(sum(one.bit_count() for one in both) / 3 / N)
    assert figures.decider(("half", A), Measure(None, "2", LARGE)) is None
