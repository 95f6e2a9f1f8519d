"""A network's size: what compression is paid in. Counted on the network itself, never taken from a formula."""

from collections.abc import Iterable
from math import prod

import torch
from torch import nn

from benchmark.engine import twin
from benchmark.engine.mask import Mask
from benchmark.types import Size

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def measure(model: nn.Module, example: torch.Tensor) -> Size:
    """Parameters, multiply–accumulates of one example, and bytes of the state dict as stored (buffers included).

    A quantised twin's bytes are theoretical: its weights at their own width, with one fp32 step a channel. Masked
    weights count as any others, and their masks not at all: the size is the structure's.

    `example` is a float32 batch [n, c, h, w] on the model's device; its first image is run once, in eval mode and
    without gradients. MACs are those of convolution and linear modules, each as often as it is called; biases,
    normalisation, activations and pooling are not counted. The model is left as it was found.
    """
    macs = 0

    def count(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal macs
        if isinstance(module, nn.Linear):
            macs += output.numel() * module.in_features
        elif isinstance(module, _TRANSPOSED):  # every input value meets a whole kernel
            macs += inputs[0].numel() * module.out_channels // module.groups * prod(module.kernel_size)
        else:  # every output value comes from a whole kernel
            macs += output.numel() * module.in_channels // module.groups * prod(module.kernel_size)

    counted = (nn.Linear, *_CONVOLUTIONS, *_TRANSPOSED)
    hooks = [module.register_forward_hook(count) for module in model.modules() if isinstance(module, counted)]
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        with torch.no_grad():
            model(example[:1])
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes:
            module.training = training
    return Size(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        macs=macs,
        weight_bytes=_weight_bytes(model),
    )


def _weight_bytes(model: nn.Module) -> int:
    if getattr(model, "quantised_twin", False):  # its fp32 weights are the simulation's: nobody would ship those
        return twin.weight_bytes(model)
    masks = [module.kept for module in model.modules() if isinstance(module, Mask)]
    return _bytes(model.state_dict().values()) - _bytes(masks)


def _bytes(tensors: Iterable[torch.Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
