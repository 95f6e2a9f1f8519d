"""Networks of torchvision and timm by name, and checkpoints of one's own: taken as they are, or refused in one line."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from benchmark.engine.attack_view import AttackView
from benchmark.errors import StageError
from plugins.compressions import quantize
from plugins.models import checkpoint, resnet_cifar, torchvision
from tests.compressible_networks import context, data
from tests.conftest import small
from tests.structures import awake

INPUT = {"classes": 10, "channels": 1, "size": 32}
TIMM = {"timm": {"name": "test_efficientnet"}}  # timm's own tiny network for tests
RESNET = {"resnet_cifar": {"depth": 18, "width": 0.125}}


def one_line(error) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


# by name


@pytest.mark.parametrize("name", ["squeezenet1_1", "shufflenet_v2_x0_5", "mobilenet_v3_small", "googlenet"])
@pytest.mark.parametrize(("classes", "channels"), [(10, 1), (3, 3)])
def test_torchvision_by_name(name, classes, channels):
    model = torchvision.model(classes=classes, channels=channels, size=32, name=name)
    assert model.training
    with torch.no_grad():
        assert model.eval()(torch.rand(2, channels, 32, 32)).shape == (2, classes)


def test_torchvision_gets_its_options():
    model = torchvision.model(**INPUT, name="mobilenet_v3_small", options={"dropout": 0.5})
    assert model.body.classifier[2].p == 0.5


def test_torchvision_is_normalised_as_asked():
    torch.manual_seed(0)
    model = torchvision.model(
        classes=10, channels=3, size=32, name="squeezenet1_1", mean=[0.1, 0.2, 0.3], std=[1, 2, 4]
    )
    pixels = torch.rand(2, 3, 32, 32)
    shifted = torch.stack([(pixels[:, i] - (i + 1) / 10) / 2**i for i in range(3)], 1)
    with torch.no_grad():
        assert torch.allclose(model.eval()(pixels), model.body(shifted), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"name": "resnet81"}, "unknown name 'resnet81'.*did you mean resnet18"),
        ({"name": "fasterrcnn_resnet50_fpn"}, "unknown name"),  # not a classifier
        ({"name": "alexnet"}, "images of 1×32×32.*resize"),
        ({"name": "resnet18", "options": {"depth": 5}}, "unexpected keyword argument 'depth'"),
        ({"name": "squeezenet1_1", "mean": [0.1, 0.2]}, r"mean \[0.1, 0.2\] does not fit images of 1 channels"),
        ({"name": "squeezenet1_1", "std": [0.0]}, r"std \[0.0\] does not fit"),
    ],
)
def test_torchvision_refuses(options, reason):
    with pytest.raises(StageError, match=reason) as error:
        torchvision.model(**INPUT, **options)
    one_line(error)


def test_timm_by_name():
    timm = pytest.importorskip("plugins.models.timm", exc_type=ImportError)
    model = timm.model(**INPUT, name="test_resnet")
    with torch.no_grad():
        assert model.eval()(torch.rand(2, 1, 32, 32)).shape == (2, 10)
    fixed = timm.model(**INPUT, name="test_vit")  # made for another size
    with torch.no_grad():
        assert fixed.eval()(torch.rand(2, 1, 32, 32)).shape == (2, 10)
    for name in ("resnt18", "hf-hub:timm/resnet18.a1_in1k"):
        with pytest.raises(StageError, match="unknown name") as error:
            timm.model(**INPUT, name=name)
        one_line(error)


def test_a_missing_package_is_refused_with_the_way_to_get_it():
    code = """
import sys
from benchmark.errors import PluginError
from benchmark.plugins import Registry
for name in ("timm", "robustbench"):
    sys.modules[name] = None
    try:
        Registry().find("model", name).load()
    except PluginError as error:
        print(error)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for line, name in zip(ran.stdout.splitlines(), ("timm", "robustbench"), strict=True):
        assert f"models/{name}.py" in line
        assert f"{name} is needed" in line
        assert f"pip install {name}" in line


def test_a_norm_that_activates_is_not_taken_for_a_plain_one():
    """timm's BatchNormAct2d is a BatchNorm2d and more: folding or straightening it would drop the activation."""
    timm = pytest.importorskip("plugins.models.timm", exc_type=ImportError)
    torch.manual_seed(0)
    images = data().train.pixels()
    model = awake(timm.model(classes=10, channels=1, size=8, name="test_efficientnet"), images)
    view = AttackView(model, images[:4])
    twin, _ = quantize.compress(model, context(model), bits=16)
    with torch.no_grad():
        logits = model(images)
        for other in (view(images), twin.eval()(images)):
            assert (other - logits).abs().max() < 0.02 * logits.abs().max()


# a checkpoint


def trained(folder: Path, kind: str, channels: int = 1) -> tuple[Path, nn.Module]:
    """The weights of a network that normalises nothing itself, as some training would leave them."""
    torch.manual_seed(0)
    module = resnet_cifar.model(classes=10, channels=channels, size=8, depth=18, width=0.125, normalise=False).eval()
    with torch.no_grad():
        module.bn1.running_mean.add_(0.3)
    state, path = module.state_dict(), folder / f"net.{'safetensors' if kind == 'safetensors' else 'pt'}"
    if kind == "safetensors":
        save_file(state, path)
    elif kind == "parallel":
        torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}, "epoch": 3}, path)
    else:
        torch.save(state, path)
    return path, module


def read(path: Path, size: int = 8, **changes) -> nn.Module:
    options = {"file": str(path), "architecture": RESNET, "mean": [0.25], "std": [0.5]} | changes
    torch.manual_seed(1)
    module = checkpoint.model(classes=10, channels=1, size=size, **options).eval()
    checkpoint.pretrained(module, **options)
    return module


@pytest.mark.parametrize("kind", ["safetensors", "state dict", "parallel"])
def test_checkpoint(tmp_path, kind):
    path, module = trained(tmp_path, kind)
    pixels = torch.rand(4, 1, 8, 8)
    with torch.no_grad():
        assert torch.allclose(read(path)(pixels), module((pixels - 0.25) / 0.5), atol=1e-6)


def test_mean_and_std_stand_for_the_architectures_own_normalisation(tmp_path):
    theirs = resnet_cifar.model(classes=10, channels=1, size=8, depth=18, width=0.125).eval()
    save_file(theirs.state_dict(), tmp_path / "net.safetensors")
    pixels = torch.rand(4, 1, 8, 8)
    with torch.no_grad():
        ours = read(tmp_path / "net.safetensors", mean=[0.5], std=[0.5])
        assert torch.allclose(ours(pixels), theirs(pixels), atol=1e-6)


def test_checkpoint_of_torchvision(tmp_path):
    theirs = torchvision.network(**INPUT, name="squeezenet1_1").eval()
    save_file(theirs.state_dict(), tmp_path / "net.safetensors")
    ours = read(tmp_path / "net.safetensors", size=32, architecture={"torchvision": {"name": "squeezenet1_1"}})
    pixels = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        assert torch.allclose(ours(pixels), theirs((pixels - 0.25) / 0.5), atol=1e-6)


class Planted:
    def __reduce__(self):
        return print, ("unpickled",)


def test_checkpoint_unpickles_nothing_but_tensors(tmp_path, capsys):
    torch.save({"weight": Planted()}, tmp_path / "net.pt")
    with pytest.raises(StageError, match="neither safetensors nor a state dict of tensors alone") as error:
        read(tmp_path / "net.pt")
    one_line(error)
    assert "unpickled" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"architecture": {"resnet_cifar": {"depth": 34, "width": 0.125}}},
            "not fit resnet_cifar.*it lacks layer1",
        ),
        ({"architecture": {"resnet_cifar": {"width": 0.25}}}, "of another shape are bn1.bias, bn1.running_mean,.* …"),
        ({"architecture": {"resnet_cifa": {}}}, r"unknown architecture 'resnet_cifa'.*\(did you mean resnet_cifar\?\)"),
        ({"architecture": {"resnet_cifar": {"dept": 18}}}, "unexpected keyword argument 'dept'"),
        ({"architecture": {"resnet_cifar": {"normalise": True}}}, "cannot be given normalise, as mean and std"),
        ({"architecture": {}}, "must name one model"),
        ({"file": "nowhere.pt"}, "nowhere.pt: cannot be read"),
        ({"sha256": "0" * 64}, "its SHA-256 is .*, not 000"),
        ({"mean": [0.1, 0.2, 0.3]}, "mean .* does not fit images of 1 channels"),
    ],
)
def test_checkpoint_refuses(tmp_path, changes, reason):
    path, _ = trained(tmp_path, "safetensors")
    with pytest.raises(StageError, match=reason) as error:
        read(path, **changes)
    one_line(error)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"])
@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
def test_checkpoint_names_a_damaged_file(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StageError, match=name) as error:
        read(tmp_path / name)
    one_line(error)


# by YAML alone


def recipe(file: str, **more) -> dict:
    return {"checkpoint": {"file": file, "architecture": RESNET, "mean": [0.0], "std": [1.0], **more}}


def suite(model: dict, before: dict | str = "none", **changes) -> dict:
    return small(model=model, trainings={"given": {"before": before}}, limit={"train": 200, "test": 40}, **changes)


def test_a_checkpoint_in_a_suite(desk, tmp_path):
    """From the suite's own folder; its content is the key, and where it lies is not."""
    path, module = trained(tmp_path, "safetensors")
    given = suite(recipe(path.name), compressions={"dense": [], "half": [{"prune": {"ratio": 0.5}}]})
    ran = desk.run(given)
    assert ran.status == 0, ran.complained
    dense, half = sorted(map(json.loads, ran.records.splitlines()), key=lambda row: row["compression"])
    assert dense["size"]["parameters"] == sum(p.numel() for p in module.parameters()) > half["size"]["parameters"]
    assert len(dense["model"]["checkpoint"]["sha256"]) == 64
    before = {stage.key for stage in desk.plan(given)[1].stages.values()}
    elsewhere = path.rename(tmp_path / "moved.safetensors")
    moved = given | {"model": recipe(elsewhere.name)}
    assert before == {stage.key for stage in desk.plan(moved)[1].stages.values()}
    again = desk.run(moved)
    assert again.status == 0 and json.loads(again.records.splitlines()[0])["keys"] == dense["keys"]
    with torch.no_grad():
        module.fc.bias.add_(1.0)
    save_file(module.state_dict(), path)
    assert not before & {stage.key for stage in desk.plan(given)[1].stages.values()}


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (recipe("elsewhere.pt"), "model.file: there is no file elsewhere.pt"),
        (recipe("net.safetensors", sha256="0" * 64), "model.sha256: .* has SHA-256"),
    ],
)
def test_a_suite_with_a_wrong_checkpoint_is_refused_at_once(desk, tmp_path, model, reason):
    trained(tmp_path, "safetensors")
    ran = desk.run(suite(model))
    assert ran.status == 2
    (line,) = ran.complained.splitlines()
    assert re.search(reason, line), line


def test_a_network_of_timm_in_a_suite(desk):
    pytest.importorskip("timm")
    before = {"standard": {"epochs": 1, "lr": 0.01, "precision": "fp32"}}
    ran = desk.run(suite(TIMM, before, compressions={"dense": [], "sparse": [{"unstructured": {"sparsity": 0.5}}]}))
    assert ran.status == 0, ran.complained
    assert {row["compression"] for row in map(json.loads, ran.records.splitlines())} == {"dense", "sparse"}
