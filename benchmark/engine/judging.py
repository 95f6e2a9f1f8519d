"""The judge's word: what "robust" means for one image. fp32, eager, in eval mode, on the original model."""

import torch

from benchmark.engine.losses import score, succeeded
from benchmark.engine.memory import Room


def stands(module: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """bool [n]: the true label's logit is strictly larger than every other, and all are finite. A tie is broken.

    All at once, or in pieces if memory runs out, with a warning.
    """
    module.eval()

    def judged(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return ~succeeded(score(module(images).float(), labels))

    with torch.no_grad():
        return Room()(judged, images, labels)


def predicted(module: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    """int64 [n]: the class of the largest logit, of equal ones the first. Not what robustness is judged by."""
    module.eval()
    with torch.no_grad():
        return Room()(lambda images: module(images).argmax(1), images)
