"""Look for a gradient to follow: of the margin, in fp32, on the network itself."""

from functools import partial

import torch

from benchmark.engine.losses import margin
from benchmark.engine.memory import Room
from benchmark.stages import network as networks
from benchmark.stages.verify.looked import looked
from benchmark.stages.workplace import Workplace
from benchmark.store import Draft
from benchmark.types import Stage

BATCH = 256


def gradients(stage: Stage, place: Workplace, draft: Draft) -> None:
    """Find the images at which no attack by gradient can begin: theirs is all zero, or not finite."""
    seen, module = looked(stage, place), networks.load(place, stage.input("network")).module
    found, room = [seen.index[:0]], Room()
    for index in seen.index.split(BATCH) if len(seen.index) else ():
        images, labels = seen.test.pixels(index), seen.test.labels[index].to(place.device)
        found.append(index[room(partial(_blind, module), images, labels).cpu()])
    draft.result = seen.result(torch.cat(found))


def _blind(module: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """bool [n]: no step would leave the image."""
    images = images.requires_grad_()
    with torch.enable_grad():
        score = margin(module(images).float(), labels)
        if not score.requires_grad:  # the network cuts itself off
            return torch.ones_like(labels, dtype=torch.bool)
        (gradient,) = torch.autograd.grad(score.sum(), images, allow_unused=True)
    if gradient is None:
        return torch.ones_like(labels, dtype=torch.bool)
    gradient = gradient.flatten(1)
    return (gradient == 0).all(1) | ~gradient.isfinite().all(1)
