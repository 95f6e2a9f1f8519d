"""Square Attack: the original's strength, on anything that predicts, and an example's path is its own."""

import numpy as np
import pytest
import torch
from art.attacks.evasion import AutoAttack
from art.estimators.classification import BlackBoxClassifierNeuralNetwork

from benchmark.engine.ball import inside
from benchmark.engine.judging import stands
from benchmark.engine.losses import margin
from benchmark.engine.random_start import Draws
from benchmark.engine.square import Square
from benchmark.engine.square_search import SEARCHES
from tests import parity_square
from tests.small_networks import accuracy, digit_images, trained

EPS = {"inf": 0.15, "2": 0.9}


def square(estimator, norm="inf", **options) -> Square:
    return Square(estimator, **{"norm": norm, "eps": EPS[norm], "queries": 60} | options)


def black_box(estimator) -> BlackBoxClassifierNeuralNetwork:
    """What a deployed artifact is to an attack: numpy in, numpy out, no gradient."""

    def predict(x):
        with torch.no_grad():
            return estimator.model(torch.from_numpy(x)).numpy()

    return BlackBoxClassifierNeuralNetwork(
        predict, (1, 8, 8), 10, channels_first=True, clip_values=(0, 1), preprocessing=None
    )


@pytest.mark.parametrize("norm", ["inf", "2"])
def test_it_is_as_strong_as_the_original(norm):
    """Within noise where its windows are the original's, and without that restriction no weaker."""
    estimator, (x, y) = trained(robust=True), digit_images()
    names = (parity_square.OURS, parity_square.SPARING, parity_square.ORIGINAL)
    whole, sparing, original = (
        parity_square.found(name, estimator, x, y, norm, EPS[norm], queries=100, seeds=1).robust[0] for name in names
    )
    assert len(x) >= 500 and 20 < original < 90
    assert -8 < sparing - original < 3.5  # one seed each, a hundred queries
    assert whole < original + 1


@pytest.mark.parametrize("mode", ["decide", "examples"])
@pytest.mark.parametrize("norm", ["inf", "2"])
def test_stays_on_the_ball_and_in_the_pixel_range(norm, mode):
    x, y = digit_images(50)
    estimator = trained(robust=False)
    examples = square(estimator, norm, mode=mode, restarts=2).generate(x, y)
    assert inside(examples, x, norm, EPS[norm]).all()
    assert accuracy(estimator, examples, y) < accuracy(estimator, x, y) - 5


@pytest.mark.parametrize("norm", ["inf", "2"])
@pytest.mark.parametrize("mode", ["decide", "examples"])
def test_batch_size_and_order_change_nothing(norm, mode):
    x, y = digit_images(40)
    estimator, order = trained(robust=False), torch.randperm(40, generator=torch.Generator().manual_seed(0))
    whole = square(estimator, norm, mode=mode, batch_size=64).generate(x, y, seed=3)
    for batch_size in (1, 7):
        parts = square(estimator, norm, mode=mode, batch_size=batch_size)
        mixed = parts.generate(x[order], y[order], indices=order, seed=3)
        torch.testing.assert_close(mixed, whole[order], rtol=0, atol=1e-5)
    assert not torch.equal(square(estimator, norm, mode=mode).generate(x, y, seed=4), whole)


@pytest.mark.parametrize("norm", ["inf", "2"])
def test_modes_agree_on_who_is_broken(norm):
    x, y = digit_images(80)
    estimator = trained(robust=False)
    stood = {
        mode: stands(estimator.model, square(estimator, norm, mode=mode).generate(x, y), y)
        for mode in ("decide", "examples")
    }
    clean = stands(estimator.model, x, y)
    assert (~clean).any() and not stood["decide"][~clean].any()
    assert torch.equal(stood["decide"], clean & stood["examples"])


def test_a_success_stops_the_queries_and_every_query_is_counted():
    x, y = digit_images(60)
    estimator = trained(robust=False)
    attacks = {mode: square(estimator, mode=mode, eps=0.3) for mode in ("decide", "examples")}
    for attack in attacks.values():
        attack.generate(x, y)
    assert attacks["examples"].passes.forward == 60 * 60 and attacks["examples"].passes.backward == 0
    assert attacks["decide"].passes.forward < 0.5 * attacks["examples"].passes.forward


def test_more_queries_and_restarts_give_a_larger_margin():
    x, y = digit_images(60)
    estimator = trained(robust=True)

    def reached(**options) -> float:
        examples = square(estimator, mode="examples", **options).generate(x, y, seed=0)
        return margin(estimator.model(examples).detach(), y).mean().item()

    assert reached(queries=20) < reached(queries=100)
    assert reached(queries=20) < reached(queries=20, restarts=3)


@pytest.mark.parametrize("norm", ["inf", "2"])
def test_a_black_box_in_numpy_is_attacked_as_the_network_itself(norm):
    x, y = digit_images(50)
    estimator = trained(robust=False)
    inner, outer = square(estimator, norm), square(black_box(estimator), norm)
    expected = inner.generate(x, y).numpy()
    given = outer.generate(x.numpy(), np.eye(10, dtype=np.float32)[y])
    assert given.dtype == np.float32
    np.testing.assert_allclose(given, expected, atol=1e-6)
    assert outer.passes == inner.passes


def test_targets_are_reached():
    x, y = digit_images(40)
    estimator, targets = trained(robust=False), (y + 1) % 10
    examples = square(estimator, eps=0.4, targeted=True, queries=200).generate(x, targets)
    assert accuracy(estimator, examples, targets) > 50


def test_the_window_shrinks_and_may_lie_anywhere():
    """In the pixels: how many differ from the best point, over the whole of a run."""
    origin, index = torch.full((500, 1, 8, 8), 0.5), torch.arange(500)
    for norm, search in SEARCHES.items():
        top = search.start(Draws(0, index), origin, 0.1)
        moved = {}
        for side in (7, 3):
            point = search.change(Draws(1, index, side), origin, top, torch.full((500,), side), 0.1)
            moved[side] = (point - top).abs() > 1e-4
            assert moved[side].any(0).all(), f"{norm}: a pixel is never in a window of {side}"
        assert moved[3].float().mean() < 0.7 * moved[7].float().mean()


def test_art_ensembles_it():
    x, y = digit_images(30)
    estimator = trained(robust=False)
    ensemble = AutoAttack(estimator, eps=0.15, attacks=[square(estimator)], batch_size=16)
    assert accuracy(estimator, torch.from_numpy(ensemble.generate(x.numpy(), np.eye(10)[y])), y) < 90


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"norm": "1", "eps": 1.0}, "norm is '1'; Square takes inf, 2"),
        ({"queries": 1}, "queries is 1; it must be at least 2"),
        ({"p_init": 0.0}, "p_init is 0.0; it must be above 0"),
        ({"mode": "last"}, "mode is 'last'; it must be one of examples, decide"),
    ],
)
def test_wrong_parameters_are_refused_in_one_line(options, message):
    with pytest.raises(ValueError) as refused:
        Square(trained(robust=False), **options)
    assert str(refused.value).startswith(message) and "\n" not in str(refused.value)
