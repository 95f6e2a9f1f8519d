"""What trainings descend: functions of (network, clean batch, attacked batch, labels), as `fitting.Objective` says."""

import torch
from torch import nn
from torch.nn import functional

from benchmark.engine.fitting import Network, Objective
from benchmark.engine.losses import divergence
from benchmark.engine.twin import LAYERS

_TINY = 1e-12  # keeps the logarithm of a probability finite


def clean(network: Network, x: torch.Tensor, x_adv: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Cross-entropy on the clean batch."""
    return functional.cross_entropy(network(x), y)


def madry(network: Network, x: torch.Tensor, x_adv: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Cross-entropy on the attacked batch alone (Madry et al., 2018)."""
    return functional.cross_entropy(network(x_adv), y)


def trades(beta: float) -> Objective:
    """Cross-entropy on the clean batch + beta · KL(f(x) ‖ f(x′)) (Zhang et al., 2019)."""

    def objective(network, x, x_adv, y):
        logits = network(x)
        return functional.cross_entropy(logits, y) + beta * divergence(network(x_adv), logits).mean()

    return objective


def mart(beta: float) -> Objective:
    """Boosted cross-entropy on the attacked batch + beta · KL(f(x) ‖ f(x′)) · (1 − f(x)_y) (Wang et al., 2020).

    Boosted: − log f(x′)_y − log(1 − the largest other probability). The last factor weighs an example by how far its
    clean image is from being classified with certainty.
    """

    def objective(network, x, x_adv, y):
        logits, logits_adv = network(x), network(x_adv)
        others = logits_adv.softmax(1).scatter(1, y.unsqueeze(1), 0).amax(1)
        boosted = functional.cross_entropy(logits_adv, y) - (1 - others + _TINY).log().mean()
        doubt = 1 - logits.softmax(1).gather(1, y.unsqueeze(1)).squeeze(1)
        return boosted + beta * (divergence(logits_adv, logits) * doubt).mean()

    return objective


def with_orthogonality(objective: Objective, module: nn.Module, beta: float) -> Objective:
    """`objective` + beta / 2 · `orthogonality(module)`."""

    def regularised(network, x, x_adv, y):
        return objective(network, x, x_adv, y) + beta / 2 * orthogonality(module)

    return regularised


def orthogonality(module: nn.Module) -> torch.Tensor:
    """Σ ‖WᵀW − I‖² over convolutions and linear layers, which keeps each one's Lipschitz constant near 1 (Lin et al.,
    2019).

    W is a layer's weight as it computes, a twin's quantised, as a matrix with a row for each output
    channel. Of WᵀW and WWᵀ the smaller is taken: the gradient is the same, and only that one can be the identity.
    """
    total = torch.zeros((), device=next(module.parameters()).device)
    for layer in module.modules():
        if isinstance(layer, LAYERS):
            matrix = layer.weight.flatten(1)
            gram = matrix @ matrix.T if len(matrix) <= matrix.shape[1] else matrix.T @ matrix
            total = total + (gram - torch.eye(len(gram), device=gram.device)).square().sum()
    return total
