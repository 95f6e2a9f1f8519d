"""What a check is, and how it is run: a crash of the plugin is a failed check, told in one line.

A check is a function of the thing that is checked. Its name is the check's; it gives back the reason of its verdict,
with numbers, or raises `Failed` or `Skipped` with it.
"""

import traceback
import warnings
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.plugins import Plugin

OK, FAILED, SKIPPED = "ok", "FAILED", "skipped"
LONGEST = 200  # characters of an error that are shown

Check = Callable[[Any], str]


class Failed(Exception):
    """The plugin does not keep its contract; the message says how, with numbers."""


class Skipped(Exception):
    """The check does not apply, or cannot be made; the message says why."""


@dataclass(frozen=True)
class Verdict:
    """What a check found. verdict: OK, FAILED or SKIPPED."""

    check: str
    verdict: str
    reason: str


class Subject:
    """What the checks of one plugin share: what it made, each thing once, however many checks look at it."""

    def __init__(self, plugin: Plugin):
        self.plugin = plugin
        self._made: dict[Hashable, Any] = {}

    def once(self, what: Hashable, make: Callable[[], Any]) -> Any:
        """`make()`, made once. If that fails, the first check that asks gets the error, the others are skipped."""
        if what not in self._made:
            self._made[what] = Skipped("what it needs could not be made: see above")
            self._made[what] = make()
        if isinstance(self._made[what], Skipped):
            raise self._made[what]
        return self._made[what]


def name(check: Check) -> str:
    """The check's name, as people read it."""
    return check.__name__.replace("_", " ")


def verdicts(checks: Sequence[Check], subject: Subject) -> Iterator[Verdict]:
    """The verdict of each check, as it is reached."""
    for check in checks:
        yield Verdict(name(check), *_judged(check, subject))


def require(kept: bool, reason: str) -> str:
    """The reason, of a check that is passed if `kept` and failed otherwise."""
    if not kept:
        raise Failed(reason)
    return reason


def _judged(check: Check, subject: Subject) -> tuple[str, str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # libraries' own: a verdict is one line
            return OK, check(subject)
    except Failed as failure:
        return FAILED, str(failure)
    except Skipped as reason:
        return SKIPPED, str(reason)
    except (Exception, SystemExit) as error:
        return FAILED, told(error, subject.plugin.path)


def told(error: BaseException, path: Path) -> str:
    """A crash in one line, with its place in the plugin's folder where it passed through that."""
    inside = frames_in(path, error)
    where = f" ({Path(inside[-1].filename).name}:{inside[-1].lineno})" if inside else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:LONGEST]}{where}"


def frames_in(path: Path, error: BaseException) -> list[traceback.FrameSummary]:
    """Where an error passed through the plugin's folder; empty if the plugin was not running."""
    folder = path.resolve().parent
    return [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).parent == folder]
