"""A torch network → the files of a runtime's own format, and the assertion that they are what they claim to be."""

import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmark.deploy import onnx_graph
from benchmark.deploy.artifact import FILES, Kernel, openvino
from benchmark.engine.twin import LAYERS
from benchmark.errors import DeployError


def export(module: torch.nn.Module, example: torch.Tensor, runtime: str, folder: Path) -> None:
    """Write the runtime's files (`artifact.FILES`) of a network on the CPU in eval mode into `folder`.

    example: float32 [n, c, h, w]; the artifact takes any n. A quantised twin becomes integers: the tracer sees it as
    the operators that runtimes recognise. DeployError if the exporter cannot.
    """
    path = folder / FILES[runtime][0]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracer's, of its own deprecation and of shapes read as Python numbers
        try:
            _EXPORTERS[runtime](module.eval(), example, path)
        except Exception as error:  # of the tracer, of a converter: whatever the network's operators make it raise
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            raise DeployError(f"{runtime} cannot take this network: {reason}") from error


def check(kernels: Sequence[Kernel], precision: str, layers: int, runtime: str) -> None:
    """DeployError unless all of a network's `layers` convolutions and linear layers run as `precision` says."""
    wanted = {"int8": "int8", "fp32": "float"}[precision]
    wrong = [kernel for kernel in kernels if kernel.arithmetic != wanted]
    if wrong:
        shown = ", ".join(f"{kernel.layer} as {kernel.kernel}" for kernel in wrong[:3])
        raise DeployError(f"{runtime}: {len(wrong)} of {len(kernels)} layers do not run in {precision}: {shown}")
    if len(kernels) != layers:
        raise DeployError(
            f"{runtime}: the network calls {layers} convolutions and linear layers, the runtime {len(kernels)}"
        )


def calls(module: torch.nn.Module, example: torch.Tensor) -> int:
    """How many times a network calls a convolution or a linear layer."""
    counted: Counter[str] = Counter()
    layers = [layer for layer in module.modules() if isinstance(layer, LAYERS)]
    hooks = [layer.register_forward_hook(lambda *_: counted.update(["layer"])) for layer in layers]
    with torch.no_grad():
        module.eval()(example)
    for hook in hooks:
        hook.remove()
    return counted["layer"]


def _to_openvino(module: torch.nn.Module, example: torch.Tensor, path: Path) -> None:
    library = openvino()
    converted = library.convert_model(module, example_input=example, input=[-1, *example.shape[1:]])
    # names count up through a process, and the same network must be the same bytes
    converted.set_friendly_name("network")
    kinds: Counter[str] = Counter()
    for operation in converted.get_ordered_ops():
        kind = operation.get_type_name()
        operation.set_friendly_name(f"{kind}_{kinds[kind]}")
        kinds[kind] += 1
    library.save_model(converted, path, compress_to_fp16=False)


def _to_onnx(module: torch.nn.Module, example: torch.Tensor, path: Path) -> None:
    traced = path.with_name("traced.onnx")
    with onnx_graph.fake_quantisation():
        torch.onnx.export(
            module,
            (example,),
            traced,
            dynamo=False,  # the other exporter cannot take the twin
            opset_version=onnx_graph.OPSET,
            input_names=["images"],
            output_names=["logits"],
            dynamic_axes={"images": {0: "n"}, "logits": {0: "n"}},
        )
    onnx_graph.settle(traced, path)
    traced.unlink()


_EXPORTERS = {"openvino": _to_openvino, "onnxruntime": _to_onnx}
