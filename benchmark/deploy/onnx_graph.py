"""Quantised networks in ONNX: fake quantisation as QuantizeLinear and DequantizeLinear, weights stored as int8.

ONNX Runtime fuses a convolution with the quantisers around it into an integer kernel, but leaves it in float32 where
the next reader is something else (the sum of a residual block, a flattening). Those are written as what the fused
kernel would do: integers multiplied, one scale a channel, and the bias.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmark.deploy.artifact import FLOAT, onnxruntime

OPSET = 17
_INTEGER = {"Conv": "ConvInteger", "Gemm": "MatMulInteger", "MatMul": "MatMulInteger"}
_PER_TENSOR, _PER_CHANNEL = "aten::fake_quantize_per_tensor_affine", "aten::fake_quantize_per_channel_affine"


@contextmanager
def fake_quantisation() -> Iterator[None]:
    """Inside, torch's exporter takes the ranges −127 … 127, which it refuses: the twin never reaches −128."""
    from onnx import TensorProto
    from torch.onnx import symbolic_helper

    def quantised(graph, values, scale, zero_point, lowest, **axis):
        kind = TensorProto.UINT8 if lowest == 0 else TensorProto.INT8
        zero_point = graph.op("Cast", zero_point, to_i=kind)
        integers = graph.op("QuantizeLinear", values, scale, zero_point, **axis)
        return graph.op("DequantizeLinear", integers, scale, zero_point, **axis)

    @symbolic_helper.parse_args("v", "v", "v", "i", "i")
    def per_tensor(graph, values, scale, zero_point, lowest, highest):
        return quantised(graph, values, scale, zero_point, lowest)

    @symbolic_helper.parse_args("v", "v", "v", "i", "i", "i")
    def per_channel(graph, values, scale, zero_point, axis, lowest, highest):
        return quantised(graph, values, scale, zero_point, lowest, axis_i=axis)

    torch.onnx.register_custom_op_symbolic(_PER_TENSOR, per_tensor, OPSET)
    torch.onnx.register_custom_op_symbolic(_PER_CHANNEL, per_channel, OPSET)
    try:
        yield
    finally:
        torch.onnx.unregister_custom_op_symbolic(_PER_TENSOR, OPSET)
        torch.onnx.unregister_custom_op_symbolic(_PER_CHANNEL, OPSET)


def settle(traced: Path, path: Path) -> None:
    """Fold constants, so that weights are stored as integers, and write out the layers that would stay in float32."""
    import onnx

    levels = onnxruntime().GraphOptimizationLevel
    model = _optimised(traced, levels.ORT_ENABLE_BASIC)  # which holds on every machine
    onnx.save(model, path)
    if any(node.op_type == "DequantizeLinear" for node in model.graph.node):
        here = _optimised(path, levels.ORT_ENABLE_ALL)
        for name in [node.name for node in here.graph.node if node.op_type in FLOAT]:
            _write_out(model.graph, name)
        _drop_unread(model.graph)
        onnx.save(model, path)


def _optimised(path: Path, level: Any) -> Any:
    """A model as ONNX Runtime rewrites it at a level of optimisation."""
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime().SessionOptions()
        options.log_severity_level = 3  # errors
        options.graph_optimization_level = level
        options.optimized_model_filepath = str(Path(folder) / "optimised.onnx")
        onnxruntime().InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath)


def _write_out(graph: Any, name: str) -> None:
    """Replace a layer, if both its inputs are dequantised integers, by integer arithmetic and a scale a channel."""
    from onnx import TensorProto, helper, numpy_helper

    place = next((at for at, node in enumerate(graph.node) if node.name == name), None)
    node = graph.node[place] if place is not None else None
    if node is None or node.op_type not in _INTEGER:
        return
    makers = {output: maker for maker in graph.node for output in maker.output}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    entry, weight = (makers.get(source) for source in node.input[:2])
    if not all(maker and maker.op_type == "DequantizeLinear" for maker in (entry, weight)):
        return
    integers, per_channel, per_tensor = (
        numpy_helper.to_array(constants[one]) for one in (*weight.input[:2], entry.input[1])
    )
    attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    if node.op_type == "Gemm":
        integers = integers.T if attributes.get("transB") else integers
        attributes = {}
    shape = (1, -1, *[1] * (integers.ndim - 2))
    new = {"weight": integers, "scale": (per_channel * per_tensor).reshape(shape)}
    if len(node.input) > 2:
        new["bias"] = numpy_helper.to_array(constants[node.input[2]]).reshape(shape)
    graph.initializer.extend(numpy_helper.from_array(value, f"{name}/{which}") for which, value in new.items())
    inputs = [entry.input[0], f"{name}/weight", *entry.input[2:3]]
    made = [
        helper.make_node(_INTEGER[node.op_type], inputs, [f"{name}/sums"], name, **attributes),
        helper.make_node("Cast", [f"{name}/sums"], [f"{name}/floats"], f"{name}/cast", to=TensorProto.FLOAT),
    ]
    steps = [("Mul", "scale"), ("Add", "bias")][: len(new) - 1]
    last = f"{name}/floats"
    for at, (operator, which) in enumerate(steps, 1):
        result = node.output[0] if at == len(steps) else f"{name}/scaled"
        made.append(helper.make_node(operator, [last, f"{name}/{which}"], [result], f"{name}/{operator}"))
        last = result
    del graph.node[place]
    for at, one in enumerate(made):
        graph.node.insert(place + at, one)


def _drop_unread(graph: Any) -> None:
    """Remove what nothing reads any more: dequantised weights, and their own constants."""
    while True:
        read = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
        nodes = [node for node in graph.node if not read.intersection(node.output)]
        constants = [tensor for tensor in graph.initializer if tensor.name not in read]
        if not nodes and not constants:
            return
        for node in nodes:
            graph.node.remove(node)
        for tensor in constants:
            graph.initializer.remove(tensor)
