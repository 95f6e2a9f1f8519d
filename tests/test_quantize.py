"""The quantize plugin: what a suite may ask for, what it says it achieved, and networks that reload to the bit."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.utils import prune as masks

from benchmark.engine.size import measure
from benchmark.engine.twin import InputQuantiser
from benchmark.errors import CompressionError
from benchmark.plugins import Registry
from benchmark.stages.compress import CompressContext
from plugins.compressions import prune, quantize, reinitialise
from plugins.models import eight_layer_cnn
from tests.conftest import small
from tests.small_networks import accuracy, classifier, digit_images, prepared

HOME = Path(__file__).parent.parent
AGAIN = """
import json, sys, torch
from safetensors.torch import load_file, save_file
from plugins.compressions import prune, quantize
from plugins.models import eight_layer_cnn
folder = sys.argv[1]
torch.set_num_threads(1)
module = eight_layer_cnn.model(classes=10, channels=1, size=8, width=0.5)
for plugin, state in zip((prune, quantize), json.load(open(folder + "/state.json"))):
    module = plugin.rebuild(module, state)
module.load_state_dict(load_file(folder + "/weights.safetensors"))
with torch.no_grad():
    logits = module.eval()(load_file(folder + "/images.safetensors")["images"])
save_file({"logits": logits}, folder + "/logits.safetensors")
"""


@cache
def network() -> nn.Module:
    torch.manual_seed(0)
    module = eight_layer_cnn.model(classes=10, channels=1, size=8, width=0.5)
    optimizer = torch.optim.Adam(module.parameters(), 2e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(15):
        for x, y in prepared().training.train.batches(32, generator):
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(x), y).backward()
            optimizer.step()
    return module.eval()


def context(module: nn.Module, seed: int = 0) -> CompressContext:
    example = torch.zeros(1, 1, 8, 8)
    generator = torch.Generator().manual_seed(seed)
    return CompressContext(example, prepared().training, generator, module, measure(module, example), 10)


def cut(module: nn.Module, **arguments) -> tuple[nn.Module, dict]:
    made, state = quantize.compress(module, context(module), **arguments)
    return made, json.loads(json.dumps(state))


def right(module: nn.Module) -> float:
    return accuracy(classifier(module), *digit_images())


def test_eight_bits_cost_less_than_a_point_and_the_network_stays_as_it_was():
    before = {name: tensor.clone() for name, tensor in network().state_dict().items()}
    expected = right(network())
    assert expected > 90
    for calibration in ("minmax", "percentile", "mse"):
        made, _ = cut(network(), bits=8, calibration=calibration)
        assert abs(right(made) - expected) <= 1 and made.quantised_twin
    assert all(torch.equal(tensor, network().state_dict()[name]) for name, tensor in before.items())
    assert not hasattr(network(), "quantised_twin")


@pytest.mark.parametrize(
    ("asked", "widths"),
    [
        ({"bits": 8}, [(8, 8)] * 8),
        ({"weights": 4}, [(4, None)] * 8),
        ({"activations": 2}, [(None, 2)] * 8),
        ({"weights": 1, "activations": 3, "first_last": 8}, [(8, 8), *[(1, 3)] * 6, (8, 8)]),
        ({"activations": 1, "first_last": 8}, [(None, 8), *[(None, 1)] * 6, (None, 8)]),
        ({"weights": 2, "first_last": 6}, [(6, None), *[(2, None)] * 6, (6, None)]),
    ],
)
def test_widths_are_what_was_asked(asked, widths):
    made, state = cut(network(), **asked)
    achieved = state["achieved"]
    assert [(layer["weights"], layer["activations"]) for layer in achieved["layers"]] == widths
    either = asked.get("bits")
    assert achieved["weights_bits"] == asked.get("weights", either)
    assert achieved["activations_bits"] == asked.get("activations", either)
    with torch.no_grad():
        assert made(digit_images(4)[0]).isfinite().all()


def test_theoretical_bytes():
    weights = sum(part.weight.numel() for part in network().modules() if hasattr(part, "weight"))
    biases = sum(part.bias.numel() for part in network().modules() if hasattr(part, "bias"))
    sizes = {bits: cut(network(), bits=bits)[1]["achieved"]["theoretical_bytes"] for bits in (8, 4, 1)}
    assert sizes == {bits: weights * bits // 8 + 4 * 2 * biases + 4 * 8 for bits in (8, 4, 1)}  # a step a channel
    assert sizes[8] < 0.28 * measure(network(), torch.zeros(1, 1, 8, 8)).weight_bytes


def test_the_first_input_is_signed_and_the_others_are_not():
    _, state = cut(network(), bits=8)
    signed = [layer["signed"] for layer in state["layers"].values()]
    assert signed == [True] + [False] * 7  # pixels are normalised to [−1, 1], then come ReLUs


def test_the_ends_have_no_learned_range():
    made, _ = cut(network(), bits=2, first_last=8, learned_clipping=True)
    assert [part.learned for part in made.modules() if isinstance(part, InputQuantiser)] == [False, *[True] * 6, False]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "no width is given; give bits, or weights and activations"),
        ({"bits": 8, "weights": 4}, "bits 8 and weights 4; give one or the other"),
        ({"bits": 8, "activations": 4}, "bits 8 and activations 4; give one or the other"),
        ({"bits": 8, "percentile": 99.0}, "percentile 99 and calibration mse; say calibration: percentile"),
        ({"weights": 2, "learned_clipping": True}, "learned_clipping without activations"),
    ],
)
def test_what_contradicts_itself_is_refused(arguments, problem):
    with pytest.raises(CompressionError, match=problem) as raised:
        cut(network(), **arguments)
    assert "\n" not in str(raised.value)


def test_ranges_are_checked_before_anything_runs():
    parameters = {one.key: one for one in Registry().find("compression", "quantize").parameters}
    for key, wrong in (("bits", 0), ("weights", 17), ("activations", 32), ("percentile", 101.0), ("first_last", 0)):
        with pytest.raises(ValueError, match="outside its range"):
            parameters[key].check(wrong)
        assert parameters[key].check(None) is None


def test_once_is_enough():
    for arguments in ({"bits": 8}, {"activations": 4}):
        made, _ = cut(network(), **arguments)
        with pytest.raises(CompressionError, match="quantised already; quantise it once"):
            cut(made, bits=4)
    made, _ = cut(network(), bits=8)
    with pytest.raises(CompressionError, match="prune before that"):
        prune.compress(made, context(network()), ratio=0.5)
    with pytest.raises(CompressionError, match="reinitialise before that"):
        reinitialise.compress(made, context(network()))


def test_masks_are_refused():
    torch.manual_seed(0)
    module = eight_layer_cnn.model(classes=10, channels=1, size=8, width=0.25)
    masks.l1_unstructured(module.head, "weight", 0.5)
    with pytest.raises(CompressionError, match="layer head computes its weights"):
        cut(module, bits=8)


def test_the_same_seed_is_the_same_network():
    one, other = (cut(network(), bits=4)[0].state_dict() for _ in range(2))
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@pytest.mark.parametrize("arguments", [{"bits": 8}, {"bits": 2, "learned_clipping": True, "first_last": 8}])
def test_a_pruned_twin_reloads_to_the_bit_in_a_new_process(arguments, tmp_path):
    pruned, removed = prune.compress(network(), context(network()), ratio=0.3)
    made, state = cut(pruned, **arguments)
    images = digit_images(100)[0]
    save_file(
        {name: tensor.contiguous() for name, tensor in made.state_dict().items()}, tmp_path / "weights.safetensors"
    )
    save_file({"images": images}, tmp_path / "images.safetensors")
    (tmp_path / "state.json").write_text(json.dumps([removed, state]))
    subprocess.run([sys.executable, "-c", AGAIN, tmp_path], cwd=HOME, check=True)
    with torch.no_grad():
        assert torch.equal(load_file(tmp_path / "logits.safetensors")["logits"], made(images))
    assert right(made) > 10 and made.state_dict()["hidden.parametrizations.weight.original"].shape[0] < 64


def test_batchnorm_that_no_layer_can_take_becomes_its_affine_map():
    """Otherwise its statistics would move whenever somebody attacks in train mode."""

    def build() -> nn.Module:
        torch.manual_seed(1)
        layers = [nn.BatchNorm2d(1), nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10)]
        return nn.Sequential(*layers)

    module = build().train()
    x = digit_images(50)[0]
    module(3 * x)
    made, state = cut(module, bits=16, calibration="minmax")
    assert (state["folds"], state["norms"]) == ([["1", "2"]], ["0"])
    assert not any(isinstance(part, nn.BatchNorm2d) for part in made.modules())
    with torch.no_grad():
        torch.testing.assert_close(made.train()(x), module.eval()(x), rtol=0, atol=1e-2)
        rebuilt = quantize.rebuild(build(), state)
        rebuilt.load_state_dict(made.state_dict())
        assert torch.equal(rebuilt(x), made(x))


def test_settling_calibrates_again():
    made, state = cut(network(), bits=8)
    entry = made.hidden.entry
    expected = entry.clip.clone()
    entry.clip.fill_(0.1)
    made.train()
    quantize.settle(made, context(made))
    torch.testing.assert_close(entry.clip, expected)
    rebuilt = quantize.rebuild(eight_layer_cnn.model(classes=10, channels=1, size=8, width=0.5), state)
    rebuilt.load_state_dict(made.state_dict())
    rebuilt.hidden.entry.clip.fill_(0.1)
    quantize.settle(rebuilt, context(rebuilt))
    assert torch.equal(rebuilt.hidden.entry.clip, entry.clip)


def test_a_suite_quantises_tunes_and_attacks(desk):
    after = {"epochs": 1, "lr": 0.02, "batch_size": 32}
    before = {"standard": {"epochs": 4, "lr": 0.1, "batch_size": 32}}
    suite = small(
        compressions={
            "dense": [],
            "int8": [{"quantize": {"bits": 8}}],
            "prune+int8": [{"prune": {"ratio": 0.25}}, {"quantize": {"bits": 8}}],
            "int2": [{"quantize": {"weights": 2, "activations": 2, "first_last": 8, "learned_clipping": True}}],
        },
        trainings={
            "ptq": {"before": before},
            "qat": {"before": before, "after": {"standard": after}},
            "robust-qat": {"before": before, "after": {"pgd_at": {**after, "eps": 0.1, "steps": 2}}},
        },
        limit={"train": 600, "test": 200},
    )
    ran = desk.run(suite)
    assert ran.status == 0, ran.complained
    rows = {}
    for record in map(json.loads, ran.records.splitlines()):
        rows[record["compression"], record["training"]] = record
    assert len(rows) == 12
    assert abs(rows["int8", "ptq"]["clean_correct"] - rows["dense", "ptq"]["clean_correct"]) <= 3
    assert abs(rows["int8", "ptq"]["robust_correct"] - rows["dense", "ptq"]["robust_correct"]) <= 10
    assert rows["int2", "qat"]["clean_correct"] > rows["int2", "ptq"]["clean_correct"]
    assert rows["int8", "robust-qat"]["robust_correct"] > rows["int8", "ptq"]["robust_correct"]
    assert rows["prune+int8", "ptq"]["achieved"][1]["weights_bits"] == 8
