"""HopSkipJump: foolbox's distances for as many queries, from predicted labels alone."""

import numpy as np
import pytest
import torch
from art.estimators.classification import BlackBoxClassifier
from torch.nn import functional

from benchmark.engine.ball import distance
from benchmark.engine.estimator import Classifier
from benchmark.engine.hop_skip_jump import HopSkipJump
from benchmark.engine.judging import stands
from benchmark.engine.losses import margin
from tests.small_networks import digit_images, trained


@pytest.mark.filterwarnings("default")  # of foolbox, not of ours
@pytest.mark.parametrize("norm", ["2", "inf"])
def test_it_comes_as_near_as_foolbox_in_as_many_steps(norm):
    foolbox = pytest.importorskip("foolbox")
    estimator, (x, y) = trained(robust=True), digit_images(40)
    right = stands(estimator.model, x, y)
    peer = foolbox.attacks.HopSkipJumpAttack(steps=6, constraint={"2": "l2", "inf": "linf"}[norm])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        np.random.seed(0)
        theirs = peer.run(foolbox.PyTorchModel(estimator.model, bounds=(0, 1)), x[right], y[right])
    ours = HopSkipJump(estimator, norm, max_iter=6).generate(x[right], y[right])
    assert not stands(estimator.model, ours, y[right]).any()
    assert distance(ours, x[right], norm).median() <= 1.05 * distance(theirs, x[right], norm).median()


@pytest.mark.parametrize("norm", ["2", "inf"])
def test_more_steps_come_nearer(norm):
    estimator, (x, y) = trained(robust=False), digit_images(20)
    medians = [
        distance(HopSkipJump(estimator, norm, max_iter=steps).generate(x, y, seed=0), x, norm).median()
        for steps in (0, 2, 8)
    ]
    assert medians[0] > 1.1 * medians[1] > 1.1 * medians[2]


def test_a_model_that_says_only_the_class_is_enough():
    estimator, (x, y) = trained(robust=False), digit_images(10)
    asked = []

    def label(images: np.ndarray) -> np.ndarray:
        asked.append(len(images))
        with torch.no_grad():
            best = estimator.model(torch.as_tensor(images)).argmax(1)
        return np.eye(10, dtype=np.float32)[best.numpy()]

    blind = BlackBoxClassifier(label, (1, 8, 8), 10, clip_values=(0, 1))
    attack = HopSkipJump(blind, max_iter=3, init_eval=20)
    examples = attack.generate(x, y, seed=0)
    assert torch.equal(examples, HopSkipJump(estimator, max_iter=3, init_eval=20).generate(x, y, seed=0))
    assert attack.passes.forward == sum(asked) > 10 * 60


def test_an_example_for_which_no_start_is_found_comes_back_clean():
    class Constant(torch.nn.Module):
        def forward(self, x):
            return torch.nn.functional.one_hot(torch.full((len(x),), 3), 10).float() + 0 * x.sum()

    estimator, (x, _) = trained(robust=False), digit_images(5)
    estimator._model = Constant()
    blind = BlackBoxClassifier(lambda x: np.eye(10)[np.full(len(x), 3)], (1, 8, 8), 10, clip_values=(0, 1))
    assert torch.equal(HopSkipJump(blind, init_size=8).generate(x, torch.full((5,), 3)), x)


@pytest.mark.parametrize("norm", ["2", "inf"])
def test_no_example_lies_where_rounding_decides(norm):
    """A judge that rounds otherwise would call it robust at every ε, although points a hair farther out are broken."""

    class Large(torch.nn.Module):
        """The digits four times as large, in colour: in so many pixels a bisection by the book is below rounding."""

        def __init__(self):
            super().__init__()
            self.body = trained(robust=True).model

        def forward(self, x):
            return self.body(functional.avg_pool2d(x, 4).mean(1, keepdim=True))

    network, (x, y) = Large(), digit_images(30)
    x = functional.interpolate(x, scale_factor=4).repeat(1, 3, 1, 1)
    right = stands(network, x, y)
    x, y = x[right], y[right]
    estimator = Classifier(network, (3, 32, 32), 10)
    made = HopSkipJump(estimator, norm, max_iter=2, init_eval=20, batch_size=64).generate(x, y, seed=0)
    with torch.no_grad():
        assert margin(network(made), y).min() > 1e-5


@pytest.mark.parametrize("norm", ["2", "inf"])
def test_an_examples_way_does_not_hang_on_the_others_of_its_batch(norm):
    """But for rounding, which a network that computes image by image hardly has: near ones and far ones together."""

    class OneByOne(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(784, 10).double()

        def forward(self, x):
            return torch.stack([self.linear(image.flatten().double()) for image in x]).float()

    with torch.random.fork_rng():
        torch.manual_seed(0)
        network, x = OneByOne(), torch.rand(8, 1, 28, 28)
    with torch.no_grad():
        y = network(x).argmax(1)
    attack, index = HopSkipJump(Classifier(network, (1, 28, 28), 10), norm, max_iter=6, init_eval=20), torch.arange(8)
    whole = attack.generate(x, y, indices=index, seed=0)
    alone = [attack.generate(x[i : i + 1], y[i : i + 1], indices=index[i : i + 1], seed=0) for i in range(8)]
    assert torch.allclose(whole, torch.cat(alone), atol=1e-5)
    lengths = distance(whole, x, norm)
    assert lengths.max() > 4 * lengths.min() > 0
