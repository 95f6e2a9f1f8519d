"""The transfer matrix holds every pair of networks once, under its first name, and nothing that was stopped early."""

from dataclasses import replace

from benchmark.types import Attack, Recipe, Source, Training
from leaderboard.match import place, places
from leaderboard.table import build
from tests.synthetic_records import LARGE, PGD, SMALL, STANDARD, every, grid, page, record, shown, suite, tables

ONE = (Training("plain", STANDARD),)
CROSSED = (
    Attack("own", PGD, "inf", (LARGE,), Source(grid="wide", compression="dense")),
    Attack("theirs", PGD, "inf", (LARGE,), Source(grid="deep", compression="dense")),
    Attack("white-box", PGD, "inf", (LARGE,)),
)


def crossed(of=None, **changes):
    """Two grids of other models, each shown both dense networks' examples; and records of them."""
    grids = [
        grid(name, CROSSED, model=Recipe("model", model), trainings=ONE, **changes)
        for name, model in (("wide", "vgg"), ("deep", "densenet"))
    ]
    of = of or suite(*grids, seeds=(0,))
    return of, [judged(of, cell) for one in of.grids for cell in places(of, one)]


def judged(of, cell, robust="1110000000", **changes):
    """A cell's record, its examples crafted where its attack says."""
    attack = next(a for one in of.grids if one.name == cell[0] for a in one.attacks if a.name == cell[4])
    own = dict(zip(("grid", "compression", "training", "seed"), cell, strict=False))
    named = {name: value for name, value in vars(attack.source or Source()).items() if value is not None}
    keys = {"network": f"net {cell[:4]}", "craft": f"craft {cell}", "judge": f"judge {cell}"}
    shown = {"from": own | named, "mode": "examples"} if attack.source else {}
    return record(of, cell, robust, **({"keys": keys} | shown | changes))


WIDE, DEEP = ("wide", "dense", "plain"), ("deep", "dense", "plain")
WIDE_50, DEEP_50 = ("wide", "prune-50", "plain"), ("deep", "prune-50", "plain")


def test_every_pair_is_there_with_its_own_figure():
    of, lines = crossed()
    for line in lines:
        if line["grid"] == "deep" and line["attack"] == "own" and line["compression"] == "prune-50":
            line |= judged(of, place(line), "1100000000")
    (matrix,) = build(of, lines).transfers
    assert matrix.sources == (WIDE, DEEP)
    assert matrix.targets == (WIDE, WIDE_50, DEEP, DEEP_50)
    assert matrix.cells.keys() == {(source, target) for source in matrix.sources for target in matrix.targets}
    assert matrix.cells[WIDE, DEEP_50].values == (0.2,) and matrix.cells[DEEP, WIDE_50].values == (0.3,)
    assert matrix.clean[DEEP].values == (0.8,)
    assert matrix.names == ("own", "theirs") and not matrix.boundary and matrix.n == 10


def test_a_network_of_two_grids_stands_once_under_its_first_name():
    of, _ = crossed()
    again = replace(of.grids[1], name="deep again", attacks=CROSSED[:1])
    of = replace(of, grids=(*of.grids, again))
    _, lines = crossed(of)
    for line in lines:
        if line["grid"] == "deep again":
            line["keys"] = line["keys"] | {"network": f"net {('deep', *place(line)[1:4])}"}
    (matrix,) = build(of, lines).transfers
    assert matrix.targets == (WIDE, WIDE_50, DEEP, DEEP_50)


def test_an_attack_of_other_settings_or_epsilon_has_a_matrix_of_its_own():
    other = Recipe("attack", "pgd", (("steps", 40),))
    attacks = (
        *(replace(attack, eps=(SMALL, LARGE)) for attack in CROSSED[:2]),
        *(replace(attack, recipe=other, name=f"{attack.name}-40") for attack in CROSSED[:2]),
    )
    of, _ = crossed()
    of = replace(of, grids=tuple(replace(one, attacks=attacks) for one in of.grids))
    found = build(of, crossed(of)[1]).transfers
    assert [(one.names, one.eps_label) for one in found] == [
        (("own", "theirs"), "0.05"),
        (("own", "theirs"), "0.1"),
        (("own-40", "theirs-40"), "0.1"),
    ]


def test_what_was_stopped_at_the_boundary_has_a_matrix_of_its_own():
    stopped = tuple(replace(attack, name=f"{attack.name} stopped", boundary=True) for attack in CROSSED[:2])
    of, _ = crossed()
    of = replace(of, grids=tuple(replace(one, attacks=(*CROSSED, *stopped)) for one in of.grids))
    lines = crossed(of)[1]
    early = [line | {"mode": "decide", "boundary": True} if "stopped" in line["attack"] else line for line in lines]
    found = build(of, early).transfers
    assert [(one.names, one.boundary) for one in found] == [
        (("own", "theirs"), False),
        (("own stopped", "theirs stopped"), True),
    ]
    # records of the same recipe from before the suite said `stop` are not shown under it
    assert [one.names for one in build(of, lines).transfers] == [("own", "theirs")]


def test_one_source_is_no_matrix_and_white_box_examples_are_never_in_one():
    of = suite(grid(attacks=(Attack("from dense", PGD, "inf", (LARGE,), Source(compression="dense")),)))
    lines = [judged(of, cell) for cell in places(of, of.grids[0])]
    assert build(of, lines).transfers == ()
    assert "of one network alone (`from: dense` by itself) are a column of the table" in page(of, lines)
    assert build(suite(), every(suite())).transfers == ()
    assert "Transfer matrix" not in page(suite(), every(suite()))


def test_a_pair_that_is_not_asked_for_is_a_dash_and_own_examples_are_bold():
    of, _ = crossed()
    pruned = Attack("pruned", PGD, "inf", (LARGE,), Source(grid="wide", compression="prune-50"))
    of = replace(of, grids=(replace(of.grids[0], attacks=(*CROSSED, pruned)), of.grids[1]))
    lines = [line | {"boundary": line["attack"] != "white-box"} for line in crossed(of)[1]]
    text = page(of, lines).partition("## Transfer between networks")[2]
    assert "### pgd @ 0.1 (ℓ∞)\n\nown, theirs, pruned; n = 10, *(boundary)*" in text
    assert "—: not asked for" in text
    head = "Crafted on ↓, judged by →"
    clean, *sources = tables(text)[0]
    assert list(clean) == [head, "wide / dense", "wide / prune-50", "deep / dense", "deep / prune-50"]
    assert [clean[head], clean["deep / prune-50"]] == ["clean images", shown(8)]
    assert [line[head] for line in sources] == ["wide / dense", "wide / prune-50", "deep / dense"]
    assert [line["wide / prune-50"] for line in sources] == [shown(3), f"**{shown(3)}**", shown(3)]
    assert [line["deep / dense"] for line in sources] == [shown(3), "—", f"**{shown(3)}**"]


def test_a_source_of_another_seed_is_a_source_of_its_own():
    attacks = (
        Attack("own", PGD, "inf", (LARGE,), Source(compression="dense")),
        Attack("one's", PGD, "inf", (LARGE,), Source(compression="dense", seed=1)),
        Attack("pruned", PGD, "inf", (LARGE,), Source(compression="prune-50")),
    )
    of = suite(grid(attacks=attacks, trainings=ONE))
    lines = []
    for cell in places(of, of.grids[0]):
        others = cell[4] == "one's" and cell[3] == 0  # shown to the network of seed 0; seed 1 has made them itself
        lines.append(judged(of, cell, "1111111000" if others else "1110000000"))
    (matrix,) = build(of, lines).transfers
    dense, pruned = (("digits", name, "plain") for name in ("dense", "prune-50"))
    assert matrix.sources == (dense, (*dense, 1), pruned)
    assert matrix.cells[dense, dense].values == (0.3, 0.3) and matrix.cells[(*dense, 1), dense].values == (0.7,)
    assert matrix.labels(matrix.sources) == ["digits / dense", "digits / dense, seed 1", "digits / prune-50"]
    clean, *sources = tables(page(of, lines).partition("## Transfer between networks")[2])[0]
    assert [line["digits / dense"] for line in sources] == [f"**{shown(3, 3)}**", shown(7), shown(3, 3)]
    assert clean["digits / dense"] == shown(8, 8)
    del lines[0]
    assert f"**{shown(3)} (1 of 2 seeds)**" in page(of, lines)
