"""What an attack ascends, and what counts as a success: functions of fp32 logits.

Every loss maps logits [m, classes] and labels int64 [m] to one number an example, larger when the label fares worse.
A targeted attack descends the same loss on its target.
"""

from collections.abc import Callable

import torch
from torch.nn import functional

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

_TINY = 1e-12  # keeps the ratio losses finite when the logits are all equal


def margin(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """max(z_other) − z_label: negative iff the label wins strictly."""
    labels = labels.unsqueeze(1)
    others = logits.scatter(1, labels, -torch.inf).amax(1)
    return others - logits.gather(1, labels).squeeze(1)


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """−log softmax(z)_label."""
    return functional.cross_entropy(logits, labels, reduction="none")


def dlr(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Difference of logits ratio (Croce & Hein, 2020): the margin over z₁ − z₃, z sorted; needs three classes."""
    top = logits.topk(3, dim=1).values
    return margin(logits, labels) / (top[:, 0] - top[:, 2] + _TINY)


def dlr_towards(logits: torch.Tensor, labels: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Targeted DLR (Croce & Hein, 2020): (z_target − z_label) / (z₁ − (z₃ + z₄) / 2); needs four classes."""
    top = logits.topk(4, dim=1).values
    chosen = logits.gather(1, torch.stack([targets, labels], dim=1))
    return (chosen[:, 0] - chosen[:, 1]) / (top[:, 0] - (top[:, 2] + top[:, 3]) / 2 + _TINY)


def divergence(logits: torch.Tensor, clean_logits: torch.Tensor) -> torch.Tensor:
    """KL(f(x) ‖ f(x′)) of each example, f(x) the softmax of the clean image's logits; differentiable in both."""
    believed, now = clean_logits.log_softmax(1), logits.log_softmax(1)
    return functional.kl_div(now, believed, reduction="none", log_target=True).sum(1)


LOSSES: dict[str, Loss] = {"ce": cross_entropy, "dlr": dlr, "margin": margin}
CLASSES_NEEDED = {"ce": 2, "margin": 2, "kl": 2, "dlr": 3, "dlr-targeted": 4}


def score(logits: torch.Tensor, labels: torch.Tensor, targeted: bool = False) -> torch.Tensor:
    """How far an attack has come: the margin, or its negative when the label is a target; never NaN.

    Logits that are not finite are the worst that can happen to a defender, and no way to reach a target.
    """
    finite = logits.isfinite().all(1)
    if targeted:
        return torch.where(finite, -margin(logits, labels), -torch.inf)
    return torch.where(finite, margin(logits, labels), torch.inf)


def succeeded(scores: torch.Tensor, targeted: bool = False) -> torch.Tensor:
    """Untargeted: broken, unless the label wins strictly. Targeted: reached, only if the target wins strictly."""
    return scores > 0 if targeted else scores >= 0
