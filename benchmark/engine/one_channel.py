"""The first layer of a network for grey images, whose input gradient a CPU's library is slow at.

oneDNN's backward pass of a convolution from one channel is slow. So it is one matrix product, a value for each tap of
the kernel at each place, and a sum over the taps.
"""

import torch
from torch import nn
from torch.nn import functional


def fits(part: nn.Module) -> bool:
    """Whether it is a plain convolution from one channel: stride 1, not dilated, padded by zeros.

    Not a class derived from it, nor one whose `forward` was replaced: what they compute is their own business.
    """
    return (
        type(part) is nn.Conv2d
        and "forward" not in vars(part)
        and part.in_channels == 1
        and part.stride == part.dilation == (1, 1)
        and part.padding_mode == "zeros"
        and not isinstance(part.padding, str)
    )


def convolved(layer: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
    """The layer's output, in the type of its weights; differentiable in x, float32 [n, 1, h, w], alone."""
    return _Convolved.apply(x, layer.weight, layer.bias, layer.padding)


class _Convolved(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, padding):
        ctx.save_for_backward(weight)
        ctx.padding, ctx.size = padding, x.shape[2:]
        return functional.conv2d(x.to(weight.dtype), weight, bias, padding=padding)

    @staticmethod
    def backward(ctx, gradient):
        (weight,) = ctx.saved_tensors
        channels, _, *kernel = weight.shape
        n, _, height, width = gradient.shape
        taps = gradient.permute(0, 2, 3, 1).reshape(-1, channels) @ weight.reshape(channels, -1)
        taps = taps.view(n, height, width, *kernel)
        padded = torch.zeros(n, height + kernel[0] - 1, width + kernel[1] - 1)
        for row in range(kernel[0]):
            for column in range(kernel[1]):
                padded[:, row : row + height, column : column + width] += taps[..., row, column]
        (top, left), (high, wide) = ctx.padding, ctx.size
        return padded[:, None, top : top + high, left : left + wide], None, None, None
