"""Any evasion attack of the Adversarial Robustness Toolbox, by class name: {art: {class: DeepFool, max_iter: 50}}."""

import inspect

import art.attacks.evasion

OPTIONS_FROM = "art.attacks.evasion"  # the options are those of the class's own __init__, read from its source
STARTS_LARGE = ("AutoAttack", "AutoConjugateGradient", "AutoProjectedGradientDescent")  # 2 ε, Croce & Hein (2020)
_GRADIENT = {"NORMS": ("inf", "2", "1")}
_MINIMUM_L2 = {"NORMS": ("2",), "MINIMUM_NORM": True}
# Left out, each for what was seen of it in ART 1.20.1: SaliencyMapMethod is always targeted and does nothing with true
# labels; GeoDA needs a numpy function that is gone; ZooAttack fails on a batch; UniversalPerturbation would be fitted
# on the test images.
CLASSES = {
    "AutoAttack": {"NORMS": ("inf", "2"), "BOUNDARY": True},  # DeepFool and Square are among its list
    "AutoConjugateGradient": _GRADIENT,
    "AutoProjectedGradientDescent": _GRADIENT,
    "BasicIterativeMethod": {"NORMS": ("inf",)},
    "BoundaryAttack": {"NORMS": ("2",), "MINIMUM_NORM": True, "BLACK_BOX": True},
    "CarliniL0Method": {"NORMS": ("2",), "MINIMUM_NORM": True},
    "CarliniL2Method": _MINIMUM_L2,
    "CarliniLInfMethod": {"NORMS": ("inf",), "MINIMUM_NORM": True},
    "DeepFool": _MINIMUM_L2,
    "ElasticNet": {"NORMS": ("1", "2"), "MINIMUM_NORM": True},
    "FastGradientMethod": {"NORMS": ("inf", "2", "1"), "ITERATIVE": False},
    "HopSkipJump": {"NORMS": ("inf", "2"), "MINIMUM_NORM": True, "BLACK_BOX": True},
    "MomentumIterativeMethod": _GRADIENT,
    "NewtonFool": _MINIMUM_L2,
    "ProjectedGradientDescent": _GRADIENT,
    "ProjectedGradientDescentPyTorch": _GRADIENT,
    "SignOPTAttack": {"NORMS": ("2",), "MINIMUM_NORM": True, "BLACK_BOX": True},
    "SquareAttack": {"NORMS": ("inf", "2"), "BLACK_BOX": True, "BOUNDARY": True},
}


def attack(estimator, budget, *, class_: str, **options):
    kind = getattr(art.attacks.evasion, class_)
    accepted = inspect.signature(kind).parameters
    engine = {
        "norm": float(budget.norm),
        "eps": budget.eps,
        # ART's defaults (0.1, say) may exceed ε, which it then refuses; Auto-PGD starts with twice its eps_step
        "eps_step": budget.eps if class_ in STARTS_LARGE else budget.eps / 10,
        "batch_size": budget.batch_size,
        "targeted": False,  # some classes default to True
        "verbose": False,
    }
    return kind(estimator, **{name: value for name, value in engine.items() if name in accepted} | options)
