"""The command line, and the only place that knows every room: suite → plan → stages → records → board.

    python -m benchmark.run suites/quickstart.yaml

Exit status: 0 every cell is done; 1 some cells failed; 2 the request is wrong; 130 interrupted (run it again to go on).
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmark import collect, forecast, limits
from benchmark.device import DEVICES, resolve
from benchmark.errors import LeanarmorError, RequestError, suggest
from benchmark.examples import examples
from benchmark.plan import Keep, Plan, plan
from benchmark.plugins import Registry
from benchmark.store import Store
from benchmark.suite import load
from benchmark.types import Cell, Grid, Outcome, Suite
from leaderboard.check_records import CHECK
from leaderboard.records import EXAMPLE, HOLE, MEASUREMENT, default_out, save, write

AXES = ("grid", "compression", "training", "seed", "attack", "eps")
STORE = Path("results") / "store"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    try:
        return _main(_parse(arguments))
    except LeanarmorError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, RequestError) else 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader (head, less) has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:  # a full disk, a folder that may not be read
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmark.run", description="Run a suite and write its leaderboard.")
    parser.add_argument("suite", type=Path, help="a YAML suite file, as suites/quickstart.yaml")
    parser.add_argument(
        "--out", type=Path, help="where the board is written (default: results/FILE, after the suite's file)"
    )
    parser.add_argument("--store", type=Path, default=STORE, help="where artifacts are kept (default: %(default)s)")
    parser.add_argument(
        "--data", type=Path, action="append", default=[], metavar="DIR", help="look for data here first"
    )
    parser.add_argument("--plugins", type=Path, action="append", default=[], metavar="DIR", help="your own plugins")
    parser.add_argument(
        "--only", action="append", default=[], metavar="AXIS=NAME", help=f"run a part: {', '.join(AXES)}"
    )
    parser.add_argument("--limit", metavar="train=N,test=N", help="use fewer examples (the board says so)")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="default: %(default)s")
    parser.add_argument("--dry-run", action="store_true", help="print the plan and what it would cost; run nothing")
    parser.add_argument("--explain", action="store_true", help="print why each stage would (re)run; run nothing")
    parser.add_argument("--quiet", action="store_true", help="no progress display")
    return parser.parse_args(arguments)


def _main(options: argparse.Namespace) -> int:
    for folder in options.data:
        if not folder.is_dir():
            raise RequestError(f"--data {folder}: there is no such folder")
    registry = Registry(options.plugins)
    written = load(options.suite, registry)
    suite = limits.given(written, options.limit, registry)
    device = resolve(options.device)
    whole = plan(suite, registry, device)
    wanted = plan(suite, registry, device, _keep(suite, options.only)) if options.only else whole
    if not wanted.cells:
        raise RequestError(f"--only {' '.join(options.only)}: no cell of {suite.path} is all of these")
    store = Store(options.store)
    note = _left_out(whole, wanted, store, options.only)
    if note:
        print(f"note: {note}", file=sys.stderr)
    if options.dry_run:
        print(forecast.dry_run(suite, wanted, store, registry))
        return 0
    if options.explain:
        print(forecast.explain(wanted, store))
        return 0
    started = time.monotonic()
    out = _folder(options.out or default_out(options.suite))
    _keep_text(out / "notes.log", note)
    if suite.claims:
        _register(written, whole, store, out)
    store.tidy()
    for key in whole.stages:
        store.sound(key)  # a damaged artifact is moved aside now, and made again below
    outcome = _execute(suite, wanted, store, registry, device, options)
    tracebacks = "\n".join(f"{whole.stages[key].label}\n{text}" for key, text in outcome.tracebacks.items())
    _keep_text(out / "errors.log", tracebacks)
    board = _write(written, suite, whole, store, outcome, out)
    if not options.quiet:
        done = len(wanted.stages) - len(outcome.failed) - len(outcome.skipped) - outcome.ran
        print(f"{outcome.ran} stages run, {done} already done, in {time.monotonic() - started:.0f} s")
    print(f"board: {board}")
    return _complain(outcome, out)


def _left_out(whole: Plan, wanted: Plan, store: Store, only: list[str]) -> str:
    """The checks that --only leaves out although it keeps a part of their rows, as one line; empty if there are none.

    A check looks at what the union of a row's attacks leaves standing; of a part of them it would be another check.
    """
    kept, made = {(cell.grid, cell.network) for cell in wanted.cells}, {check.key for check in wanted.checks}
    lacking = [check for check in whole.checks if (check.grid, check.network) in kept and check.key not in made]
    lacking = [check for check in lacking if not store.has(check.key)]
    if not lacking:
        return ""
    networks = len({check.network for check in lacking})
    return (
        f"--only {' '.join(only)}: {len(lacking)} checks of {networks} network{'s' * (networks > 1)} are left out, "
        "because checks look at what all attacks of a row leave standing; keep whole rows to have them"
    )


def _keep_text(path: Path, text: str) -> None:
    """A log of this run: there only if it has something to say."""
    if text:
        save(path, text if text.endswith("\n") else f"{text}\n")
    else:
        path.unlink(missing_ok=True)


def _folder(out: Path) -> Path:
    """`out`, there and writable: learned before the work, not after it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"--out {out}: {error.strerror}; give a folder that can be written to") from None
    if not os.access(out, os.W_OK):
        raise RequestError(f"--out {out}: cannot be written to; give another folder")
    return out


def _register(suite: Suite, whole: Plan, store: Store, out: Path) -> None:
    """Note how much was judged when the suite's claims were first seen: they are worth most when it was nothing."""
    from leaderboard.registration import register  # brings numpy

    judged = sum(store.has(cell.judge) for cell in whole.cells)
    register(out / "claims.jsonl", suite, judged, len(whole.cells))


def _execute(
    suite: Suite, wanted: Plan, store: Store, registry: Registry, device: str, options: argparse.Namespace
) -> Outcome:
    """Run what is not in the store; torch is imported only if there is something to run."""
    outcome = Outcome()
    if any(not store.has(key) for key in wanted.stages):
        from benchmark.execute import local
        from benchmark.execute.progress import Progress
        from benchmark.stages import network
        from benchmark.stages.workplace import Workplace

        with Progress(wanted, store, quiet=options.quiet) as progress:
            place = Workplace(store, registry, device, tuple(options.data), progress.tell)
            where = f"{suite.path}{f' with --limit {options.limit}' if options.limit else ''}"
            limits.check(_unfinished(suite, wanted, store), where, place.data)
            missing = [stage for key, stage in wanted.stages.items() if not store.has(key)]
            place.check(stage.task for stage in missing)
            network.check(place, missing, str(suite.path))
            outcome = local.run(wanted, place, progress.began, progress.ended)
    for key, stage in wanted.stages.items():
        if store.has(key):
            store.remember(stage)
    return outcome


def _unfinished(suite: Suite, wanted: Plan, store: Store) -> list[Grid]:
    """The grids with something to run: of the others, the dataset need not be there any more."""
    names = {cell.grid for cell in wanted.cells if not all(map(store.has, wanted.needed(cell)))}
    return [grid for grid in suite.grids if grid.name in names]


def _write(written: Suite, suite: Suite, whole: Plan, store: Store, outcome: Outcome, out: Path) -> Path:
    """The evidence and the board of everything of the suite that the store holds; the suite as written is its order."""
    from leaderboard import render  # brings pandas

    records = list(collect.records(suite, whole, store))
    holes = list(collect.holes(whole, store, outcome))
    measurements = list(collect.measurements(whole, store))
    checks = list(collect.checks(suite, whole, store))
    write(out / "records.jsonl", records)
    write(out / "measurements.jsonl", measurements, MEASUREMENT)
    write(out / "failures.jsonl", holes, HOLE)
    write(out / "checks.jsonl", checks, CHECK)
    write(out / "examples.jsonl", list(examples(suite, whole, store)), EXAMPLE)
    board = render.write_board(written, records, measurements, holes, out, checks)
    print(render.headline(written, records, checks))
    return board


def _complain(outcome: Outcome, out: Path) -> int:
    """Say what failed, most frequent first; the exit status."""
    if not outcome.failed:
        return 0
    print(f"error: {len(outcome.failed)} stages failed, {len(outcome.skipped)} more needed them:", file=sys.stderr)
    for reason, times in Counter(outcome.failed.values()).most_common(5):
        print(f"  {reason}" + (f" ({times} times)" if times > 1 else ""), file=sys.stderr)
    if outcome.tracebacks:
        print(f"tracebacks: {out / 'errors.log'}", file=sys.stderr)
    return 1


def _keep(suite: Suite, only: list[str]) -> Keep:
    """Which cells --only asks for: the same axis given twice is either of the two, different axes are both."""
    asked: dict[str, set[str]] = {}
    for part in only:
        axis, found, name = part.partition("=")
        if not found or axis not in AXES:
            raise RequestError(f"--only {part}: give AXIS=NAME{suggest(axis, AXES)}")
        known = _names(suite, axis)
        if name not in known:
            raise RequestError(f"--only {part}: the suite has no such {axis}{suggest(name, known)}")
        asked.setdefault(axis, set()).add(name)
    return lambda cell: all(_name(cell, axis) in names for axis, names in asked.items())


def _name(cell: Cell, axis: str) -> str:
    return cell.eps.label if axis == "eps" else str(getattr(cell, axis))


def _names(suite: Suite, axis: str) -> list[str]:
    if axis == "grid":
        names = [grid.name for grid in suite.grids]
    elif axis == "seed":
        names = [str(seed) for seed in suite.seeds]
    elif axis == "eps":
        names = [eps.label for grid in suite.grids for attack in grid.attacks for eps in attack.eps]
    else:
        names = [thing.name for grid in suite.grids for thing in getattr(grid, f"{axis}s")]
    return list(dict.fromkeys(names))


if __name__ == "__main__":
    sys.exit(main())
