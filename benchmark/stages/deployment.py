"""Deployments on disk, opened: what is judged, and what a black-box attack is made against, in place of a network."""

from dataclasses import dataclass

import torch

from benchmark.deploy.artifact import opened
from benchmark.deploy.estimator import Deployed, DeployedClassifier
from benchmark.stages import network as networks
from benchmark.stages.network import Network
from benchmark.stages.workplace import Workplace
from benchmark.types import Stage


@dataclass
class Deployment:
    """An artifact in its runtime. As much of a `Network` as judging and asking for predictions takes."""

    module: Deployed
    shape: tuple[int, int, int]  # channels, height, width of its input
    classes: int

    def estimator(self, device: str) -> DeployedClassifier:
        return DeployedClassifier(self.module, self.shape, self.classes)


def load(place: Workplace, key: str) -> Deployment:
    """The deployment of an artifact of the store, its bytes checked."""
    place.store.verify(key)
    made = place.store.result(key)
    artifact = opened(place.store.folder(key), made["runtime"], torch.get_num_threads())
    return Deployment(Deployed(artifact), tuple(made["shape"]), made["classes"])


def target(place: Workplace, stage: Stage) -> Network | Deployment:
    """The network, or the deployment, that a stage attacks or judges."""
    key = stage.input("deployment")
    return load(place, key) if key else networks.load(place, stage.input("network"))
