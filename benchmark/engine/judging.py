"""The judge's word: what "robust" means for one image. fp32, eager, in eval mode, on the original model."""

import torch


def stands(module: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """bool [n]: the true label's logit is strictly larger than every other, and all are finite. A tie is broken."""
    with torch.no_grad():
        logits = module.eval()(images).float()
    true = logits.gather(1, labels[:, None]).squeeze(1)
    others = logits.scatter(1, labels[:, None], float("-inf")).amax(1)
    return (true > others) & logits.isfinite().all(1)
