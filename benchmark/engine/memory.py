"""A batch size that adapts: where memory runs out, the batch is halved, a warning says so, and the work goes on.

What is computed for an example may not depend on its batch (random starts belong to the example, BatchNorm is in eval
mode), so smaller batches change results by no more than the rounding of another matrix size.
"""

import warnings
from collections.abc import Callable
from typing import Any

import torch

from benchmark.errors import StageError


class SmallerBatchWarning(UserWarning):
    """A batch did not fit into memory; what follows goes in smaller ones."""


class Room:
    """How many examples fit into memory at once, found out by trying and kept for the calls that follow.

    `room(work, *given)` is `work(*given)`, in pieces if need be. What is given and what comes back: tensors of one row
    an example, or None, and dicts and tuples of such. StageError if not even one example fits.
    """

    def __init__(self) -> None:
        self.most: int | None = None  # examples at once; None: it has not run out yet

    def __call__(self, work: Callable[..., Any], *given: Any) -> Any:
        total, done, results = _rows(given), 0, []
        while done < total or not results:
            size = min(total - done, self.most or total)
            piece = given if size == total else _taken(given, slice(done, done + size))
            try:
                results.append(work(*piece))
            except (RuntimeError, MemoryError) as error:
                if not ran_out(error):
                    raise
                if size <= 1:
                    raise StageError(_alone(given, error)) from error
            else:
                done += size
                continue
            self._halve(size)  # only now: while it is handled, an error keeps alive what filled the memory
        return results[0] if len(results) == 1 else _joined(results)

    def _halve(self, size: int) -> None:
        self.most = size // 2
        warnings.warn(
            f"memory ran out on a batch of {size} examples; going on with {self.most} at a time",
            SmallerBatchWarning,
            stacklevel=3,
        )


def ran_out(error: Exception) -> bool:
    """Whether it says that memory ran out: on a GPU, on the CPU (a RuntimeError, known by its text), or in numpy."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "DefaultCPUAllocator" in str(error)


def _alone(given: Any, error: Exception) -> str:
    tensor = next(_tensors(given))
    return (
        f"memory ran out on a single example of shape {list(tensor.shape[1:])} on {tensor.device}; "
        f"free some, or take a smaller network ({' '.join(str(error).split())[:120]})"
    )


def _tensors(tree: Any):
    if isinstance(tree, torch.Tensor):
        yield tree
    elif tree is not None:
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from _tensors(part)


def _rows(tree: Any) -> int:
    return len(next(_tensors(tree)))


def _taken(tree: Any, rows: slice) -> Any:
    if isinstance(tree, dict):
        return {name: _taken(part, rows) for name, part in tree.items()}
    if isinstance(tree, tuple):
        return tuple(_taken(part, rows) for part in tree)
    return None if tree is None else tree[rows]


def _joined(trees: list[Any]) -> Any:
    first = trees[0]
    if isinstance(first, dict):
        return {name: _joined([tree[name] for tree in trees]) for name in first}
    if isinstance(first, tuple):
        return tuple(_joined(list(parts)) for parts in zip(*trees, strict=True))
    return None if first is None else torch.cat(trees)
