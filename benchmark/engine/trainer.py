"""ART's AdversarialTrainer, on the device: the attack crafts in eval mode, one step of the optimizer in train mode.

It stands wherever ART's stands and takes the same attacks. Ours are handed tensors and take their gradients through a
frozen view of the model, so that nothing is paid for the weights' gradients, for ART's two extra forward passes, nor
for copies to numpy; any other attack is handed arrays, as ART does. The objective is a strategy: Madry's by default.
"""

from math import ceil

import numpy as np
import torch
from art.attacks.attack import EvasionAttack
from art.defences.trainer import AdversarialTrainer as ArtAdversarialTrainer
from art.estimators.classification import PyTorchClassifier

from benchmark.engine.evasion import GradientAttack
from benchmark.engine.fitting import Fitting, Objective
from benchmark.engine.oracle import evaluating


class AdversarialTrainer(ArtAdversarialTrainer):
    """Adversarial training of a torch classifier, BatchNorm nets, pruned networks and quantised twins included.

    classifier: an ART PyTorchClassifier with an optimizer, whose model takes pixels; attacks: one or several, which
    take turns batch by batch; ratio: the share of each batch that is attacked (ART's default; Madry et al., 2018: 1).

    objective: what a step descends (see `objectives`), by default the classifier's own loss on the batch, its share
    attacked; precision of the step: see `Fitting`; that of crafting is the attack's own.

    As after ART's, the model is left in train mode.
    """

    def __init__(
        self,
        classifier: PyTorchClassifier,
        attacks: EvasionAttack | list[EvasionAttack],
        ratio: float = 0.5,
        objective: Objective | None = None,
        precision: str = "auto",
    ):
        super().__init__(classifier, attacks, ratio)
        for attack in self.attacks:
            if getattr(attack, "targeted", False):
                raise ValueError(f"{type(attack).__name__} is targeted; adversarial training takes no target")
        self.fitting = Fitting(classifier, objective or self._own_loss, precision)
        self._turn = 0

    def fit(self, x, y, batch_size: int = 128, nb_epochs: int = 20, scheduler=None) -> None:
        """Train on x, float [n, …], and y, int [n] or one-hot [n, classes]; numpy arrays or tensors.

        The order of the examples follows numpy's global generator, as in ART. scheduler: stepped after each batch, as
        ART does. Attacks on another classifier craft once, before the first epoch. ValueError for a classifier without
        an optimizer, or labels that are not one an image.
        """
        self._turn = 0
        images = torch.as_tensor(x, dtype=torch.float32)
        labels = _classes(y)
        if len(labels) != len(images):
            raise ValueError(f"y has {len(labels)} labels for {len(images)} images; give one for each")
        self._check_optimizer()
        ready = [None if self._own(attack) else self._crafted(attack, images, labels) for attack in self.attacks]
        with self.fitting.formatted():
            for _ in range(nb_epochs):
                for index in torch.from_numpy(np.random.permutation(len(images))).split(batch_size):
                    transferred = ready[self._turn]
                    given = None if transferred is None else self._on_device(transferred[index])
                    self.step(self._on_device(images[index]), self._on_device(labels[index]), index, given=given)
                    if scheduler is not None:
                        scheduler.step()

    def fit_generator(self, generator, nb_epochs: int = 20, scheduler=None) -> None:
        """Train on the batches of an ART DataGenerator; see `fit`."""
        self._check_optimizer()
        with self.fitting.formatted():
            for _ in range(nb_epochs * ceil(generator.size / generator.batch_size)):
                x, y = generator.get_batch()
                self.step(self._on_device(torch.as_tensor(x, dtype=torch.float32)), self._on_device(_classes(y)))
                if scheduler is not None:
                    scheduler.step()

    def step(
        self,
        x: torch.Tensor,
        y: torch.Tensor,
        indices: torch.Tensor | None = None,
        seed: int | None = None,
        given: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Attack one batch and take one step of the optimizer; the loss before the step, 0-dimensional and detached.

        x: float32 [m, …], y: int64 [m], both on the classifier's device. indices, seed: what our attacks' random
        starts follow (see `GradientAttack.generate`). given: the attacked batch, where it is there already.
        """
        attack = self.attacks[self._turn]
        self._turn = (self._turn + 1) % len(self.attacks)
        if self.ratio == 1:
            return self.fitting.update(x, self._crafted(attack, x, y, indices, seed) if given is None else given, y)
        chosen = self._on_device(torch.from_numpy(np.random.permutation(len(x))[: ceil(self.ratio * len(x))]))
        mine = None if indices is None else indices[chosen.to(indices.device)]
        attacked = x.clone()
        attacked[chosen] = self._crafted(attack, x[chosen], y[chosen], mine, seed) if given is None else given[chosen]
        return self.fitting.update(x, attacked, y)

    def _crafted(self, attack, x, y, indices=None, seed=None) -> torch.Tensor:
        if isinstance(attack, GradientAttack):
            return attack.generate(x, y, indices, seed)
        if "verbose" in attack.attack_params:
            attack.set_params(verbose=False)
        one_hot = np.eye(self._classifier.nb_classes, dtype=np.float32)[y.cpu().numpy()]
        with evaluating(self._classifier.model):
            return torch.from_numpy(attack.generate(x.cpu().numpy(), one_hot)).to(x.device, torch.float32)

    def _check_optimizer(self) -> None:
        if self._classifier.optimizer is None:
            raise ValueError("the classifier has no optimizer; give it one, as ART's own trainer asks, too")

    def _own(self, attack: EvasionAttack) -> bool:
        return attack.estimator is self._classifier

    def _own_loss(self, network, x, x_adv, y):
        return self._classifier.loss(network(x_adv), y)

    def _on_device(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(self._classifier.device)


def _classes(y) -> torch.Tensor:
    labels = torch.as_tensor(y)
    return (labels.argmax(1) if labels.ndim == 2 and labels.shape[1] > 1 else labels.flatten()).long()
