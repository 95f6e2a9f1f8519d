"""The gradient oracle: input gradients and logits for attacks, and the judge that confirms what they find.

    oracle = Oracle(module)
    gradient, logits = oracle.gradient(x, y, cross_entropy)     # through a fast frozen view of the module
    broken = oracle.confirm(x, y)                               # by the module itself, fp32, eager, in eval mode

The view proposes, the judge disposes: bf16 logits are off by more than an adversarial example's margin, so no decision
may rest on them. The module is never modified: neither weights nor their gradients, nor any training flag.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from benchmark.engine.attack_view import AttackView
from benchmark.engine.losses import Loss, score, succeeded

PRECISIONS = ("auto", "fp32", "bf16")
_EXAMPLES = 4  # inputs that a new view is tried on


class Oracle:
    """Gradients of a torch classifier (pixels in, logits out) with respect to its input.

    precision: "bf16" computes the network's body in bfloat16, "auto" does so where the hardware multiplies bf16 faster
    than fp32. A module with the attribute `quantised_twin = True` is always run as it is, in fp32: half a
    quantisation step decides there. `forward` and `backward` count examples, the judge's included.

    Tensors of the module may change between calls of `refresh`; its other attributes are those of the first one.
    """

    def __init__(self, module: nn.Module, precision: str = "auto"):
        if precision not in PRECISIONS:
            raise ValueError(f"precision {precision!r} is unknown; it is one of {', '.join(PRECISIONS)}")
        self.module = module
        self.precision = precision
        self.forward = 0
        self.backward = 0
        self._largest = 0  # batch
        self._view: AttackView | None = None

    def refresh(self, example: torch.Tensor) -> None:
        """Take over the module's weights as they are now. example: float32 [m ≥ 1, …] on the module's device."""
        with evaluating(self.module):
            if self._view is not None and self._view.is_of(self.module):
                self._view.refresh()
            else:
                twin = getattr(self.module, "quantised_twin", False)
                bf16 = not twin and (
                    self.precision == "bf16" or (self.precision == "auto" and has_bf16(example.device))
                )
                self._view = AttackView(self.module, example[:_EXAMPLES], bf16=bf16, fold=not twin)

    @property
    def bf16(self) -> bool:
        """Whether the view's logits may differ from the judge's by more than fp32 rounding."""
        return self._view is not None and self._view.bf16

    def gradient(self, x: torch.Tensor, y: torch.Tensor, loss: Loss) -> tuple[torch.Tensor, torch.Tensor]:
        """d loss(logits, y) / dx of each example (0 where it is NaN), and the logits, both float32 and detached."""
        filled = self._filled(x.detach()).detach().requires_grad_()
        with torch.enable_grad():
            logits = self._viewed(filled)[: len(x)]
            (gradient,) = torch.autograd.grad(loss(logits, y).sum(), filled)
        self.forward += len(x)
        self.backward += len(x)
        return gradient[: len(x)].nan_to_num_(nan=0.0), logits.detach()

    @torch.no_grad()
    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """The view's logits, float32 [m, classes]."""
        logits = self._viewed(self._filled(x))[: len(x)]
        self.forward += len(x)
        return logits

    @torch.no_grad()
    def judge(self, x: torch.Tensor) -> torch.Tensor:
        """The module's own logits, float32 [m, classes]: fp32, eager, eval mode."""
        with evaluating(self.module):
            logits = self.module(self._filled(x))[: len(x)]
        self.forward += len(x)
        return logits

    def confirm(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """bool [m]: whether the module breaks, giving y no strictly larger logit than every other class."""
        return succeeded(score(self.judge(x), y))

    def _filled(self, x: torch.Tensor) -> torch.Tensor:
        """`x`, with copies of its last row behind it, so that batches of any size come in few sizes.

        An active set has another size in every step, and for each new one a CPU's library compiles every layer anew.
        The largest batch so far, which most are, is never filled up. The copies are not counted as passes.
        """
        self._largest = max(self._largest, len(x))
        missing = min(_next_size(len(x)), self._largest) - len(x)
        return torch.cat([x, x[-1:].expand(missing, *x.shape[1:])]) if missing > 0 else x

    def _viewed(self, x: torch.Tensor) -> torch.Tensor:
        if self._view is None:
            self.refresh(x)
        return self._view(x)


def _next_size(size: int) -> int:
    """The next power of two up to 32, or multiple of 32: so that little is wasted."""
    return -(-size // 32) * 32 if size > 32 else 1 << max(0, size - 1).bit_length()


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Eval mode inside; afterwards every submodule is in the mode that it was in."""
    training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


def has_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bf16 matrices faster than fp32 ones."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
