"""What fine-tuning recovers, as pictures: features of a dense network, of the compressed, and of the fine-tuned one.

    python -m benchmark.features suites/fashion.yaml --row prune-80/standard+adversarial-ft

Of the three networks on the way to a row that has been run: feature maps of one test image, clean and attacked, and a
plane of the features of many (the first two principal components of what the last linear layer is given). Each network
is attacked for itself, with the suite's first attack at the headline ε. The numbers go into features.json beside the
board; `python -m leaderboard.render` draws them.
"""

import argparse
import base64
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmark import limits
from benchmark.data import Prepared
from benchmark.device import DEVICES, resolve
from benchmark.errors import LeanarmorError, RequestError
from benchmark.plan import Plan, plan
from benchmark.plugins import Registry
from benchmark.stages import network as networks
from benchmark.stages.network import Network
from benchmark.stages.propose import Proposer
from benchmark.stages.workplace import Workplace, compute_exactly
from benchmark.store import Store, write_whole
from benchmark.suite import load
from benchmark.types import Cell, CraftTask, Grid, Stage, Suite, canonical

IMAGES = 120  # in the plane
LAYERS = 3  # convolutions whose maps are shown: the first, the middle one, the last


def features(suite: Suite, grid: Grid, row: tuple[str, str], whole: Plan, place: Workplace) -> dict[str, Any]:
    """The numbers of one row, of the suite's first seed, as JSON values. RequestError if it has not been run."""
    cell = next(
        cell
        for cell in whole.cells
        if (cell.grid, cell.compression, cell.training, cell.seed) == (grid.name, *row, suite.seeds[0])
    )
    own = [attack for attack in grid.attacks if attack.runtime is None and attack.source is None]
    heads = [(attack, eps) for attack in own for eps in attack.eps if eps.value == grid.headline_of(attack.norm)]
    if not heads:
        raise RequestError(f"grid {grid.name}: no attack is crafted on the judge itself at the headline ε; add one")
    attack, eps = heads[0]
    data = place.data(grid.dataset, grid.limit.train, grid.limit.test)
    index = torch.arange(min(IMAGES, len(data.test)))
    made = []
    for name, stage in stations(cell, whole).items():
        if not place.store.has(stage.key):
            raise RequestError(f"row {'/'.join(row)}: has not been run; run the suite first")
        network = networks.load(place, stage.key)
        task = CraftTask(grid.dataset, grid.limit.test, attack.recipe, attack.norm, (eps.value,), "examples", cell.seed)
        attacked, _ = Proposer(task, place, network, data).propose(eps.value, index, 0)
        made.append({"name": name, **_seen(network, data, index, attacked)})
    labels = data.test.labels[index].tolist()
    about = {"grid": grid.name, "row": list(row), "attack": attack.name, "eps": eps.label, "seed": cell.seed}
    return about | {"labels": labels, "classes": list(data.classes), "networks": made}


def stations(cell: Cell, whole: Plan) -> dict[str, Stage]:
    """The networks on the way to a cell's: after the first training, after the last compression, and in the end."""
    chain = [whole.stages[cell.network]]
    while key := chain[0].input("network"):
        chain.insert(0, whole.stages[key])
    compressed = [stage for stage in chain if stage.kind == "compress"]
    named = {"dense": chain[0]} | ({"compressed": compressed[-1]} if compressed else {})
    return named | ({"fine-tuned": chain[-1]} if chain[-1] not in named.values() else {})


def _seen(network: Network, data: Prepared, index: torch.Tensor, attacked: torch.Tensor) -> dict[str, Any]:
    """What a network makes of the clean and the attacked images."""
    clean = data.test.pixels(index)
    with _listening(network.module) as heard, torch.no_grad():
        logits = network.module(torch.cat([clean, attacked]))
    right = (logits.argmax(1).cpu() == data.test.labels[index].repeat(2)).tolist()
    maps = [_map("image", clean[0].mean(0), attacked[0].mean(0))]
    for layer, output in heard["maps"].items():
        strength = output.clamp(min=0).mean(1)  # what a ReLU lets through, over all channels
        maps.append(_map(layer, strength[0], strength[len(index)]))
    plane = _plane(heard["features"].flatten(1).double().cpu())
    points = [[round(value, 4) for value in point] for point in plane.tolist()]
    return {
        "maps": maps,
        "clean": {"points": points[: len(index)], "right": right[: len(index)]},
        "attacked": {"points": points[len(index) :], "right": right[len(index) :]},
    }


@contextmanager
def _listening(module: nn.Module) -> Iterator[dict[str, Any]]:
    """What passes through the chosen convolutions, and into the last linear layer."""
    convolutions = [(name, part) for name, part in module.named_modules() if isinstance(part, nn.Conv2d)]
    last = len(convolutions) - 1
    chosen = [convolutions[at * last // (LAYERS - 1)] for at in range(LAYERS)] if convolutions else []
    heard: dict[str, Any] = {"maps": {}, "features": None}

    def hear_map(name: str):
        return lambda part, inputs, output: heard["maps"].update({name: output.detach()})

    def hear_features(part, inputs):
        heard["features"] = inputs[0].detach()

    handles = [part.register_forward_hook(hear_map(name)) for name, part in chosen]
    linear = [part for part in module.modules() if isinstance(part, nn.Linear)]
    if not linear:
        raise RequestError(f"{type(module).__name__}: has no linear layer whose input could be shown")
    handles.append(linear[-1].register_forward_pre_hook(hear_features))
    try:
        yield heard
    finally:
        for handle in handles:
            handle.remove()


def _map(layer: str, clean: torch.Tensor, attacked: torch.Tensor) -> dict[str, Any]:
    """Two maps as bytes on one scale, 255 the strongest of both."""
    most = max(float(clean.max()), float(attacked.max()), 1e-12)
    found = {"layer": layer, "shape": list(clean.shape)}
    for name, values in (("clean", clean), ("attacked", attacked)):
        shades = (255 * values.clamp(min=0) / most).round().to(torch.uint8).cpu().numpy()
        found[name] = base64.b64encode(shades.tobytes()).decode()
    return found


def _plane(features: torch.Tensor) -> torch.Tensor:
    """Principal components: float64 [n, d] → [n, 2], each axis' sign fixed by its largest part."""
    centred = features - features.mean(0)
    _, _, axes = torch.linalg.svd(centred, full_matrices=False)
    axes = axes[:2]
    signs = axes.gather(1, axes.abs().argmax(1, keepdim=True)).sign()
    plane = centred @ (axes * signs).T
    return nn.functional.pad(plane, (0, 2 - plane.shape[1]))


def _row(grid: Grid, asked: str | None) -> tuple[str, str]:
    """The row that --row names; otherwise the first compressed one under the last training that goes on afterwards."""
    names = [(one.name, other.name) for one in grid.compressions for other in grid.trainings]
    if asked:
        if asked not in ["/".join(name) for name in names]:
            raise RequestError(f"--row {asked}: grid {grid.name} has no such row; give COMPRESSION/TRAINING")
        return next(name for name in names if "/".join(name) == asked)
    compressed = [one.name for one in grid.compressions if any(step.kind == "compression" for step in one.steps)]
    tuned = [one.name for one in grid.trainings if one.after]
    if not compressed or not tuned:
        raise RequestError(f"grid {grid.name}: has no compressed row with a training afterwards; name one with --row")
    return compressed[0], tuned[-1]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. 0: written; 2: the request is wrong, in one line."""
    parser = argparse.ArgumentParser(prog="python -m benchmark.features", description=__doc__.splitlines()[0])
    parser.add_argument("suite", type=Path, help="a suite file that has been run")
    parser.add_argument("--grid", help="which grid (default: the first)")
    parser.add_argument("--row", metavar="COMPRESSION/TRAINING", help="which row")
    parser.add_argument("--out", type=Path, help="the folder of its results (default: results/FILE)")
    parser.add_argument("--store", type=Path, default=Path("results") / "store", help="default: %(default)s")
    parser.add_argument("--data", type=Path, action="append", default=[], metavar="DIR", help="look here first")
    parser.add_argument("--plugins", type=Path, action="append", default=[], metavar="DIR", help="your own plugins")
    parser.add_argument("--limit", metavar="train=N,test=N", help="as the suite was run with, if it was")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="default: %(default)s")
    asked = parser.parse_args(arguments)
    try:
        registry, device = Registry(asked.plugins), resolve(asked.device)
        suite = limits.given(load(asked.suite, registry), asked.limit, registry)
        grids = [grid for grid in suite.grids if asked.grid in (None, grid.name)]
        if not grids:
            raise RequestError(f"--grid {asked.grid}: the suite has no such grid")
        compute_exactly()
        place = Workplace(Store(asked.store), registry, device, tuple(asked.data))
        found = features(suite, grids[0], _row(grids[0], asked.row), plan(suite, registry, device), place)
        path = (asked.out or Path("results") / asked.suite.stem) / "features.json"
        write_whole(path, (canonical(found) + "\n").encode())
    except LeanarmorError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
