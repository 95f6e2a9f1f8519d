"""One artifact in a process of its own, timed on request: `python -m benchmark.deploy.worker FOLDER RUNTIME THREADS`.

A line `n channels height width seconds` runs it on n images again and again for so long, at least once after a run that
warms the caches, and is answered by the seconds that each took; an empty line by the bytes of memory that the process
has held at most.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from benchmark.deploy.artifact import opened


def main(folder: str, runtime: str, threads: str) -> None:
    artifact = opened(Path(folder), runtime, int(threads))
    answer("ready")
    for line in sys.stdin:
        answer(timed(artifact, *line.split()) if line.strip() else peak_memory())


def answer(value: object) -> None:
    print(json.dumps(value), flush=True)


def timed(artifact, n: str, channels: str, height: str, width: str, seconds: str) -> list[float]:
    images = np.random.default_rng(0).random([int(n), int(channels), int(height), int(width)], dtype=np.float32)
    artifact(images)
    taken: list[float] = []
    while not taken or sum(taken) < float(seconds):
        started = time.perf_counter()
        artifact(images)
        taken.append(time.perf_counter() - started)
    return taken


def peak_memory() -> int:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:  # not Linux
        import resource

        largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return largest if sys.platform == "darwin" else largest * 1024
    # getrusage would give what the process that started this one held
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) * 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
