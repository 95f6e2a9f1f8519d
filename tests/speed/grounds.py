"""The networks that everything is measured on: trained by our own stages, kept in a store of their own.

A network here is only ground to measure on. So its key says how it was made, not by which version of our code: an
edited attack does not train it anew. Delete the store (`--cache`) to have it made again.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from benchmark.data import Prepared
from benchmark.device import fastest_precision
from benchmark.engine.judging import stands
from benchmark.errors import StageError
from benchmark.execute import local
from benchmark.plan import Plan
from benchmark.plugins import Registry
from benchmark.stages import network as networks
from benchmark.stages.network import Network
from benchmark.stages.workplace import Workplace
from benchmark.store import Store
from benchmark.types import NetworkTask, Recipe, Stage, canonical
from tests.speed.words import say

FIXTURES = Path(__file__).parent.parent / "fixtures"  # holds the compression that masks gradients
VARIANTS = ("adversarial", "standard", "pruned", "int8", "masked")


def recipe(kind: str, plugin: str, **arguments: object) -> Recipe:
    return Recipe(kind, plugin, tuple(sorted(arguments.items())))


@dataclass(frozen=True)
class Setting:
    """A dataset, a network and how it is trained; the curve is eight ε, up to twice the one trained for."""

    title: str
    dataset: Recipe
    model: Recipe
    limit: int | None  # training images
    eps: float
    standard: Recipe
    adversarial: tuple[Recipe, ...]  # the first from fresh weights
    tuning: Recipe  # after pruning
    variants: tuple[str, ...] = VARIANTS

    @property
    def curve(self) -> tuple[float, ...]:
        return tuple(self.eps * part / 4 for part in range(8, 0, -1))


def _training(plugin: str, **arguments: object) -> Recipe:
    return recipe("training", plugin, **arguments)


def settings(data: Path | None = None, width: float = 0.25) -> dict[str, Setting]:
    """Every setting by its name. data: where CIFAR-10 is, as train/CLASS/*, test/CLASS/* or as torchvision has it;
    width: the ResNet's, as a share of its 64 channels."""
    cnn = recipe("model", "eight_layer_cnn")
    of_images = data is not None and (data / "train").is_dir()
    cifar = recipe("dataset", "image_folder", folder=".") if of_images else recipe("dataset", "cifar10")
    fast = {"eps": 8 / 255, "schedule": "cosine", "weight_decay": 5e-4}
    return {
        "digits": Setting(
            "eight-layer CNN, digits",
            recipe("dataset", "digits"),
            cnn,
            None,
            0.1,
            _training("standard", epochs=20, lr=0.05, batch_size=32),
            (
                _training("standard", epochs=20, lr=0.05, batch_size=32),
                _training("pgd_at", epochs=3, eps=0.1, lr=0.02, batch_size=32),
            ),
            _training("pgd_at", epochs=1, eps=0.1, lr=0.02, batch_size=32),
        ),
        "cnn": Setting(
            "eight-layer CNN, Fashion-MNIST",
            recipe("dataset", "fashion_mnist"),
            cnn,
            None,
            0.1,
            _training("standard", epochs=1, lr=0.05),
            (_training("fgsm_rs", epochs=2, eps=0.1, lr=0.08, batch_size=128),),
            _training("fgsm_rs", epochs=1, eps=0.1, lr=0.02, batch_size=128),
        ),
        "resnet": Setting(
            f"ResNet-18{'' if width == 1 else f' at {width:g} of its width'}, CIFAR-10",
            cifar,
            recipe("model", "resnet_cifar", depth=18, width=width),
            20_000,
            8 / 255,
            _training("standard", epochs=4, lr=0.05, schedule="cosine", weight_decay=5e-4),
            (_training("fgsm_rs", epochs=5, lr=0.05, **fast),),
            _training("fgsm_rs", epochs=1, lr=0.01, **fast),
            VARIANTS[:-1],  # what masks gradients looks for black corners
        ),
    }


@dataclass
class Ground:
    """A setting on this machine: its test images (the first `examples` of them), its networks."""

    name: str
    setting: Setting
    place: Workplace
    examples: int
    steps: int  # of every PGD

    @cached_property
    def data(self) -> Prepared:
        return self.place.data(self.setting.dataset, self.setting.limit, self.examples)

    @property
    def device(self) -> str:
        return self.place.device

    @property
    def precision(self) -> str:
        """What the stages craft in on this machine: "bf16" where its hardware is faster at it, or "fp32"."""
        return fastest_precision(self.device)

    @cached_property
    def adversarial(self) -> Network:
        """The network that is attacked wherever nothing else is said."""
        return self.network("adversarial")

    def network(self, variant: str) -> Network:
        """One of VARIANTS, trained if it is not in the store."""
        return networks.load(self.place, self.stages(variant)[-1].key)

    def stages(self, variant: str) -> list[Stage]:
        """The stages that make a variant; they are run if they have not been."""
        made: list[Stage] = []
        for step in self._steps(variant):
            kind = "train" if not made else "compress" if step.kind == "compression" else "tune"
            task = NetworkTask(self.setting.dataset, self.setting.limit, self.setting.model, step, seed=0)
            inputs = (("network", made[-1].key), ("dense", made[0].key)) if made else ()
            described = {
                "kind": kind,
                "data": self.data.dataset.fingerprint,
                "device": self.device,
                "input": made[-1].key if made else None,
                **{name: vars(value) if isinstance(value, Recipe) else value for name, value in vars(task).items()},
            }
            key = hashlib.sha256(canonical(described).encode()).hexdigest()[:32]
            label = f"{self.setting.title}: {kind} ({step.plugin})"
            made.append(Stage(kind, key, label, task, inputs, described))
        self.ensure(made)
        return made

    def ensure(self, stages: list[Stage]) -> None:
        """Run the stages that are not in the store, each after those before it; StageError for the first to fail."""
        outcome = local.run(
            Plan({stage.key: stage for stage in stages}), self.place, lambda stage: say(stage.label), lambda *_: None
        )
        if outcome.failed:
            raise StageError(next(iter(outcome.failed.values())))

    def stands(self, network: Network, images: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """bool [n] on the CPU: what the fp32 judge says of these images of the test images at `index`."""
        return stands(network.module, images, self.data.test.labels[index].to(self.device)).cpu()

    def order(self, count: int | None = None) -> torch.Tensor:
        """The test images as they are walked, or the first of them: in random order, since some files are sorted."""
        return torch.randperm(self.examples, generator=torch.Generator().manual_seed(0))[:count]

    def clean(self, network: Network, index: torch.Tensor) -> torch.Tensor:
        return self.stands(network, self.data.test.pixels(index), index)

    def _steps(self, variant: str) -> list[Recipe]:
        chosen = self.setting
        if variant == "standard":
            return [chosen.standard]
        compression = {
            "adversarial": [],
            "pruned": [recipe("compression", "prune", ratio=0.5), chosen.tuning],
            "int8": [recipe("compression", "quantize", bits=8)],
            "masked": [recipe("compression", "masks_gradients", noisy=0.3 * chosen.eps)],
        }
        return [*chosen.adversarial, *compression[variant]]


def ground(name: str, examples: int, steps: int, cache: Path, device: str, data: Path | None, width: float) -> Ground:
    """The setting of a name, ready to be measured on."""
    folders = (data,) if data else ()
    place = Workplace(Store(cache), Registry([FIXTURES]), device, folders)
    return Ground(name, settings(data, width)[name], place, examples, steps)
