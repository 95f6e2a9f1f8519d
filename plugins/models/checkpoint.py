"""A network trained elsewhere, from its weights: {checkpoint: {file: net.safetensors, architecture: {vgg: {}}, …}}."""

import hashlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import torch
from safetensors.torch import load
from torch import nn

from benchmark.errors import StageError, suggest

from . import (
    densenet,
    eight_layer_cnn,
    mobilenet_v1,
    mobilenet_v2,
    preact_resnet,
    resnet_cifar,
    torchvision,
    vgg,
    wide_resnet,
)
from ._network import Normalised, tried

FILE_DIGESTS = {"file": "sha256"}  # a path's parameter, and that in which a suite's reader puts its content's digest
OURS = {
    "densenet": densenet,
    "eight_layer_cnn": eight_layer_cnn,
    "mobilenet_v1": mobilenet_v1,
    "mobilenet_v2": mobilenet_v2,
    "preact_resnet": preact_resnet,
    "resnet_cifar": resnet_cifar,
    "vgg": vgg,
    "wide_resnet": wide_resnet,
}
ARCHITECTURES = (*OURS, "torchvision", "timm")
WRAPPERS = ("state_dict", "model_state_dict", "model", "net")  # keys under which trainings keep the state dict
PARALLEL = "module."  # what DataParallel puts before every name
SHOWN = 3  # names in a complaint


def model(
    *,
    classes: int,
    channels: int,
    size: int,
    file: str,
    architecture: dict,
    mean: list[float],
    std: list[float],
    sha256: str | None = None,
) -> nn.Module:
    """The structure that the weights in `file` fit: another model plugin's recipe, or that of torchvision or timm.

    file: safetensors, or a state dict that torch.load(weights_only=True) reads, as such or under state_dict, model or
    net; in a suite a path from the suite's folder, or else from the working folder. mean, std: what the training's
    pixels in [0, 1] were normalised by (one number for all channels, or one for each; [0] and [1] if they were not);
    they stand for the architecture's own normalisation, which is off. sha256: of the file; a suite need not give it.
    Raises StageError for an architecture or options that are unknown, `normalise` included.
    """
    if len(architecture) != 1:
        raise StageError("model checkpoint: architecture must name one model, as {resnet_cifar: {depth: 18}}")
    ((name, options),) = architecture.items()
    if name not in ARCHITECTURES:
        raise StageError(f"model checkpoint: unknown architecture {name!r}{suggest(name, ARCHITECTURES)}")
    if "normalise" in (options or {}):
        raise StageError(
            f"model checkpoint: {name} cannot be given normalise, as mean and std say how pixels are normalised; "
            "leave it out (a network of ours that normalised itself was trained with mean: [0.5], std: [0.5])"
        )
    given = {"classes": classes, "channels": channels, "size": size, **(options or {})}
    body = tried(lambda: _builder(name)(**given), channels, size, classes, "checkpoint", name)
    return Normalised(body, mean, std, channels, "checkpoint")


def pretrained(module: Normalised, *, file: str, architecture: dict, sha256: str | None = None, **_: object) -> None:
    """Load the weights of `file` into what `model` gave; StageError if it is not there, has changed or does not fit."""
    weights, wanted = _state_dict(file, sha256), module.body.state_dict()
    missing, surplus = wanted.keys() - weights.keys(), weights.keys() - wanted.keys()
    odd = [name for name in wanted.keys() & weights.keys() if wanted[name].shape != weights[name].shape]
    problems = [
        f"{what} {', '.join(sorted(names)[:SHOWN])}{' …' * (len(names) > SHOWN)}"
        for what, names in (("it lacks", missing), ("it has besides", surplus), ("of another shape are", odd))
        if names
    ]
    if problems:
        (name,) = architecture
        raise StageError(f"model checkpoint: {file} does not fit {name} ({'; '.join(problems)}); mend architecture")
    module.body.load_state_dict(weights)


def _builder(name: str) -> Callable[..., nn.Module]:
    if name == "torchvision":
        return torchvision.network
    if name == "timm":
        from . import timm  # only here: the package is an extra one

        return timm.network
    return lambda **options: OURS[name].model(**options | {"normalise": False})


def _state_dict(file: str, sha256: str | None) -> dict[str, torch.Tensor]:
    """Name → tensor. A file is never unpickled as more than tensors."""
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        raise StageError(f"model checkpoint: {file}: cannot be read ({error.strerror}); mend the path") from None
    if sha256 not in (None, digest := hashlib.sha256(content).hexdigest()):
        raise StageError(f"model checkpoint: {file}: its SHA-256 is {digest}, not {sha256}; put the old file back")
    try:
        content = (
            load(content) if file.endswith(".safetensors") else torch.load(BytesIO(content), "cpu", weights_only=True)
        )
    except Exception as error:  # no tensors, in as many ways as there are bytes: its message says nothing of the file
        raise StageError(
            f"model checkpoint: {file} is neither safetensors nor a state dict of tensors alone "
            f"({type(error).__name__}); save model.state_dict()"
        ) from None
    for key in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    tensors = isinstance(content, dict) and content and all(isinstance(t, torch.Tensor) for t in content.values())
    if not tensors:
        raise StageError(f"model checkpoint: {file} holds no state dict; save model.state_dict()")
    parallel = all(name.startswith(PARALLEL) for name in content)
    return {name.removeprefix(PARALLEL) if parallel else name: tensor for name, tensor in content.items()}
