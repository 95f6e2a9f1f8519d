"""Which device a run uses, decided without importing torch, because the answer is part of every stage's key."""

import importlib.util
import os
from pathlib import Path

from benchmark.errors import RequestError

DEVICES = ("auto", "cpu", "cuda")


def resolve(asked: str) -> str:
    """ "cpu" or "cuda" for what was asked; "auto" takes a GPU where there are one and a torch that can use it."""
    usable = _torch_has_cuda() and _gpu_visible()
    if asked == "cuda" and not usable:
        raise RequestError("--device cuda: no GPU that the installed torch can use; give --device cpu or auto")
    return ("cuda" if usable else "cpu") if asked == "auto" else asked


def _torch_has_cuda() -> bool:
    """Read torch/version.py rather than run it: importing torch takes longer than planning a suite."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return False
    version = Path(spec.origin).with_name("version.py")
    lines = version.read_text().splitlines() if version.exists() else []
    return any(line.startswith("cuda") and line.split("=")[-1].strip() != "None" for line in lines)


def _gpu_visible() -> bool:
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return not hidden and any(Path("/dev").glob("nvidia[0-9]*"))
