"""How long the same PGD takes here and elsewhere, interleaved in one run, medians and ratios: `make speed`.

An adversarially trained network, random starts, every implementation on the same images; whoever crafts, one judge says
what is robust. The times mean nothing on their own: machines differ, and are shared.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import foolbox
import torch
import torchattacks
from art.attacks.evasion import ProjectedGradientDescentPyTorch

from benchmark.data import Prepared, prepare, search_roots
from benchmark.engine.judging import stands
from benchmark.engine.pgd import PGD
from benchmark.plugins import Registry
from benchmark.stages.network import Network, fresh
from benchmark.stages.propose import Proposer
from benchmark.stages.sweep import independent, swept
from benchmark.stages.workplace import Workplace
from benchmark.store import Store
from benchmark.types import CraftTask, Recipe
from tests.parity import OneRun

EPS, STEPS, RATIO, BATCH = 0.1, 20, 0.25, 256
CURVE = tuple(EPS * part / 4 for part in range(8, 0, -1))  # eight ε, up to twice the one trained for

Attack = Callable[[], torch.Tensor]


def trained(data: Prepared) -> Network:
    """The eight-layer CNN, trained adversarially for two epochs: enough to be neither trivial nor invulnerable."""
    registry = Registry()
    network = fresh(registry, Recipe("model", "eight_layer_cnn"), data, "cpu", seed=0)
    for name, options in (
        ("standard", {"epochs": 4, "lr": 0.05}),
        ("pgd_at", {"epochs": 1, "eps": EPS, "lr": 0.02}),
    ):
        training = registry.find("training", name).load()
        training.train(network.estimator("cpu"), data.training, OneRun(0), **options)
    network.module.eval()
    return network


def one_epsilon(network: Network, data: Prepared) -> dict[str, Attack]:
    """PGD-20 at one ε by each implementation."""
    images, labels, estimator = data.test.pixels(), data.test.labels, network.estimator("cpu")

    def ours(mode: str, precision: str) -> Attack:
        options = {"eps": EPS, "eps_step": RATIO * EPS, "max_iter": STEPS, "num_random_init": 1, "batch_size": BATCH}
        return lambda: PGD(estimator, mode=mode, precision=precision, **options).generate(images, labels)

    def art() -> torch.Tensor:
        options = {"eps": EPS, "eps_step": RATIO * EPS, "max_iter": STEPS, "num_random_init": 1, "batch_size": BATCH}
        attack = ProjectedGradientDescentPyTorch(estimator, verbose=False, **options)
        return torch.as_tensor(attack.generate(images.numpy(), labels.numpy()))

    def by_torchattacks() -> torch.Tensor:
        attack = torchattacks.PGD(network.module, eps=EPS, alpha=RATIO * EPS, steps=STEPS)
        return torch.cat([attack(x, y) for x, y in zip(images.split(BATCH), labels.split(BATCH), strict=True)])

    def by_foolbox() -> torch.Tensor:
        model = foolbox.PyTorchModel(network.module, bounds=(0, 1))
        attack = foolbox.attacks.LinfPGD(rel_stepsize=RATIO, steps=STEPS)
        pairs = zip(images.split(BATCH), labels.split(BATCH), strict=True)
        return torch.cat([attack.run(model, x, y, epsilon=EPS) for x, y in pairs])

    return {
        "ART": art,
        "torchattacks": by_torchattacks,
        "foolbox": by_foolbox,
        "ours, every step, fp32": ours("examples", "fp32"),
        "ours, decide, fp32": ours("decide", "fp32"),
        "ours, every step": ours("examples", "auto"),
        "ours, decide": ours("decide", "auto"),
    }


def measured(attacks: dict[str, Attack], rounds: int) -> dict[str, tuple[float, torch.Tensor]]:
    """Median seconds of each, one of each a round, and what it gave last."""
    seconds: dict[str, list[float]] = {name: [] for name in attacks}
    made = {}
    for _ in range(rounds):
        for name, attack in attacks.items():
            started = time.perf_counter()
            made[name] = attack()
            seconds[name].append(time.perf_counter() - started)
    return {name: (statistics.median(taken), made[name]) for name, taken in seconds.items()}


def report_one(network: Network, data: Prepared, rounds: int) -> None:
    found = measured(one_epsilon(network, data), rounds)
    print(f"PGD-{STEPS} at ε {EPS}, {len(data.test)} images, median of {rounds} interleaved rounds")
    print(f"{'':24} {'seconds':>8} {'× ART':>7} {'× torchattacks':>15} {'robust %':>9}")
    for name, (seconds, examples) in found.items():
        robust = 100 * float(stands(network.module, examples, data.test.labels).float().mean())
        peers = (found[peer][0] / seconds for peer in ("ART", "torchattacks"))
        print("{:24} {:8.2f} {:7.2f} {:15.2f} {:9.1f}".format(name, seconds, *peers, robust))


def report_curve(network: Network, data: Prepared, rounds: int) -> None:
    """The sweep beside independent runs of the same attack, as the craft stage makes both."""
    arguments = {"loss": "ce", "restarts": 1, "step_ratio": RATIO, "steps": STEPS}
    attack = Recipe("attack", "pgd", tuple(sorted(arguments.items())))
    task = CraftTask(Recipe("dataset", "fashion_mnist"), None, attack, "inf", CURVE, "decide", 0)
    whole = torch.arange(len(data.test))
    with tempfile.TemporaryDirectory() as folder:
        place = Workplace(Store(Path(folder)), Registry())
        ways = {
            name: lambda make=make: make(Proposer(task, place, network, data), whole, 0)
            for name, make in (("independent", independent), ("swept", swept))
        }
        found = measured(ways, rounds)
    outcomes, gradients = {}, {}
    for name, (_, (made, counts)) in found.items():
        outcomes[name] = [stands(network.module, made[f"examples-{at}"], data.test.labels) for at in range(len(CURVE))]
        gradients[name] = sum(count.backward for count in counts)
    right = stands(network.module, data.test.pixels(), data.test.labels)
    pairs = zip(outcomes["independent"], outcomes["swept"], strict=True)
    differing = sum(int(((one & right) != (other & right)).sum()) for one, other in pairs)
    print(
        f"\n{len(CURVE)} ε from {CURVE[0]:g} to {CURVE[-1]:g}, {len(whole)} images, outcomes that differ: {differing}"
    )
    for name, (seconds, _) in found.items():
        print(f"{name:24} {seconds:8.2f} s {gradients[name]:10} gradients")


def main() -> None:
    parser = argparse.ArgumentParser("python -m tests.speed", description=__doc__)
    parser.add_argument("--examples", type=int, default=4096, help="test images (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median is taken (default: %(default)s)")
    options = parser.parse_args()
    dataset = Registry().find("dataset", "fashion_mnist").load().dataset(search_roots())
    data = prepare(dataset, 10_000, options.examples)
    network = trained(data)
    right = stands(network.module, data.test.pixels(), data.test.labels)
    clean = 100 * float(right.float().mean())
    print(f"eight_layer_cnn, Fashion-MNIST, clean {clean:.1f} %, {torch.get_num_threads()} threads")
    report_one(network, data, options.rounds)
    report_curve(network, data, options.rounds)


if __name__ == "__main__":
    main()
