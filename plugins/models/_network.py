"""What the models share: widths, normalisation, a start that can be repeated, and a library's networks made to fit."""

from collections.abc import Callable
from difflib import get_close_matches

import torch
from torch import nn

from benchmark.errors import StageError


def scaled(filters: int, width: float) -> int:
    """A layer's filters times the width multiplier, at least one."""
    return max(1, round(filters * width))


def centred(pixels: torch.Tensor) -> torch.Tensor:
    """[0, 1] → [−1, 1]."""
    return (pixels - 0.5) / 0.5


def start_plainly(network: nn.Module) -> None:
    """Draw every layer's weights as PyTorch does by default.

    So `reset_parameters` on every layer is the network's own start, as the compact control (reinitialise) assumes.
    """
    for module in network.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()


class Normalised(nn.Module):
    """Pixels [n, c, h, w] in [0, 1] → `body((pixels − mean) / std)`; one number for all channels, or one for each."""

    def __init__(self, body: nn.Module, mean: list[float], std: list[float], channels: int, plugin: str):
        super().__init__()
        for name, values in (("mean", mean), ("std", std)):
            if len(values) not in (1, channels) or (name == "std" and min(values) <= 0):
                raise StageError(
                    f"model {plugin}: {name} {list(values)} does not fit images of {channels} channels; "
                    f"give one number, or {channels}{' above 0' * (name == 'std')}"
                )
        self.body = body
        # not part of the weights: both follow from the recipe
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(-1, 1, 1), persistent=False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.body((pixels - self.mean) / self.std)


def take_channels(network: nn.Module, channels: int) -> None:
    """Replace the first convolution of a network for colour images, if `channels` is not three."""
    if channels == 3:
        return
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d):
            fresh = nn.Conv2d(
                channels,
                layer.out_channels,
                layer.kernel_size,
                stride=layer.stride,
                padding=layer.padding,
                bias=layer.bias is not None,
            )
            network.set_submodule(name, fresh)
            return


def tried(make: Callable[[], nn.Module], channels: int, size: int, classes: int, plugin: str, name: str) -> nn.Module:
    """What `make` makes, after one black image has gone through it; StageError if either cannot be done."""
    try:
        network = make()
        with torch.no_grad():
            logits = network.eval()(torch.zeros(1, channels, size, size))
        problem = "" if logits.shape == (1, classes) else f"it gives {list(logits.shape)}, not [1, {classes}]"
    except Exception as error:  # in as many ways as there are architectures
        problem = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    if problem:
        raise StageError(
            f"model {plugin}: {name} cannot be had for images of {channels}×{size}×{size} ({problem}); "
            "choose another or other options, or give the dataset a resize"
        )
    return network.train()


def unknown(plugin: str, name: str, known: list[str], listing: str) -> StageError:
    """The complaint about an architecture's name; `listing` says where all names are."""
    close = get_close_matches(name, known, n=3)
    hint = f" (did you mean {', '.join(close)}?)" if close else ""
    return StageError(f"model {plugin}: unknown name {name!r}; {listing} lists all {len(known)}{hint}")
