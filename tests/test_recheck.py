"""Crafting in bf16: fp32 has the last word, and a craft in which bf16 missed too much is done again."""

import pytest

from benchmark import device, plan
from benchmark.outcomes import unpack
from benchmark.stages import again, recheck
from tests.conftest import small
from tests.test_stages import only, records


@pytest.fixture(autouse=True)
def fast_at_bf16(monkeypatch):
    """As on a machine that is: what is crafted does not depend on it, only how fast."""
    monkeypatch.setattr(plan, "fastest_precision", lambda asked: "bf16")
    monkeypatch.setattr(recheck, "WORTH", 100)


def crafted(desk, suite: dict) -> dict:
    return desk.store.result(only(desk.plan(suite)[1], "craft").key)


def outcomes(ran) -> list[list[bool]]:
    return [unpack(record["outcomes"]["robust"], record["n"]) for record in records(ran)]


def in_fp32(desk, suite: dict, monkeypatch) -> list[list[bool]]:
    with monkeypatch.context() as changed:
        changed.setattr(plan, "fastest_precision", lambda asked: "fp32")
        return outcomes(desk.run(suite))


def test_a_craft_that_missed_too_much_is_done_again_in_fp32(desk, monkeypatch):
    suite = small(attacks={"blind": "misses_in_bf16"})
    ran = desk.run(suite)
    made = crafted(desk, suite)
    assert made["precision"] == "fp32"
    assert made["recheck"]["redone"] and made["recheck"]["fp32"] > 100 and made["recheck"]["bf16"] == 0
    assert outcomes(ran) == in_fp32(desk, suite, monkeypatch)


def test_what_fp32_breaks_of_the_sample_is_broken(desk, monkeypatch):
    """One miss in 599 images is less than is allowed; fewer survivors than the sample takes, so that it finds it."""
    suite = small(attacks={"nearly": {"misses_in_bf16": {"missed": 1}}}, limit={"test": 256})
    ran = desk.run(suite)
    made = crafted(desk, suite)
    assert (made["precision"], made["recheck"]["fp32"], made["recheck"]["redone"]) == ("bf16", 1, False)
    assert outcomes(ran) == in_fp32(desk, suite, monkeypatch)


@pytest.mark.parametrize("eps", [[0.1], [0.02, 0.05, 0.1, 0.2]])
def test_pgd_in_bf16_breaks_as_many(desk, monkeypatch, eps):
    suite = small(attacks={"pgd": {"pgd": {"steps": 10}}}, eps=eps)
    narrow = outcomes(desk.run(suite))
    made = crafted(desk, suite)
    assert made["precision"] == "bf16" and not made["recheck"]["redone"]
    assert made["recheck"]["eps"] == sorted(eps)[(len(eps) - 1) // 2]
    assert made["recheck"]["sampled"] == min(made["recheck"]["survivors"], recheck.SAMPLE)
    for one, other in zip(narrow, in_fp32(desk, suite, monkeypatch), strict=True):
        assert 0 < sum(other) < len(other)
        assert abs(sum(one) - sum(other)) <= 0.004 * len(one)


def test_the_headline_is_what_is_looked_at_again(desk):
    suite = small(eps=[0.05, 0.1, 0.2], headline=0.2)
    desk.run(suite)
    assert crafted(desk, suite)["recheck"]["eps"] == 0.2


def test_the_sample_is_as_large_as_it_says(desk, monkeypatch):
    monkeypatch.setattr(recheck, "SAMPLE", 50)
    suite = small(attacks={"pgd": {"pgd": {"steps": 5}}}, eps=[0.05])
    desk.run(suite)
    made = crafted(desk, suite)
    assert made["recheck"]["sampled"] == 50 < made["recheck"]["survivors"]


def test_quantised_twins_and_small_subsets_are_crafted_in_fp32(desk, monkeypatch):
    suite = small(compressions={"int8": [{"quantize": {"bits": 8}}]})
    desk.run(suite)
    assert (crafted(desk, suite)["precision"], crafted(desk, suite)["recheck"]) == ("fp32", None)
    monkeypatch.setattr(recheck, "WORTH", 1000)
    suite = small(attacks={"pgd": {"pgd": {"steps": 3}}})
    desk.run(suite)
    assert (crafted(desk, suite)["precision"], crafted(desk, suite)["recheck"]) == ("fp32", None)


def test_a_craft_goes_on_from_its_second_look(desk, monkeypatch):
    suite = small(attacks={"pgd": {"pgd": {"steps": 5}}})
    whole = desk.run(suite).records
    other = type(desk)(desk.folder / "other")
    other.folder.mkdir()
    original, calls = again.attack, []

    def killed(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(again, "attack", killed)
    assert other.run(suite).status == 130
    monkeypatch.setattr(again, "attack", original)
    assert other.run(suite).records == whole


def test_the_hardware_is_part_of_every_key(desk, monkeypatch):
    keys = []
    for precision in ("bf16", "fp32"):
        monkeypatch.setattr(plan, "fastest_precision", lambda asked, precision=precision: precision)
        keys.append(set(desk.plan(small())[1].stages))
    assert keys[0].isdisjoint(keys[1])


def test_the_plan_knows_the_processor_as_torch_does():
    import torch

    assert (device.fastest_precision("cpu") == "bf16") == (
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    )
