"""Augmentation on batches of pixels, on the device, from a seeded generator."""

import torch
import torch.nn.functional as F

PADDING = 4  # pixels, as usual for 32×32 images (He et al., 2016)


def crop_and_flip(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Shift each image by up to 4 pixels (zeros come in) and mirror half of them; [n, c, h, w] in and out."""
    n, _, height, width = images.shape
    padded = F.pad(images, [PADDING] * 4)
    shift = torch.randint(0, 2 * PADDING + 1, (2, n), generator=generator).to(images.device)
    mirror = (torch.rand(n, generator=generator) < 0.5).to(images.device)
    rows = shift[0][:, None] + torch.arange(height, device=images.device)
    columns = torch.arange(width, device=images.device)
    columns = shift[1][:, None] + torch.where(mirror[:, None], columns.flip(0), columns)
    index = torch.arange(n, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[index, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()
