"""Which rows changed beyond noise between two runs: `python -m leaderboard.compare A B`, two folders with records.

Clean accuracy, every attack at every ε and their union are compared, B − A: image by image and seed by seed where the
test images and a seed are the same, otherwise as two samples. Holm's correction is over everything compared.

Exit status: 0 nothing changed beyond noise; 1 a row did, or a figure stands in one run alone; 2 the request is wrong.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tabulate import tabulate

from benchmark.errors import RequestError
from benchmark.outcomes import bitmap
from benchmark.types import canonical
from leaderboard.check_records import CHECK
from leaderboard.checked import Check, broken
from leaderboard.match import ROW, Record, folded, place
from leaderboard.paired import Difference, Paired, Separate, paired
from leaderboard.records import read
from leaderboard.statistics import ALPHA, holm
from leaderboard.text import NORM, printable
from leaderboard.wording import ALONE, NETWORKS, bounds, signed

CLEAN, UNION = "clean", "union"
ALIKE = ("check", "norm", "eps", "level", "size", "protocol")  # of a check: two that agree in these are the same one
RECIPES = ("model", "steps", "before", "after")

Name = tuple[str, str, str, str, str]  # grid, compression, training; clean, union or the attack; norm, ε, runtime


@dataclass(frozen=True)
class Figure:
    """An accuracy in one run: by seed the images that are right, and what it was measured on and made by.

    checks: of a union, which ones had a say in it, how much they looked at, and its outcomes without them.
    """

    outcomes: dict[int, int]
    n: int
    images: str
    recipe: str
    checks: frozenset[tuple] = frozenset()
    by_attacks: dict[int, int] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        return sum(right.bit_count() for right in self.outcomes.values()) / (self.n * len(self.outcomes))


@dataclass(frozen=True)
class Change:
    """One figure in both runs; `p` is corrected for all that were compared."""

    name: Name
    before: Figure
    after: Figure
    difference: Difference
    p: float

    @property
    def beyond_noise(self) -> bool:
        return self.p < ALPHA


def figures(records: Iterable[Record], checks: Iterable[Check] = ()) -> dict[Name, Figure]:
    """Every figure of a run. A union is as the board's: the norm's attacks at that ε, and what smaller balls, checks
    and examples made for artifacts broke, over the seeds that have all these attacks."""
    records = list(records)
    networks = {place(record): record for record in records if record["runtime"] is None}
    artifacts = [record for record in records if record["runtime"]]
    cells: dict[Name, dict[int, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        row, on, at = _where(record)
        cells[*row, CLEAN, on][record["seed"]] = [record]
        cells[*row, record["attack"], at][record["seed"]] = [record]
    found = {name: _figure(name[3], by_seed) for name, by_seed in cells.items()}
    cells.clear()
    tried: dict[tuple, list[Record]] = defaultdict(list)
    for record in (*folded(networks, artifacts).values(), *artifacts):
        row, _, at = _where(record)
        cells[*row, UNION, at][record["seed"]].append(record)
        tried[*row, record["seed"], record["norm"], record["runtime"]].append(record)
    checked: dict[tuple, list[Check]] = defaultdict(list)
    for check in checks:
        checked[tuple(check[part] for part in ROW)].append(check)
    for name, by_seed in cells.items():
        attacks = {record["attack"] for records in by_seed.values() for record in records}
        whole = {seed: records for seed, records in by_seed.items() if len(records) == len(attacks)}
        if not whole:
            continue
        for seed, records in whole.items():
            eps, norm, runtime = (records[0][key] for key in ("eps", "norm", "runtime"))
            records += [record for record in tried[*name[:3], seed, norm, runtime] if record["eps"] < eps]
        figure, had = _figure(UNION, whole), set()
        outcomes = dict(figure.outcomes)
        for seed, (record, *_) in whole.items():
            if record["runtime"] is None:
                own = [check for check in checked[*name[:3], seed] if _is_of(check, record)]
                had |= {(seed, *(check[part] for part in ALIKE)) for check in own}
                outcomes[seed] &= ~broken(own, record["norm"], record["eps"])
        found[name] = replace(figure, outcomes=outcomes, checks=frozenset(had), by_attacks=figure.outcomes)
    return found


def _where(record: Record) -> tuple[tuple[str, str, str], str, str]:
    """Its row; on which runtime, if on one; and at which ε there."""
    on = f" on {record['runtime']}" if record["runtime"] else ""
    return tuple(record[name] for name in ROW[:3]), on, f" @ {NORM[record['norm']]} {record['eps']:.6g}{on}"


def _is_of(check: Check, record: Record) -> bool:
    """Whether a check of the record's row and seed looked at its network, on the same images."""
    same = check["n"] == record["n"] and check["fingerprint"] == record["dataset"]["fingerprint"]
    return same and check["keys"]["network"] == record["keys"]["network"]


def _figure(what: str, records: dict[int, list[Record]]) -> Figure:
    outcomes = {}
    for seed, ones in sorted(records.items()):
        outcomes[seed] = ~0
        for record in ones:
            outcomes[seed] &= bitmap(record["outcomes"]["clean" if what == CLEAN else "robust"], record["n"])
    (one, *_) = (ones for ones in records.values())
    recipe = [one[0][name] for name in RECIPES]
    attacks = [] if what == CLEAN else sorted([record["attack"], canonical(record["recipe"])] for record in one)
    images = [one[0]["n"], one[0]["dataset"], one[0]["limit"]["test"]]
    return Figure(outcomes, one[0]["n"], canonical(images), canonical([recipe, attacks]))


def difference(before: Figure, after: Figure) -> Difference:
    """after − before: paired if the test images and at least one seed are the same."""
    pair = paired(before.outcomes, after.outcomes, before.n) if before.images == after.images else None
    if pair is not None:
        return pair
    counts = [tuple(right.bit_count() for right in figure.outcomes.values()) for figure in (before, after)]
    return Separate(counts[0], before.n, counts[1], after.n)


def compare(before: dict[Name, Figure], after: dict[Name, Figure]) -> list[Change]:
    """Every figure that both runs have, the least likely by chance first.

    Checks can only lower a union: one that was not checked alike in both runs is compared by its attacks alone.
    """
    names = [name for name in before if name in after]
    pairs = [(before[name], after[name]) for name in names]
    pairs = [pair if pair[0].checks == pair[1].checks else tuple(map(_alone, pair)) for pair in pairs]
    differences = [difference(*pair) for pair in pairs]
    corrected = holm([one.p for one in differences])
    found = [
        Change(name, *pair, one, p) for name, pair, one, p in zip(names, pairs, differences, corrected, strict=True)
    ]
    return sorted(found, key=lambda change: (change.p, -abs(change.difference.estimate), change.name))


def _alone(figure: Figure) -> Figure:
    """The figure by its attacks alone."""
    return replace(figure, outcomes=figure.by_attacks)


def report(changes: Sequence[Change]) -> str:
    """A table with a line for each change, in points of accuracy."""
    heads = ("grid", "row", "accuracy", "A %", "B %", "B − A", "95 %", "p", "test", "")
    sides = ("left", "left", "left", *["right"] * 5, "left", "left")
    lines = [[*map(printable, _line(change))] for change in changes]
    return tabulate(lines, heads, tablefmt="simple", disable_numparse=True, colalign=sides)


def _line(change: Change) -> list[str]:
    grid, compression, training, what, at = change.name
    one = change.difference
    test = "two samples"
    if isinstance(one, Paired):
        seeds = len(one.lost)
        test = f"paired, {seeds} seed{'s' if seeds > 1 else ''}"
    remarks = ["changed" if change.beyond_noise else "not shown"]
    remarks += [NETWORKS] * one.these_networks
    remarks += [ALONE] * (change.before.checks != change.after.checks)
    remarks += ["another recipe"] * (change.before.recipe != change.after.recipe)
    return [
        *(grid, f"{compression}/{training}", what + at),
        *(f"{100 * figure.mean:.1f}" for figure in (change.before, change.after)),
        *(signed(one.estimate), bounds(one.interval()), f"{change.p:.2g}", test, ", ".join(remarks)),
    ]


def _lone(first: dict[Name, Figure], second: dict[Name, Figure], where: Path) -> list[str]:
    lone = [name for name in first if name not in second]
    if not lone:
        return []
    rows = list(dict.fromkeys(f"{grid}: {compression}/{training}" for grid, compression, training, *_ in lone))
    more = f" and {len(rows) - 5} rows more" if len(rows) > 5 else ""
    return [f"{len(lone)} figures stand in {where} alone: {printable(', '.join(rows[:5]))}{more}"]


def _read(folder: Path) -> dict[Name, Figure]:
    checks = folder / "checks.jsonl"
    return figures(read(folder / "records.jsonl"), read(checks, CHECK) if checks.exists() else ())


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; the exit status is described above."""
    parser = argparse.ArgumentParser(
        prog="python -m leaderboard.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("a", type=Path, metavar="A", help="the folder of a run's results, with its records.jsonl")
    parser.add_argument("b", type=Path, metavar="B", help="another's")
    parser.add_argument("--all", action="store_true", help="list what has not changed, too")
    asked = parser.parse_args(arguments)
    try:
        before, after = (_read(folder) for folder in (asked.a, asked.b))
    except RequestError as error:
        print(error, file=sys.stderr)
        return 2
    changes = compare(before, after)
    changed = [change for change in changes if change.beyond_noise]
    alone = _lone(before, after, asked.a) + _lone(after, before, asked.b)
    shown = changes if asked.all else changed
    if shown:
        print(report(shown))
    print(f"{len(changed)} of {len(changes)} figures changed beyond noise (p < {ALPHA:g} after Holm's correction)")
    print(*alone, sep="\n", end="\n" if alone else "")
    return 1 if changed or alone else 0


if __name__ == "__main__":
    sys.exit(main())
