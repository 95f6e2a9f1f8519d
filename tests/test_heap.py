"""A run keeps the memory of freed tensors: tried in processes of their own, as the setting is the whole process's."""

import os
import subprocess
import sys

import pytest

from benchmark.execute.heap import OWN_WORDS

FAULTS = """
import platform, resource, torch
from benchmark.execute.heap import keep_pages
{setting}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    torch.zeros(12_000_000).add_(1)
before = faults()
for _ in range(20):
    torch.zeros(12_000_000).add_(1)
print(faults() - before)
"""


def faults(setting: str, **environment: str) -> int:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(OWN_WORDS)}
    made = subprocess.run(
        [sys.executable, "-c", FAULTS.format(setting=setting)],
        env=clean | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(made.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="page faults are counted as Linux does")
def test_freed_memory_stays() -> None:
    """20 tensors of 48 MB, above the 32 MiB from which glibc always maps anew, are 234,000 pages of 4 kB."""
    plain = faults("")
    if plain < 1000:
        pytest.skip("this machine's allocator keeps its pages by itself")
    assert faults("keep_pages()") < plain / 20
    assert faults("keep_pages()", MALLOC_ARENA_MAX="2") > plain / 2, "the user's own words about malloc are obeyed"
