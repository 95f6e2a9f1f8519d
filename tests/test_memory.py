"""Where memory runs out, the batch is halved with a warning, and the results are those of a machine that has more."""

import warnings

import pytest
import torch
from art.estimators.classification import BlackBoxClassifierNeuralNetwork
from torch import nn

from benchmark.engine.apgd import APGD
from benchmark.engine.judging import stands
from benchmark.engine.memory import Room, SmallerBatchWarning, ran_out
from benchmark.engine.pgd import PGD
from benchmark.engine.square import Square
from benchmark.errors import StageError
from tests.small_networks import classifier, digit_images, trained

FITS = 5  # examples


class Cramped(nn.Module):
    """A network on a device on which no more than `fits` examples fit at once."""

    def __init__(self, body: nn.Module, fits: int = FITS):
        super().__init__()
        self.body, self.fits, self.largest = body, fits, 0

    def forward(self, x):
        if len(x) > self.fits:
            raise torch.OutOfMemoryError(f"tried to allocate {len(x)} examples")
        self.largest = max(self.largest, len(x))
        return self.body(x)


def on(module: nn.Module, kind, **options):
    common = {"eps": 0.15, "batch_size": 32} | ({"max_iter": 5, "precision": "fp32"} if kind is not Square else {})
    return kind(classifier(module), **common | options)


ATTACKS = [
    (PGD, {"num_random_init": 1, "eps_step": 0.05, "mode": "decide"}),
    (PGD, {"num_random_init": 2, "eps_step": 0.05, "mode": "last"}),
    (PGD, {"num_random_init": 0, "eps_step": 0.05, "mode": "examples"}),
    (APGD, {"loss": "dlr-targeted", "targets": 2, "mode": "decide"}),
    (APGD, {"loss": "dlr-targeted", "targets": 2, "mode": "examples"}),
    (Square, {"queries": 30, "mode": "decide"}),
    (Square, {"queries": 30, "mode": "examples"}),
]


@pytest.mark.parametrize(("kind", "options"), ATTACKS)
def test_an_attack_goes_on_in_smaller_batches_with_the_same_results(kind, options):
    x, y = digit_images(50)
    body = trained(robust=False).model
    expected = on(body, kind, **options)
    found = on(Cramped(body), kind, **options)
    reference = expected.generate(x, y)
    with pytest.warns(SmallerBatchWarning) as said:
        examples = found.generate(x, y)
    assert "memory ran out on a batch of 32 examples; going on with 16" in {
        str(one.message).removesuffix(" at a time") for one in said
    }
    assert torch.equal(stands(body, examples, y), stands(body, reference, y))
    torch.testing.assert_close(examples, reference, rtol=0, atol=1e-5)
    assert found.passes == expected.passes, "what failed is no pass"


def test_the_warning_comes_once_for_each_size_not_for_each_step():
    x, y = digit_images(40)
    attack = on(Cramped(trained(robust=False).model), PGD, num_random_init=1, mode="examples")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        attack.generate(x, y)
    assert [str(one.message).split("on a batch of ")[1].split()[0] for one in said] == ["32", "16", "8"]


def test_predictions_as_labels_and_black_boxes_adapt_too():
    x, _ = digit_images(40)
    body = trained(robust=False).model
    cramped = Cramped(body)

    def predict(images):
        with torch.no_grad():
            return cramped(torch.from_numpy(images)).numpy()

    box = BlackBoxClassifierNeuralNetwork(predict, (1, 8, 8), 10, channels_first=True, clip_values=(0, 1))
    with pytest.warns(SmallerBatchWarning):
        examples = Square(box, eps=0.15, queries=20, batch_size=32).generate(x)
    torch.testing.assert_close(examples, on(body, Square, queries=20).generate(x), rtol=0, atol=1e-5)


def test_the_judge_splits_its_batch():
    x, y = digit_images(60)
    cramped = Cramped(trained(robust=False).model)
    with pytest.warns(SmallerBatchWarning):
        stood = stands(cramped, x, y)
    assert torch.equal(stood, stands(cramped.body, x, y)) and stood.any() and cramped.largest <= FITS


def test_one_example_that_does_not_fit_is_the_end_in_one_line():
    x, y = digit_images(10)
    with pytest.warns(SmallerBatchWarning), pytest.raises(StageError) as ended:
        on(Cramped(trained(robust=False).model, fits=0), PGD, mode="decide").generate(x, y)
    said = str(ended.value)
    assert said.startswith("memory ran out on a single example of shape [1, 8, 8] on cpu") and "\n" not in said
    assert "tried to allocate 1 examples" in said


def test_a_real_allocation_that_fails_on_the_cpu_is_known_and_other_errors_are_not():
    with pytest.raises(RuntimeError) as failed:
        torch.empty(2**58, dtype=torch.uint8)
    assert ran_out(failed.value) and ran_out(MemoryError()) and ran_out(torch.OutOfMemoryError())
    assert not ran_out(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))

    def broken(x):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        Room()(broken, torch.zeros(4))


def test_pieces_are_put_together_in_order_whatever_their_kind():
    def work(state, x):
        if len(x) > 3:
            raise torch.OutOfMemoryError
        return {"twice": 2 * state["a"]}, None, x + 1

    x = torch.arange(10.0)
    room = Room()
    with pytest.warns(SmallerBatchWarning):
        doubled, nothing, more = room(work, {"a": x}, x)
    assert torch.equal(doubled["twice"], 2 * x) and nothing is None and torch.equal(more, x + 1)
    assert room.most == 2  # 10, 5, 2
    assert room(work, {"a": x[:0]}, x[:0])[2].shape == (0,)
