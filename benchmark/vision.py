"""torchvision beside a CPU-only torch.

torchvision's wheels on PyPI carry compiled operators built for CUDA. Beside a CPU build of torch they do not load, and
then `import torchvision` itself fails, because it registers fake kernels for operators that do not exist. We use only
its Python parts (datasets, models, transforms), so the two schemas it misses are declared here first.
"""

import importlib
from functools import cache
from types import ModuleType

import torch

_SCHEMAS = ("nms", "qnms")
_ARGUMENTS = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


@cache
def torchvision() -> ModuleType:
    """The torchvision package, importable with or without its compiled operators."""
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    _declare_missing()
    return importlib.import_module("torchvision")


@cache
def _declare_missing() -> torch.library.Library:
    """Declare the operator schemas; the cache keeps the Library alive, on which their life depends."""
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in _SCHEMAS:
        if not hasattr(torch.ops.torchvision, name):
            library.define(name + _ARGUMENTS)
    return library
