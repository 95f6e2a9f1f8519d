"""ε as a suite writes them: which norm, which space, and how much that is in pixels.

A paper that perturbs images after dividing them by a standard deviation means by its "8/255" that many pixels times
that deviation: `eps_space: {normalised: 0.5}`, for a whole suite or for one attack of it.
"""

from benchmark.errors import suggest
from benchmark.schema import in_255ths, number, text
from benchmark.types import NORMS, Epsilon
from benchmark.yaml_nodes import Node

PIXELS = "pixels"


def space(node: Node) -> float | None:
    """What an `eps_space` divides pixels by; None: ε are in pixels as they stand."""
    if node.is_mapping:
        return positive(node.keys(("normalised",), ("normalised",))["normalised"])
    if node.read(text) != PIXELS:
        raise node.error(f"unknown space {node.value!s}; give pixels, or {{normalised: 0.5}} of images divided by 0.5")
    return None


def norm(node: Node) -> str:
    name = node.read(text)
    if name not in NORMS:
        raise node.error(f"unknown norm {name!r}{suggest(name, NORMS)}")
    return name


def positive(node: Node, form: str = "") -> float:
    value = node.read(number, form)
    if value <= 0:
        raise node.error(f"must be greater than 0, not {node.value}")
    return value


def read(node: Node, norm: str, scale: float) -> tuple[Epsilon, ...]:
    """One ε or a list, ascending; `scale` pixels are one unit of the space that they are written in."""
    found: dict[float, Epsilon] = {}
    for item in node.elements() if node.is_list else [node]:
        written = positive(item, "8/255, or [4/255, 8/255]")
        value, label = written * scale, " ".join(str(item.value).split())
        if norm == "inf" and value > 1:
            raise item.error(
                f"ε {label} is {value:g} in pixels, more than the whole range [0, 1] of a pixel (norm inf)"
                + in_255ths(written, scale)
            )
        if value in found:
            raise item.error(f"ε {label} is given twice, also as {found[value].label}")
        found[value] = Epsilon(value, written, label)
    if not found:
        raise node.error("is empty; give at least one ε")
    return tuple(found[value] for value in sorted(found))
