"""The numbers of claims, transfer matrices and the legend, worked out again from the records by other means."""

from dataclasses import replace
from html import unescape

import pytest
from statsmodels.stats.proportion import proportion_confint

from benchmark.claims import Claim, Lighter, Measure
from benchmark.types import Attack, Source
from tests.recomputed import ATTACKS, COMPRESSIONS, TRAININGS, N, difference, draw, judged, records, row_of, world
from tests.synthetic_records import LARGE, PGD, SMALL, grid, page, shown, suite, tables

UNION = Measure(None, "inf", SMALL)
ROWS = tuple((name, "plain") for name in ("pruned", "int8"))
DENSE = ("dense", "plain")


def claim(kind: str, rows, to=DENSE, measure=UNION, **more) -> Claim:
    to = tuple(to for _ in rows) if kind not in ("monotone", "knee before") else ()
    return Claim(kind, f"{kind} {len(rows)} {more}", "first", tuple(rows), to, measure, **more)


CLAIMS = [
    claim("within", ROWS, delta=4.0),
    claim("within", ROWS[1:], delta=8.0),
    claim("within", ROWS[1:], measure=Measure(), delta=3.0),
    claim("no worse than", [("scratch", "plain")], delta=2.0),
    claim("no worse than", ROWS[1:], delta=10.0),
    claim("better", [DENSE], to=("scratch", "plain"), delta=2.0),
    claim("better", ROWS, delta=2.0),
    claim("monotone", [DENSE, ("int8", "plain"), ("scratch", "plain")], delta=9.0),
    claim("knee before", [DENSE, ("scratch", "plain")], delta=5.0),
]


@pytest.fixture(scope="module")
def of():
    made = world(checked=False)
    lighter = Lighter("lighter", "lighter", "first", ROWS[:1], (DENSE,), Measure(), what="MACs", by=0.8)
    return replace(made, of=replace(made.of, claims=(*CLAIMS, lighter)))


def decided(of, claim: Claim) -> str:
    """By the definitions: shown at α, refuted at α over the parts."""

    def beside(row, reference, measure=claim.measure):
        what = of.clean if measure.eps is None else of.union
        return difference(what(("first", *reference)), what(("first", *row)))

    delta, pairs = claim.delta / 100, list(zip(claim.rows, claim.to, strict=False))
    if claim.kind == "monotone":
        pairs = list(zip(claim.rows[1:], claim.rows[:-1], strict=True))
    if claim.kind == "knee before":
        pairs = [(row, claim.rows[0]) for row in claim.rows[1:]]
    found = [beside(*pair) for pair in pairs]
    wide, narrow = ([one.bounds(1 - 0.1 / parts) for one in found] for parts in (len(found), 1))
    if claim.kind == "within":
        holds = all(-delta < low and high < delta for low, high in narrow)
        fails = any(low > delta or high < -delta for low, high in wide)
    elif claim.kind == "no worse than":
        holds, fails = all(low > -delta for low, _ in narrow), any(high < -delta for _, high in wide)
    elif claim.kind == "better":
        holds, fails = all(low > delta for low, _ in narrow), any(high < delta for _, high in wide)
    elif claim.kind == "monotone":
        whole, corrected = beside(claim.rows[-1], claim.rows[0]), 1 - 0.1 / (len(found) + 1)
        holds = all(high < delta for _, high in narrow) and whole.bounds(0.9)[1] < 0
        fails = any(one.bounds(corrected)[0] > delta for one in found) or whole.bounds(corrected)[0] > 0
    else:
        clean = [beside(*pair, Measure()).bounds(1 - 0.1 / len(found)) for pair in pairs]
        holds = any(high < -delta < low for (_, high), (low, _) in zip(wide, clean, strict=True))
        lost = [beside(*pair, Measure()).bounds(0.95)[1] < -delta for pair in pairs]
        fails = all(one.bounds(0.95)[0] > -delta or of_clean for one, of_clean in zip(found, lost, strict=True))
    return "holds" if holds else "fails" if fails else "inconclusive"


def test_every_claims_word_and_intervals(of):
    section = unescape(page(of.of, of.lines).split("## Claims")[1].split("\n\n")[2])
    told = {}
    for line in section.split("\n"):
        if line.startswith("- "):
            word, _, text = line[2:].partition(": ")
            numbers = told[text] = [word.split("**")[1]]
        else:
            numbers.append(line.strip(" -"))
    words = [decided(of, claim) for claim in CLAIMS]
    assert [lines[0] for lines in told.values()] == [*words, "holds"] and {"holds", "fails"} <= set(words)
    for claim, (_, *numbers) in zip(CLAIMS, told.values(), strict=False):
        pairs = list(zip(claim.rows, claim.to, strict=False)) or list(zip(claim.rows[1:], claim.rows, strict=False))
        for pair, line in zip(pairs, numbers, strict=False):
            row, reference = (("first", *name) for name in pair)
            what = of.clean if claim.measure.eps is None else of.union
            own = difference(what(reference), what(row)).text(0.9)
            names = f"{'/'.join(row[1:])} − {'/'.join(reference[1:])}: "
            if claim.kind == "knee before":
                clean = difference(of.clean(reference), of.clean(row)).text(0.9)
                assert line == f"{names}robust {own}, clean {clean}"
            else:
                assert line == names + own
        assert f"δ = {claim.delta:g} points" in numbers
    assert told["lighter (80 % of MACs)"][1] == "pruned/plain: 87.5 % fewer MACs than dense/plain"


def test_how_far_the_choice_of_images_moves_an_accuracy(of):
    low, high = proportion_confint(N // 2, N, method="wilson")
    assert f"by up to ±{100 * (high - low) / 2:.1f} points (n = {N}), 95 %" in page(of.of, of.lines)


def test_every_cell_of_a_transfer_matrix():
    sources = {"from dense": "dense", "from pruned": "pruned"}
    attacks = tuple(Attack(name, PGD, "inf", (LARGE,), Source(compression=of)) for name, of in sources.items())
    own = grid("first", (*ATTACKS[1:], *attacks), compressions=COMPRESSIONS[:2], trainings=TRAININGS[:1])
    of = suite(own, seeds=(0, 1, 2))
    lines = records(of)
    for line in lines:
        if line["attack"] in sources:
            standing = draw(row_of(line), line["seed"], line["attack"]).random(N) < 0.5
            source = {"grid": "first", "compression": sources[line["attack"]], "training": "plain"}
            line |= judged(standing | (draw(line["seed"]).random(N) < 0.9), standing)
            line |= {"mode": "examples", "from": source | {"seed": line["seed"]}}
    clean, *rows = tables(page(of, lines).split("## Transfer between networks")[1])[0]
    for compression in ("dense", "pruned"):
        judge = [line for line in lines if line["compression"] == compression and line["attack"] in sources]
        heads = f"first / {compression}"
        assert clean[heads] == shown(*_counts(judge, "from pruned", "clean_correct"), n=N)
        for name, row in zip(sources, rows, strict=True):
            cell = shown(*_counts(judge, name, "robust_correct"), n=N)
            assert row[heads] == (f"**{cell}**" if sources[name] == compression else cell)


def _counts(lines: list[dict], attack: str, name: str) -> list[int]:
    return [line[name] for line in sorted(lines, key=lambda line: line["seed"]) if line["attack"] == attack]
