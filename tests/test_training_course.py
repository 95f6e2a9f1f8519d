"""The loop of the built-in trainings: schedules, averages, selection, collapse, and a kill that changes no bit."""

import copy
import inspect
from dataclasses import fields
from pathlib import Path

import pytest
import torch

from benchmark.data import Images, TrainingData
from benchmark.engine import schedule
from benchmark.engine.averaging import Average
from benchmark.engine.judging import stands
from benchmark.engine.pgd import PGD
from benchmark.engine.selection import Best, Collapse
from benchmark.plugins import Registry
from benchmark.stages import train
from benchmark.stages.train import TrainContext
from benchmark.stages.workplace import seed_everything
from tests.small_networks import EPS, classifier, digit_images, fresh, prepared, trained

TRAININGS = Registry()


def some(images: Images, count: int) -> Images:
    return Images(images.images[:count], images.labels[:count], images.indices[:count], images.device)


def data(count: int = 1200) -> TrainingData:
    whole = prepared().training
    return TrainingData(some(whole.train, count), some(whole.validation, 100), whole.classes)


class Interrupted(Exception):
    pass


def run(name: str, folder: Path, until: int | None = None, weights: int = 0, count: int = 1200, **options):
    """The trained model and its history; `until`: the epoch in which the training is killed, so far as it sees."""

    def tell(done: int, total: int, unit: str) -> None:
        if done == until:
            raise Interrupted

    generator = seed_everything(weights)
    estimator = classifier(fresh(weights))
    context = TrainContext(generator, tell, estimator, folder / "checkpoint.pt")
    TRAININGS.find("training", name).load().train(estimator, data(count), context, **options)
    return estimator.model.eval(), context.history


def robust(module) -> float:
    """Accuracy, in percent, under a stronger PGD than any that trains."""
    x, y = digit_images(300)
    options = {"eps_step": EPS / 5, "max_iter": 20, "num_random_init": 1, "precision": "fp32", "mode": "examples"}
    examples = PGD(classifier(module), eps=EPS, **options).generate(x, y)
    return 100 * stands(module, examples, y).float().mean().item()


ROBUST = {
    "pgd_at": {"epochs": 4, "lr": 0.05, "steps": 4},
    "trades": {"epochs": 4, "lr": 0.05, "steps": 4},
    "mart": {"epochs": 4, "lr": 0.05, "steps": 4},
    "fgsm_rs": {"epochs": 4, "lr": 0.1},
    "free": {"epochs": 4, "lr": 0.05, "replays": 4},
}


@pytest.mark.parametrize("name", ROBUST)
def test_it_makes_networks_robust(name, tmp_path):
    module, history = run(name, tmp_path, eps=EPS, **ROBUST[name])
    x, y = digit_images(300)
    assert stands(module, x, y).float().mean() > 0.88
    assert robust(module) > robust(trained(robust=False).model) + 20
    assert history[-1]["loss"] < history[0]["loss"]


@pytest.mark.parametrize("name", ["standard", "pgd_at"])
def test_bf16_trains_as_well_as_fp32(name, tmp_path):
    options = {"epochs": 4, "lr": 0.05} | ({"eps": EPS, "steps": 4} if name == "pgd_at" else {})
    x, y = digit_images()
    found = {}
    for precision in ("fp32", "bf16"):
        module, _ = run(name, tmp_path, precision=precision, **options)
        found[precision] = stands(module, x, y).float().mean().item(), robust(module)
    assert abs(found["fp32"][0] - found["bf16"][0]) < 0.03
    assert abs(found["fp32"][1] - found["bf16"][1]) < 8


COMMON = {"lr": 0.05, "count": 200, "epochs": 4, "batch_size": 32, "augment": True}
RESUMED = {
    "standard": {"schedule": "cyclic", "ema": 0.9},
    "pgd_at": {"eps": EPS, "steps": 2, "schedule": "cosine", "ema": 0.9, "select": "best"},
    "trades": {"eps": EPS, "steps": 2, "schedule": "step", "milestones": [1, 3], "select": "best"},
    "fgsm_rs": {"eps": EPS},
    "free": {"eps": EPS, "replays": 2, "ema": 0.5},
    "defensive_quantization": {"momentum": 0.5},
}


@pytest.mark.parametrize("name", RESUMED)
def test_a_kill_changes_no_bit(name, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    options = COMMON | RESUMED[name]
    (tmp_path / "whole").mkdir(), (tmp_path / "killed").mkdir()
    expected, history = run(name, tmp_path / "whole", **options)
    with pytest.raises(Interrupted):
        run(name, tmp_path / "killed", until=2, **options)
    resumed, history_again = run(name, tmp_path / "killed", weights=99, **options)  # all is in the checkpoint
    assert history_again == history and len(history) == 4
    assert all(torch.equal(tensor, resumed.state_dict()[key]) for key, tensor in expected.state_dict().items())


def rates(kind: str, epochs: int = 5, batches: int = 4, **more) -> list[float]:
    """The learning rate of each batch, as a share of lr."""
    estimator = classifier(fresh())
    given = {"lr": 0.2, "momentum": 0.0, "weight_decay": 0.0, "milestones": []} | more
    rate = schedule.sgd(estimator, epochs, batches, schedule=kind, **given)
    seen = []
    for _ in range(epochs * batches):
        seen.append(estimator.optimizer.param_groups[0]["lr"] / 0.2)
        estimator.optimizer.step()
        rate.step()
    return seen


def test_schedules():
    assert rates("constant") == [1.0] * 20
    assert rates("step", milestones=[2, 4]) == pytest.approx([1.0] * 8 + [0.1] * 8 + [0.01] * 4)
    cosine = rates("cosine")
    assert cosine[0] == 1 and cosine[10] == pytest.approx(0.5) and cosine[-1] < 0.01
    assert cosine == sorted(cosine, reverse=True)
    cyclic = rates("cyclic")
    assert cyclic.index(max(cyclic)) == 8 and max(cyclic) == pytest.approx(1.0, abs=0.12)
    assert cyclic[:9] == sorted(cyclic[:9]) and cyclic[8:] == sorted(cyclic[8:], reverse=True)
    assert 0 < cyclic[0] < 0.2 and 0 < cyclic[-1] < 0.1


def test_an_average_is_the_formula():
    model = fresh()
    average = Average(model, 0.8)
    expected, states = None, []
    for step in range(30):
        with torch.no_grad():
            for tensor in model.state_dict().values():
                tensor.add_(1 if step % 2 else 2)
        average.update()
        now = model[3].weight.detach().clone()
        decay = min(0.8, (1 + step) / (10 + step))
        expected = now if expected is None else decay * expected + (1 - decay) * now
        states.append(model[0][1].running_var.clone())
    own = copy.deepcopy(model.state_dict())
    with average.applied():
        assert torch.allclose(model[3].weight, expected, rtol=1e-4)
        assert states[0].max() < model[0][1].running_var.max() < states[-1].max()  # statistics are averaged, too
        assert model[0][1].num_batches_tracked == own["0.1.num_batches_tracked"]
    assert all(torch.equal(tensor, own[name]) for name, tensor in model.state_dict().items())
    average.adopt()
    assert torch.allclose(model[3].weight, expected, rtol=1e-4)


def test_an_average_is_what_a_training_leaves(tmp_path):
    plain, _ = run("standard", tmp_path, **COMMON)
    averaged, _ = run("standard", tmp_path, ema=0.999, **COMMON)
    assert not torch.equal(plain[3].weight, averaged[3].weight)
    with torch.no_grad():
        logits = averaged(digit_images(50)[0])
    assert logits.isfinite().all()


def ruin(module) -> None:
    with torch.no_grad():
        module[3].weight.neg_()


@pytest.mark.parametrize("resumed", [False, True])
def test_the_best_epoch_is_left(resumed):
    estimator = trained(robust=True)
    best = Best(estimator, data().validation, "inf", EPS, 64)
    good = best.look()["validation_robust_accuracy"]
    expected = copy.deepcopy(estimator.model.state_dict())
    ruin(estimator.model)
    assert best.look()["validation_robust_accuracy"] < good - 0.3
    if resumed:
        state = copy.deepcopy(best.state_dict())
        best = Best(estimator, data().validation, "inf", EPS, 64)
        best.load_state_dict(state)
    best.conclude()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in estimator.model.state_dict().items())


def test_what_a_watch_reports_is_robust_accuracy_under_pgd():
    estimator = trained(robust=True)
    validation = prepared().training.validation
    reported = Best(estimator, validation, "inf", EPS, 64).look()["validation_robust_accuracy"]
    x, y = validation.pixels(), validation.labels
    attack = PGD(estimator, eps=EPS, eps_step=EPS / 4, max_iter=40, num_random_init=1, precision="fp32")
    assert reported == pytest.approx(stands(estimator.model, attack.generate(x, y), y).float().mean().item(), abs=0.04)
    assert reported < stands(estimator.model, x, y).float().mean() - 0.1


def test_a_watch_leaves_a_training_as_it_is():
    estimator = trained(robust=True)
    estimator.model.train()
    before, drawn = copy.deepcopy(estimator.model.state_dict()), torch.random.get_rng_state()
    watch = Collapse(estimator, data().validation, "inf", EPS, 64)
    assert watch.look() == watch.look()
    assert all(part.training for part in estimator.model.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in estimator.model.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), drawn)


def test_a_collapse_ends_the_training_with_the_weights_before_it(tmp_path):
    options = {"eps": 0.3, "lr": 0.05, "random_start": False, "step_ratio": 1.0, "schedule": "constant"}
    module, history = run("fgsm_rs", tmp_path, epochs=60, precision="fp32", **options)
    last, before = history[-1], history[-2]
    assert len(history) < 60
    assert [epoch["catastrophic_overfitting"] for epoch in history] == [0.0] * (len(history) - 1) + [1.0]
    assert last["validation_robust_accuracy"] < last["validation_fgsm_accuracy"] / 2
    watch = Best(classifier(module), data().validation, "inf", 0.3, 64)
    assert watch.look()["validation_robust_accuracy"] == pytest.approx(before["validation_robust_accuracy"], abs=0.011)


def test_a_sound_training_is_no_collapse(tmp_path):
    _, history = run("fgsm_rs", tmp_path, epochs=3, eps=EPS)
    assert len(history) == 3 and not any(epoch["catastrophic_overfitting"] for epoch in history)


def test_no_training_can_reach_test_data():
    assert {field.name for field in fields(TrainingData)} == {"train", "validation", "classes"}
    split = prepared()
    train_bytes, validation_bytes, test_bytes = (
        {image.numpy().tobytes() for image in part.images}
        for part in (split.training.train, split.training.validation, split.test)
    )
    assert not validation_bytes & train_bytes and not (validation_bytes | train_bytes) & test_bytes
    for name in TRAININGS.names("training"):
        function = TRAININGS.find("training", name).load().train
        assert list(inspect.signature(function).parameters)[:3] == ["estimator", "data", "context"]
        assert "test" not in inspect.getsource(function)
