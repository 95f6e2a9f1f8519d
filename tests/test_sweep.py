"""The descending ε sweep: the outcomes of independent runs, at a smaller price, and never on trust."""

from itertools import pairwise

import pytest
import torch

from benchmark.engine.judging import stands
from benchmark.outcomes import unpack
from benchmark.stages import craft, network, sweep
from benchmark.stages.workplace import Workplace
from tests.conftest import small
from tests.test_stages import only, place, records

CURVE = [0.02, 0.05, 0.1, 0.2, 0.3]
STRONG = {"pgd": {"pgd": {"steps": 10}}}  # two steps do not even reach the edge of a large ball
ATTACKS = {
    "ours": {"pgd": {"steps": 10}},
    "apgd": {"apgd": {"steps": 10}},
}


def outcomes(record: dict) -> list[bool]:
    return unpack(record["outcomes"]["robust"], record["n"])


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_sweep_ends_as_independent_runs_do_and_costs_less(desk, attack):
    attacks, limit = {attack: ATTACKS[attack]}, {"test": 400}
    curve = records(desk.run(small(attacks=attacks, eps=CURVE, limit=limit)))
    alone = [record for eps in CURVE for record in records(desk.run(small(attacks=attacks, eps=[eps], limit=limit)))]
    assert [record["eps"] for record in curve] == [record["eps"] for record in alone] == CURVE
    differing = sum(
        a != b
        for one, other in zip(curve, alone, strict=True)
        for a, b in zip(outcomes(one), outcomes(other), strict=True)
    )
    assert differing <= 2  # of 2,000: fp32 rounding, in batches of another size
    assert 0 < sum(record["robust_correct"] for record in curve) < sum(record["clean_correct"] for record in curve)
    spent = [sum(record["passes"]["backward"] for record in made) for made in (curve, alone)]
    assert spent[0] < 0.9 * spent[1]


def test_what_is_implied_was_survived_at_the_larger_epsilon(desk):
    suite = small(attacks=STRONG, eps=CURVE, limit={"test": 300})
    curve = records(desk.run(suite))
    stage = only(desk.plan(suite)[1], "craft")
    assert stage.task.eps == tuple(sorted(CURVE, reverse=True))
    audit, holes = curve[0]["audit"], 0
    for smaller, larger in pairwise(curve):
        holes += sum(b and not a for a, b in zip(outcomes(smaller), outcomes(larger), strict=True))
        assert smaller["implied"] <= larger["robust_correct"]
    assert holes == audit["broken"] <= sweep.ALLOWED  # what the audit broke, and nothing else
    assert curve[-1]["implied"] == 0 and curve[0]["implied"] > 0
    assert audit == {"pairs": sweep.AUDITED, "broken": audit["broken"], "independent": False}


def test_a_masked_curve_is_noticed_run_independently_and_called_suspect(desk):
    ran = desk.run(small(attacks={"masked": "masked"}, eps=[0.1, 0.2], limit={"test": 300}))
    at_small, at_large = records(ran)
    assert at_large["robust_correct"] == at_large["clean_correct"]
    assert at_small["robust_correct"] < 0.8 * at_small["clean_correct"]
    assert at_small["audit"]["independent"] and at_small["audit"]["broken"] > sweep.ALLOWED
    assert (at_small["implied"], at_large["implied"]) == (0, 0)
    assert "suspect (not monotone in ε)" in (ran.out / "leaderboard.md").read_text()
    alone = records(desk.run(small(attacks={"masked": "masked"}, eps=[0.1], limit={"test": 300})))
    assert outcomes(alone[0]) == outcomes(at_small)


def test_a_single_break_of_the_audit_is_folded_in(desk):
    """Fewer implied pairs than the audit takes, so that it finds the one that breaks: the judge is shown it."""
    attacks, limit = {"nearly": "spares_one"}, {"test": 150}
    at_small, at_large = records(desk.run(small(attacks=attacks, eps=[0.1, 0.2], limit=limit)))
    assert at_small["audit"]["broken"] == 1 and not at_small["audit"]["independent"]
    assert 0 < at_small["audit"]["pairs"] == at_large["robust_correct"] and at_small["implied"] == 0
    (alone,) = records(desk.run(small(attacks=attacks, eps=[0.1], limit=limit)))
    assert outcomes(at_small) == outcomes(alone)


def test_a_sweep_goes_on_from_its_chunks(desk, monkeypatch):
    suite = small(attacks=STRONG, eps=CURVE)
    whole = desk.run(suite).records
    again = type(desk)(desk.folder / "again")
    again.folder.mkdir()
    original, calls = sweep.swept, []

    def killed(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(sweep, "swept", killed)
    assert again.run(suite).status == 130
    monkeypatch.setattr(sweep, "swept", original)
    assert again.run(suite).records == whole


def test_the_stored_clean_image_stands_in_for_what_is_implied(desk):
    suite = small(attacks=STRONG, eps=CURVE, limit={"test": 300})
    desk.run(suite)
    _, plan = desk.plan(suite)
    stage = only(plan, "craft")
    at: Workplace = place(desk)
    data = at.data(stage.task.dataset, test_limit=300)
    module = network.load(at, stage.input("network")).module
    made, _ = sweep.swept(
        craft.Proposer(stage.task, at, network.load(at, stage.input("network")), data), torch.arange(256), 0
    )
    clean = data.test.pixels(slice(256))
    right = stands(module, clean, data.test.labels[:256])
    for number in range(len(CURVE)):
        implied, examples = made[f"implied-{number}"], made[f"examples-{number}"]
        assert torch.equal(examples[implied], clean[implied]) and right[implied].all()
        assert torch.equal(craft.read(at, stage.key, 0, number), examples)
    assert not made["implied-0"].any() and made["implied-4"].any()
