"""Our estimator is ART's, in ART's own terms: what it predicts, differentiates and learns is what ART's own does."""

import copy

import numpy as np
import pytest
import torch
from art.estimators.classification import PyTorchClassifier

from tests.small_networks import classifier, digit_images, fresh, trained


def arts_own(module: torch.nn.Module, **settings) -> PyTorchClassifier:
    given = {"loss": torch.nn.CrossEntropyLoss(), "input_shape": (1, 8, 8), "nb_classes": 10, "clip_values": (0.0, 1.0)}
    return PyTorchClassifier(copy.deepcopy(module).eval(), device_type="cpu", **given | settings)


@pytest.fixture
def both():
    ours = trained(robust=True)
    return ours, arts_own(ours.model)


@pytest.fixture
def arrays():
    x, y = digit_images(60)
    return x.numpy(), y.numpy(), np.eye(10, dtype=np.float32)[y]


def test_predictions_and_gradients_are_those_of_arts_own(both, arrays):
    x, labels, one_hot = arrays
    ours, theirs = both
    assert isinstance(ours, PyTorchClassifier) and ours.clip_values[0] == 0 and ours.clip_values[1] == 1
    for name, given in {
        "predict": (x,),
        "loss_gradient": (x, one_hot),
        "class_gradient": (x, labels),
        "compute_loss": (x, one_hot),
    }.items():
        found, expected = getattr(ours, name)(*given), getattr(theirs, name)(*given)
        assert found.shape == expected.shape and found.dtype == expected.dtype, name
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6, err_msg=name)


def test_tensors_give_tensors_as_arts_own_does(both, arrays):
    x, _, one_hot = arrays
    tensors = [torch.tensor(x), torch.tensor(one_hot)]
    found, expected = (estimator.loss_gradient(*tensors) for estimator in both)
    assert isinstance(found, torch.Tensor) and isinstance(expected, torch.Tensor)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_fit_takes_the_very_steps_of_arts_own(arrays):
    x, _, one_hot = arrays
    start = fresh()
    states = []
    for estimator in (classifier(copy.deepcopy(start)), arts_own(start)):
        estimator._optimizer = torch.optim.SGD(estimator.model.parameters(), lr=0.1)
        np.random.seed(3)  # ART shuffles by numpy's global generator
        torch.manual_seed(3)
        estimator.fit(x, one_hot, batch_size=20, nb_epochs=2)
        states.append(estimator.model.state_dict())
    for name, value in states[0].items():
        torch.testing.assert_close(value, dict(states[1])[name.removeprefix("_model.")], rtol=1e-4, atol=1e-5)
    assert not torch.equal(states[0]["3.weight"], start.state_dict()["3.weight"])
