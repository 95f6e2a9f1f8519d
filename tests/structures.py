"""Every network × criterion × ratio: pruned, stored, reloaded bit-exactly, attacked: `python -m tests.structures`.

The networks are narrow, of the same structure as the full ones; `--full` adds what the full ones would weigh. Each line
says what was achieved; anything that fails is a line, too, and makes the exit status 1. A run that is stopped goes on
from its last line, unless the code has changed.
"""

import argparse
import hashlib
import sys
import tempfile
import warnings
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from benchmark import source as sources
from benchmark.data import Dataset, Prepared, prepare
from benchmark.errors import LeanarmorError
from benchmark.plugins import Registry
from benchmark.stages import network as networks
from benchmark.stages.compress import CompressContext
from benchmark.stages.network import Network
from benchmark.stages.workplace import Workplace, seed_everything
from benchmark.store import Store
from benchmark.types import Budget, NetworkTask, Recipe, Size, Stage

CRITERIA = ("l1", "l2", "geometric_median")
RATIOS = (0.3, 0.5, 0.8)
ATTACKS = {"fgsm": {}, "pgd": {"steps": 3, "restarts": 0}}
EPS, IMAGES = 8 / 255, 8
OUT = Path("results") / "structures.txt"
# name → plugin, its arguments at full size, the narrow width
NETWORKS = {
    "ResNet-18": ("resnet_cifar", {"depth": 18}, 0.25),
    "ResNet-34": ("resnet_cifar", {"depth": 34}, 0.25),
    "ResNet-50": ("resnet_cifar", {"depth": 50}, 0.25),
    "PreActResNet-18": ("preact_resnet", {"depth": 18}, 0.25),
    "WRN-28-10": ("wide_resnet", {"depth": 28, "widen": 10}, 0.1),
    "DenseNet-121": ("densenet", {"depth": 121}, 0.25),
    "MobileNet v1": ("mobilenet_v1", {}, 0.25),
    "MobileNet v2": ("mobilenet_v2", {}, 0.25),
    "VGG-16-BN": ("vgg", {"depth": 16}, 0.25),
    "VGG-19-BN": ("vgg", {"depth": 19}, 0.25),
    "8-layer CNN": ("eight_layer_cnn", {}, 0.25),
    "torchvision ResNet-18": ("torchvision", {"name": "resnet18"}, None),
    "timm ResNet-10-T": ("timm", {"name": "resnet10t"}, None),
}


@dataclass(frozen=True)
class Row:
    """What became of one network under one criterion and ratio."""

    name: str
    criterion: str
    ratio: float
    dense: Size
    lean: Size
    exact: bool  # the reloaded network's logits and weights are the same bits
    passes: dict[str, int]  # attack → forward and backward passes

    def __str__(self) -> str:
        shares = [
            f"{getattr(self.lean, what):>12,} ({getattr(self.lean, what) / getattr(self.dense, what):5.1%})"
            for what in ("parameters", "macs")
        ]
        passes = ", ".join(f"{name} {number}" for name, number in self.passes.items())
        exact = "bit-exact" if self.exact else "NOT THE SAME"
        return f"{start(self.name, self.criterion, self.ratio)} {' '.join(shares)}  {exact}  {passes}"


def noise(size: int = 32, channels: int = 3) -> Prepared:
    """Random images: structure, storage and attacks are looked at, not accuracy."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (120, channels, size, size), generator=generator, dtype=torch.uint8)
    labels = torch.arange(120) % 10
    return prepare(Dataset(images, labels, images[:20], labels[:20], tuple("0123456789")), None, None)


def awake(module: nn.Module, images: torch.Tensor) -> nn.Module:
    """`module` in eval mode, its BatchNorms' statistics those of `images`: else what is deep and new is constant."""
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None  # the mean of all batches, of which there is one
        norm.reset_running_stats()
    with torch.no_grad():
        module.train()(images)
    for norm, momentum in zip(norms, kept, strict=True):
        norm.momentum = momentum
    return module.eval()


def built(registry: Registry, data: Prepared, name: str, full: bool = False) -> Network:
    plugin, arguments, width = NETWORKS[name]
    if width and not full:
        arguments = arguments | {"width": width}
    recipe = Recipe("model", plugin, tuple(sorted(arguments.items())))
    network = networks.fresh(registry, recipe, data, "cpu", seed=0)
    awake(network.module, data.test.pixels())
    return network


def cut(registry: Registry, data: Prepared, network: Network, criterion: str, ratio: float) -> Network:
    """Another network: this one, pruned as a suite's compression would."""
    example, generator = network.example(), seed_everything(0)
    context = CompressContext(example, data.training, generator, network.module, network.size(), network.classes)
    arguments = {"ratio": ratio, "criterion": criterion}
    module, state = registry.find("compression", "prune").load().compress(network.module, context, **arguments)
    step = {"plugin": "prune", "arguments": arguments, "state": state}
    return Network(module.eval(), network.model, network.shape, network.classes, [step])


def reloaded(place: Workplace, network: Network) -> Network:
    """What a new process would find: stored as a stage's artifact, and rebuilt from it."""
    recipe = Recipe("compression", "prune")
    stage = Stage("compress", "structures", "structures", NetworkTask(recipe, None, network.model, recipe, 0), (), {})
    with place.store.writing(stage) as draft:
        draft.result = networks.save(place, network, draft.folder)
    return networks.load(place, stage.key)


def same(one: Network, other: Network, images: torch.Tensor) -> bool:
    first, second = one.module.state_dict(), other.module.state_dict()
    with torch.no_grad():
        logits = torch.equal(one.module(images), other.module(images))
    return logits and first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def attacked(registry: Registry, data: Prepared, network: Network) -> dict[str, int]:
    """Attack → passes; ValueError if its examples are not what an attack's must be."""
    images, labels = data.test.pixels(slice(IMAGES)), data.test.labels[:IMAGES]
    truth = nn.functional.one_hot(labels, network.classes).float().numpy()
    counted = {}
    for name, arguments in ATTACKS.items():
        budget = Budget("inf", EPS, IMAGES, "examples")
        attack = registry.find("attack", name).load().attack(network.estimator("cpu"), budget, **arguments)
        examples = torch.as_tensor(attack.generate(images.numpy(), truth))
        far = (examples - images).abs().amax()
        if not examples.isfinite().all() or not EPS / 2 < far < EPS + 1e-6:
            raise ValueError(f"{name} moved pixels by {float(far):.4f}")
        counted[name] = attack.passes.forward + attack.passes.backward
    return counted


def rows(
    names: list[str],
    criteria: tuple[str, ...] = CRITERIA,
    ratios: tuple[float, ...] = RATIOS,
    size: int = 32,
    done: Container[tuple[str, str, float]] = (),
) -> Iterator[Row | str]:
    """A row for each combination that is not `done`, or the reason why there is none."""
    registry, data = Registry(), noise(size)
    for name in names:
        wanted = [(criterion, ratio) for criterion in criteria for ratio in ratios]
        wanted = [combination for combination in wanted if (name, *combination) not in done]
        dense = built(registry, data, name) if wanted else None
        for criterion, ratio in wanted:
            with tempfile.TemporaryDirectory() as folder:
                place = Workplace(Store(Path(folder)), registry)
                try:
                    lean = cut(registry, data, dense, criterion, ratio)
                    awake(lean.module, data.test.pixels())  # as fine-tuning would: it may have no gradient else
                    again = reloaded(place, lean)
                    exact = same(lean, again, data.test.pixels(slice(IMAGES)))
                    passes = attacked(registry, data, again)
                    yield Row(name, criterion, ratio, dense.size(), lean.size(), exact, passes)
                except (LeanarmorError, ValueError) as error:
                    yield f"{start(name, criterion, ratio)} FAILED: {error}"


def start(name: str, criterion: str, ratio: float) -> str:
    """How the line of a combination begins."""
    return f"{name:22} {criterion:16} {ratio:.0%}"


def code() -> str:
    """A hash of what the lines rest on: the pruning, the networks, the attacks, and how networks are stored."""
    registry = Registry()
    plugins = [("compression", "prune"), *(("model", plugin) for plugin, *_ in NETWORKS.values())]
    plugins += [("attack", name) for name in ATTACKS]
    hashes = [registry.find(*plugin).source for plugin in plugins] + [sources.code("compress")]
    return hashlib.sha256(" ".join(hashes).encode()).hexdigest()[:16]


def kept(path: Path, head: str) -> list[str]:
    """The good lines of an earlier run of the same code; the file is left with these alone."""
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    same = lines and lines[0] == head
    good = [line for line in lines[1:] if line.endswith("\n") and " bit-exact " in line] if same else []
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join([head, *good]))
    return good


def full(names: list[str]) -> Iterator[str]:
    """The full networks, dense and pruned by l1 at each ratio (the other criteria leave as many channels)."""
    registry, data = Registry(), noise()
    for name in names:
        dense = built(registry, data, name, full=True)
        for ratio in (0.0, *RATIOS):
            size = (cut(registry, data, dense, "l1", ratio) if ratio else dense).size()
            yield f"{name:22} {'full width':16} {ratio:.0%} {size.parameters:>12,} {size.macs:>12,}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.structures", description=__doc__.partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="only parameters and MACs of the networks of full width")
    parser.add_argument("--only", action="append", choices=NETWORKS, metavar="NAME", help=", ".join(NETWORKS))
    parser.add_argument("--out", type=Path, default=OUT, help="lines are kept here, and not made again (%(default)s)")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    names = options.only or list(NETWORKS)
    print(f"{'network':22} {'criterion':16} channels gone · parameters · MACs at 3×32×32 · reloaded · passes")
    if options.full:
        for line in full(names):
            print(line, flush=True)
        return 0
    good = kept(options.out, f"code {code()}\n")
    print("".join(good), end="", flush=True)
    every = [(name, criterion, ratio) for name in names for criterion in CRITERIA for ratio in RATIOS]
    done = {one for one in every if any(line.startswith(start(*one)) for line in good)}
    failed = False
    with options.out.open("a") as out:
        for row in rows(names, done=done):
            failed |= isinstance(row, str) or not row.exact
            for file in (out, sys.stdout):
                print(row, file=file, flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
