"""Measurements → how long each artifact took, and what was timed beside it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from leaderboard.deployed import Row

NAMES = {"openvino": "OpenVINO", "onnxruntime": "ONNX Runtime"}

Lines = Iterable[Mapping[str, Any]]


@dataclass(frozen=True)
class Timing:
    """What one artifact took, and the dense fp32 one that was timed beside it."""

    own: Mapping[str, Any]
    dense: Mapping[str, Any] | None
    run: Mapping[str, Any]  # all that was timed with it


def timings(measurements: Lines) -> dict[str, Timing]:
    """By deployment."""
    found = {}
    for line in measurements:
        if line["latency"]:
            by_key = {one["deployment"]: one for one in line["latency"]["artifacts"]}
            dense = by_key.get(line["latency"]["dense"])
            found |= {key: Timing(own, dense, line["latency"]) for key, own in by_key.items()}
    return found


def timing_of(row: Row, known: Mapping[str, Timing]) -> Timing | None:
    """Of the row's first artifact that was timed."""
    return next((known[key] for key in row.keys if key in known), None)
