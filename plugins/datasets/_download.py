"""torchvision's own download of a dataset, when it is found nowhere."""

from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any

from benchmark.data import cache_folder
from benchmark.errors import DataError
from benchmark.vision import torchvision


def download(
    name: str, class_name: str, searched: tuple[Path, ...], ways: str, parts: tuple[dict[str, Any], ...] = ({},)
) -> Path:
    """Fetch torchvision's dataset `class_name` into the user's cache and return the root that it now lies under.

    `parts` are the arguments of each part that torchvision fetches by itself. Raises DataError, which says where was
    looked, why the download failed, and the `ways` to get the files.
    """
    root = cache_folder() / "data"
    fetch: Callable = getattr(torchvision().datasets, class_name)
    try:
        for part in parts:
            fetch(root, download=True, **part)
    except (OSError, RuntimeError, EOFError, HTTPException) as error:
        where = ", ".join(map(str, searched))
        why = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{name}: not found in {where}, and its download failed ({why}); {ways}") from error
    return root
