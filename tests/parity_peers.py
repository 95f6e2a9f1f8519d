"""Other implementations of our attacks, at the settings that ours are given: what `parity_attacks` compares with."""

from collections.abc import Callable
from dataclasses import dataclass

import art.attacks.evasion as arts
import foolbox
import numpy as np
import torch
import torchattacks

from benchmark.data import Prepared
from benchmark.plugins import Registry
from benchmark.stages.network import Network
from benchmark.types import Budget
from tests.speed.peers import adv_lib

OURS = "ours"
STEPS, SEARCHES, RATE = 200, 9, 0.05  # of Carlini & Wagner's
HOPS = 32  # steps of HopSkipJump


@dataclass(frozen=True)
class Case:
    """What is attacked, and within what."""

    network: Network
    data: Prepared
    norm: str
    eps: float

    @property
    def images(self) -> torch.Tensor:
        return self.data.test.pixels()

    @property
    def labels(self) -> torch.Tensor:
        return self.data.test.labels


Peer = Callable[[Case], torch.Tensor]


def ours(name: str, **options) -> Peer:
    """Our plugin, as a suite runs it."""

    def run(case: Case) -> torch.Tensor:
        plugin = Registry().find("attack", name)
        module = plugin.load()
        attack = module.attack(case.network.estimator("cpu"), Budget(case.norm, case.eps, 256), **options)
        if "fit" in plugin.hooks:
            train = case.data.training.train
            attack = module.fit(attack, train.pixels().numpy(), train.labels.numpy())
        return attack.generate(case.images, case.labels, indices=case.data.test.indices, seed=0)

    return run


def by_art(kind: str, **options) -> Peer:
    def run(case: Case) -> torch.Tensor:
        attack = getattr(arts, kind)(case.network.estimator("cpu"), verbose=False, **options)
        if hasattr(attack, "norm"):
            attack.set_params(norm=float(case.norm))
        return torch.as_tensor(attack.generate(case.images.numpy(), case.labels.numpy()))

    return run


def by_foolbox(kinds: dict[str, str], **options) -> Peer:
    def run(case: Case) -> torch.Tensor:
        constraint = {"constraint": {"2": "l2", "inf": "linf"}[case.norm]} if "HopSkipJump" in kinds[case.norm] else {}
        attack = getattr(foolbox.attacks, kinds[case.norm])(**options, **constraint)
        model = foolbox.PyTorchModel(case.network.module, bounds=(0, 1))
        return _in_parts(lambda x, y: attack.run(model, x, y), case)

    return run


def by_torchattacks(make: Callable[[Case], torchattacks.attack.Attack]) -> Peer:
    return lambda case: _in_parts(make(case), case)


def by_adv_lib(name: str, **options) -> Peer:
    def run(case: Case) -> torch.Tensor:
        norm = {"norm": float(case.norm)} if name in ("df", "fab") else {}
        return _in_parts(lambda x, y: getattr(adv_lib(), name)(case.network.module, x, y, **norm, **options), case)

    return run


def arts_universal(case: Case) -> torch.Tensor:
    """ART's, around PGD, on 500 training images: it takes hours on all of them."""
    inner = {"eps": case.eps, "eps_step": case.eps / 4, "norm": float(case.norm), "max_iter": 20, "verbose": False}
    attack = arts.UniversalPerturbation(
        case.network.estimator("cpu"), "pgd", inner, 0.1, 3, case.eps, float(case.norm), 32, verbose=False
    )
    train = case.data.training.train
    attack.generate(train.pixels(slice(500)).numpy(), train.labels[:500].numpy())
    noise = torch.as_tensor(attack.noise).view(1, *case.images.shape[1:])
    return (case.images + noise).clamp(0, 1)


def _in_parts(attack: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], case: Case) -> torch.Tensor:
    parts = zip(case.images.split(256), case.labels.split(256), strict=True)
    return torch.cat([attack(x, y).detach() for x, y in parts])


def _fab(case: Case) -> torchattacks.attack.Attack:
    classes = case.network.classes
    return torchattacks.FAB(
        case.network.module, f"L{case.norm}", case.eps, steps=100, multi_targeted=True, n_classes=classes
    )


def _auto_attack(case: Case) -> torchattacks.attack.Attack:
    return torchattacks.AutoAttack(
        case.network.module, f"L{case.norm}", case.eps, n_classes=case.network.classes, seed=0
    )


_FOOLBOX_DEEPFOOL = {"2": "L2DeepFoolAttack", "inf": "LinfDeepFoolAttack"}
_CW = {"binary_search_steps": SEARCHES, "initial_const": 1e-3}
# (attack, norm) → implementation → peer
PEERS: dict[tuple[str, str], dict[str, Peer]] = {
    ("deepfool", "2"): {
        OURS: ours("deepfool"),
        "foolbox": by_foolbox(_FOOLBOX_DEEPFOOL, steps=50),
        "adv-lib": by_adv_lib("df", steps=50),
        "torchattacks": by_torchattacks(lambda case: torchattacks.DeepFool(case.network.module)),
        "ART": by_art("DeepFool", max_iter=50, epsilon=0.02, batch_size=256),
    },
    ("deepfool", "inf"): {
        OURS: ours("deepfool"),
        "foolbox": by_foolbox(_FOOLBOX_DEEPFOOL, steps=50),
        "adv-lib": by_adv_lib("df", steps=50),
    },
    ("cw", "2"): {
        OURS: ours("cw", steps=STEPS, learning_rate=RATE, searches=SEARCHES, const=1e-3),
        "foolbox": by_foolbox({"2": "L2CarliniWagnerAttack"}, steps=STEPS, stepsize=RATE, **_CW),
        "adv-lib": by_adv_lib("carlini_wagner_l2", max_iterations=STEPS, learning_rate=RATE, **_CW),
        "ART": by_art("CarliniL2Method", max_iter=STEPS, learning_rate=RATE, batch_size=256, **_CW),
        "torchattacks": by_torchattacks(lambda case: torchattacks.CW(case.network.module, steps=STEPS, lr=RATE)),
    },
    ("cw", "inf"): {
        OURS: ours("cw", steps=STEPS, learning_rate=RATE),
        "adv-lib": by_adv_lib("carlini_wagner_linf", max_iterations=STEPS, learning_rate=RATE),
    },
    ("fab", "inf"): {
        OURS: ours("fab"),
        "adv-lib": by_adv_lib("fab", n_iter=100, targeted_restarts=True),
        "torchattacks": by_torchattacks(_fab),
    },
    ("fab", "2"): {
        OURS: ours("fab"),
        "adv-lib": by_adv_lib("fab", n_iter=100, targeted_restarts=True),
        "torchattacks": by_torchattacks(_fab),
    },
    ("fab", "1"): {OURS: ours("fab"), "adv-lib": by_adv_lib("fab", n_iter=100, targeted_restarts=True)},
    ("universal", "inf"): {OURS: ours("universal"), "ART": arts_universal},
    ("universal", "2"): {OURS: ours("universal"), "ART": arts_universal},
    ("hop_skip_jump", "2"): {
        OURS: ours("hop_skip_jump", steps=HOPS),
        "foolbox": by_foolbox({"2": "HopSkipJumpAttack"}, steps=HOPS),
        "ART": by_art("HopSkipJump", max_iter=HOPS, batch_size=256),
    },
    ("hop_skip_jump", "inf"): {
        OURS: ours("hop_skip_jump", steps=HOPS),
        "foolbox": by_foolbox({"inf": "HopSkipJumpAttack"}, steps=HOPS),
        "ART": by_art("HopSkipJump", max_iter=HOPS, batch_size=256, norm=np.inf),
    },
    ("autoattack", "inf"): {OURS: ours("autoattack"), "torchattacks": by_torchattacks(_auto_attack)},
    ("autoattack", "2"): {OURS: ours("autoattack"), "torchattacks": by_torchattacks(_auto_attack)},
}
