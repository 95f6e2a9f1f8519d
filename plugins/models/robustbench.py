"""A network of RobustBench's zoo with its weights (Croce et al., 2021): {robustbench: {name: …}}; an extra package."""

from typing import Literal

from torch import nn

from benchmark.data import cache_folder
from benchmark.errors import StageError
from benchmark.vision import torchvision

from ._network import tried, unknown

torchvision()  # robustbench imports it
try:
    from robustbench.model_zoo.models import model_dicts
    from robustbench.utils import BenchmarkDataset, ThreatModel, load_model
except ImportError as error:
    raise ImportError(f"robustbench is needed ({error}); pip install robustbench and setuptools<81") from None


def model(
    *,
    classes: int,
    channels: int,
    size: int,
    name: str,
    dataset: Literal["cifar10", "cifar100", "imagenet"] = "cifar10",
    threat_model: Literal["Linf", "L2", "corruptions"] = "Linf",
) -> nn.Module:
    """The architecture; RobustBench's networks normalise inside. Raises StageError for a name it does not know."""
    known = model_dicts[BenchmarkDataset(dataset)][ThreatModel(threat_model)]
    if name not in known:
        raise unknown("robustbench", name, list(known), "robustbench.model_zoo.models.model_dicts")
    return tried(known[name]["model"], channels, size, classes, "robustbench", name)


def pretrained(module: nn.Module, *, name: str, dataset: str, threat_model: str) -> None:
    """Load the zoo's weights, from the user's cache or the network."""
    try:
        zoo = load_model(name, cache_folder() / "robustbench", dataset, threat_model)
    except Exception as error:  # its downloads fail in many ways
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise StageError(
            f"model robustbench: the weights of {name} cannot be had ({reason}); run once with a network"
        ) from error
    module.load_state_dict(zoo.state_dict())
