"""The ℓp ball around an image, cut by the pixel range [0, 1]: measured, tested and clipped to, always in fp32."""

import torch

# fp32 rounding, not a licence: of a pixel near 1, up to 2⁻²⁴ = 6e-8; of a norm over d pixels, 1, √d or d times that
PIXEL, ABSOLUTE, RELATIVE = 6e-8, 1e-6, 1e-5


def distance(examples: torch.Tensor, clean: torch.Tensor, norm: str) -> torch.Tensor:
    """ℓp distance of each example from its clean image, float32 [n]; norm is "inf", "2" or "1"."""
    return torch.linalg.vector_norm((examples - clean).flatten(1), ord=float(norm), dim=1)


def inside(examples: torch.Tensor, clean: torch.Tensor, norm: str, eps: float) -> torch.Tensor:
    """bool [n]: within ε of the clean image and within the pixel range, up to fp32 rounding."""
    pixels = examples.flatten(1)
    in_range = (pixels.amin(1) >= -ABSOLUTE) & (pixels.amax(1) <= 1 + ABSOLUTE)
    rounding = ABSOLUTE + PIXEL * pixels.shape[1] ** (1 / float(norm))
    return in_range & (distance(examples, clean, norm) <= eps * (1 + RELATIVE) + rounding)


def clip(examples: torch.Tensor, clean: torch.Tensor, norm: str, eps: float) -> torch.Tensor:
    """The examples moved into the ball (ℓ∞: per pixel; ℓ2 and ℓ1: along the ray to the clean image) and into [0, 1].

    The clean image lies in [0, 1], so cutting to the pixel range only shortens the perturbation.
    """
    delta = examples - clean
    if norm == "inf":
        delta = delta.clamp(-eps, eps)
    else:
        length = distance(examples, clean, norm)
        scale = torch.where(length > eps, eps / length.clamp(min=1e-12), 1.0)
        delta = delta * scale[:, None, None, None]
    return torch.where(inside(examples, clean, norm, eps)[:, None, None, None], examples, clean + delta).clamp(0, 1)
