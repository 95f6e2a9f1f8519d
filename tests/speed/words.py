"""What the measurement says while it runs: short lines on standard error, so that the report can be piped on."""

import sys
import time

_BEGAN = time.monotonic()


def say(line: str) -> None:
    print(f"{time.monotonic() - _BEGAN:7.0f} s  {line}", file=sys.stderr, flush=True)
