"""Any network of timm, PyTorch Image Models (Wightman, 2019), by name: {timm: {name: resnet18}}; an extra package."""

from torch import nn

from benchmark.vision import torchvision

from ._network import Normalised, tried, unknown

torchvision()  # timm imports it
try:
    import timm
except ImportError as error:
    raise ImportError(f"timm is needed ({error}); pip install timm") from None


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
    """timm's own network, with its own start and no trained weights; the body is normalised by `mean` and `std`.

    Each is one number for all channels, or one for each. `options` go to timm.create_model, as {drop_rate: 0.1}; a
    network of fixed input size is made for the dataset's. Raises StageError for a name or an option that timm does not
    know, and for images that the network cannot take.
    """
    body = network(classes=classes, channels=channels, size=size, name=name, options=options)
    return Normalised(body, mean, std, channels, "timm")


def network(*, classes: int, channels: int, size: int, name: str, options: dict | None = None) -> nn.Module:
    """The network without normalisation."""
    if not timm.is_model(name):  # a name such as hf-hub:… would fetch a configuration
        raise unknown("timm", name, timm.list_models(), "timm.list_models()")
    configuration = timm.get_pretrained_cfg(name)
    fixed = {"img_size": size} if configuration and configuration.fixed_input_size else {}

    def make() -> nn.Module:
        given = fixed | (options or {})
        return timm.create_model(name, pretrained=False, num_classes=classes, in_chans=channels, **given)

    return tried(make, channels, size, classes, "timm", name)
