"""Per-example outcomes as packed bits: what makes unions over attacks and paired tests exact. Pure Python, no numpy.

A packed text is base64 of ⌈n/8⌉ bytes, the first example in the highest bit of the first byte, zeros behind the last
(numpy.packbits).
"""

import base64
from collections.abc import Iterable, Mapping
from typing import Any


def pack(outcomes: Iterable[object]) -> str:
    """Truth values as a packed text, example 0 first."""
    digits = "".join("1" if outcome else "0" for outcome in outcomes)
    length = -(-len(digits) // 8)
    return base64.b64encode(int(digits.ljust(8 * length, "0") or "0", 2).to_bytes(length)).decode("ascii")


def bitmap(packed: str, n: int) -> int:
    """`n` packed truth values as an integer, the first in its highest bit: `&` unites attacks, `bit_count` counts.

    Raises ValueError when the text is not `n` packed values.
    """
    try:
        data = base64.b64decode(packed, validate=True)
    except ValueError:
        raise ValueError("not base64") from None
    padding = 8 * len(data) - n
    value = int.from_bytes(data)
    if not 0 <= padding < 8 or value & ((1 << padding) - 1):
        raise ValueError(f"{len(data)} bytes are not {n} packed outcomes")
    return value >> padding


def unpack(packed: str, n: int) -> list[bool]:
    """The `n` truth values that `pack` was given. Raises ValueError when the text is not `n` packed values."""
    return [digit == "1" for digit in f"{bitmap(packed, n):0{n}b}"[:n]]


def both(left: str, right: str, n: int) -> str:
    """Packed: true where both are."""
    return pack(digit == "1" for digit in f"{bitmap(left, n) & bitmap(right, n):0{n}b}")


def stood(judged: Mapping[str, Any], craft: Mapping[str, Any], at: int, eps: float) -> str:
    """Packed: right on the candidate of the ε in place `at`, from what a judge and a craft stage have stored.

    An example of minimum norm counts only if it lies within `eps`.
    """
    if not craft["minimum_norm"]:
        return judged["correct"][at]
    outcomes = unpack(judged["correct"][at], judged["n"])
    return pack(right or far > eps for right, far in zip(outcomes, judged["distances"], strict=True))


def count(packed: str, n: int) -> int:
    """How many of the n are true."""
    return bitmap(packed, n).bit_count()
