"""Runs of the command line in processes that may be killed: forked from one that has torch and ART imported already.

Spoken to in lines of JSON: {"start": arguments, "log": path} → pid; {"wait": pid} → exit status (−9 after a SIGKILL).
"""

import json
import os
import subprocess
import sys
from pathlib import Path


class Nursery:
    """The tests' end. `start` gives the pid of a run, `wait` its exit status."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.nursery"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> "Nursery":
        return self

    def __exit__(self, *problem) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def start(self, arguments: list[str], log: Path) -> int:
        return self._ask({"start": arguments, "log": str(log)})

    def wait(self, pid: int) -> int:
        return self._ask({"wait": pid})

    def _ask(self, question: dict) -> int:
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def _serve() -> None:
    from benchmark.execute import local  # noqa: F401  imports what is slow to import
    from benchmark.run import main
    from benchmark.stages import train

    train.SECONDS_BETWEEN_CHECKPOINTS = 0.0
    for line in sys.stdin:
        question = json.loads(line)
        if "wait" in question:
            print(os.waitstatus_to_exitcode(os.waitpid(question["wait"], 0)[1]), flush=True)
        elif pid := os.fork():
            print(pid, flush=True)
        else:
            log = os.open(question["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            status = main(question["start"])  # sys.stdout and sys.stderr write to 1 and 2
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)


if __name__ == "__main__":
    _serve()
