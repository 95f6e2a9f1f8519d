"""Peak memory of each implementation above the idle process, each in a process of its own: `--only memory`.

Few steps, since memory does not depend on how many there are. Ours also on more and more examples: it must not grow.
"""

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path

import torch

from benchmark.errors import StageError
from tests.speed.grounds import Ground, ground
from tests.speed.ledger import Ledger
from tests.speed.peers import EVERYBODY
from tests.speed.tables import table
from tests.speed.words import say

PART = "memory"
STEPS = 2
GROWING, TIMES = "ours, decide", (2, 4)  # … as many examples as the others


def run(ledger: Ledger, ground: Ground, options) -> None:
    asked = [(who, options.chunk) for who in EVERYBODY] + [(GROWING, many * options.chunk) for many in TIMES]
    for who, count in asked:
        if count > ground.examples or ledger.get(PART, ground.name, who, count):
            continue
        command = [sys.executable, "-m", "tests.speed.memory", ground.name, who, str(count), str(options.chunk)]
        command += [str(options.cache), ground.device, *(["--data", str(options.data)] if options.data else [])]
        command += ["--width", str(options.width)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:]
            raise StageError(f"memory of {who}: the process ended with status {done.returncode} ({' '.join(last)})")
        measured = json.loads(done.stdout)
        ledger.add(PART, ground.name, who, count, **measured)
        say(f"{PART}, {ground.name}: {who}, {count} images: {measured['peak'] - measured['idle']:.0f} MiB")


def report(ledger: Ledger, network: str) -> str | None:
    by = ledger.of(PART, network)
    if not by:
        return None
    rows = [
        (who, str(line["chunk"]), f"{line['idle']:.0f}", f"{line['peak'] - line['idle']:.0f}")
        for who, lines in by.items()
        for line in lines
    ]
    headers = ["peak memory", "images", "idle, MiB", "above it, MiB"]
    where = next(iter(by.values()))[0]["where"]
    return f"### Peak memory ({where}), a process each\n\n" + table(headers, rows)


def _measure(at: Ground, who: str, count: int, chunk: int) -> dict[str, object]:
    """MiB while nothing is attacked, and at most while chunk after chunk is."""
    network = at.adversarial
    at.clean(network, at.order(chunk))
    idle = _peak(at.device, forget=True)
    for index in at.order(count).split(chunk):
        images, labels = at.data.test.pixels(index), at.data.test.labels[index].to(at.device)
        EVERYBODY[who](network, images, labels, at.setting.eps, at.steps)
    return {"idle": idle, "peak": _peak(at.device), "where": "GPU" if at.device == "cuda" else "resident"}


def _peak(device: str, forget: bool = False) -> float:
    """MiB at most since the last time that it was forgotten; with `forget`, what is in use now."""
    if device == "cuda":
        if forget:
            torch.cuda.reset_peak_memory_stats()
        return torch.cuda.max_memory_allocated() / 2**20
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    if forget:
        Path("/proc/self/clear_refs").write_text("5")  # Linux: begin the high-water mark anew
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 2**10


def main() -> None:
    parser = argparse.ArgumentParser("python -m tests.speed.memory", description=__doc__)
    parser.add_argument("network")
    parser.add_argument("who", choices=EVERYBODY)
    parser.add_argument("count", type=int)
    parser.add_argument("chunk", type=int)
    parser.add_argument("cache", type=Path)
    parser.add_argument("device")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--width", type=float)
    given = parser.parse_args()
    at = ground(given.network, given.count, STEPS, given.cache, given.device, given.data, given.width)
    print(json.dumps(_measure(at, given.who, given.count, given.chunk)))


if __name__ == "__main__":
    main()
