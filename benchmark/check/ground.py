"""What plugins are checked on: the real digits, and small networks with vulnerabilities that are known."""

import copy
from dataclasses import dataclass
from functools import cache

import torch
from torch import nn
from torch.nn import functional

from benchmark.data import Dataset, Prepared
from benchmark.plugins import Registry
from benchmark.stages.network import Network
from benchmark.types import Recipe

CLASSES, SHAPE = 10, (1, 8, 8)
EPS = {"inf": 0.2, "2": 1.5, "1": 4.0}  # breaks what is undefended, while noise of that size does little
CONTRAST = 0.25  # of the full one


@dataclass(frozen=True, eq=False)  # one is itself alone: what is made on it is remembered by it
class Ground:
    """An undefended network and the images that it knows."""

    name: str
    module: nn.Module
    data: Prepared

    def network(self) -> Network:
        """A copy of the network, for a plugin to do with as it likes."""
        return Network(copy.deepcopy(self.module), Recipe("model", self.name), SHAPE, CLASSES, [])


class Convolutional(nn.Module):
    """A convolution with BatchNorm and two linear layers."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.hidden = nn.Linear(128, 32)
        self.head = nn.Linear(32, CLASSES)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.head(self.hidden(self.norm(self.conv(pixels)).relu().flatten(1)).relu())


class Linear(nn.Module):
    """Linear in its pixels: the gradient at the image is the gradient everywhere, and one step suffices."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, CLASSES)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.head(pixels.flatten(1))


class LowContrast(nn.Module):
    """Knows images of little contrast around mid-grey, which it stretches: what is small to others is large to it."""

    def __init__(self, body: nn.Module):
        super().__init__()
        self.body = body

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.body((pixels - 0.5) / CONTRAST + 0.5)


@cache
def digits() -> Dataset:
    """The digits of our own plugin, whatever a user's folders hold."""
    return Registry().find("dataset", "digits").load().dataset(())


@cache
def data() -> Prepared:
    return Prepared(digits(), None, 300)


@cache
def limited(train: int) -> Prepared:
    return Prepared(digits(), train, 300)


@cache
def undefended() -> Ground:
    return Ground("undefended", _trained(Convolutional), data())


@cache
def linear() -> Ground:
    return Ground("linear", _trained(Linear), data())


@cache
def low_contrast() -> Ground:
    whole = digits()
    faint = {
        name: (127.5 + CONTRAST * (getattr(whole, name).float() - 127.5)).round().to(torch.uint8)
        for name in ("train_images", "test_images")
    }
    dataset = Dataset(**faint, train_labels=whole.train_labels, test_labels=whole.test_labels, classes=whole.classes)
    module = LowContrast(copy.deepcopy(undefended().module)).eval()
    return Ground("low-contrast", module, Prepared(dataset, None, 300))


def _trained(kind: type[nn.Module]) -> nn.Module:
    """A network that knows the digits, in eval mode; the global random state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = kind()
    optimizer = torch.optim.Adam(module.parameters(), 0.01)
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        for images, labels in data().training.train.batches(64, generator):
            optimizer.zero_grad()
            functional.cross_entropy(module(images), labels).backward()
            optimizer.step()
    module.zero_grad()
    return module.eval()
