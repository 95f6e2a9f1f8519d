"""The judge's word: what "robust" means for one image. fp32, eager, in eval mode, on the original model."""

import torch

from benchmark.engine.losses import score
from benchmark.engine.memory import Room

BATCH = {"cpu": 128, "cuda": 1024}  # images at once: on a CPU, the layers' outputs of more leave its caches
ROUNDING = 1e-3  # logits: fp32 in a batch of other images moves them by less, but where a twin's rounding flips


def stands(module: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor, by: float = 0.0) -> torch.Tensor:
    """bool [n]: the true label's logit is strictly larger than every other, and all are finite. A tie is broken.

    by: larger by more than this, ≥ 0. In fixed batches, or smaller ones if memory runs out, with a warning.
    """
    module.eval()

    def judged(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return score(module(images).float(), labels) < -by

    room, size = Room(), BATCH[images.device.type]
    with torch.no_grad():
        return torch.cat([room(judged, *batch) for batch in zip(images.split(size), labels.split(size), strict=True)])


def predicted(module: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    """int64 [n]: the class of the largest logit, of equal ones the first. Not what robustness is judged by."""
    module.eval()
    with torch.no_grad():
        return Room()(lambda images: module(images).argmax(1), images)
