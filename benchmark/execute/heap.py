"""Keep the pages of freed tensors in the process, where glibc would hand each back and fault it in again.

glibc maps blocks above 32 MiB, and the top of a heap that has grown, anew for every layer's output; on a CPU the page
faults are a good part of a pass with large batches.
"""

import ctypes
import os
import platform

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h
OWN_WORDS = ("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD")  # of somebody who chose an allocator or its settings


def keep_pages() -> None:
    """Tell glibc, unless the environment has already said something of its allocator; elsewhere there is nothing to do.

    The process then holds on to the most memory that it had at a time, and no more.
    """
    if platform.libc_ver()[0] != "glibc" or any(name.startswith(OWN_WORDS) for name in os.environ):
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(M_MMAP_MAX, 0)
    libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
