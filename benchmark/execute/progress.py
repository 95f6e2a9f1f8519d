"""One live display on a terminal, plain lines when piped, nothing when quiet."""

import sys
import time

from rich.console import Console
from rich.live import Live
from rich.table import Table

from benchmark.forecast import duration
from benchmark.plan import Plan
from benchmark.store import Store
from benchmark.types import Stage

SECONDS_BETWEEN_LINES = 10.0  # when piped: a log a person can still read after a night


class Progress:
    """Told what begins and ends; shows stages done and left, what is running, and the time left."""

    def __init__(self, plan: Plan, store: Store, quiet: bool = False):
        to_run = [stage for stage in plan.stages.values() if not store.has(stage.key)]
        self.total, self.shared = len(plan.stages), len(plan.stages) - len(to_run)
        self.left = {stage.key: stage for stage in to_run}
        self.store = store
        self.done = self.failed = 0
        self.taken: dict[str, list[float]] = {}  # kind → seconds of the stages that this run has finished
        self.current, self.detail = "", ""
        self.stage_started = self.started = time.monotonic()
        self.printed = 0.0
        self.quiet = quiet
        console = Console(stderr=True)
        self.live = None if quiet or not console.is_terminal else Live(console=console, get_renderable=self._render)

    def __enter__(self) -> "Progress":
        if self.live:
            self.live.__enter__()
        return self

    def __exit__(self, *problem) -> None:
        if self.live:
            self.live.__exit__(*problem)

    def began(self, stage: Stage) -> None:
        self.current, self.detail, self.stage_started = f"{stage.kind}  {stage.label}", "", time.monotonic()

    def tell(self, done: int, total: int, what: str) -> None:
        self.detail = f"{done}/{total} {what}"
        self._line()

    def ended(self, stage: Stage, good: bool) -> None:
        self.left.pop(stage.key, None)
        self.done, self.failed = self.done + good, self.failed + (not good)
        if good:
            self.taken.setdefault(stage.kind, []).append(time.monotonic() - self.stage_started)
        self._line()

    def _line(self) -> None:
        """When piped, a plain line now and then."""
        now = time.monotonic()
        if not self.live and not self.quiet and now - self.printed > SECONDS_BETWEEN_LINES:
            print(f"{self._counts()}  {self.current}  {self.detail}", file=sys.stderr, flush=True)
            self.printed = now

    def _counts(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        counts = f"{self.done + self.shared}/{self.total} stages ({self.shared} already done{failed})"
        return f"{counts}, {duration(time.monotonic() - self.started)}, {self._time_left()}"

    def _time_left(self) -> str:
        """From what like stages took, in this run or before; the first minutes of a first run can only say unknown."""
        seconds, unknown = 0.0, 0
        for stage in self.left.values():
            known, taken = self.store.estimate(stage), self.taken.get(stage.kind)
            unknown += not known and not taken
            seconds += known[0] if known else sum(taken) / len(taken) if taken else 0.0
        if not unknown:
            return f"about {duration(seconds)} left"
        return f"at least {duration(seconds)} left ({unknown} stages unknown)" if seconds else "time left unknown"

    def _render(self) -> Table:
        table = Table.grid(padding=(0, 1))
        table.add_row(self._counts())
        table.add_row(f"  {self.current}  {self.detail}", style="dim")
        return table
