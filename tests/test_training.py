"""Our adversarial trainer in ART's own terms: what it takes, what it trains, how it leaves the model, what it costs."""

import copy

import numpy as np
import pytest
import torch
from art.attacks.evasion import FastGradientMethod, ProjectedGradientDescentPyTorch
from art.data_generators import PyTorchDataGenerator
from art.defences.trainer import AdversarialTrainer as ArtAdversarialTrainer
from art.estimators.classification import PyTorchClassifier
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmark.engine.estimator import Classifier, counting
from benchmark.engine.fitting import Fitting
from benchmark.engine.judging import stands
from benchmark.engine.objectives import madry
from benchmark.engine.pgd import PGD
from benchmark.engine.trainer import AdversarialTrainer
from tests.quantised_networks import quantised
from tests.small_networks import EPS, accuracy, classifier, digit_images, fresh, prepared, trained

BATCH = 64


def images(count: int = 256) -> tuple[torch.Tensor, torch.Tensor]:
    train = prepared().training.train
    return train.pixels(slice(count)), train.labels[:count].clone()


def learner(module: nn.Module | None = None, lr: float = 0.05) -> Classifier:
    estimator = classifier(module or fresh())
    estimator.optimizer = torch.optim.SGD(estimator.model.parameters(), lr=lr, momentum=0.9)
    return estimator


def pgd(estimator, **changes) -> PGD:
    options = {"eps": EPS, "eps_step": EPS / 3, "max_iter": 4, "num_random_init": 1, "batch_size": BATCH}
    return PGD(estimator, **options | {"precision": "fp32"} | changes)


def robust(estimator: Classifier) -> float:
    """Accuracy, in percent, under ART's PGD: another hand than the one that trained."""
    x, y = digit_images(300)
    attack = ProjectedGradientDescentPyTorch(estimator, eps=EPS, eps_step=EPS / 4, max_iter=10, verbose=False)
    examples = torch.from_numpy(attack.generate(x.numpy(), y.numpy()))
    return 100 * stands(estimator.model, examples, y).float().mean().item()


def state(module: nn.Module) -> dict[str, torch.Tensor]:
    return copy.deepcopy(module.state_dict())


def test_it_is_arts_trainer():
    estimator = learner()
    trainer = AdversarialTrainer(estimator, pgd(estimator))
    assert isinstance(trainer, ArtAdversarialTrainer)
    assert trainer.ratio == 0.5 and trainer.get_classifier() is estimator
    assert trainer.predict(digit_images(20)[0].numpy()).shape == (20, 10)


def test_arrays_one_hot_labels_and_tensors_are_the_same_training():
    x, y = images()
    results = []
    for pixels, labels in ((x, y), (x.numpy(), np.eye(10)[y.numpy()]), (x.numpy(), y.numpy())):
        estimator = learner()
        np.random.seed(0)
        AdversarialTrainer(estimator, pgd(estimator), ratio=1.0).fit(pixels, labels, batch_size=BATCH, nb_epochs=1)
        results.append(state(estimator.model))
    for other in results[1:]:
        assert all(torch.equal(tensor, other[name]) for name, tensor in results[0].items())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("foreign", [False, True], ids=["our attack", "art's attack"])
def test_it_makes_networks_robust(foreign, precision):
    estimator = learner()
    options = {"eps": EPS, "eps_step": EPS / 3, "max_iter": 4, "num_random_init": 1, "batch_size": BATCH}
    attack = ProjectedGradientDescentPyTorch(estimator, **options) if foreign else pgd(estimator, precision=precision)
    np.random.seed(0)
    x, y = images(1000)
    trainer = AdversarialTrainer(estimator, attack, ratio=1.0, precision=precision)
    trainer.fit(x.numpy(), y.numpy(), batch_size=BATCH, nb_epochs=5)
    assert robust(estimator) > robust(trained(robust=False)) + 20
    assert accuracy(estimator, *digit_images()) > 88


def test_arts_trainer_takes_our_attack():
    estimator = learner()
    x, y = images()
    before = state(estimator.model)
    trainer = ArtAdversarialTrainer(estimator, pgd(estimator), ratio=1.0)
    trainer.fit(x.numpy(), np.eye(10, dtype=np.float32)[y.numpy()], batch_size=BATCH, nb_epochs=1)
    assert any(not torch.equal(tensor, before[name]) for name, tensor in estimator.model.state_dict().items())


def test_an_estimator_of_arts_own_will_do():
    module = fresh()
    options = {"input_shape": (1, 8, 8), "nb_classes": 10, "clip_values": (0, 1), "device_type": "cpu"}
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05)
    estimator = PyTorchClassifier(module, loss=nn.CrossEntropyLoss(), optimizer=optimizer, **options)
    before = state(module)
    x, y = images()
    AdversarialTrainer(estimator, pgd(estimator), ratio=1.0).fit(x, y, batch_size=BATCH, nb_epochs=1)
    assert not torch.equal(module.state_dict()["3.weight"], before["3.weight"])


def test_what_moves_and_how_the_model_is_left():
    estimator = learner()
    before = state(estimator.model)
    x, y = images()
    AdversarialTrainer(estimator, pgd(estimator), ratio=1.0).fit(x, y, batch_size=BATCH, nb_epochs=1)
    after = estimator.model.state_dict()
    assert all(not torch.equal(tensor, after[name]) for name, tensor in before.items())  # BatchNorm's statistics, too
    assert all(part.training for part in estimator.model.modules())  # as ART's trainer leaves it
    assert all(parameter.is_contiguous() for parameter in estimator.model.parameters())
    assert x.equal(images()[0])  # the caller's own images


def noted(attack: PGD, monkeypatch) -> list[dict]:
    """What every call of `generate` sees."""
    calls = []
    inner = attack.generate

    def generate(x, y=None, indices=None, seed=None):
        calls.append({"type": type(x), "n": len(x), "indices": indices})
        return inner(x, y, indices, seed)

    monkeypatch.setattr(attack, "generate", generate)
    return calls


def test_ours_gets_tensors_and_each_examples_own_number(monkeypatch):
    estimator = learner()
    attack = pgd(estimator)
    calls = noted(attack, monkeypatch)
    AdversarialTrainer(estimator, attack, ratio=1.0).fit(*images(100), batch_size=40, nb_epochs=2)
    assert [call["n"] for call in calls] == [40, 40, 20] * 2
    assert all(call["type"] is torch.Tensor for call in calls)
    for epoch in (calls[:3], calls[3:]):
        assert sorted(torch.cat([call["indices"] for call in epoch]).tolist()) == list(range(100))


def test_a_share_of_the_batch(monkeypatch):
    estimator = learner()
    attack = pgd(estimator)
    calls = noted(attack, monkeypatch)
    seen = []

    def objective(network, x, x_adv, y):
        seen.append(int((x != x_adv).flatten(1).any(1).sum()))
        return madry(network, x, x_adv, y)

    AdversarialTrainer(estimator, attack, ratio=0.3, objective=objective).fit(*images(80), batch_size=40, nb_epochs=1)
    assert [call["n"] for call in calls] == seen == [12, 12]


class Noting(FastGradientMethod):
    """Notes the modes of the model's parts, and how it is called."""

    def generate(self, x, y=None, **kwargs):
        self.modes = {part.training for part in self.estimator.model.modules()}
        self.given = type(x), y.shape, kwargs
        return super().generate(x, y)


def test_foreign_attacks_get_arrays_and_eval_mode():
    estimator = learner()
    attack = Noting(estimator, eps=EPS)
    estimator.model.train()
    AdversarialTrainer(estimator, attack, ratio=1.0).fit(*images(40), batch_size=40, nb_epochs=1)
    assert attack.modes == {False}
    assert attack.given == (np.ndarray, (40, 10), {})


def test_attacks_take_turns_and_transferred_ones_craft_once(monkeypatch):
    estimator, other = learner(), trained(robust=False)
    own, transferred = pgd(estimator), pgd(other)
    calls, calls_of_other = noted(own, monkeypatch), noted(transferred, monkeypatch)
    AdversarialTrainer(estimator, [own, transferred], ratio=1.0).fit(*images(80), batch_size=20, nb_epochs=3)
    assert [call["n"] for call in calls] == [20] * 6
    assert [call["n"] for call in calls_of_other] == [80]


def test_a_generator_of_arts():
    estimator = learner()
    x, y = images(128)
    before = state(estimator.model)
    loader = DataLoader(TensorDataset(x, y), batch_size=32)
    trainer = AdversarialTrainer(estimator, pgd(estimator), ratio=1.0)
    with counting(estimator.model) as passes:
        trainer.fit_generator(PyTorchDataGenerator(loader, size=128, batch_size=32), nb_epochs=2)
    assert passes.backward == (4 + 1) * 256
    assert not torch.equal(estimator.model.state_dict()["3.weight"], before["3.weight"])


def test_a_scheduler_steps_with_every_batch():
    estimator = learner(lr=1.0)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(estimator.optimizer, 0.5)
    trainer = AdversarialTrainer(estimator, pgd(estimator, max_iter=1), ratio=1.0)
    trainer.fit(*images(80), batch_size=40, nb_epochs=2, scheduler=scheduler)
    assert scheduler.get_last_lr() == [1.0 * 0.5**4]


def test_nothing_is_paid_for_but_the_steps():
    estimator = learner()
    attack = pgd(estimator, max_iter=4)
    with counting(estimator.model) as passes:
        AdversarialTrainer(estimator, attack, ratio=1.0).fit(*images(128), batch_size=64, nb_epochs=1)
    assert passes.backward == 5 * 128  # of the model and its copy: four steps, and the fit
    assert passes.forward == 5 * 128  # to look which layers can be folded is no pass of the training
    assert (attack.passes.forward, attack.passes.backward) == (4 * 128, 4 * 128)


def test_what_cannot_be_trained_is_refused_in_one_line():
    estimator = classifier(fresh())
    x, y = digit_images(20)
    with pytest.raises(ValueError, match=r"^y has 10 labels for 20 images; give one for each$"):
        AdversarialTrainer(estimator, pgd(estimator)).fit(x, y[:10])
    with pytest.raises(ValueError, match=r"^y has 10 entries for 20 images; give one for each$"):
        pgd(estimator).generate(x, y[:10])
    given = {"loss": torch.nn.CrossEntropyLoss(), "input_shape": (1, 8, 8), "nb_classes": 10, "clip_values": (0, 1)}
    bare = PyTorchClassifier(estimator.model, **given)
    with pytest.raises(ValueError, match=r"^the classifier has no optimizer"):
        AdversarialTrainer(bare, pgd(bare)).fit(x, y)


def test_targeted_attacks_are_refused():
    estimator = learner()
    with pytest.raises(ValueError, match="PGD is targeted"):
        AdversarialTrainer(estimator, pgd(estimator, targeted=True))


@pytest.mark.parametrize("bits", [8, 2])
def test_a_twin_trains_in_fp32(bits):
    module = quantised(trained(robust=False).model, bits, learned=True)
    estimator = learner(module, lr=0.02)
    trainer = AdversarialTrainer(estimator, pgd(estimator, precision="bf16"), ratio=1.0, precision="bf16")
    assert not trainer.fitting.bf16
    before, weak = state(module), robust(estimator)
    trainer.fit(*images(1000), batch_size=BATCH, nb_epochs=3)
    after = module.state_dict()
    still = {name for name, tensor in before.items() if torch.equal(tensor, after[name])}
    assert all(name.endswith("clip") for name in still)  # at 8 bits nothing may be clipped, which moves no range
    assert bits == 8 or not still
    assert robust(estimator) > weak + 10


def test_a_network_changed_by_surgery_trains_on():
    estimator = learner(trained(robust=False).model)
    trainer = AdversarialTrainer(estimator, pgd(estimator), ratio=1.0)
    trainer.fit(*images(64), batch_size=BATCH, nb_epochs=1)
    (first, norm, _), (second, _, _) = estimator.model[0], estimator.model[1]
    kept = torch.arange(0, 16, 2)
    estimator.model[0] = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
    narrow = nn.Conv2d(8, 32, 3, padding=1, stride=2, bias=False)
    with torch.no_grad():
        estimator.model[0][0].weight.copy_(first.weight[kept])
        estimator.model[0][1].weight.copy_(norm.weight[kept])
        narrow.weight.copy_(second.weight[:, kept])
    estimator.model[1][0] = narrow
    estimator.optimizer = torch.optim.SGD(estimator.model.parameters(), lr=0.05)
    trainer.fit(*images(1000), batch_size=BATCH, nb_epochs=4)
    assert robust(estimator) > robust(trained(robust=False)) + 10


def test_bf16_keeps_weights_gradients_and_statistics_in_fp32():
    estimator = learner()
    fitting = Fitting(estimator, madry, "bf16")
    x, y = images(64)
    with fitting.formatted():
        fitting.update(x, x, y)
        assert fitting.network(x).dtype == torch.float32
    tensors = [*estimator.model.parameters(), *(parameter.grad for parameter in estimator.model.parameters())]
    tensors += [buffer for name, buffer in estimator.model.named_buffers() if "running" in name]
    assert {tensor.dtype for tensor in tensors} == {torch.float32}


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="precision is 'half'; it must be one of auto, fp32, bf16"):
        Fitting(learner(), madry, "half")


def test_single_pixels_are_never_convolved_in_bf16():
    """Where torch's weight gradients are not to be trusted, what is asked for is not done."""
    stem = nn.Sequential(nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    deep = nn.Sequential(stem, nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.Flatten(), nn.Linear(16, 10))
    pointwise = nn.Sequential(copy.deepcopy(stem), nn.Conv2d(8, 16, 1), nn.Flatten(), nn.Linear(16, 10))
    assert not Fitting(learner(deep), madry, "bf16").bf16
    assert Fitting(learner(pointwise), madry, "bf16").bf16
