"""The words around a board: what its figures mean, what is missing and why, what it cost."""

import math
import shlex
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from leaderboard.match import Place, place
from leaderboard.table import Board, Table
from leaderboard.text import MISSING, epsilon, escape, quantity

Z = 1.959964  # two-sided 95 % of a normal distribution


def holes_section(board: Board, holes: Iterable[Mapping[str, Any]]) -> list[str]:
    """Every cell without a record: those with a reason, then how many have not been run."""
    reasons = {place(hole): hole["reason"] for hole in sorted(holes, key=lambda hole: (place(hole), hole["reason"]))}
    lines, waiting = [], 0
    for table in board.tables:
        waiting += sum(cell not in reasons for cell in table.missing)
        by_row: dict[tuple, dict[int, list[Place]]] = defaultdict(lambda: defaultdict(list))
        for cell in table.missing:
            if cell in reasons:
                by_row[(*cell[:3], reasons[cell])][cell[3]].append(cell)
        for (*row, reason), by_seed in by_row.items():
            same: dict[str, list[int]] = {}  # seeds that lack the same columns share a line
            for seed, cells in by_seed.items():
                same.setdefault(_which(board, table, cells), []).append(seed)
            for which, seeds in same.items():
                named = f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"
                lines.append(f"- {escape(' / '.join(row))}, {named}, {escape(which)}: {escape(reason)}")
    if waiting:
        lines.append(f"- {waiting} {'cell has' if waiting == 1 else 'cells have'} not been run yet")
    if board.strangers:
        why = "the suite has changed their recipes since, or no longer has their cell"
        lines.append(f"- stored records that are not shown, {board.strangers}: {why}")
    return ["## Holes", "\n".join(lines)] if lines else []


def _which(board: Board, table: Table, cells: list[Place]) -> str:
    """The columns of some cells of one network, shortly."""
    lacking = {(attack, eps) for *_, attack, eps in cells}
    parts, whole = [], 0
    for attack in table.grid.attacks:
        labels = [epsilon(board.suite, eps) for eps in attack.eps if (attack.name, eps.value) in lacking]
        whole += len(labels) == len(attack.eps)
        if labels:
            parts.append(attack.name + ("" if len(labels) == len(attack.eps) else f" @ {', '.join(labels)}"))
    return "every attack" if whole == len(table.grid.attacks) else "; ".join(parts)


def spent_section(measurements: Iterable[Mapping[str, Any]]) -> list[str]:
    """Seconds and bytes by kind of stage, and the machines they were measured on."""
    by_stage: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    machines = set()
    for line in measurements:
        by_stage[line["stage"]].append(line)
        machines.add(", ".join(f"{name} {value}" for name, value in sorted(line["machine"].items())))
    if not by_stage:
        return []
    rows = ["| Stage | Done | Seconds | Stored |", "|:--|--:|--:|--:|"]
    for stage, lines in sorted(by_stage.items()):
        seconds, size = math.fsum(line["seconds"] for line in lines), sum(line["bytes"] for line in lines)
        rows.append(f"| {escape(stage)} | {len(lines)} | {seconds:.1f} | {quantity(size, 'B')} |")
    measured = f"Measured on: {escape('; '.join(sorted(machines)))}. Seconds are not comparable across machines."
    return ["## Time and disk", "\n".join(rows), measured]


def legend(board: Board) -> list[str]:
    """What the figures mean, and what they do not."""
    seeds = len(board.suite.seeds)
    few = " With one or two seeds the figures speak of these networks, not of a method." if seeds < 3 else ""
    lines = [
        "**Clean accuracy**: the share of the n test images whose true label has a strictly larger logit than every "
        "other class. All rows and seeds of a grid are judged on the same images.",
        "**An attack @ ε** (“pgd-20 @ 8/255”): the share that is right on the clean image *and* on every candidate of "
        "that one attack. Ties and logits that are not finite count as broken.",
        "**Robust accuracy (union) @ ε**: the share that survives *every* attack of one norm at that ε or a smaller "
        "one, image by image; a network enters only when all of these attacks have judged all n images at that ε.",
        *["*(boundary)*: this attack stops at the boundary, and another network judges: such examples transfer badly."]
        * any(table.boundary for table in board.tables),
        "Robust figures are upper bounds: a stronger attack can only lower them.",
        "**Mean ± sample standard deviation** over training seeds, which is not a confidence interval; a single seed "
        f"has no ±.{few}",
        *_resolution(board),
        "**Worst class**: per network, the lowest robust accuracy that a class has under any single attack at the "
        "middle ε (the lower of two): an upper bound of the union's.",
        "**Parameters, MACs, Weights**: of the network as judged; MACs for one image, weights as stored; in brackets "
        "the share of the dense row's.",
        "**Crafting passes**: what crafting a row's examples took, mean over seeds; examples that rows share count in "
        "each of them.",
        "**Verdict**: only rows whose checks were all done and passed are ranked. This version cannot run most of them "
        "yet, so that a row is at best *unverified*, and "
        "rows stand in the suite's order. *suspect (not monotone in ε)*: an attack broke at a small ε what it could "
        "not break at a large one, as it does where gradients are masked; every ε was then run by itself. "
        "*suspect (a network at chance)*: no better on clean images than a constant answer, so that what looks robust "
        "was never trained.",
        f"**{MISSING}**: no result (see Holes). *(1 of 2 seeds)*: fewer seeds than planned are in the figure.",
        f"Protocol version: {escape(', '.join(board.protocols)) or 'no records yet'}.",
    ]
    command = f"Reproduce this board with\n\n```sh\n{_command(board)}\n```"
    return ["## Legend", "\n".join(f"- {line}" for line in lines), command]


def _resolution(board: Board) -> list[str]:
    """How far the chance of the test images moves one network's accuracy: Wilson's interval (1927) at its widest."""
    sizes = sorted({table.n for table in board.tables if table.n})
    halves = [f"±{100 * Z / (2 * math.sqrt(n + Z * Z)):.1f} points (n = {n})" for n in sizes]
    return [f"The choice of test images moves one network's accuracy by up to {', '.join(halves)}, 95 %."] * bool(sizes)


def _command(board: Board) -> str:
    """The command that makes these records, with the limits that were given beside the suite."""
    words = ["python", "-m", "benchmark.run", str(board.suite.path)]
    given = {
        f"{part}={value}"
        for table in board.tables
        if table.limit
        for part, value in vars(table.limit).items()
        if value is not None and value != getattr(table.grid.limit, part)
    }
    words += ["--limit", ",".join(sorted(given, reverse=True))] if given else []
    return shlex.join(words)
