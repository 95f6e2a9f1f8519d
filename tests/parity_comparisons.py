"""What `parity_attacks` compares: each attack by us and by others, at the same settings.

The settings are cheap ones, so that all of it takes hours on two cores and not days: what is compared is whether two
implementations do the same, not how strong an attack can be made.
"""

from dataclasses import dataclass
from importlib.util import find_spec

from benchmark.plugins import Registry
from tests.parity_peers import (
    FITTED_ON,
    HOPS,
    RATIO,
    Peer,
    arts_universal,
    by_adv_lib,
    by_art,
    by_foolbox,
    by_torchattacks,
    foolboxes_hop_skip_jump,
    ours,
    torchattacks_ensemble,
)

OURS = "ours"
STEPS = 20  # of PGD
FEW_STEPS = 10  # of BIM
AUTO_STEPS, AUTO_T_STEPS = 50, 30  # of APGD, and of APGD-T towards each class
CW_STEPS, CW_RATE, CW_SEARCHES, CW_CONST = 100, 0.05, 5, 0.1
FAB_STEPS, FAB_TARGETS = 30, 3
QUERIES = 500  # of Square Attack


@dataclass(frozen=True)
class Comparison:
    """An attack in a norm, by everybody.

    most: examples, at most; seeds: runs of each, if more is to be learnt from several. thresholded: peers that look for
    any example within ε rather than for the nearest, so that their distances say nothing. equal: peers that do the same
    so exactly that robust accuracy may not differ by more than half a point, in either way.
    """

    attack: str
    norm: str
    plugin: str
    peers: dict[str, Peer]
    most: int | None = None
    seeds: int = 1
    thresholded: frozenset[str] = frozenset()
    equal: frozenset[str] = frozenset()

    @property
    def part(self) -> str:
        return f"{self.attack}, {self.norm}"

    @property
    def minimum(self) -> bool:
        return bool(Registry().find("attack", self.plugin).constant("MINIMUM_NORM", default=False))


def _projected(
    attack: str, norm: str, steps: int, starts: int, foolboxes: str, torchattacks: Peer | None
) -> Comparison:
    """FGSM and its family, starting from the clean image or from a random point."""
    settings = {} if attack == "fgsm" else {"steps": steps} | ({"restarts": 1} if starts else {})
    stepping = {} if attack == "fgsm" else {"steps": steps, "rel_stepsize": RATIO, "random_start": bool(starts)}
    if attack == "fgsm":
        arts = by_art("FastGradientMethod", step=1)
    else:
        arts = by_art("ProjectedGradientDescentPyTorch", step=RATIO, max_iter=steps, num_random_init=starts)
    peers = {OURS: ours(attack, **settings), "foolbox": by_foolbox({norm: foolboxes}, within=True, **stepping)}
    peers |= {"torchattacks": torchattacks} if torchattacks else {}
    return Comparison(attack, norm, attack, peers | {"ART": arts})


def _auto(norm: str) -> list[Comparison]:
    """APGD-CE, APGD-DLR and APGD-T."""
    steps, restarts = {"steps": AUTO_STEPS}, {"n_restarts": 1}
    made = [
        Comparison(
            f"apgd-{loss}",
            norm,
            "apgd",
            {
                OURS: ours("apgd", loss=loss, **steps),
                "torchattacks": by_torchattacks("APGD", normed=True, loss=loss, **steps, **restarts),
                "adv-lib": by_adv_lib("apgd", within=True, loss_function=loss, n_iter=AUTO_STEPS, **restarts),
                "ART": by_art("AutoProjectedGradientDescent", 2, loss_type=arts, max_iter=AUTO_STEPS, nb_random_init=1),
            },
        )
        for loss, arts in (("ce", "cross_entropy"), ("dlr", "difference_logits_ratio"))
    ]
    targeted = {
        OURS: ours("apgd", loss="dlr-targeted", steps=AUTO_T_STEPS),
        "torchattacks": by_torchattacks("APGDT", normed=True, steps=AUTO_T_STEPS, **restarts),
        "adv-lib": by_adv_lib("apgd_targeted", within=True, n_iter=AUTO_T_STEPS, **restarts),
    }
    return [*made, Comparison("apgd-t", norm, "apgd", targeted)]


def _deepfool(norm: str) -> Comparison:
    peers = {
        OURS: ours("deepfool"),
        "foolbox": by_foolbox({"2": "L2DeepFoolAttack", "inf": "LinfDeepFoolAttack"}, steps=50),
        "adv-lib": by_adv_lib("df", steps=50),
    }
    if norm == "2":
        peers["torchattacks"] = by_torchattacks("DeepFool", within=False)
        peers["ART"] = by_art("DeepFool", max_iter=50, epsilon=0.02)
    return Comparison("deepfool", norm, "deepfool", peers)


def _carlini_wagner() -> list[Comparison]:
    searching = {"binary_search_steps": CW_SEARCHES, "initial_const": CW_CONST}
    euclidean = {
        OURS: ours("cw", steps=CW_STEPS, learning_rate=CW_RATE, searches=CW_SEARCHES, const=CW_CONST),
        "foolbox": by_foolbox({"2": "L2CarliniWagnerAttack"}, steps=CW_STEPS, stepsize=CW_RATE, **searching),
        "adv-lib": by_adv_lib(
            "carlini_wagner_l2", normed=False, max_iterations=CW_STEPS, learning_rate=CW_RATE, **searching
        ),
        "torchattacks": by_torchattacks("CW", within=False, steps=CW_STEPS, lr=CW_RATE),
    }
    largest = {
        OURS: ours("cw", steps=CW_STEPS, learning_rate=CW_RATE),
        "adv-lib": by_adv_lib(
            "carlini_wagner_linf", normed=False, max_iterations=CW_STEPS, learning_rate=CW_RATE, initial_const=CW_CONST
        ),
    }
    return [Comparison("cw", "2", "cw", euclidean), Comparison("cw", "inf", "cw", largest)]


def _fab(norm: str) -> Comparison:
    peers = {
        OURS: ours("fab", steps=FAB_STEPS, targets=FAB_TARGETS),
        "adv-lib": by_adv_lib("fab", n_iter=FAB_STEPS, targeted_restarts=True, restarts=FAB_TARGETS),
        "torchattacks": by_torchattacks(
            "FAB", normed=True, steps=FAB_STEPS, multi_targeted=True, n_classes=FAB_TARGETS + 1
        ),
    }
    return Comparison("fab-t", norm, "fab", peers, thresholded=frozenset({"torchattacks"}))


def _universal(norm: str) -> Comparison:
    return Comparison(
        "universal", norm, "universal", {OURS: ours("universal", images=FITTED_ON), "ART": arts_universal}
    )


def _square(norm: str) -> Comparison:
    peers = {
        OURS: ours("square", queries=QUERIES),
        "torchattacks": by_torchattacks("Square", normed=True, n_queries=QUERIES - 1),
        "ART": by_art("SquareAttack", max_iter=QUERIES - 1),
    }
    return Comparison("square", norm, "square", peers)


def _hop_skip_jump(norm: str) -> Comparison:
    peers = {
        OURS: ours("hop_skip_jump", steps=HOPS),
        "foolbox": foolboxes_hop_skip_jump,
        "ART": by_art("HopSkipJump", max_iter=HOPS),
    }
    return Comparison("hop_skip_jump", norm, "hop_skip_jump", peers, most=100, seeds=2)


def _auto_attack(norm: str) -> Comparison:
    """torchattacks' as it comes leaves the steps of APGD-CE, APGD-T and FAB-T at its classes' default, which is 10."""
    peers = {
        OURS: ours("autoattack"),
        "torchattacks, 100 steps": torchattacks_ensemble,
        "torchattacks": by_torchattacks("AutoAttack", normed=True),
    }
    return Comparison("autoattack", norm, "autoattack", peers, equal=frozenset({"torchattacks, 100 steps"}))


def _auto_attack_of_few_steps(norm: str) -> Comparison:
    peers = {OURS: ours("autoattack", steps=10), "torchattacks": by_torchattacks("AutoAttack", normed=True)}
    return Comparison("autoattack, 10 steps", norm, "autoattack", peers, equal=frozenset({"torchattacks"}))


COMPARISONS = [
    _projected("fgsm", "inf", 1, 0, "LinfFastGradientAttack", by_torchattacks("FGSM")),
    _projected("fgsm", "2", 1, 0, "L2FastGradientAttack", None),
    _projected(
        "bim", "inf", FEW_STEPS, 0, "LinfBasicIterativeAttack", by_torchattacks("BIM", stepping=True, steps=FEW_STEPS)
    ),
    _projected("pgd", "inf", STEPS, 1, "LinfPGD", by_torchattacks("PGD", stepping=True, steps=STEPS)),
    _projected("pgd", "2", STEPS, 1, "L2PGD", by_torchattacks("PGDL2", stepping=True, steps=STEPS)),
    *(_deepfool(norm) for norm in ("2", "inf")),
    *(one for norm in ("inf", "2") for one in _auto(norm)),
    *(_fab(norm) for norm in ("inf", "2")),
    *(_universal(norm) for norm in ("inf", "2")),
    *(_square(norm) for norm in ("inf", "2")),
    _auto_attack("inf"),
    *_carlini_wagner(),
    *(_hop_skip_jump(norm) for norm in ("inf", "2")),
    _auto_attack("2"),
    *(_auto_attack_of_few_steps(norm) for norm in ("inf", "2")),
]
MISSING = frozenset() if find_spec("adv_lib") else frozenset({"adv-lib"})  # peers that are not installed
