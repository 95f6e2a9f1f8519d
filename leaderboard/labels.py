"""Where names stand beside their points, so that all of them can be read: near, inside, on nothing else."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

Spot = tuple[float, float]  # in points (1/72 inch), upwards
Box = tuple[float, float, float, float]  # left, bottom, right, top

SIZE = 7.0  # of the letters, in points
LETTER, LINE = 0.62 * SIZE, 1.15 * SIZE  # a letter of DejaVu Sans, or Verdana, on average; a line
MARK = 5.5  # half of a marker with its edge
RINGS = (8.0, 12.0, 20.0, 30.0, 42.0, 56.0, 72.0, 90.0)  # how far from its point a name may stand
WAYS = 16  # directions that are tried in each ring, the first of them up to the right
NEAR = RINGS[1]  # further away, a name needs a line to its point


def arrange(
    names: Sequence[str], points: Sequence[Spot], others: Sequence[Spot], lines: Iterable[Spot], inside: Box
) -> list[Box]:
    """The box of each name, in turn where it hides least: another name worst of all, then points; then the nearest.

    points: of each name; others: more points that should be seen; lines: places on lines.
    """
    marks, thin = (_around(spots, half) for spots, half in (((*points, *others), MARK), (tuple(lines), 0.5)))
    placed: list[Box] = []
    for name, at in zip(names, points, strict=True):
        tried = [_beside(*at, LETTER * len(name), ring, way) for ring in RINGS for way in range(WAYS)]

        def hides(box: Box, at: Spot = at) -> tuple[float, int, bool, float]:
            cut = sum(overlap(box, other) for other in placed) + _outside(box, inside)
            strange = sum(_away(box, other) < _away(box, at) for other in points)  # whose name it might be as well
            return cut, strange + _hidden(box, marks), _hidden(box, thin) > 0, _away(box, at)

        placed.append(min(tried, key=hides))
    return placed


def overlap(one: Box, other: Box) -> float:
    """The area that both share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0.0) * max(height, 0.0)


def nearest(box: Box, to: Spot) -> Spot:
    return min(max(to[0], box[0]), box[2]), min(max(to[1], box[1]), box[3])


def _away(box: Box, spot: Spot) -> float:
    return math.dist(spot, nearest(box, spot))


def _around(spots: Sequence[Spot], half: float) -> np.ndarray:
    """float [n, 4]: a box around each of them."""
    places = np.array(spots, dtype=float).reshape(-1, 2)
    return np.hstack([places - half, places + half])


def _hidden(box: Box, others: np.ndarray) -> int:
    """How many boxes share an area with this one."""
    apart = (others[:, 0] >= box[2]) | (others[:, 1] >= box[3]) | (others[:, 2] <= box[0]) | (others[:, 3] <= box[1])
    return int((~apart).sum())


def _beside(x: float, y: float, width: float, ring: float, way: int) -> Box:
    """A box whose nearest place is `ring` away from the point, in that direction."""
    angle = math.pi / 4 + 2 * math.pi * way / WAYS
    across, up = math.cos(angle), math.sin(angle)
    left = x + ring * across - width * (1 - across) / 2
    bottom = y + ring * up - LINE * (1 - up) / 2
    return left, bottom, left + width, bottom + LINE


def _outside(box: Box, inside: Box) -> float:
    """The area that is cut off."""
    return (box[2] - box[0]) * (box[3] - box[1]) - overlap(box, inside)
