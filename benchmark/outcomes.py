"""Per-example outcomes as packed bits: what makes unions over attacks and paired tests exact. Pure Python, no numpy.

A packed string is base64 of ⌈n/8⌉ bytes, the first example in the highest bit of the first byte.
"""

import base64
from collections.abc import Iterable


def pack(outcomes: Iterable[bool]) -> str:
    """Bits of a sequence of booleans, example 0 first."""
    bits = "".join("1" if outcome else "0" for outcome in outcomes)
    padded = bits + "0" * (-len(bits) % 8)
    return base64.b64encode(bytes(int(padded[i : i + 8], 2) for i in range(0, len(padded), 8))).decode()


def unpack(packed: str, n: int) -> list[bool]:
    """The n booleans behind `pack`'s string."""
    bits = "".join(f"{byte:08b}" for byte in base64.b64decode(packed))
    if not n <= len(bits) < n + 8:
        raise ValueError(f"{len(bits)} bits cannot be {n} outcomes")
    return [bit == "1" for bit in bits[:n]]


def both(left: str, right: str) -> str:
    """True where both are."""
    a, b = base64.b64decode(left), base64.b64decode(right)
    if len(a) != len(b):
        raise ValueError(f"outcomes of {len(a)} and {len(b)} bytes are not of the same examples")
    return base64.b64encode(bytes(x & y for x, y in zip(a, b, strict=True))).decode()


def count(packed: str) -> int:
    """How many are true."""
    return int.from_bytes(base64.b64decode(packed)).bit_count()
