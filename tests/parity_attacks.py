"""Each attack beside other implementations, on the same networks and examples: `python -m tests.parity_attacks`.

Ours is the plugin as a suite runs it; the settings are those of `parity_comparisons`. Two eight-layer CNNs, standardly
and adversarially trained. Whoever crafts, one fp32 judge decides. Every finished run is a line of a file, from which a
killed command goes on; at the end, or with `--report FILE`, one table is printed.

Exit status: 0, ours is nowhere the weaker, and AutoAttack within half a point of torchattacks' at equal steps; 1, it is
not, or nothing was compared; 2, the request is wrong.
"""

import argparse
import hashlib
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from benchmark.data import Prepared, cache_folder, prepare
from benchmark.device import DEVICES, resolve
from benchmark.engine.ball import distance, inside
from benchmark.engine.estimator import counting
from benchmark.engine.judging import stands
from benchmark.errors import LeanarmorError, RequestError
from benchmark.outcomes import pack
from benchmark.stages.network import Network
from benchmark.stages.workplace import compute_exactly, seed_everything
from tests.parity_comparisons import COMPARISONS, MISSING, Comparison
from tests.parity_peers import Case
from tests.parity_table import NOTHING, faults, report
from tests.speed.grounds import Ground, ground
from tests.speed.ledger import Ledger
from tests.speed.words import say

# ε that are neither trivial nor hopeless
EPS = {
    "digits": {"standard": {"inf": 0.075, "2": 0.45}, "adversarial": {"inf": 0.15, "2": 0.65}},
    "cnn": {"standard": {"inf": 0.02, "2": 0.3}, "adversarial": {"inf": 0.15, "2": 1.0}},
}
LIBRARIES = ("torch", "adversarial-robustness-toolbox", "torchattacks", "foolbox", "adv-lib")


@dataclass(frozen=True)
class Target:
    """A network of a ground, as the ledger and the table call it."""

    name: str
    network: Network
    data: Prepared
    eps: dict[str, float]

    def case(self, comparison: Comparison, seed: int) -> Case:
        most = min(comparison.most or len(self.data.test), len(self.data.test))
        data = prepare(self.data.dataset, self.data.train_limit, most, self.data.device)
        return Case(self.network, data, comparison.norm, self.eps[comparison.norm], seed)


def targets(at: Ground) -> list[Target]:
    return [Target(f"{at.name}, {name}", at.network(name), at.data, eps) for name, eps in EPS[at.name].items()]


def compare(ledger: Ledger, target: Target, comparison: Comparison) -> None:
    """Run what the ledger lacks: every seed of every peer that is installed."""
    for seed in range(comparison.seeds):
        for who, run in comparison.peers.items():
            if who in MISSING or ledger.get(comparison.part, target.name, who, seed):
                continue
            case = target.case(comparison, seed)
            seed_everything(seed)
            started = time.perf_counter()
            with counting(case.network.module) as spent:
                made = run(case).detach()
            seconds = time.perf_counter() - started
            ledger.add(
                comparison.part,
                target.name,
                who,
                seed,
                n=len(case.labels),
                eps=case.eps,
                **judged(case, made),
                passes=[spent.forward, spent.backward],
                seconds=round(seconds, 1),
            )
            say(f"{target.name}: {comparison.part} by {who}, seed {seed}: {seconds:.0f} s")


def judged(case: Case, made: torch.Tensor) -> dict[str, object]:
    """Which examples stand at ε; the distance of each that is right on its clean image, None: nothing was found."""
    module = case.network.module
    right = stands(module, case.images, case.labels)
    broken = ~stands(module, made, case.labels)
    robust = right & ~(broken & inside(made, case.images, case.norm, case.eps))
    found = torch.where(broken, distance(made, case.images, case.norm), torch.inf)[right]
    distances = [None if value == torch.inf else float(f"{value:.5g}") for value in found.tolist()]
    return {"robust": pack(robust.tolist()), "distances": distances}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    try:
        return _main(_parse(arguments))
    except LeanarmorError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, RequestError) else 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    names = list(dict.fromkeys(one.attack for one in COMPARISONS))
    parser = argparse.ArgumentParser("python -m tests.parity_attacks", description="Our attacks beside others'.")
    parser.add_argument("--network", choices=list(EPS), default="cnn", help="of Fashion-MNIST (cnn) or of the digits")
    parser.add_argument("--attack", action="append", choices=names, help="only this one (several may be given)")
    parser.add_argument("--norm", choices=["inf", "2"], help="only this one")
    parser.add_argument("--examples", type=int, default=500, help="test images (default: %(default)s)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="where the dataset is, if not at its usual place")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--out", type=Path, default=Path("results/parity.jsonl"), help="default: %(default)s")
    parser.add_argument("--cache", type=Path, default=cache_folder() / "speed", help="trained networks are kept here")
    parser.add_argument("--report", type=Path, metavar="FILE", help="print the table of what was run; run nothing")
    return parser.parse_args(arguments)


def _main(options: argparse.Namespace) -> int:
    if options.report:
        if not options.report.is_file():
            raise RequestError(f"--report {options.report}: there is no such file")
        return _told(Ledger(options.report))
    if options.examples < 1:
        raise RequestError(f"--examples {options.examples}: must be at least 1")
    warnings.simplefilter("ignore")  # the peers' own
    compute_exactly()
    ledger = Ledger(options.out)
    device = resolve(options.device)
    made = targets(ground(options.network, options.examples, 1, options.cache, device, options.data, False))
    for target in made:
        ledger.begin(target.name, _described(target))
    for comparison in COMPARISONS:
        if comparison.attack in (options.attack or [comparison.attack]) and options.norm in (None, comparison.norm):
            for target in made:
                compare(ledger, target, comparison)
    return _told(ledger)


def _told(ledger: Ledger) -> int:
    """Print the table and what is wrong in it; the exit status."""
    table, wrong = report(ledger), faults(ledger)
    print(table, *wrong, sep="\n")
    return int(bool(wrong) or table == NOTHING)


def _described(target: Target) -> dict[str, object]:
    """What every line of a network shares, and what a run that goes on must share with it."""
    digest = hashlib.sha256()
    for tensor in target.network.module.state_dict().values():
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return {
        "examples": len(target.data.test),
        "eps": target.eps,
        "weights": digest.hexdigest()[:16],
        "versions": {name: version(name) for name in LIBRARIES if name not in MISSING},
    }


if __name__ == "__main__":
    sys.exit(main())
