"""The universal perturbation is one for all images, found on training images, and stronger than ART's."""

import pytest
import torch
from art.attacks.evasion import UniversalPerturbation as ArtsUniversalPerturbation

from benchmark.engine.ball import distance
from benchmark.engine.norms import norm_named
from benchmark.engine.random_start import Draws
from benchmark.engine.universal import UniversalPerturbation
from plugins.attacks import universal
from tests.small_networks import accuracy, classifier, digit_images, fresh, prepared, trained

EPS = {"inf": 0.2, "2": 1.2, "1": 5.0}


def training_images(count: int = 500):
    train = prepared().training.train
    return train.pixels(slice(count)).numpy(), train.labels[:count].numpy()


def fitted(estimator, norm="inf", **changes) -> UniversalPerturbation:
    attack = UniversalPerturbation(estimator, norm, EPS[norm], **{"epochs": 10, "precision": "fp32"} | changes)
    return universal.fit(attack, *training_images())


@pytest.mark.parametrize("norm", EPS)
def test_one_perturbation_of_the_ball_fools_images_it_has_not_seen(norm):
    estimator, (x, y) = trained(robust=False), digit_images()
    attack = fitted(estimator, norm)
    examples = attack.generate(x, y)
    assert torch.equal(examples, (x + attack.perturbation).clamp(0, 1))
    assert distance(attack.perturbation[None], torch.zeros(1, 1, 8, 8), norm) <= EPS[norm] * (1 + 1e-5)
    noise = EPS[norm] * norm_named(norm).start(Draws(0, torch.arange(1)), x.shape[1:], 1.0)
    noisy = accuracy(estimator, (x + noise).clamp(0, 1), y)
    assert accuracy(estimator, examples, y) < noisy - 20


@pytest.mark.parametrize("norm", ["inf", "2"])
def test_it_is_stronger_than_arts(norm):
    estimator, (x, y) = trained(robust=False), digit_images()
    eps = EPS[norm]
    inner = {"eps": eps, "eps_step": eps / 4, "norm": float(norm), "max_iter": 10, "verbose": False}
    peer = ArtsUniversalPerturbation(
        estimator, "pgd", inner, delta=0.1, max_iter=2, eps=eps, norm=float(norm), batch_size=32, verbose=False
    )
    images, labels = training_images(200)
    peer.generate(images, labels)
    theirs = accuracy(estimator, (x + torch.as_tensor(peer.noise).view(1, 1, 8, 8)).clamp(0, 1), y)
    assert accuracy(estimator, fitted(estimator, norm).generate(x, y), y) <= theirs + 0.5


def test_the_fit_follows_the_seed_and_leaves_no_trace():
    estimator = trained(robust=True)
    state = torch.get_rng_state()
    first, again, other = (fitted(estimator, seed=seed, epochs=2).perturbation for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in estimator.model.parameters())


def test_more_epochs_fool_more_of_the_training_images():
    estimator = trained(robust=True)
    images, labels = (torch.as_tensor(part) for part in training_images())
    few, many = (accuracy(estimator, fitted(estimator, epochs=e).generate(images, labels), labels) for e in (1, 20))
    assert many < few - 1


def test_without_a_fit_there_is_nothing_to_add():
    x, y = digit_images(3)
    with pytest.raises(ValueError, match=r"^the perturbation is not fitted; call fit with training images first$"):
        UniversalPerturbation(classifier(fresh())).generate(x, y)
