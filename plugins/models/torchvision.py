"""Any classification network of torchvision by name, for images of ImageNet's kind: {torchvision: {name: resnet18}}."""

from torch import nn

from benchmark import vision

from ._network import Normalised, take_channels, tried, unknown

LISTING = "torchvision.models.list_models(module=torchvision.models)"


def model(
    *,
    classes: int,
    channels: int,
    size: int,
    name: str,
    mean: list[float] = (0.5,),
    std: list[float] = (0.5,),
    options: dict | None = None,
) -> nn.Module:
    """torchvision's own network, with its own start and no trained weights; the body is normalised by `mean` and `std`.

    Each is one number for all channels, or one for each. `options` go to torchvision's constructor, as {dropout: 0.1}.
    Where the images are not colour ones the first convolution is replaced. Raises StageError for a name or an option
    that torchvision does not know, and for images that the network cannot take.
    """
    body = network(classes=classes, channels=channels, size=size, name=name, options=options)
    return Normalised(body, mean, std, channels, "torchvision")


def network(*, classes: int, channels: int, size: int, name: str, options: dict | None = None) -> nn.Module:
    """The network without normalisation."""
    models = vision.torchvision().models
    known = models.list_models(module=models)
    if name not in known:
        raise unknown("torchvision", name, known, LISTING)

    def make() -> nn.Module:
        body = models.get_model(name, weights=None, num_classes=classes, **_engine(name, size) | (options or {}))
        take_channels(body, channels)
        return body

    return tried(make, channels, size, classes, "torchvision", name)


def _engine(name: str, size: int) -> dict[str, object]:
    """What some constructors have to be told."""
    if name in ("googlenet", "inception_v3"):  # else they train with several heads, and take minutes to start
        return {"aux_logits": False, "init_weights": False}
    return {"image_size": size} if name.startswith("vit_") else {}
