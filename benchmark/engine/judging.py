"""The judge's word: what "robust" means for one image. fp32, eager, in eval mode, on the original model."""

import torch

from benchmark.engine.losses import score, succeeded


def stands(module: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """bool [n]: the true label's logit is strictly larger than every other, and all are finite. A tie is broken."""
    with torch.no_grad():
        return ~succeeded(score(module.eval()(images).float(), labels))
