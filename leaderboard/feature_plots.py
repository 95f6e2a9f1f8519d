"""features.json, which `python -m benchmark.features` writes → what the pictures of features show."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.errors import RequestError
from benchmark.types import Grid


@dataclass(frozen=True)
class Shades:
    """A map as rows of bytes, 255 the strongest."""

    title: str
    rows: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Maps:
    """A line of maps for each network and kind of image."""

    title: str
    lines: tuple[tuple[str, tuple[Shades, ...]], ...]


@dataclass(frozen=True)
class Plane:
    """Images as points: (x, y) with their class; `broken`: what the network is wrong on."""

    title: str
    clean: tuple[tuple[float, float, int], ...]
    attacked: tuple[tuple[float, float, int], ...]
    broken: float  # the share of the attacked images, in %


@dataclass(frozen=True)
class Planes:
    title: str
    classes: tuple[str, ...]
    panels: tuple[Plane, ...]


def feature_plots(grid: Grid, path: Path) -> dict[str, Maps | Planes]:
    """The pictures of a grid's features; none if the file is not there, or of another grid."""
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text("utf-8"))
        if found["grid"] != grid.name:
            return {}
        where = f"{'/'.join(found['row'])}, {found['attack']} @ {found['eps']}"
        lines = [_line(network, kind) for network in found["networks"] for kind in ("clean", "attacked")]
        panels = [_plane(network, found["labels"]) for network in found["networks"]]
        return {
            "features": Maps(f"Feature maps of one image ({where})", tuple(lines)),
            "embedding": Planes(f"Features in a plane ({where})", tuple(found["classes"]), tuple(panels)),
        }
    except (ValueError, KeyError, TypeError) as error:
        raise RequestError(f"{path}: is not what benchmark.features writes ({error!r}); run that again") from None


def _line(network: dict[str, Any], kind: str) -> tuple[str, tuple[Shades, ...]]:
    return f"{network['name']}, {kind}", tuple(_shades(one, kind) for one in network["maps"])


def _shades(one: dict[str, Any], kind: str) -> Shades:
    height, width = one["shape"]
    values = base64.b64decode(one[kind])
    return Shades(one["layer"], tuple(tuple(values[row * width : (row + 1) * width]) for row in range(height)))


def _plane(network: dict[str, Any], labels: list[int]) -> Plane:
    points = {
        kind: tuple((x, y, label) for (x, y), label in zip(network[kind]["points"], labels, strict=True))
        for kind in ("clean", "attacked")
    }
    right = network["attacked"]["right"]
    return Plane(network["name"], points["clean"], points["attacked"], 100 * (1 - sum(right) / len(right)))
