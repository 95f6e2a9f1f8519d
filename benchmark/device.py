"""Which device a run uses, and what it is fast at, without importing torch: both are part of the stages' keys."""

import importlib.util
import os
import subprocess
from pathlib import Path

from benchmark.errors import RequestError

DEVICES = ("auto", "cpu", "cuda")


def resolve(asked: str) -> str:
    """ "cpu" or "cuda" for what was asked; "auto" takes a GPU where there are one and a torch that can use it."""
    usable = _torch_has_cuda() and _gpu_visible()
    if asked == "cuda" and not usable:
        raise RequestError("--device cuda: no GPU that the installed torch can use; give --device cpu or auto")
    return ("cuda" if usable else "cpu") if asked == "auto" else asked


def fastest_precision(device: str) -> str:
    """ "bf16" where the hardware multiplies bfloat16 matrices faster than float32 ones, otherwise "fp32"."""
    return "bf16" if (_gpu_has_bf16() if device == "cuda" else _cpu_has_bf16()) else "fp32"


def _cpu_has_bf16() -> bool:
    try:
        flags = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags"))
    except (OSError, StopIteration):  # not Linux, or not x86: nothing is known
        return False
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(flags.split())


def _gpu_has_bf16() -> bool:
    """From compute capability 8.0 (Ampere) on."""
    try:
        asked = ("nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader")
        found = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return False
    return bool(found) and min(map(float, found)) >= 8


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
