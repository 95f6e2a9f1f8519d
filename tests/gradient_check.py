"""Whether the gradients of the quantised twin can be believed: `python -m tests.gradient_check [--network resnet]`.

A network is trained, then tuned adversarially; each of the two is quantised to an INT8 twin, which PGD attacks through
its straight-through gradients. What PGD leaves standing is attacked without any gradient (Square Attack), and with the
examples of the float network: were the gradients misleading, both would break many, and more than Square breaks of the
float network's own survivors. Last, the same PGD without straight-through gradients, as an attack on a real integer
network would be: it reports more robustness than there is.
"""

import argparse
import copy
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import torch

from benchmark.data import Images, prepare, search_roots
from benchmark.engine import twin
from benchmark.engine.judging import stands
from benchmark.engine.pgd import PGD
from benchmark.engine.square import Square
from benchmark.plugins import Registry
from benchmark.stages.compress import CompressContext
from benchmark.stages.network import Network, fresh
from benchmark.types import Recipe
from tests.parity import OneRun

MODELS = {"cnn": ("eight_layer_cnn", {}), "resnet": ("resnet_cifar", {"depth": 18})}
EPS = {"digits": 0.1, "fashion_mnist": 0.05, "image_folder": 8 / 255}
BATCH = 256


@dataclass(frozen=True)
class Found:
    """bool [n]: right on the clean image; standing after PGD, too; of those that stand, broken by Square Attack."""

    clean: torch.Tensor
    robust: torch.Tensor
    by_square: torch.Tensor


def stood(module: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """bool [n], by the judge, in batches."""
    return torch.cat([stands(module, *part) for part in zip(x.split(BATCH), y.split(BATCH), strict=True)])


def pgd(network: Network, given: argparse.Namespace, mode: str) -> PGD:
    return PGD(
        network.estimator(given.device),
        eps=given.eps,
        eps_step=given.eps / 4,
        max_iter=given.steps,
        num_random_init=given.restarts,
        batch_size=BATCH,
        mode=mode,
        precision="fp32",
    )


def rounding_without_gradient():
    """Rounding as it is: flat, so that no gradient passes."""
    return patch.object(twin, "_straight_through", lambda value, path: value + 0 * path)


def attacked(network: Network, test: Images, given: argparse.Namespace) -> Found:
    x, y = test.pixels(), test.labels.to(given.device)
    clean = stood(network.module, x, y)
    robust = clean & stood(network.module, pgd(network, given, "decide").generate(x, y), y)
    left = robust.nonzero().squeeze(1)
    square = Square(network.estimator(given.device), eps=given.eps, queries=given.queries, batch_size=BATCH)
    return Found(clean, robust, ~stood(network.module, square.generate(x[left], y[left], indices=left), y[left]))


def by_transfer(dense: Network, network: Network, robust: torch.Tensor, test: Images, given: argparse.Namespace):
    """bool: of the examples that stand, those that break by PGD's examples for the float network."""
    left = robust.nonzero().squeeze(1)
    x, y = test.pixels()[left], test.labels.to(given.device)[left]
    return ~stood(network.module, pgd(dense, given, "examples").generate(x, y, indices=left), y)


def without_gradient(network: Network, test: Images, given: argparse.Namespace) -> torch.Tensor:
    """bool [n]: standing after the same PGD, if rounding passes no gradient."""
    x, y = test.pixels(), test.labels.to(given.device)
    with rounding_without_gradient():
        examples = pgd(network, given, "decide").generate(x, y)
    return stood(network.module, x, y) & stood(network.module, examples, y)


def quantised(network: Network, data, given: argparse.Namespace) -> Network:
    plugin = Registry().find("compression", "quantize").load()
    generator = torch.Generator().manual_seed(given.seed)
    context = CompressContext(
        network.example(), data.training, generator, network.module, network.size(), network.classes
    )
    module, state = plugin.compress(copy.deepcopy(network.module), context, bits=given.bits)
    return Network(module.to(given.device), network.model, network.shape, network.classes, [state])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=MODELS, default="cnn")
    parser.add_argument("--width", type=float, help="of the network; 1, or 0.25 for the ResNet, if not given")
    parser.add_argument("--dataset", choices=EPS, default="digits")
    parser.add_argument("--folder", help="of image_folder: under --data, or absolute")
    parser.add_argument("--data", type=Path, action="append", default=[], metavar="DIR")
    parser.add_argument("--train", type=int, help="training images; all if not given")
    parser.add_argument("--test", type=int, help="test images; all if not given")
    parser.add_argument("--epochs", type=int, default=20, help="of standard training")
    parser.add_argument("--tuning", type=int, default=3, help="epochs of adversarial tuning")
    parser.add_argument("--eps", type=float, help="in pixels; one that suits the dataset if not given")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--restarts", type=int, default=5)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--bits", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    given.eps = given.eps or EPS[given.dataset]
    given.width = given.width or (0.25 if given.network == "resnet" else 1.0)
    return given


def main() -> None:
    given = arguments()
    registry, began = Registry(), time.perf_counter()
    options = {"folder": given.folder} if given.dataset == "image_folder" else {}
    dataset = registry.find("dataset", given.dataset).load().dataset(search_roots(tuple(given.data)), **options)
    data = prepare(dataset, given.train, given.test, given.device)
    plugin, settings = MODELS[given.network]
    model = Recipe("model", plugin, tuple(sorted((settings | {"width": given.width}).items())))
    network = fresh(registry, model, data, given.device, given.seed)
    common = {"batch_size": 32 if given.dataset == "digits" else 64}
    print(
        f"{plugin} ×{given.width:g}, {given.dataset}, {len(data.training.train)} training images, INT{given.bits}; "
        f"PGD-{given.steps} × {given.restarts}, ε {given.eps:.4g}, Square {given.queries} queries; n = {len(data.test)}"
    )
    print(f"{'training':10} {'network':8} {'clean':>8} {'PGD':>8} {'no gradient':>12} {'survivors':>10}", end=" ")
    print(f"{'Square breaks':>15} {'transfer breaks':>16}")
    for name, epochs, own in (
        ("standard", given.epochs, {"lr": 0.05}),
        ("pgd_at", given.tuning, {"lr": 0.02, "eps": given.eps}),
    ):
        training = registry.find("training", name).load()
        training.train(
            network.estimator(given.device), data.training, OneRun(given.seed), epochs=epochs, **common, **own
        )
        network.module.eval()
        narrow = quantised(network, data, given)
        for label, target in (("float", network), (f"INT{given.bits}", narrow)):
            found = attacked(target, data.test, given)
            blind = transferred = "–"
            if target is narrow:
                blind = f"{100 * without_gradient(narrow, data.test, given).float().mean():.2f}%"
                transferred = share(by_transfer(network, narrow, found.robust, data.test, given))
            clean, robust = (f"{100 * outcome.float().mean():.2f}%" for outcome in (found.clean, found.robust))
            print(f"{name:10} {label:8} {clean:>8} {robust:>8} {blind:>12} {int(found.robust.sum()):10}", end=" ")
            print(f"{share(found.by_square):>15} {transferred:>16}", flush=True)
    print(f"{time.perf_counter() - began:.0f} s")


def share(broken: torch.Tensor) -> str:
    return f"{int(broken.sum())} ({100 * float(broken.sum()) / max(len(broken), 1):.2f}%)"


if __name__ == "__main__":
    sys.exit(main())
