"""Deployments as Markdown: a grid's artifacts beside their networks, what they weigh and how fast they are."""

from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

import pandas as pd

from leaderboard.deployed import Deployments, Gap, Row
from leaderboard.statistics import Z
from leaderboard.table import Board, Table
from leaderboard.text import MISSING, SPACE, at, escape, of_seeds, percent, quantity
from leaderboard.timing import NAMES, Timing, timing_of, timings
from leaderboard.wording import bounds, signed

BATCHES = {"1": "1 image", "64": "64 images"}
QUIET = 0.2  # cores busy with other work, from which on a latency is not to be trusted

Lines = Iterable[Mapping[str, Any]]


def sections(board: Board, table: Table, measurements: Lines) -> list[str]:
    """A table for each runtime, with what was measured under it."""
    known = timings(measurements)
    return [block for one in table.deployed for block in _section(board, table, one, known)]


def _section(board: Board, table: Table, deployments: Deployments, known: Mapping[str, Timing]) -> list[str]:
    rows = deployments.rows
    frame = pd.DataFrame([_cells(board, table, deployments, row, known) for row in rows])
    sides = ["left" if head in ("Compression", "Training", "Precision") else "right" for head in frame.columns]
    shown = frame.to_markdown(index=False, tablefmt="pipe", disable_numparse=True, colalign=sides)
    kernels: dict[str, dict[str, int]] = {}
    for row in rows:
        for kernel, count in row.kernels:
            own = kernels.setdefault(row.precision, {})
            own[kernel] = own.get(kernel, 0) + count
    listed = "; ".join(
        f"{precision}: {', '.join(f'{kernel} × {count}' for kernel, count in sorted(own.items()))}"
        for precision, own in sorted(kernels.items())
    )
    notes = _left_out(table)
    notes += [f"Kernels of all convolutions and linear layers, by the runtime's own report: {escape(listed)}."] * bool(
        listed
    )
    notes += _conditions({id(timing.run): timing.run for row in rows if (timing := timing_of(row, known))}.values())
    return [f"### Deployed: {NAMES[deployments.runtime]}", shown, *["  \n".join(notes)] * bool(notes)]


def _left_out(table: Table) -> list[str]:
    """The compressions without an artifact, and why."""
    names = [escape(one.name) for one in table.grid.compressions if one.precision is None]
    reason = "no kernels for such widths: runtimes compute in fp32, or in 8-bit weights *and* activations"
    return [f"Not deployed: {', '.join(names)} ({reason})."] * bool(names)


def _cells(
    board: Board, table: Table, deployments: Deployments, row: Row, known: Mapping[str, Timing]
) -> dict[str, str]:
    own = next(one for one in table.rows if one.name == row.name)
    cells = {
        "Compression": escape(row.compression),
        "Training": escape(row.training),
        "Precision": row.precision,
        "Clean accuracy": percent(row.clean, of_seeds(row.clean)),
        "Clean agreement": percent(row.agree, of_seeds(row.agree)),
    }
    for column, robust in row.accuracy.items():
        where = at(board.suite, table, column)
        if column.attack is None:
            place = column.norm, column.eps.value
            twin = next((one for one in table.unions if (one.norm, one.eps.value) == place), None)
            share = own.accuracy[twin] if twin else None
            cells[f"Robust accuracy (twin) @ {where}"] = percent(share, of_seeds(share)) if share else MISSING
        name = escape(column.attack) if column.attack else "Robust accuracy (deployed)"
        name += " (boundary)" * (column.attack in deployments.boundary)
        cells[f"{name} @ {where}"] = percent(robust, of_seeds(robust))
        if column in row.gaps:
            cells[f"Twin gap @ {where}"] = _gap(row.gaps[column])
    timing = timing_of(row, known)
    cells["Artifact"] = _bytes(table, deployments, row)
    cells["Peak memory"] = quantity(timing.own["memory"], "B") if timing else MISSING
    return cells | {f"Latency, {name}": _latency(timing, batch) for batch, name in BATCHES.items()}


def _gap(gaps: tuple[Gap, ...]) -> str:
    """That of the network whose twin and artifact differ most."""
    if not gaps:
        return MISSING
    worst = max(gaps, key=lambda gap: abs(gap.difference))
    return f"{signed(worst.difference)} {bounds(worst.interval)}"


def _bytes(table: Table, deployments: Deployments, row: Row) -> str:
    """The artifact's files and, except for a dense one, their share of the dense artifact's."""
    if not row.bytes.values:
        return MISSING
    plain = {compression.name for compression in table.grid.compressions if not compression.steps}
    dense = [one for one in deployments.rows if one.compression in plain and one.bytes.values]
    shown = quantity(row.bytes.mean, "B")
    if row.compression in plain or not dense:
        return shown
    reference = min(dense, key=lambda one: one.training != row.training)
    return f"{shown} ({100 * row.bytes.mean / reference.bytes.mean:.3g}{SPACE}%)"


def _latency(timing: Timing | None, batch: str) -> str:
    """Median, and how many times faster than the dense artifact."""
    if timing is None:
        return MISSING
    shown = f"{1000 * timing.own[batch]['median']:.3g}{SPACE}ms"
    if timing.dense is None or timing.dense is timing.own:
        return shown
    rounds = zip(timing.dense[batch]["rounds"], timing.own[batch]["rounds"], strict=True)
    ratios = sorted(dense / own for dense, own in rounds)
    outside = max(0, int(len(ratios) / 2 - Z * len(ratios) ** 0.5 / 2))  # of a median's 95 % interval, at each end
    low, high = ratios[outside], ratios[-1 - outside]
    return f"{shown} ({median(ratios):.2f}{SPACE}× [{low:.2f}, {high:.2f}])"


def _conditions(runs: Iterable[Mapping[str, Any]]) -> list[str]:
    """How latencies were measured, and whether the machine had other work to do."""
    runs = list(runs)
    if not runs:
        return []
    threads = ", ".join(map(str, sorted({run["threads"] for run in runs})))
    busy = [cores for run in runs for cores in run["busy"] if cores is not None]
    text = f"Latency with {threads} threads."
    if busy and max(busy) > QUIET:
        text += f" **Not to be relied on: up to {max(busy):.2g} cores were busy with other work.**"
    return [text]
