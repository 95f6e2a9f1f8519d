"""Every error a user can meet, as one tree.

LeanarmorError                 one line: the thing, the value, the way out
├── RequestError               what was asked for is wrong; exit status 2, nothing has been run
│   ├── SuiteError             a suite file: carries file, line and key
│   ├── PluginError            a plugin file: unknown, found twice, or cannot be read
│   └── DataError              a dataset that is not there, or is not what it was
├── StoreError                 an artifact that is missing or damaged
└── StageError                 a stage that could not be done; the rest of the grid goes on
    ├── CompressionError       a compression that did not achieve what it says
    ├── AttackError            an attack that broke its contract (modified the model, wrong shape, …)
    └── DeployError            an artifact that cannot be made, or does not run as it says (in integers, say)
"""

import difflib
from collections.abc import Iterable
from pathlib import Path


class LeanarmorError(Exception):
    """An error whose message is meant for the user: one line, no traceback."""


class RequestError(LeanarmorError):
    """What was asked for is wrong, and was refused before anything ran."""


class SuiteError(RequestError):
    """A suite file says something that cannot be done.

    `where` is the dotted key, as `grids.fashion.attacks.pgd-20.steps`; lines count from 1.
    """

    def __init__(self, path: Path | str, line: int, where: str, problem: str):
        self.path, self.line, self.where, self.problem = path, line, where, problem
        super().__init__(f"{path}:{line}: {where + ': ' if where else ''}{problem}")


class PluginError(RequestError):
    """A plugin is unknown, is found twice, or its file cannot be read."""


class DataError(RequestError):
    """A dataset is not there, or is not what it was when its name was first used."""


class StoreError(LeanarmorError):
    """An artifact is missing from the store, or its bytes are not those that were written."""


class StageError(LeanarmorError):
    """A stage could not be done; what depends on it is skipped and the rest goes on."""


class CompressionError(StageError):
    """A compression did not achieve what it says."""


class AttackError(StageError):
    """An attack broke its contract."""


class DeployError(StageError):
    """A runtime cannot take a network, or does not run it as the artifact says."""


def suggest(name: str, known: Iterable[str]) -> str:
    """The end of an error message: the name probably meant, or everything that could have been.

    >>> suggest("stes", ["steps", "restarts"])
    '; it takes steps, restarts (did you mean steps?)'
    """
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    listed = f"; it takes {', '.join(known)}" if known else "; it takes nothing"
    return listed + (f" (did you mean {close[0]}?)" if close else "")
