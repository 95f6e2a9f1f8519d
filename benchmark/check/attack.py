"""What is asked of an attack."""

from functools import cache

import torch

from benchmark.check import ground
from benchmark.check.verdict import Skipped, require
from benchmark.check.witness import AttackSubject, Made, make
from benchmark.engine.ball import distance
from benchmark.engine.judging import stands
from benchmark.engine.losses import score
from benchmark.plugins import Registry
from benchmark.types import Recipe

SLACK = 0.05  # of the images: how many fewer than its yardstick an attack may break by chance
FGSM = Recipe("attack", "fgsm")


def gives_examples(attack: AttackSubject) -> str:
    """An example for each image, of its shape, and every pixel a finite number."""
    made = attack.made(ground.undefended())
    odd, count = made.seen.nonfinite, len(made.examples)
    return require(not odd, f"{count} of shape {list(made.examples.shape[1:])}, {odd} of them not finite")


def stays_in_the_ball(attack: AttackSubject) -> str:
    """Before the engine clips anything, each example is within ε of its image, and its pixels are in [0, 1]."""
    made = [attack.made(at()) for at in (ground.undefended, ground.linear, ground.low_contrast)]
    outside, count = sum(one.counts.violations for one in made), sum(len(one.examples) for one in made)
    ball = "the pixel range" if attack.minimum else f"the ball of ε {attack.eps:g}"
    return require(not outside, f"{outside} of {count} are outside {ball}")


def leaves_the_network_alone(attack: AttackSubject) -> str:
    """Weights, buffers, training modes, requires_grad and hooks are afterwards what they were."""
    changed = attack.made(ground.undefended()).seen.changed
    return require(not changed, f"it changed {', '.join(changed[:3])}" if changed else "nothing of it has changed")


def leaves_global_randomness_alone(attack: AttackSubject) -> str:
    """No generator of Python, numpy or torch is seeded; draws from those that the engine has seeded are allowed."""
    seen = [attack.made(at()).seen.states for at in (ground.undefended, ground.low_contrast)]
    moved = [name for name in seen[0][0] if seen[0][0][name] != seen[0][1][name]]
    # other images, so another seed: from two different states to one and the same is seeding, not drawing
    seeded = [name for name in moved if seen[0][0][name] != seen[1][0][name] and seen[0][1][name] == seen[1][1][name]]
    if seeded:
        return require(False, f"it seeds the global generator of {' and '.join(seeded)}; draw from it, or use your own")
    return f"it draws from the engine's {' and '.join(moved)}" if moved else "no generator has moved"


def leaves_its_input_alone(attack: AttackSubject) -> str:
    """The images that it was given are afterwards what they were."""
    wrote = attack.made(ground.undefended()).seen.wrote
    return require(not wrote, "it wrote into the array; copy it first" if wrote else "not written into")


def repeats_under_a_seed(attack: AttackSubject) -> str:
    """The same images under the same seed give the same bits, whatever was drawn before."""
    made, again = (attack.made(ground.undefended(), time) for time in (0, 1))
    other = int((made.examples != again.examples).flatten(1).any(1).sum())
    return require(not other, f"{other} of {len(made.examples)} differ the second time")


def takes_a_partial_batch(attack: AttackSubject) -> str:
    """Batches that do not divide the images, the last one short, break what one batch of all breaks."""
    whole, size = attack.made(ground.undefended()), attack.images // 2 + 1
    split = attack.made(ground.undefended(), batch=size)
    last = slice(size, None)
    lost, had = int((whole.broken & ~split.broken)[last].sum()), int(whole.broken[last].sum())
    told = f"{size} at a time break {split.share()}, all at once {whole.share()}"
    return require(2 * lost <= had, f"{told}; of the {had} in the last batch, {lost} are lost")


def takes_one_example(attack: AttackSubject) -> str:
    """An image by itself is attacked as well; if draws belong to the example (indices, seed), with the same outcome."""
    whole = attack.made(ground.undefended())
    place = int(whole.broken.int().argmax())
    alone = attack.made(ground.undefended(), only=place, batch=attack.images)
    outcomes = [("stands", "broken")[int(flag)] for flag in (alone.broken[0], whole.broken[place])]
    binding = whole.seen.accepts >= {"indices", "seed"}
    return require(
        not binding or outcomes[0] == outcomes[1],
        f"image {place} alone: {outcomes[0]}, among {attack.images}: {outcomes[1]}",
    )


def breaks_an_undefended_network(attack: AttackSubject) -> str:
    """A small network that knows the digits and was never defended: at least half of what FGSM breaks."""
    return _breaks(attack, ground.undefended())


def breaks_a_linear_network(attack: AttackSubject) -> str:
    """A network that is linear in its pixels, where one step along the gradient is all that it takes."""
    return _breaks(attack, ground.linear())


def breaks_a_low_contrast_network(attack: AttackSubject) -> str:
    """A network that stretches images of little contrast around mid-grey, far from the ends of the pixel range."""
    return _breaks(attack, ground.low_contrast())


def is_stronger_than_noise(attack: AttackSubject) -> str:
    """More is broken than by Gaussian noise of length ε: an attack that does nothing fails here."""
    made, by_noise = attack.made(ground.undefended()), _by_noise(attack, ground.undefended())
    least = by_noise + SLACK * attack.images
    return require(int(made.broken.sum()) > least, f"{made.share()} broken at ε {attack.eps:g}, by noise {by_noise}")


def is_no_weaker_than_fgsm(attack: AttackSubject) -> str:
    """Not fewer are broken than by FGSM of the same ε, but for chance."""
    if attack.black_box or "fit" in attack.plugin.hooks:
        raise Skipped("it sees no gradients" if attack.black_box else "one perturbation for all images is weaker")
    made, fgsm = attack.made(ground.undefended()), _fgsm(ground.undefended(), attack.norm, attack.images)
    least = int(fgsm.broken.sum()) - max(1, SLACK * attack.images)
    return require(
        int(made.broken.sum()) >= least, f"{made.share()} broken at ε {attack.eps:g}, by FGSM {fgsm.share()}"
    )


def runs_every_step_in_examples_mode(attack: AttackSubject) -> str:
    """If it heeds budget.mode: in "examples" mode it does not stop early, and what is broken is broken more clearly."""
    if not attack.plugin.heeds("mode"):
        raise Skipped("it does not read budget.mode, and is run as it is")
    decide, examples = (attack.made(ground.undefended(), mode=mode) for mode in ("decide", "examples"))
    margins = [_margins(made)[decide.broken].mean().item() for made in (decide, examples)]
    passes = [made.counts.backward for made in (decide, examples)]
    told = (
        f"gradients {passes[0]} → {passes[1]}, mean margin {margins[0]:.2f} → {margins[1]:.2f} from decide to examples"
    )
    return require(passes[1] >= passes[0] and not margins[1] < margins[0] - 1e-4, told)


def needs_predictions_alone(attack: AttackSubject) -> str:
    """If it says BLACK_BOX: it attacks an estimator that can only predict, as a deployed artifact's."""
    if not attack.black_box:
        raise Skipped("it does not say BLACK_BOX")
    made, asked = attack.made(ground.undefended()), attack.made(ground.undefended(), predictions=True)
    told = f"{asked.share()} broken by predict alone, {made.share()} with the network at hand"
    return require(2 * int(asked.broken.sum()) >= int(made.broken.sum()), told)


CHECKS = (
    gives_examples,
    stays_in_the_ball,
    leaves_the_network_alone,
    leaves_global_randomness_alone,
    leaves_its_input_alone,
    repeats_under_a_seed,
    takes_a_partial_batch,
    takes_one_example,
    breaks_an_undefended_network,
    breaks_a_linear_network,
    breaks_a_low_contrast_network,
    is_stronger_than_noise,
    is_no_weaker_than_fgsm,
    runs_every_step_in_examples_mode,
    needs_predictions_alone,
)


def _breaks(attack: AttackSubject, at: ground.Ground) -> str:
    """At least half of what FGSM breaks; one perturbation for all images, more than noise does."""
    made = attack.made(at)
    told = f"{made.share()} broken at ε {attack.eps:g}"
    if "fit" in attack.plugin.hooks:
        by_noise = _by_noise(attack, at)
        return require(int(made.broken.sum()) > by_noise, f"{told}, by noise {by_noise}")
    fgsm = _fgsm(at, attack.norm, attack.images)
    return require(2 * int(made.broken.sum()) >= max(1, int(fgsm.broken.sum())), f"{told}, by FGSM {fgsm.share()}")


def _by_noise(attack: AttackSubject, at: ground.Ground) -> int:
    """How many of the images Gaussian noise of length ε breaks."""
    made = attack.made(at)
    noise = torch.randn(made.clean.shape, generator=torch.Generator().manual_seed(0))
    noise *= attack.eps / distance(noise, torch.zeros_like(noise), attack.norm).view(-1, 1, 1, 1)
    return int((made.right & ~stands(at.module, (made.clean + noise).clamp(0, 1), made.labels)).sum())


@cache
def _fgsm(at: ground.Ground, norm: str, images: int) -> Made:
    """What our own FGSM makes, whatever a user's folders hold."""
    return make(Registry(), FGSM, at, norm, images)


def _margins(made: Made) -> torch.Tensor:
    with torch.no_grad():
        return score(ground.undefended().module(made.examples), made.labels)
