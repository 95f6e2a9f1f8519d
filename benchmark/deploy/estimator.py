"""An artifact as the judge and as attacks see it: a module without parameters, an estimator without gradients."""

import numpy as np
import torch
from art.estimators.classification import BlackBoxClassifierNeuralNetwork

from benchmark.deploy.artifact import Artifact


class Deployed(torch.nn.Module):
    """An artifact that takes and gives tensors, on whatever device they are; it computes on the CPU."""

    def __init__(self, artifact: Artifact):
        super().__init__()
        self.artifact = artifact

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(self.artifact(images.detach().cpu().numpy())).to(images.device)


class DeployedClassifier(BlackBoxClassifierNeuralNetwork):
    """ART's black-box estimator of an artifact: `predict` gives its logits, and there is no gradient to ask for."""

    def __init__(self, module: Deployed, shape: tuple[int, int, int], classes: int):
        def predict(images: np.ndarray) -> np.ndarray:
            with torch.no_grad():  # through the module, where passes are counted
                return module(torch.from_numpy(images.astype(np.float32, copy=False))).numpy()

        super().__init__(predict, shape, classes, channels_first=True, clip_values=(0.0, 1.0))
        self._model = module
