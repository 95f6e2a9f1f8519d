"""How many images a suite uses: its `limit`, the command line's --limit, and whether the dataset holds so many.

A dataset that says the shape of its test images (TEST) is held to it before anything is loaded; what others hold is
known when they are loaded, so that a plan can only say "at most".
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from benchmark.errors import DataError, RequestError, suggest
from benchmark.plugins import Registry
from benchmark.types import Grid, Limit, Recipe, Suite
from benchmark.yaml_nodes import Node, whole

PARTS = ("train", "test")


def held(dataset: Recipe, registry: Registry) -> int | None:
    """How many test images a dataset has, if it says so without being loaded."""
    shape = registry.find("dataset", dataset.plugin).constants.get("TEST")
    return shape and shape[0]


def read(node: Node, dataset: Recipe, registry: Registry) -> Limit:
    """What a suite or a grid says under `limit`; SuiteError if it is more than the dataset is known to have."""
    keys = node.keys(PARTS, form="{train: 10000, test: 1000}")
    limit = Limit(**{part: whole(item, 1) for part, item in keys.items()})
    if problem := _too_many(limit, dataset, registry):
        raise keys["test"].error(problem)
    return limit


def given(suite: Suite, text: str | None, registry: Registry) -> Suite:
    """The suite with its grids' limits replaced by those of --limit ("train=N,test=N"; None: as they are)."""
    if text is None:
        return suite
    found = {}
    for word in text.split(","):
        part, _, value = word.strip().partition("=")
        if part not in PARTS:
            raise RequestError(f"--limit {text}: unknown part {part!r}{suggest(part, PARTS)}")
        if not value.isdecimal() or int(value) == 0:
            raise RequestError(f"--limit {text}: {part} must be a whole number above 0, not {value!r}")
        if part in found:
            raise RequestError(f"--limit {text}: {part} is given twice")
        found[part] = int(value)
    for grid in suite.grids:
        if problem := _too_many(Limit(**found), grid.dataset, registry):
            raise RequestError(f"--limit {text}: {problem}")
    return replace(suite, grids=tuple(replace(grid, limit=Limit(**(vars(grid.limit) | found))) for grid in suite.grids))


def check(grids: Iterable[Grid], where: str, data: Callable[..., Any]) -> None:
    """DataError if a grid's limit is more than its dataset holds: where it was written, and the most that can be.

    data: loads a recipe's dataset, and cuts it down to a training and a test limit.
    """
    for grid in (grid for grid in grids if grid.limit != Limit()):
        data(grid.dataset)  # what is wrong with the dataset itself is told as such
        try:
            data(grid.dataset, grid.limit.train, grid.limit.test)
        except DataError as error:
            raise DataError(f"{where}: grid {grid.name}: {error}") from None


def _too_many(limit: Limit, dataset: Recipe, registry: Registry) -> str:
    most = held(dataset, registry)
    if most is None or limit.test is None or limit.test <= most:
        return ""
    return f"{limit.test} is more than the {most} test images of {dataset.plugin}; give at most {most}"
