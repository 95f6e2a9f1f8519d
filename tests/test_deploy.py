"""Artifacts: the same classifier as their network, in integers where they say so, and refused where they are not."""

import copy
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch_pruning import DependencyGraph, prune_conv_out_channels

from benchmark.deploy.artifact import opened
from benchmark.deploy.estimator import Deployed, DeployedClassifier
from benchmark.deploy.export import calls, check, export
from benchmark.engine.pgd import PGD
from benchmark.errors import DeployError
from plugins.models import resnet_cifar
from tests.quantised_networks import network, quantised
from tests.small_networks import EPS, classifier, digit_images, fresh

for library in ("openvino", "onnxruntime", "onnx"):
    pytest.importorskip(library, reason=f"{library} is not installed (the extra `deploy` brings it)")

RUNTIMES = ("openvino", "onnxruntime")


@pytest.fixture(scope="module")
def networks() -> dict[str, nn.Module]:
    """A trained one, one that was pruned to half, and one with sums that no quantiser stands before."""
    half = copy.deepcopy(network())
    graph = DependencyGraph().build_dependency(half, digit_images(2)[0])
    graph.get_pruning_group(half[1][0], prune_conv_out_channels, idxs=list(range(8))).prune()
    torch.manual_seed(0)
    residual = resnet_cifar.model(classes=10, channels=1, size=8, depth=18, width=0.125).train()
    for x in digit_images()[0].split(100):
        residual(x)
    return {"dense": network().eval(), "pruned": half.eval(), "residual": residual.eval()}


def deployed(module: nn.Module, runtime: str, folder) -> Deployed:
    export(module, digit_images(2)[0], runtime, folder)
    return Deployed(opened(folder, runtime, 1))


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("name", ["dense", "pruned", "residual"])
def test_an_int8_artifact_is_its_twin_in_integers(tmp_path, networks, name, runtime):
    twin = quantised(networks[name], 8)
    artifact = deployed(twin, runtime, tmp_path)
    clean, labels = digit_images()
    attack = PGD(classifier(twin), eps=EPS, eps_step=EPS / 4, max_iter=5, num_random_init=1, precision="fp32")
    for images in (clean, attack.generate(clean, labels)):
        same = artifact(images).argmax(1) == logits_of(twin, images).argmax(1)
        assert same.float().mean() >= 0.98
    kernels = artifact.artifact.kernels()
    assert {kernel.arithmetic for kernel in kernels} == {"int8"}
    assert len(kernels) == calls(twin, clean[:2]) == (21 if name == "residual" else 3)
    check(kernels, "int8", len(kernels), runtime)


def logits_of(module: nn.Module, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return module(images)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_fp32_artifact_is_really_fp32_and_is_not_taken_for_integers(tmp_path, networks, runtime):
    artifact = deployed(networks["residual"], runtime, tmp_path)
    images, _ = digit_images(100)
    torch.testing.assert_close(artifact(images), logits_of(networks["residual"], images), rtol=1e-4, atol=1e-4)
    kernels = artifact.artifact.kernels()
    check(kernels, "fp32", 21, runtime)
    with pytest.raises(DeployError, match="21 of 21 layers do not run in int8") as caught:
        check(kernels, "int8", 21, runtime)
    assert "\n" not in str(caught.value)
    with pytest.raises(DeployError, match=f"{runtime}: the network calls 22 .* the runtime 21"):
        check(kernels, "fp32", 22, runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_int8_files_are_a_quarter_and_the_same_bytes_each_time(tmp_path, networks, runtime):
    layers = [nn.Linear(64, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10)]
    wide = nn.Sequential(nn.Flatten(), *layers)
    made = []
    for number, module in enumerate((wide.eval(), *2 * [quantised(wide, 8)])):
        folder = tmp_path / str(number)
        folder.mkdir()
        export(module, digit_images(2)[0], runtime, folder)
        made.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert made[1] == made[2]
    fp32, int8 = (sum(map(len, one.values())) for one in made[:2])
    assert int8 <= 0.28 * fp32


def test_a_network_that_the_runtime_cannot_take_is_one_line(tmp_path):
    class Odd(nn.Module):
        def forward(self, x):
            return torch.linalg.eigvals(x[:, 0]).real

    for runtime in RUNTIMES:
        with pytest.raises(DeployError, match=f"{runtime} cannot take this network: ") as caught:
            export(Odd(), torch.rand(2, 1, 8, 8), runtime, tmp_path)
        assert "\n" not in str(caught.value)


def test_a_broken_file_is_one_line(tmp_path):
    for name, runtime in (("network.xml", "openvino"), ("network.onnx", "onnxruntime")):
        (tmp_path / name).write_text("nothing")
        with pytest.raises(DeployError, match=f"{runtime} cannot open {tmp_path}") as caught:
            opened(tmp_path, runtime, 1)
        assert "\n" not in str(caught.value)


def test_an_artifact_takes_any_number_of_images_and_stands_in_art(tmp_path):
    module = fresh().eval()
    estimator = DeployedClassifier(deployed(module, "openvino", tmp_path), (1, 8, 8), 10)
    for n in (1, 3, 130):
        images = digit_images(n)[0]
        given = estimator.predict(images.numpy().astype(np.float64))
        np.testing.assert_allclose(given, logits_of(module, images).numpy(), rtol=1e-3, atol=1e-4)


def test_openvino_sends_no_event_and_a_session_needs_no_torch(tmp_path):
    deployed(fresh().eval(), "openvino", tmp_path)
    code = (
        "import sys\nfrom benchmark.deploy.artifact import opened\n"
        f"opened({str(tmp_path)!r}, 'openvino', 1)\n"
        "print(sys.modules['openvino_telemetry'], 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "None False\n", done.stderr
