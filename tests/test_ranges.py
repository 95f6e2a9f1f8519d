"""Calibration: the ranges that a quantised layer's inputs are given."""

import torch
from torch import nn

from benchmark.engine import ranges, twin
from benchmark.engine.ranges import Calibration
from benchmark.engine.twin import InputQuantiser, Widths
from tests.quantised_networks import network, quantised
from tests.small_networks import prepared


def test_wiser_ranges_lose_less_of_a_heavy_tail():
    x = torch.randn(100_000, generator=torch.Generator().manual_seed(0)).relu()
    x[:20] = 12
    entry = InputQuantiser(4, signed=False, learned=False)
    errors = {}
    for calibration in (Calibration("minmax"), Calibration("percentile", 99.9), Calibration("mse")):
        entry.clip.copy_(ranges.input_range(x, entry, calibration))
        assert (entry.clip == 12) == (calibration.method == "minmax")
        errors[calibration.method] = float((entry(x) - x).square().mean())
    assert errors["mse"] < errors["percentile"] < 0.9 * errors["minmax"]


def test_one_range_for_one_input():
    x = torch.randn(2 * ranges.SAMPLE).relu()
    entry = InputQuantiser(8, signed=False, learned=False)
    for method in ("percentile", "mse"):
        assert torch.equal(*(ranges.input_range(x, entry, Calibration(method)) for _ in range(2)))


def test_calibrating_again_moves_what_may_move():
    x = prepared().training.train.pixels(slice(200))
    for bits, learned, moves in ((8, False, True), (8, True, False), (4, False, False)):
        module = quantised(network(), bits, method="minmax", learned=learned)
        with torch.no_grad():
            for layer in (part for part in module.modules() if isinstance(part, nn.Conv2d)):
                layer.bias += 1.0
        before = module[3].entry.clip.clone()
        twin.calibrate(module, x, again=True)
        after = module[3].entry.clip
        assert bool(after > before) == moves and (moves or torch.equal(after, before))


def test_a_layer_that_is_called_twice_gets_the_wider_range():
    layer = nn.Linear(4, 4)
    module = nn.Sequential(layer, nn.ReLU(), layer)
    x = torch.rand(50, 4) * torch.tensor([1.0, 1, 1, 30])
    assert twin.survey(module, x) == {"0": False}
    twin.quantise(module, {"0": Widths(8, 8, False)}, Calibration("minmax"))
    twin.calibrate(module, x)
    assert layer.entry.clip == x.max()


# training
