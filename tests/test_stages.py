"""The stages dispose: whatever an attack or a training does, what is stored and judged obeys the protocol."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.data import prepare
from benchmark.engine.ball import distance, inside
from benchmark.outcomes import unpack
from benchmark.plan import Plan
from benchmark.plugins import Registry
from benchmark.stages import craft, network
from benchmark.stages import train as training
from benchmark.stages.judge import stands
from benchmark.stages.workplace import Workplace, derive, seed_everything, seeded_generators
from benchmark.types import Stage
from plugins.datasets import digits
from tests.conftest import FIXTURES, STANDARD, Desk, small

HOME = Path(__file__).parent.parent


def place(desk: Desk) -> Workplace:
    return Workplace(desk.store, Registry([FIXTURES]))


def only(plan: Plan, kind: str) -> Stage:
    (stage,) = [stage for stage in plan.stages.values() if stage.kind == kind]
    return stage


def records(ran) -> list[dict]:
    return [json.loads(line) for line in ran.records.splitlines()]


def examples(desk: Desk, stage: Stage) -> torch.Tensor:
    at = place(desk)
    return torch.cat([craft.read(at, stage.key, number) for number in range(at.store.result(stage.key)["chunks"])])


def test_no_room_for_ties_and_for_what_is_not_finite():
    nan, inf = float("nan"), float("inf")
    logits = torch.tensor(
        [[2, 1, 1], [1, 2, 1], [2, 2, 1], [1, 1, 1], [nan, 1, 1], [2, nan, 1], [inf, 1, 1], [2, -inf, 1], [2, 1, 2]]
    )
    right = [True] + [False] * 8
    assert stands(nn.Identity(), logits, torch.zeros(9, dtype=torch.int64)).tolist() == right


def test_the_judge_is_in_eval_mode():
    module = nn.Sequential(nn.Dropout(0.9)).train()
    logits = torch.eye(3).repeat(50, 1)
    assert stands(module, logits, torch.arange(3).repeat(50)).all()


@pytest.mark.parametrize("norm", ["inf", "2", "1"])
def test_what_leaves_the_ball_is_counted_and_clipped(desk, norm):
    suite = small(attacks={"far": {"leaves_ball": {}, "norm": norm, "eps": 0.1}}, limit={"test": 300})
    ran = desk.run(suite)
    (record,) = records(ran)
    assert record["violations"] == 150  # every second image, in both chunks
    stored, data = examples(desk, only(desk.plan(suite)[1], "craft")), prepare(digits.dataset(()), None, 300)
    clean = data.test.pixels()
    assert inside(stored, clean, norm, 0.1).all()
    moved = distance(stored, clean, norm)
    assert (moved[::2] > 0.09).all() and (moved[1::2] == 0).sum() > 140


def test_an_attack_that_writes_into_its_input_is_seen_through(desk):
    suite = small(attacks={"far": "in_place"}, limit={"test": 300})
    ran = desk.run(suite)
    assert ran.status == 0, ran.complained
    assert records(ran)[0]["violations"] == 300


def test_what_is_not_finite_is_replaced_by_the_clean_image(desk):
    suite = small(attacks={"nan": "gives_nan"}, limit={"test": 300})
    (record,) = records(desk.run(suite))
    assert (record["nonfinite"], record["violations"]) == (6, 0)
    stored = examples(desk, only(desk.plan(suite)[1], "craft"))
    clean = prepare(digits.dataset(()), None, 300).test.pixels()
    same = (stored == clean).flatten(1).all(1)
    assert same.nonzero().flatten().tolist() == [0, 1, 2, 256, 257, 258]


def test_an_attack_is_fitted_on_training_images_only(desk):
    suite = small(attacks={"fitted": "fitted"}, limit={"train": 200, "test": 50})
    desk.run(suite)
    pattern = examples(desk, only(desk.plan(suite)[1], "craft"))[0, 0, 0]
    data = prepare(digits.dataset(()), 200, 50)
    # the shifts are clipped around the images, whose corner is black: 0.002 and a tenth of the mean are left whole
    assert pattern[0] == pytest.approx(200 / 1e5)
    assert pattern[1] == pytest.approx(float(data.training.train.pixels().mean()) / 10, rel=1e-4)


def test_the_passes_of_a_fit_are_counted_once(desk):
    """Each epoch takes a gradient at every image, and looks at them all; then the test images only shift."""
    suite = small(attacks={"universal": {"universal": {"epochs": 2, "images": 100}}}, limit={"train": 200, "test": 300})
    (record,) = records(desk.run(suite))
    assert record["passes"]["backward"] == 2 * 100
    assert 2 * 2 * 100 <= record["passes"]["forward"] < 3 * 2 * 100


def test_a_minimum_norm_example_counts_at_its_distance(desk):
    suite = small(attacks={"least": {"minimum": {}, "eps": [0.1, 0.9, 1.0], "norm": "inf"}}, limit={"test": 64})
    near, far, all_of_it = records(desk.run(suite))
    assert near["robust_correct"] == near["clean_correct"]  # an inverted image is 1 away
    assert near["violations"] == 0 and far["keys"]["judge"] == all_of_it["keys"]["judge"]
    clean = unpack(all_of_it["outcomes"]["clean"], 64)
    robust = unpack(all_of_it["outcomes"]["robust"], 64)
    assert robust[1::2] == clean[1::2]
    assert sum(robust[::2]) < sum(clean[::2]) / 2
    stored = examples(desk, only(desk.plan(suite)[1], "craft"))
    assert distance(stored, prepare(digits.dataset(()), None, 64).test.pixels(), "inf")[0] == 1


def test_what_each_training_takes_is_counted_with_its_attack(desk):
    tuned = {"before": STANDARD, "after": {"pgd_at": {"epochs": 1, "eps": 0.1, "steps": 2}}}
    (record,) = records(desk.run(small(trainings={"tuned": tuned}, limit={"train": 200, "test": 20})))
    first, after = record["spent"]
    assert (first["forward"], first["backward"]) == (4 * 200, 4 * 200)  # four epochs
    assert (after["forward"], after["backward"]) == (3 * 200, 3 * 200)  # two steps of PGD, and the weights'
    assert first["macs"] == after["macs"] == record["size"]["macs"] and after["key"] == record["keys"]["network"]


def test_what_stops_at_the_boundary_is_marked_where_another_network_judges(desk):
    """By nature, as minimum-norm attacks and ART's Square do; ours run every step for another judge."""
    attacks = {
        "deepfool": {"deepfool": {"steps": 2}, "norm": "2", "eps": 0.5},
        "art's square": {"art": {"class": "SquareAttack", "max_iter": 2}},
        "square": {"square": {"queries": 2}},
        "pgd": {"pgd": {"steps": 1}},
    }
    attacks |= {f"{name} sent": given | {"from": "dense"} for name, given in attacks.items()}
    ran = desk.run(small(attacks=attacks, limit={"train": 200, "test": 20}))
    assert ran.status == 0, ran.complained
    assert {line["attack"] for line in records(ran) if line["boundary"]} == {"deepfool sent", "art's square sent"}


@pytest.mark.parametrize("steps", [1, 3])
def test_passes_are_counted(desk, steps):
    """ART's PGD: a gradient per step, then a prediction of the images and of the examples, for its log.

    Ours, where every step is run: a gradient per step, and one look at the last point.
    """
    art = {"art": {"class": "ProjectedGradientDescentPyTorch", "max_iter": steps}}
    ours = {"pgd": {"steps": steps}, "from": "dense"}
    by_name = {
        record["attack"]: record
        for record in records(desk.run(small(attacks={"art": art, "ours": ours}, limit={"test": 300})))
    }
    assert by_name["art"]["passes"] == {"forward": (steps + 2) * 300, "backward": steps * 300}
    assert by_name["ours"]["passes"] == {"forward": (steps + 1) * 300, "backward": steps * 300}


def test_random_draws_belong_to_the_chunk(desk, tmp_path):
    """An attack that draws at import and in its constructor, and changes with every call, still repeats on resuming."""
    suite = small(attacks={"moody": "moody"})
    stage = only(desk.plan(suite)[1], "craft")
    first = desk.run(suite)
    other = Desk(tmp_path / "other")
    other.folder.mkdir()
    first_chunk = desk.store.file(stage.key, "chunk-0000.safetensors")
    shutil.copy(first_chunk, other.store.partial(stage.key) / "independent-fp32-0000.safetensors")
    np.random.seed(123)
    assert other.run(suite).records == first.records
    assert torch.equal(examples(desk, stage), examples(other, stage))


def test_a_network_comes_back_bit_for_bit_in_a_new_process(desk):
    suite = small(compressions={"cut": [{"prune": {"ratio": 0.5}}]}, limit={"test": 20})
    assert desk.run(suite).status == 0
    key = only(desk.plan(suite)[1], "compress").key
    image = torch.linspace(0, 1, 64).view(1, 1, 8, 8)
    with torch.no_grad():
        here = network.load(place(desk), key).module(image)
    code = f"""
import torch
from pathlib import Path
from benchmark.plugins import Registry
from benchmark.stages import network
from benchmark.stages.workplace import Workplace
from benchmark.store import Store
torch.set_num_threads(1)
place = Workplace(Store(Path({str(desk.store.root)!r})), Registry([Path({str(FIXTURES)!r})]))
with torch.no_grad():
    print(network.load(place, {key!r}).module(torch.linspace(0, 1, 64).view(1, 1, 8, 8)).tolist())
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=HOME, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert torch.equal(torch.tensor(json.loads(done.stdout)), here)
    assert network.load(place(desk), key).size().parameters < 2000


def test_a_compression_that_cannot_be_rebuilt_fails_where_it_is_made(desk):
    suite = small(compressions={"dense": [], "cut": [{"forgets_rebuild": {}}]}, limit={"test": 20})
    ran = desk.run(suite)
    assert ran.status == 1 and len(records(ran)) == 1
    assert "1 stages failed, 3 more needed them" in ran.complained
    assert "cannot be rebuilt" in ran.complained and "define rebuild(module, state)" in ran.complained


class Stop(Exception):
    """Raised in the middle of a training."""


def trained(desk: Desk, recipe: dict, stop_after: int | None, monkeypatch) -> dict[str, torch.Tensor]:
    """The weights of the tiny suite's training, with a checkpoint after every epoch, perhaps stopped on the way."""
    plan = desk.plan(small(trainings={"it": {"before": recipe}}))[1]
    stage, at = only(plan, "train"), place(desk)
    monkeypatch.setattr(training, "SECONDS_BETWEEN_CHECKPOINTS", -1.0)

    def tell(done: int, total: int, what: str) -> None:
        if done == stop_after:
            raise Stop

    at.tell = tell
    with at.store.writing(stage) as draft:
        training.train(stage, at, draft)
    assert len(draft.result["epochs"]) == 5
    return network.load(at, stage.key).module.state_dict()


@pytest.mark.parametrize(
    "recipe",
    [
        {"standard": {"epochs": 5, "augment": True, "schedule": "cosine"}},
        {"pgd_at": {"epochs": 5, "eps": 0.1, "steps": 2}},
    ],
)
def test_a_training_goes_on_from_its_checkpoint(desk, tmp_path, monkeypatch, recipe):
    with pytest.raises(Stop):
        trained(desk, recipe, 3, monkeypatch)
    (checkpoint,) = desk.store.root.glob("partial/*/checkpoint.pt")
    assert torch.load(checkpoint, weights_only=True)["epoch"] == 3
    seen = []
    monkeypatch.setattr(training.TrainContext, "_restore", spied(training.TrainContext._restore, seen))
    resumed = trained(desk, recipe, None, monkeypatch)
    assert seen == [3] and not checkpoint.exists()
    whole = Desk(tmp_path / "whole")
    whole.folder.mkdir()
    uninterrupted = trained(whole, recipe, None, monkeypatch)
    assert seen == [3, 0]
    assert resumed.keys() == uninterrupted.keys()
    assert all(torch.equal(resumed[name], uninterrupted[name]) for name in resumed)


def spied(method, seen: list):
    def spy(*arguments):
        seen.append(method(*arguments))
        return seen[-1]

    return spy


def test_generators_that_nobody_seeds_are_seeded():
    drawn = []
    for _ in range(2):
        seed_everything(3)
        with seeded_generators():
            drawn.append(
                (np.random.RandomState().rand(), np.random.RandomState().rand(), np.random.RandomState(1).rand())
            )
    assert drawn[0] == drawn[1] and len(set(drawn[0])) == 3
    assert drawn[0][2] == np.random.RandomState(1).rand() and np.random.RandomState().rand() not in drawn[0]


def test_seeds_are_functions_of_their_parts():
    assert derive("a", 1, {"x": 2, "y": 3}) == derive("a", 1, {"y": 3, "x": 2})
    assert len({derive("a", 1), derive("a", 2), derive("b", 1), derive("a", "1"), derive("a", 1, 0)}) == 5
    assert 0 <= derive("a") < 2**32
    first = (seed_everything(5).initial_seed(), np.random.rand(), float(torch.rand(())))
    assert first == (seed_everything(5).initial_seed(), np.random.rand(), float(torch.rand(())))


def test_a_training_sees_no_test_image(desk):
    suite = small(trainings={"none": {"before": "nothing"}}, limit={"train": 100, "test": 20})
    desk.run(suite)
    (epoch,) = desk.store.result(only(desk.plan(suite)[1], "train").key)["epochs"]
    assert epoch == {"train": 100, "validation": 119}
