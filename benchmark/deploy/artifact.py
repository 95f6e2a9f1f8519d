"""An artifact in its runtime: opened from its files, run on numpy arrays, asked which kernels it executes.

Imports no torch: latency and memory are measured in a process that holds the runtime and the artifact alone.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from benchmark.errors import DeployError

FILES = {"openvino": ("network.xml", "network.bin"), "onnxruntime": ("network.onnx",)}
_PREFERRED = "f32"  # OpenVINO's own choice on a CPU with bf16 units is bf16
INTEGER = {"QLinearConv", "ConvInteger", "QLinearMatMul", "QGemm", "MatMulInteger", "MatMulIntegerToFloat"}
FLOAT = {"Conv", "FusedConv", "ConvTranspose", "Gemm", "FusedGemm", "MatMul", "FusedMatMul"}


@dataclass(frozen=True)
class Kernel:
    """A convolution or linear layer as the runtime executes it: name of the operation, kernel, "int8" or "float"."""

    layer: str
    kernel: str
    arithmetic: str


class Artifact(Protocol):
    """float32 [n, c, h, w] in, float32 logits [n, classes] out; any n."""

    def __call__(self, images: np.ndarray) -> np.ndarray: ...

    def kernels(self) -> list[Kernel]:
        """Every convolution and linear layer, by the runtime's own report."""


def opened(folder: Path, runtime: str, threads: int) -> Artifact:
    """The artifact in `folder`, compiled; DeployError if its runtime refuses it."""
    try:
        return _OPENERS[runtime](Path(folder) / FILES[runtime][0], threads)
    except Exception as error:  # each runtime has errors of its own
        raise DeployError(f"{runtime} cannot open {folder}: {' '.join(str(error).split())[:300]}") from error


def openvino() -> Any:
    """The library, without its telemetry: importing it would send an event."""
    sys.modules.setdefault("openvino_telemetry", None)  # an import of it fails, and OpenVINO goes without
    import openvino

    return openvino


def onnxruntime() -> Any:
    import onnxruntime

    return onnxruntime


class _OpenVino:
    def __init__(self, path: Path, threads: int):
        options = {"INFERENCE_PRECISION_HINT": _PREFERRED, "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
        self.compiled = openvino().Core().compile_model(str(path), "CPU", options)
        self.request = self.compiled.create_infer_request()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        self.request.infer([np.ascontiguousarray(images)], share_inputs=True)
        return self.request.get_output_tensor().data.copy()

    def kernels(self) -> list[Kernel]:
        return list(self._kernels())

    def _kernels(self) -> Iterator[Kernel]:
        for operation in self.compiled.get_runtime_model().get_ordered_ops():
            said = operation.get_rt_info()
            if said["layerType"].astype(str) in ("Convolution", "Deconvolution", "FullyConnected", "MatMul"):
                kernel = said["primitiveType"].astype(str)
                ends = kernel.rpartition("_")[2]
                arithmetic = {"I8": "int8", _PREFERRED: "float"}.get(ends, ends)
                yield Kernel(operation.get_friendly_name(), kernel, arithmetic)


class _OnnxRuntime:
    def __init__(self, path: Path, threads: int):
        self.path, self.threads = path, threads
        options = self._options()
        # a thread that spins after its work would take a core from whatever is measured next
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self.session = onnxruntime().InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        (self.entry,) = (entry.name for entry in self.session.get_inputs())

    def _options(self) -> Any:
        options = onnxruntime().SessionOptions()
        options.intra_op_num_threads = self.threads
        options.log_severity_level = 3  # errors
        return options

    def __call__(self, images: np.ndarray) -> np.ndarray:
        return self.session.run(None, {self.entry: np.ascontiguousarray(images)})[0]

    def kernels(self) -> list[Kernel]:
        """Read off the graph as the runtime has optimised it for this machine."""
        import onnx

        with tempfile.TemporaryDirectory() as folder:
            options = self._options()
            options.optimized_model_filepath = os.path.join(folder, "optimised.onnx")
            onnxruntime().InferenceSession(str(self.path), options, providers=["CPUExecutionProvider"])
            nodes = onnx.load(options.optimized_model_filepath).graph.node
        return [
            Kernel(node.name, node.op_type, "int8" if node.op_type in INTEGER else "float")
            for node in nodes
            if node.op_type in INTEGER | FLOAT
        ]


_OPENERS = {"openvino": _OpenVino, "onnxruntime": _OnnxRuntime}
