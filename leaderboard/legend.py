"""The words around a board: what its figures mean, what is missing and why, what it cost."""

import math
import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from benchmark.deployments import trials
from leaderboard.checks_page import HOW as VERDICT
from leaderboard.efficiency_page import HOW as COSTS
from leaderboard.evidence import HOW
from leaderboard.match import Place, place
from leaderboard.part import Part
from leaderboard.records import HOLE
from leaderboard.statistics import Z
from leaderboard.table import Board, Table
from leaderboard.text import MISSING, epsilon, escape, quantity
from leaderboard.transfer_page import HOW as MATRIX


def holes_section(board: Board, holes: Iterable[Mapping[str, Any]]) -> list[str]:
    """Every cell without a record: those with a reason, then how many have not been run; every check that failed."""
    holes = sorted(holes, key=HOLE.identity)
    reasons = {(place(hole), hole["runtime"]): hole["reason"] for hole in holes if hole["check"] is None}
    lines, waiting = [], 0
    for table in board.tables:
        lacking = {None: table.missing} | {one.runtime: one.missing for one in table.deployed}
        for runtime, missing in lacking.items():
            known = {cell: reasons[cell, runtime] for cell in missing if (cell, runtime) in reasons}
            waiting += len(missing) - len(known)
            lines += _holes(board, table, runtime, known)
    lines += _lost_checks(board, (hole for hole in holes if hole["check"] is not None))
    if waiting:
        lines.append(f"- {waiting} {'cell has' if waiting == 1 else 'cells have'} not been run yet")
    if board.strangers:
        why = "the suite has changed their recipes since, or no longer has their cell"
        lines.append(f"- stored records that are not shown, {board.strangers}: {why}")
    return ["## Holes", "\n".join(lines)] if lines else []


def _holes(board: Board, table: Table, runtime: str | None, known: Mapping[Place, str]) -> Iterator[str]:
    """Lines for cells of networks, or of their deployments to a runtime, with their reasons."""
    by_row: dict[tuple, dict[int, list[Place]]] = defaultdict(lambda: defaultdict(list))
    for cell, reason in known.items():
        by_row[(*cell[:3], reason)][cell[3]].append(cell)
    for (*row, reason), by_seed in by_row.items():
        same: dict[str, list[int]] = {}  # seeds that lack the same columns share a line
        for seed, cells in by_seed.items():
            same.setdefault(_which(board, table, runtime, cells), []).append(seed)
        for which, seeds in same.items():
            named = f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"
            where = f" on {runtime}" if runtime else ""
            yield f"- {escape(' / '.join(row))}{where}, {named}, {escape(which)}: {escape(reason)}"


def _lost_checks(board: Board, holes: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A line for each network and reason, with the checks that it kept from being made."""
    figures = {one.grid.name: one for one in board.figures}
    lost: dict[tuple, list[str]] = defaultdict(list)
    for hole in holes:
        row, seed = (hole["compression"], hole["training"]), hole["seed"]
        made = figures[hole["grid"]].checked.of(row, seed) if hole["grid"] in figures else []
        if (hole["check"], hole["eps"]) not in [(check["check"], check["eps"]) for check in made]:
            lost[hole["grid"], *row, seed, hole["reason"]].append(hole["check"])
    for (*row, seed, reason), checks in lost.items():
        named = f"{'check' if len(checks) == 1 else 'checks'} {', '.join(dict.fromkeys(checks))}"
        yield f"- {escape(' / '.join(row))}, seed {seed}, {escape(named)}: {escape(reason)}"


def _which(board: Board, table: Table, runtime: str | None, cells: list[Place]) -> str:
    """The columns of some cells of one network, shortly."""
    compression = next(one for one in table.grid.compressions if one.name == cells[0][1])
    planned = [trial for trial in trials(table.grid, compression) if trial.runtime == runtime]
    lacking = {(attack, eps) for *_, attack, eps in cells}
    parts, whole = [], 0
    for trial in planned:
        labels = [epsilon(board.suite, eps) for eps in trial.eps if (trial.attack.name, eps.value) in lacking]
        whole += len(labels) == len(trial.eps)
        if labels:
            parts.append(trial.attack.name + ("" if len(labels) == len(trial.eps) else f" @ {', '.join(labels)}"))
    return "every attack" if whole == len(planned) else "; ".join(parts)


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


def legend(board: Board, run: Part | None) -> list[str]:
    """What the figures mean, and what they do not. `run`: what was run, if not the whole suite."""
    seeds = len(board.suite.seeds)
    few = " With one or two seeds the figures speak of these networks, not of a method." if seeds < 3 else ""
    lines = [
        "**Clean accuracy**: the share of the n test images whose true label has a strictly larger logit than every "
        "other class. All rows and seeds of a grid are judged on the same images.",
        "**An attack @ ε** (“pgd-20 @ 8/255”): the share that is right on the clean image *and* on every candidate of "
        "that one attack. Ties and logits that are not finite count as broken.",
        "**Robust accuracy (union) @ ε**: the share that survives *every* attack of one norm at that ε or a smaller "
        "one, and all that checks tried there, image by image; a network enters only when all of these attacks have "
        "judged all n images at that ε.",
        *[
            "*(boundary)*: the examples stop at the decision boundary of the network that they were crafted on, and "
            "another network judges them: to stand them says little about robustness. The network that they were "
            "crafted on, where it is a row, judges its own: of it they say as much as any attack."
        ]
        * any(one.boundary for table in board.tables for one in (table, *table.deployed)),
        *[MATRIX] * any(attack.source for table in board.tables for attack in table.grid.attacks),
        "Robust figures are upper bounds: a stronger attack can only lower them.",
        f"**87.6 [84.8, 90.0]**: the mean over training seeds, and its 95 % interval from seeds and test images.{few}",
        *_resolution(board),
        *HOW,
        *_about_deployments(board),
        "**Worst class**: per network, the lowest robust accuracy that a class has under any single attack at the "
        "headline ε (the suite's; otherwise the middle one, the lower of two): an upper bound of the union's. The mean "
        "over seeds alone: the least of several figures has no such interval.",
        *[
            "*(scratch-E)*, *(scratch-B)*, *(control)*: the row is one: the structure that a compression found, its "
            "weights drawn anew and trained from scratch, for as many epochs as the dense network's (E), in as many "
            "passes × MACs (B), or otherwise (Liu et al., 2019)."
        ]
        * any(row.control for table in board.tables for row in table.rows),
        *COSTS,
        *[
            "*nonzero*: a mask holds the other weights at zero. They are stored and multiplied as any weight is: masks "
            "save no MACs, no bytes and no latency."
        ]
        * _masked(board),
        *VERDICT,
        f"**{MISSING}**: no result (see Holes); in a transfer matrix also a pair that the suite has not asked for; the "
        "Δ of a dense row to itself. *(1 of 2 seeds)*: fewer seeds than planned are in the figure.",
        f"Protocol version: {escape(', '.join(board.protocols)) or 'no records yet'}.",
    ]
    return ["## Legend", "\n".join(f"- {line}" for line in lines), *_how_to_reproduce(board, run)]


def _how_to_reproduce(board: Board, run: Part | None) -> list[str]:
    """What runs these cells and, of a part, what runs the whole."""
    also = " (and run the cells that it lacks)" * any(table.missing for table in board.tables)
    how = [f"Reproduce this board{also} with\n\n```sh\n{command(board)}\n```"]
    if run and run.only:
        how = [f"Reproduce this part of the board with\n\n```sh\n{command(board, run.only)}\n```"]
        how.append("The same command without `--only` runs the rest of the suite, too.")
    return how


def _masked(board: Board) -> bool:
    return any(row.size["nonzero"].values for table in board.tables for row in table.rows)


def _about_deployments(board: Board) -> list[str]:
    if not any(table.deployed for table in board.tables):
        return []
    return [
        "**Deployed**: the artifact that a runtime runs on the CPU, judged by its own logits. *Robust accuracy "
        "(deployed)*: the share that is right on the clean image and on every example that was crafted on the network "
        "(the *twin*) or on another one and replayed on the artifact, or made against the artifact itself. Replayed "
        "examples are crafted without stopping at the boundary; what they break of the network counts in its own union "
        "as well. What was made against the artifact counts for it alone: compare the two by the twin gap.",
        "**Clean agreement**: the share of clean images of which twin and artifact predict the same class. **Twin "
        "gap**: the twin's accuracy minus the artifact's, in points, on the same replayed examples, of the network "
        "with the largest; in brackets its 99.9 % interval (Bonett and Price, 2012). *suspect (twin and artifact "
        "differ)*: an interval, of replayed or of clean images, lies wholly outside ±1 point.",
        "**Artifact**: bytes of its files; in brackets the share of the dense one's. **Peak memory**: of a process "
        "that holds the runtime and the artifact. **Latency**: the median of the first seed's artifact; in brackets "
        "how many times faster than the dense one of the same training it is, timed in turns with it: the median of "
        "the rounds and its 95 % interval.",
    ]


def _resolution(board: Board) -> list[str]:
    """How far the chance of the test images moves one network's accuracy: Wilson's interval (1927) at its widest."""
    sizes = sorted({table.n for table in board.tables if table.n})
    halves = [f"±{100 * Z / (2 * math.sqrt(n + Z * Z)):.1f} points (n = {n})" for n in sizes]
    return [f"The choice of test images moves one network's accuracy by up to {', '.join(halves)}, 95 %."] * bool(sizes)


def command(board: Board, only: Iterable[tuple[str, str]] = ()) -> str:
    """The command that makes these records, or those of some (`only`: axis, name), with what was given beside them."""
    words = ["python", "-m", "benchmark.run", str(board.suite.path)]
    words += [word for folder in board.suite.plugins for word in ("--plugins", str(folder))]
    given = {
        f"{part}={value}"
        for table in board.tables
        if table.limit
        for part, value in vars(table.limit).items()
        if value is not None and value != getattr(table.grid.limit, part)
    }
    words += [word for axis, name in only for word in ("--only", f"{axis}={name}")]
    words += ["--limit", ",".join(sorted(given, reverse=True))] if given else []
    return shlex.join(words)
