"""How ours and each other library is asked for an attack: what `parity_comparisons` lists."""

from collections.abc import Callable
from dataclasses import dataclass

import art.attacks.evasion as arts
import foolbox
import torch
import torchattacks

from benchmark.data import Prepared
from benchmark.plugins import Registry
from benchmark.stages.network import Network
from benchmark.types import Budget
from tests.speed.peers import adv_lib

BATCH = 256
RATIO = 0.25  # of ε: the step of everything that steps
HOPS = 16  # steps of HopSkipJump
FITTED_ON = 500  # training images, of a universal perturbation: ART's takes hours on many more


@dataclass(frozen=True)
class Case:
    """What is attacked, within what, and the seed of whatever is drawn."""

    network: Network
    data: Prepared
    norm: str
    eps: float
    seed: int = 0

    @property
    def images(self) -> torch.Tensor:
        return self.data.test.pixels()

    @property
    def labels(self) -> torch.Tensor:
        return self.data.test.labels.to(self.images.device)

    @property
    def estimator(self):
        return self.network.estimator(self.images.device.type)


Peer = Callable[[Case], torch.Tensor]


def ours(name: str, **options) -> Peer:
    """Our plugin, as a suite runs it."""

    def run(case: Case) -> torch.Tensor:
        plugin = Registry().find("attack", name)
        module = plugin.load()
        attack = module.attack(case.estimator, Budget(case.norm, case.eps, BATCH), **options)
        if "fit" in plugin.hooks:
            train = case.data.training.train
            attack = module.fit(attack, train.pixels().cpu().numpy(), train.labels.cpu().numpy())
        return attack.generate(case.images, case.labels, indices=case.data.test.indices, seed=case.seed)

    return run


def by_art(kind: str, step: float | None = None, **options) -> Peer:
    """ART's class, through our plugin of ART's attacks. step: eps_step, as a share of ε, of a class that has it."""

    def run(case: Case) -> torch.Tensor:
        own = {} if step is None else {"eps_step": step * case.eps}
        build = Registry().find("attack", "art").load().attack
        attack = build(case.estimator, Budget(case.norm, case.eps, BATCH), class_=kind, **own, **options)
        made = attack.generate(case.images.cpu().numpy(), case.labels.cpu().numpy())
        return torch.as_tensor(made, device=case.images.device)

    return run


def by_foolbox(kinds: dict[str, str], within: bool = False, **options) -> Peer:
    """within: the attack takes ε."""

    def run(case: Case) -> torch.Tensor:
        attack = getattr(foolbox.attacks, kinds[case.norm])(**options)
        ball = {"epsilon": case.eps} if within else {}
        return _in_parts(lambda x, y: attack.run(_foolbox_model(case), x, y, **ball), case)

    return run


def foolboxes_hop_skip_jump(case: Case) -> torch.Tensor:
    """foolbox's; what its own start cannot break stays clean, where it would give up on the whole batch."""
    model = _foolbox_model(case)
    constraint = {"2": "l2", "inf": "linf"}[case.norm]
    attack = foolbox.attacks.HopSkipJumpAttack(steps=HOPS, constraint=constraint)
    starts = foolbox.attacks.LinearSearchBlendedUniformNoiseAttack(steps=50).run(model, case.images, case.labels)
    with torch.no_grad():
        rows = (case.network.module(starts).argmax(1) != case.labels).nonzero().squeeze(1)
    made = case.images.clone()
    made[rows] = attack.run(model, made[rows], case.labels[rows], starting_points=starts[rows])
    return made


def by_torchattacks(kind: str, within: bool = True, normed: bool = False, stepping: bool = False, **options) -> Peer:
    """within: the attack takes ε; normed: its norm and a seed as well; stepping: a step of RATIO · ε."""

    def run(case: Case) -> torch.Tensor:
        own = {"eps": case.eps} if within else {}
        own |= {"norm": _name(case), "seed": case.seed} if normed else {}
        own |= {"alpha": RATIO * case.eps} if stepping else {}
        return _in_parts(getattr(torchattacks, kind)(case.network.module, **own, **options), case)

    return run


def by_adv_lib(name: str, normed: bool = True, within: bool = False, **options) -> Peer:
    """normed, within: the attack takes the norm, ε."""

    def run(case: Case) -> torch.Tensor:
        own = ({"norm": float(case.norm)} if normed else {}) | ({"eps": case.eps} if within else {})
        return _in_parts(lambda x, y: getattr(adv_lib(), name)(case.network.module, x, y, **own, **options), case)

    return run


def arts_universal(case: Case) -> torch.Tensor:
    """ART's, around PGD, on the first training images."""
    inner = {"eps": case.eps, "eps_step": case.eps / 4, "norm": float(case.norm), "max_iter": 20, "verbose": False}
    attack = arts.UniversalPerturbation(
        case.estimator, "pgd", inner, 0.1, 3, case.eps, float(case.norm), 32, verbose=False
    )
    train = case.data.training.train
    index = slice(FITTED_ON)
    attack.generate(train.pixels(index).cpu().numpy(), train.labels[index].cpu().numpy())
    noise = torch.as_tensor(attack.noise, device=case.images.device).view(1, *case.images.shape[1:])
    return (case.images + noise).clamp(0, 1)


def torchattacks_ensemble(case: Case) -> torch.Tensor:
    """The four attacks of its AutoAttack (standard), at the 100 steps of Croce & Hein's."""
    shared = {"norm": _name(case), "eps": case.eps, "seed": case.seed}
    module, classes = case.network.module, case.network.classes
    ensemble = [
        torchattacks.APGD(module, steps=100, **shared),
        torchattacks.APGDT(module, steps=100, n_classes=classes, **shared),
        torchattacks.FAB(module, steps=100, multi_targeted=True, n_classes=classes, **shared),
        torchattacks.Square(module, n_queries=5000, **shared),
    ]
    return _in_parts(torchattacks.MultiAttack(ensemble), case)


def _in_parts(attack: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], case: Case) -> torch.Tensor:
    parts = zip(case.images.split(BATCH), case.labels.split(BATCH), strict=True)
    return torch.cat([attack(x, y).detach() for x, y in parts])


def _foolbox_model(case: Case) -> foolbox.PyTorchModel:
    return foolbox.PyTorchModel(case.network.module, bounds=(0, 1), device=case.images.device)


def _name(case: Case) -> str:
    return f"L{case.norm}"
