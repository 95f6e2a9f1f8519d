"""The command: `python -m tests.speed --network both --data DIR`. Wants an idle machine."""

import argparse
import hashlib
import platform
import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import torch

from benchmark.data import cache_folder
from benchmark.device import DEVICES, resolve
from benchmark.errors import LeanarmorError, RequestError, suggest
from benchmark.outcomes import count, pack
from benchmark.stages.workplace import compute_exactly
from tests.speed import agreement, batches, curve, epochs, memory, one, transfer
from tests.speed.grounds import Ground, ground
from tests.speed.ledger import Ledger
from tests.speed.peers import MISSING
from tests.speed.words import say

PARTS = {part.PART: part for part in (one, curve, agreement, epochs, memory, batches, transfer)}
LIBRARIES = ("torch", "adversarial-robustness-toolbox", "torchattacks", "foolbox", "adv-lib")


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
    parser = argparse.ArgumentParser("python -m tests.speed", description="Ours and others' attacks, timed together.")
    parser.add_argument("--network", choices=["cnn", "resnet", "both", "digits"], default="cnn")
    parser.add_argument("--data", type=Path, metavar="DIR", help="CIFAR-10, as train/CLASS/* and test/CLASS/* images")
    parser.add_argument("--width", type=float, default=0.25, help="of the ResNet (default: %(default)s)")
    parser.add_argument("--only", default=",".join(PARTS), metavar="PART,…", help="default: %(default)s")
    parser.add_argument("--examples", type=int, default=4096, help="test images (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=20, help="of every PGD (default: %(default)s)")
    parser.add_argument("--curve-examples", type=int, default=4096, help="of them for the curve (default: %(default)s)")
    parser.add_argument(
        "--rival-examples", type=int, metavar="N", help="those of the curve that ART and the fastest peer get"
    )
    parser.add_argument(
        "--subset",
        type=int,
        default=1024,
        help="of them for the rest (default: %(default)s)",
    )
    parser.add_argument("--chunk", type=int, default=512, help="test images at a time (default: %(default)s)")
    parser.add_argument("--train-examples", type=int, default=5000, help="of an epoch (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="of the trainings (default: %(default)s)")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--out", type=Path, default=Path("results/speed.jsonl"), help="default: %(default)s")
    parser.add_argument("--cache", type=Path, default=cache_folder() / "speed", help="trained networks are kept here")
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="print the tables of what was measured; run nothing"
    )
    return parser.parse_args(arguments)


def _main(options: argparse.Namespace) -> int:
    if options.report:
        if not options.report.is_file():
            raise RequestError(f"--report {options.report}: there is no such file")
        print(report(Ledger(options.report)))
        return 0
    _check(options)
    warnings.simplefilter("ignore")  # the peers' own
    device = resolve(options.device)
    compute_exactly()
    ledger = Ledger(options.out)
    for name in ["cnn", "resnet"] if options.network == "both" else [options.network]:
        at = ground(name, options.examples, options.steps, options.cache, device, options.data, options.width)
        ledger.begin(name, _described(at, options.chunk))
        for part in options.only.split(","):
            PARTS[part].run(ledger, at, options)
    print(report(ledger))
    say(f"written to {options.out}")
    return 0


def _check(options: argparse.Namespace) -> None:
    for part in options.only.split(","):
        if part not in PARTS:
            raise RequestError(f"--only {part}: there is no such part{suggest(part, PARTS)}")
    for name in ("examples", "steps", "curve_examples", "subset", "chunk", "train_examples", "seeds"):
        if getattr(options, name) < 1:
            raise RequestError(f"--{name.replace('_', '-')} {getattr(options, name)}: must be at least 1")
    if options.data and not options.data.is_dir():
        raise RequestError(f"--data {options.data}: there is no such folder")


def _described(at: Ground, chunk: int) -> dict[str, object]:
    """What every line of a network's measurement shares, and what a run that goes on must share with it."""
    network, digest = at.adversarial, hashlib.sha256()
    for tensor in network.module.state_dict().values():
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    clean = [at.clean(network, index).tolist() for index in at.order().split(256)]
    return {
        "title": at.setting.title,
        "eps": at.setting.eps,
        "curve": list(at.setting.curve),
        "examples": at.examples,
        "steps": at.steps,
        "chunk size": chunk,
        "device": torch.cuda.get_device_name() if at.device == "cuda" else "CPU",
        "gpu": torch.cuda.is_available(),
        "threads": torch.get_num_threads(),
        "precision": at.precision,
        "macs": network.size().macs,
        "weights": digest.hexdigest()[:16],
        "clean": pack(bit for part in clean for bit in part),
        "versions": {name: version(name) for name in LIBRARIES if name not in MISSING},
        "machine": f"{platform.system()} {platform.machine()}",
    }


def report(ledger: Ledger) -> str:
    """Every table of what a ledger holds, as Markdown."""
    texts = []
    for network in ledger.networks("ground"):
        told = ledger.get("ground", network, "settings")
        clean = 100 * count(told["clean"], told["examples"]) / told["examples"]
        texts.append(f"## {told['title']}")
        threads = f"{told['threads']} thread{'s' * (told['threads'] > 1)}"
        texts.append(
            f"Adversarially trained at ε {told['eps']:.4g}, clean accuracy {clean:.1f} % on {told['examples']} images. "
            f"{told['device']} ({told['machine']}), {threads}, our body in {told['precision']}; "
            + ", ".join(f"{name} {number}" for name, number in told["versions"].items())
            + "."
        )
        if told["device"] == "CPU":
            texts.append("No GPU is at hand." if not told["gpu"] else "There is a GPU, which was not asked for.")
        if "adv-lib" not in told["versions"]:
            texts.append("adv-lib is not installed and is left out: pip install --no-deps adv-lib")
        texts += [text for part in PARTS.values() if (text := part.report(ledger, network))]
    return "\n\n".join(texts) or "nothing has been measured"


if __name__ == "__main__":
    sys.exit(main())
