"""What is deployed, measured: agreement of artifacts with their networks, bytes, memory and latency: `make deployed`.

python -m tests.deployed agreement   artifacts and their networks on clean and attacked images; and which kernels run
python -m tests.deployed latency     on an idle machine: both networks at full width, 32 × 32 pixels, random weights

For agreement networks are trained on the digits and looked at on all 1,797 of them (agreement needs no unseen images),
or with `--dataset fashion_mnist` on 2,000 of its training images and looked at on 1,000 of its test images.
"""

import argparse
import copy
import json
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from benchmark.data import Dataset, Prepared, prepare, search_roots
from benchmark.deploy.artifact import opened
from benchmark.deploy.estimator import Deployed
from benchmark.deploy.export import calls, check, export
from benchmark.deploy.stopwatch import BATCHES, latencies
from benchmark.engine.estimator import Classifier
from benchmark.engine.pgd import PGD
from benchmark.engine.size import measure
from benchmark.plugins import Registry
from benchmark.stages.compress import CompressContext
from benchmark.stages.network import Network, fresh
from benchmark.types import RUNTIMES, Recipe
from tests.parity import OneRun

MODELS = {"eight_layer_cnn": {}, "resnet_cifar-18": {"depth": 18}}
NARROW = {"eight_layer_cnn": {}, "resnet_cifar-18": {"width": 0.25}}  # for what is trained here
EPS, STEPS = 0.1, 20


def networks(data: Prepared, options: dict[str, dict], epochs: int) -> Iterator[tuple[str, dict[str, nn.Module]]]:
    """Each model dense, pruned to half of its channels, and both of them in 8 bits."""
    registry = Registry()
    train, prune, quantize = (
        registry.find(kind, name).load()
        for kind, name in (("training", "standard"), ("compression", "prune"), ("compression", "quantize"))
    )
    for name, more in options.items():
        arguments = tuple(sorted((MODELS[name] | more).items()))
        network = fresh(registry, Recipe("model", name.partition("-")[0], arguments), data, "cpu", seed=0)
        _train(train, network, data, epochs=epochs, lr=0.05, schedule="step", milestones=[24])
        dense = network.module
        pruned, _ = prune.compress(copy.deepcopy(dense), _context(dense, data), ratio=0.5)
        network.module = pruned.eval()
        _train(train, network, data, epochs=epochs // 10, lr=0.02)
        made = {"dense": dense, "pruned": network.module}
        for start in ("dense", "pruned"):
            twin, _ = quantize.compress(made[start], _context(made[start], data), bits=8)
            made["int8" if start == "dense" else "pruned + int8"] = twin.eval()
        yield name, made


def _train(training, network: Network, data: Prepared, **options) -> None:
    """As the quick start does; not at all for no epochs."""
    if options["epochs"]:
        estimator = Classifier(network.module, data.shape, len(data.classes))
        training.train(estimator, data.training, OneRun(0), batch_size=32, **options)
    network.module.eval()


def _context(module: nn.Module, data: Prepared) -> CompressContext:
    example = torch.zeros(1, *data.shape)
    generator = torch.Generator().manual_seed(0)
    return CompressContext(example, data.training, generator, module, measure(module, example), len(data.classes))


def agreement(dataset: str, folders: list[Path], epochs: int = 30) -> None:
    """A line for each artifact: the share of images of which it and its network predict the same class."""
    whole = Registry().find("dataset", dataset).load().dataset(search_roots(tuple(folders)))
    data = prepare(whole, *((None, None) if dataset == "digits" else (2000, 1000)))
    parts = [data.test, data.training.train, data.training.validation] if dataset == "digits" else [data.test]
    clean, labels = torch.cat([part.pixels() for part in parts]), torch.cat([part.labels for part in parts])
    print(f"PGD-{STEPS}, ℓ∞, ε {EPS}; the network's accuracy, and the artifact's agreement with it, in %")
    heads = f"{'network':30} {'n':>5} {'clean':>8} {'attacked':>8}   {'runtime':12} {'clean':>8} {'attacked':>8}"
    print(f"{heads}   layers as they execute")
    for name, made in networks(data, NARROW, epochs):
        for row, module in made.items():
            attack = PGD(
                Classifier(module, data.shape, len(data.classes)),
                eps=EPS, eps_step=EPS / 4, max_iter=STEPS, num_random_init=1, precision="fp32", mode="examples",
            )  # fmt: skip
            attacked = torch.as_tensor(attack.generate(clean.numpy(), labels.numpy()))
            right = " ".join(f"{100 * _right(module, images, labels):8.2f}" for images in (clean, attacked))
            for runtime in RUNTIMES:
                with tempfile.TemporaryDirectory() as folder:
                    export(module, clean[:2], runtime, Path(folder))
                    artifact = Deployed(opened(Path(folder), runtime, torch.get_num_threads()))
                    kernels = artifact.artifact.kernels()
                check(kernels, "int8" if "int8" in row else "fp32", calls(module, clean[:2]), runtime)
                same = [_same(module, artifact, images) for images in (clean, attacked)]
                counted = ", ".join(f"{kernel} × {n}" for kernel, n in Counter(k.kernel for k in kernels).items())
                shares = " ".join(f"{100 * share:8.2f}" for share in same)
                print(f"{name + ' ' + row:30} {len(clean):5} {right}   {runtime:12} {shares}   {counted}", flush=True)


def _right(module: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    with torch.no_grad():
        return float((module(images).argmax(1) == labels).float().mean())


def _same(module: nn.Module, artifact: Deployed, images: torch.Tensor) -> float:
    with torch.no_grad():
        return float((module(images).argmax(1) == artifact(images).argmax(1)).float().mean())


def latency(threads: int, save: Path | None) -> None:
    """Bytes, memory and latency of full-width networks with random weights, all artifacts of a runtime in turns."""
    print(f"{threads} threads; ms: p10 median p90 (× faster than dense); memory: peak of the process")
    data = _random_images()
    for name, made in networks(data, {name: {} for name in MODELS}, 0):
        for runtime in RUNTIMES:
            with tempfile.TemporaryDirectory() as root:
                folders = [Path(root) / row for row in made]
                for folder, module in zip(folders, made.values(), strict=True):
                    folder.mkdir()
                    export(module, torch.zeros(2, *data.shape), runtime, folder)
                sizes = [sum(file.stat().st_size for file in folder.iterdir()) for folder in folders]
                found = latencies(folders, runtime, data.shape, threads)
            print(f"\n{name} on {runtime}, 3 × 32 × 32; cores busy with other work before and after: {found['busy']}")
            for row, size, one in zip(made, sizes, found["artifacts"], strict=True):
                times = "   ".join(_times(one[str(n)], found["artifacts"][0][str(n)], n) for n in BATCHES)
                share = size / sizes[0]
                print(f"  {row:14} {size / 1e6:7.2f} MB ({share:.3f})  {one['memory'] / 1e6:5.0f} MB memory   {times}")
            if save:
                with save.open("a") as lines:
                    lines.write(json.dumps({"network": name, "rows": list(made), "bytes": sizes} | found) + "\n")


def _times(own: dict, dense: dict, batch: int) -> str:
    p10, median, p90 = (f"{1000 * own[name]:.3g}" for name in ("p10", "median", "p90"))
    return f"batch {batch}: {p10} {median} {p90} ({dense['median'] / own['median']:.2f} ×)"


def _random_images() -> Prepared:
    """Noise in the shape of CIFAR-10's images: latency does not depend on what is seen."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (600, 3, 32, 32), generator=generator, dtype=torch.uint8)
    labels = torch.arange(600) % 10
    return prepare(Dataset(images, labels, images[:10], labels[:10], tuple("0123456789")), None, None)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.deployed", description=__doc__)
    parser.add_argument("what", choices=["agreement", "latency"], nargs="*", default=["agreement", "latency"])
    parser.add_argument("--dataset", default="digits", help="of agreement (default: %(default)s)")
    parser.add_argument("--data", action="append", type=Path, default=[], metavar="DIR", help="look for it here first")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--save", type=Path, help="append the latencies, in JSON Lines")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    if "agreement" in asked.what:
        agreement(asked.dataset, asked.data)
    if "latency" in asked.what:
        latency(asked.threads, asked.save)


if __name__ == "__main__":
    sys.exit(main())
