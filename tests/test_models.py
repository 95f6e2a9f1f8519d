"""The models are what their papers say, at any input; sizes are counted right and leave no trace."""

from functools import partial

import pytest
import torch
from torch import nn

from benchmark.engine.size import measure
from benchmark.errors import StageError
from benchmark.types import Size
from benchmark.vision import torchvision
from plugins.models import (
    densenet,
    eight_layer_cnn,
    mobilenet_v1,
    mobilenet_v2,
    preact_resnet,
    resnet_cifar,
    vgg,
    wide_resnet,
)
from tests.structures import awake

MODELS = (
    eight_layer_cnn.model,
    resnet_cifar.model,
    partial(resnet_cifar.model, depth=50),
    preact_resnet.model,
    partial(wide_resnet.model, depth=16, widen=4),
    densenet.model,
    mobilenet_v1.model,
    mobilenet_v2.model,
    partial(vgg.model, depth=19),
)


def test_eight_layer_cnn_is_the_papers():
    model = eight_layer_cnn.model(classes=10, channels=1, size=28)
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    plan = [(c.in_channels, c.out_channels, c.stride[0], c.kernel_size, c.padding) for c in convolutions]
    numbers = [(1, 32, 1), (32, 32, 2), (32, 64, 1), (64, 64, 2), (64, 128, 1), (128, 128, 2)]
    assert plan == [(*n, (3, 3), (1, 1)) for n in numbers]
    linear = [(m.in_features, m.out_features) for m in model.modules() if isinstance(m, nn.Linear)]
    assert linear == [(2048, 128), (128, 10)]
    assert not [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert measure(model, torch.zeros(1, 1, 28, 28)).parameters == 549_994


@pytest.mark.parametrize(("depth", "parameters"), [(18, 11_173_962), (34, 21_282_122), (50, 23_520_842)])
def test_resnet_is_torchvisions_but_for_the_stem(depth, parameters):
    model = resnet_cifar.model(classes=10, channels=3, size=32, depth=depth)
    theirs = getattr(torchvision().models, f"resnet{depth}")(num_classes=10)
    ours = {name: tensor.shape for name, tensor in model.state_dict().items()}
    assert ours.pop("conv1.weight") == (64, 3, 3, 3)
    assert ours == {name: t.shape for name, t in theirs.state_dict().items() if name != "conv1.weight"}
    assert sum(p.numel() for p in model.parameters()) == parameters


def test_resnet_computes_what_torchvisions_does():
    model = resnet_cifar.model(classes=10, channels=3, size=16, normalise=False).eval()
    theirs = torchvision().models.resnet18(num_classes=10).eval()
    theirs.conv1, theirs.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    theirs.load_state_dict(model.state_dict())
    pixels = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(model(pixels), theirs(pixels))


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize(("classes", "channels", "size"), [(2, 1, 8), (7, 3, 17), (10, 1, 28), (5, 3, 40)])
def test_any_input(make, classes, channels, size):
    logits = make(classes=classes, channels=channels, size=size, width=0.125).eval()(
        torch.rand(2, channels, size, size)
    )
    assert logits.shape == (2, classes)
    assert logits.isfinite().all()


@pytest.mark.parametrize("make", MODELS)
def test_normalisation_is_inside(make):
    inside = make(classes=3, channels=1, size=8, width=0.25, normalise=True).eval()
    outside = make(classes=3, channels=1, size=8, width=0.25, normalise=False).eval()
    pixels = torch.rand(16, 1, 8, 8)
    outside.load_state_dict(awake(inside, pixels).state_dict())
    with torch.no_grad():
        assert torch.allclose(inside(pixels), outside(2 * pixels - 1), atol=1e-5)
        assert not torch.allclose(inside(pixels), outside(pixels), atol=1e-4)


@pytest.mark.parametrize("make", MODELS)
def test_the_seed_decides_the_weights(make):
    def weights(seed):
        torch.manual_seed(seed)
        return make(classes=10, channels=1, size=8, width=0.25).state_dict()

    first, again, other = weights(0), weights(0), weights(1)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


class Odd(nn.Module):
    """Grouped, depthwise and transposed convolutions, a layer called twice, BatchNorm and frozen weights."""

    def __init__(self):
        super().__init__()
        self.grouped = nn.Conv2d(4, 6, 3, groups=2, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.depthwise = nn.Conv2d(6, 6, 3, groups=6)
        self.up = nn.ConvTranspose2d(6, 4, 2, stride=2, groups=2)
        self.twice = nn.Linear(8, 8)
        for parameter in self.twice.parameters():
            parameter.requires_grad_(False)

    def forward(self, x):
        return self.twice(self.twice(self.up(self.depthwise(self.norm(self.grouped(x))))))


def test_size_of_odd_layers_by_hand():
    macs = 6 * 6 * 6 * (4 // 2 * 9)  # grouped: 8 → 6 pixels
    macs += 6 * 4 * 4 * 9  # depthwise: 6 → 4
    macs += 6 * 4 * 4 * (4 // 2) * 4  # transposed: 4 → 8, each input value times a 2×2 kernel per output channel
    macs += 2 * (4 * 8 * 8) * 8  # linear on rows of 8, called twice
    parameters = 6 * 2 * 9 + 2 * 6 + (6 * 9 + 6) + (6 * 2 * 4 + 4) + (8 * 8 + 8)
    buffers = (6 + 6) * 4 + 8  # running mean and variance as float32, num_batches_tracked as int64
    assert measure(Odd(), torch.rand(3, 4, 8, 8)) == Size(parameters, macs, parameters * 4 + buffers)


# at full width, for CIFAR-10: parameters as in the papers or their customary copies for small images
FULL = [
    (partial(resnet_cifar.model, depth=18), 11_173_962, 555_422_720),
    (partial(resnet_cifar.model, depth=34), 21_282_122, 1_159_402_496),
    (partial(resnet_cifar.model, depth=50), 23_520_842, 1_297_829_888),
    (preact_resnet.model, 11_172_170, 555_422_720),
    (densenet.model, 6_956_426, 888_350_720),
    (mobilenet_v1.model, 3_217_226, 46_354_432),
    (mobilenet_v2.model, 2_236_682, 87_976_448),
    (partial(vgg.model, depth=16), 14_728_266, 313_201_664),
    (partial(vgg.model, depth=19), 20_040_522, 398_136_320),
]


@pytest.mark.parametrize(("make", "parameters", "macs"), FULL)
def test_full_size(make, parameters, macs):
    size = measure(make(classes=10, channels=3, size=32), torch.zeros(1, 3, 32, 32))
    assert (size.parameters, size.macs) == (parameters, macs)


def test_wide_resnet_28_10_by_hand():
    """36.5 million parameters, as its paper says; counted without building all of it."""

    def convolutions(filters):
        inputs, counted = 16, 3 * 16 * 9
        for outputs in filters:
            counted += inputs * outputs * 9 + 7 * outputs**2 * 9 + inputs * outputs  # 4 blocks and a projection
            inputs = outputs
        return counted

    def others(filters):
        first = 2 * 16 + 2 * (7 * filters[0]) + 2 * (filters[0] + 7 * filters[1]) + 2 * (filters[1] + 7 * filters[2])
        return first + 2 * filters[2] + 10 * filters[2] + 10

    made = wide_resnet.model(classes=10, channels=3, size=32, depth=28, widen=2)
    assert sum(p.numel() for p in made.parameters()) == convolutions((32, 64, 128)) + others((32, 64, 128))
    assert convolutions((160, 320, 640)) + others((160, 320, 640)) == 36_479_194
    assert dict(wide_resnet.model.__kwdefaults__, normalise=None)["widen"] == 10


@pytest.mark.parametrize("depth", [27, 30])
def test_wide_resnet_of_another_depth_is_refused(depth):
    with pytest.raises(StageError, match=r"6 n \+ 4; give 2[28] or"):
        wide_resnet.model(classes=10, channels=3, size=32, depth=depth)


@pytest.mark.parametrize(("make", "name"), [(densenet.model, "densenet121"), (mobilenet_v2.model, "mobilenet_v2")])
def test_torchvisions_but_for_the_stem_and_strides(make, name):
    ours = {key: tensor.shape for key, tensor in make(classes=10, channels=3, size=32).state_dict().items()}
    theirs = torchvision().models.get_model(name, weights=None, num_classes=10).state_dict()
    stem = "features.conv0.weight" if name == "densenet121" else "features.0.0.weight"
    assert ours.pop(stem)[1:] == (3, 3, 3)
    assert ours == {key: tensor.shape for key, tensor in theirs.items() if key != stem}


def test_preact_block_normalises_first():
    block = preact_resnet.model(classes=10, channels=1, size=8, width=0.125).eval().blocks[2]
    x = torch.randn(2, 8, 8, 8)
    with torch.no_grad():
        active = torch.relu(block.bn1(x))
        expected = block.shortcut(active) + block.conv2(torch.relu(block.bn2(block.conv1(active))))
        assert torch.equal(block(x), expected)
        assert block(x).min() < 0


@pytest.mark.parametrize("make", MODELS)
def test_the_start_is_what_resetting_every_layer_gives(make):
    """So the compact control, which resets every layer, starts as the network itself does."""
    torch.manual_seed(0)
    model = make(classes=10, channels=1, size=8, width=0.25)
    spread = {name: tensor.std() for name, tensor in model.named_parameters() if tensor.ndim > 1}
    for module in model.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    again = {name: tensor.std() for name, tensor in model.named_parameters() if tensor.ndim > 1}
    large = [name for name, tensor in model.named_parameters() if name in spread and tensor.numel() > 500]
    assert large
    assert all(0.8 < again[name] / spread[name] < 1.25 for name in large)


def test_half_precision_weights_are_half_the_bytes():
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 4))
    full = measure(model, torch.zeros(1, 1, 4, 4)).weight_bytes
    assert measure(model.bfloat16(), torch.zeros(1, 1, 4, 4, dtype=torch.bfloat16)).weight_bytes * 2 == full


def test_measuring_leaves_no_trace():
    model = Odd().train()
    model.depthwise.eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    modes = [m.training for m in model.modules()]
    measure(model, torch.rand(2, 4, 8, 8))
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert [m.training for m in model.modules()] == modes
    assert all(p.grad is None for p in model.parameters())
    assert [p.requires_grad for p in model.twice.parameters()] == [False, False]
    assert not any(m._forward_hooks for m in model.modules())


def test_a_failing_model_is_left_clean_too():
    model = Odd().train()
    with pytest.raises(RuntimeError):
        measure(model, torch.rand(1, 3, 8, 8))
    assert model.training
    assert not any(m._forward_hooks for m in model.modules())
