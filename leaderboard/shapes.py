"""What pictures show, as plain numbers: `plots` makes them of a board, `draw` makes images of them.

Accuracies are in %, with the bounds of their 95 % intervals.
"""

from dataclasses import dataclass

CLEAN, ROBUST = "clean", "robust"

Place = tuple[float, float]  # x and y of a panel


@dataclass(frozen=True)
class Series:
    """Accuracies over x: numbers, or places among a panel's `ticks`. look: clean or robust accuracy.

    joined: what lines go through; a place that is none of the points repeats one of them, where another line starts.
    suspect: places of rows that are suspect.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    look: str = ROBUST
    joined: tuple[tuple[Place, ...], ...] = ()
    suspect: tuple[Place, ...] = ()


@dataclass(frozen=True)
class Panel:
    title: str
    series: tuple[Series, ...]
    ticks: tuple[str, ...] = ()  # names of the places 0, 1, … on the x-axis; empty: x are numbers


@dataclass(frozen=True)
class Lines:
    title: str
    across: str  # what x is
    panels: tuple[Panel, ...]
    columns: int  # panels side by side
    note: str = ""  # what is left out


@dataclass(frozen=True)
class Point:
    name: str
    group: str
    x: float  # 0 or more
    y: float
    leads: bool  # on the front of the sound rows
    open: bool  # on the front of all rows that are not suspect


@dataclass(frozen=True)
class Front:
    """Points of robust accuracy over one cost, less of which is better."""

    title: str
    unit: str
    points: tuple[Point, ...]
    note: str = ""  # what is left out


@dataclass(frozen=True)
class Fronts:
    title: str
    groups: tuple[str, ...]  # of all points
    panels: tuple[Front, ...]
    note: str = ""  # what is left out of all panels


@dataclass(frozen=True)
class Matrix:
    """Accuracies by row and column; None where there is none."""

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True)
class Matrices:
    title: str
    down: str
    across: str
    panels: tuple[Matrix, ...]
    note: str = ""  # what is left out


Plot = Lines | Fronts | Matrices
