"""Two small real networks on the digits, trained once for all tests that attack something, and their test images."""

import copy
from functools import cache

import torch
from torch import nn
from torch.nn import functional

from benchmark.data import Images, prepare
from benchmark.engine.estimator import Classifier
from benchmark.engine.pgd import PGD
from plugins.datasets import digits

EPS = 0.15


@cache
def prepared():
    return prepare(digits.dataset(()), None, None)


def digit_images(count: int = 599) -> tuple[torch.Tensor, torch.Tensor]:
    test: Images = prepared().test
    return test.pixels(slice(0, count)), test.labels[:count].clone()


def classifier(module: nn.Module) -> Classifier:
    return Classifier(module, (1, 8, 8), 10)


def fresh(seed: int = 0) -> nn.Module:
    """Untrained; BatchNorm after one convolution with a bias and one without, so that both are folded."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()),
            nn.Sequential(nn.Conv2d(16, 32, 3, padding=1, stride=2, bias=False), nn.BatchNorm2d(32), nn.ReLU()),
            nn.Flatten(),
            nn.Linear(512, 10),
        )


@cache
def _trained(robust: bool) -> Classifier:
    module = fresh()
    estimator = classifier(module)
    attack = PGD(estimator, eps=EPS, eps_step=EPS / 2, max_iter=4, num_random_init=1, precision="fp32")
    epochs = 12 if robust else 5
    optimizer = torch.optim.Adam(module.parameters(), 3e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(epochs):
        for x, y in prepared().training.train.batches(64, generator):
            if robust:
                x = attack.generate(x, y)
            module.train()
            loss = functional.cross_entropy(module(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    module.eval().zero_grad()
    return estimator


def trained(robust: bool) -> Classifier:
    """A classifier of the caller's own: standardly trained (robust=False), or adversarially at EPS in ℓ∞."""
    return classifier(copy.deepcopy(_trained(robust).model))


def accuracy(estimator: Classifier, x: torch.Tensor, y: torch.Tensor) -> float:
    """In percent, by the model itself in fp32."""
    with torch.no_grad():
        return 100 * (estimator.model.eval()(x).argmax(1) == y).float().mean().item()
