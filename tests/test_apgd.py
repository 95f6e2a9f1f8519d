"""APGD is Croce & Hein's: at equal steps it breaks what torchattacks' does, and it gives back its best point."""

import pytest
import torch

from benchmark.engine.apgd import APGD, _windows
from benchmark.engine.losses import margin
from benchmark.engine.norms import norm_named
from tests.small_networks import EPS, accuracy, classifier, digit_images, fresh, trained

BUDGETS = {"inf": EPS, "2": 1.0}
LOSSES = ("ce", "dlr", "dlr-targeted")
FEW = 0.7  # points: 4 of 599 images, which rounding decides, by the machine


def attack(estimator, norm="inf", **changes):
    return APGD(estimator, **{"norm": norm, "eps": BUDGETS[norm], "max_iter": 20, "precision": "fp32"} | changes)


def margins(estimator, x, y):
    with torch.no_grad():
        return margin(estimator.model.eval()(x), y)


class SameStart(APGD):
    """Starts where `starts` says: int64 index → point."""

    def begin(self, state, seed):
        super().begin(state, seed)
        state |= dict.fromkeys(("point", "previous", "top_point"), self.starts[state["index"]])


@pytest.mark.filterwarnings("default")  # of torchattacks, not of ours
@pytest.mark.parametrize("norm", BUDGETS)
@pytest.mark.parametrize("loss", ["ce", "dlr"])
def test_robust_accuracy_is_torchattacks_from_the_same_start(norm, loss):
    torchattacks = pytest.importorskip("torchattacks")
    estimator, (x, y) = trained(robust=True), digit_images()
    eps = BUDGETS[norm]
    peer = torchattacks.APGD(estimator.model, norm=f"L{norm}", eps=eps, steps=20, loss=loss)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = 100 * peer.attack_single_run(x, y)[1].float().mean().item()
        torch.manual_seed(0)
        noise = 2 * torch.rand(x.shape) - 1 if norm == "inf" else torch.randn(x.shape)
    SameStart.starts = (x + eps * noise / norm_named(norm).length(noise)).clamp(0, 1)
    shared = {"norm": norm, "eps": eps, "max_iter": 20, "loss": loss}
    assert 5 < theirs < 95, "nothing to compare"
    for precision in ("fp32", "bf16"):
        examples = SameStart(estimator, **shared, precision=precision, mode="decide").generate(x, y)
        assert accuracy(estimator, examples, y) == pytest.approx(theirs, abs=FEW), precision


@pytest.mark.filterwarnings("default")
def test_robust_accuracy_with_targets_is_torchattacks():
    torchattacks = pytest.importorskip("torchattacks")
    estimator, (x, y) = trained(robust=True), digit_images()
    with torch.random.fork_rng():
        peer = torchattacks.APGDT(estimator.model, eps=EPS, steps=20, n_classes=5)  # that is, 4 targets
        theirs = accuracy(estimator, peer(x, y), y)
    ours = attack(estimator, loss="dlr-targeted", targets=4, mode="decide").generate(x, y)
    assert accuracy(estimator, ours, y) == pytest.approx(theirs, abs=FEW)


@pytest.mark.parametrize("norm", BUDGETS)
@pytest.mark.parametrize("mode", ["last", "examples", "decide"])
def test_stays_in_the_ball_and_in_the_pixel_range(norm, mode):
    estimator, (x, y) = trained(robust=True), digit_images(100)
    examples = attack(estimator, norm, mode=mode, num_random_init=2).generate(x, y)
    assert examples.min() >= 0 and examples.max() <= 1
    assert norm_named(norm).length(examples - x).max() <= BUDGETS[norm] * (1 + 1e-5) + 1e-6


@pytest.mark.parametrize("loss", LOSSES)
def test_it_gives_the_best_point_and_restarts_can_only_help(loss):
    estimator, (x, y) = trained(robust=True), digit_images(200)
    ways = {"best": {}, "last": {"mode": "last"}, "more": {"num_random_init": 2}}
    attacks = {way: attack(estimator, loss=loss, targets=2, **changes) for way, changes in ways.items()}
    best, last, more = (margins(estimator, attacks[way].generate(x, y, seed=1), y) for way in ways)
    assert (best >= last - 1e-4).all() and (best > last + 1e-3).any()
    if loss != "dlr-targeted":  # whose second restart comes before its second target
        assert (more >= best - 1e-4).all() and (more > best + 1e-3).any()


@pytest.mark.parametrize("loss", LOSSES)
def test_the_active_set_and_the_batch_size_change_nothing(loss):
    estimator, (x, y) = trained(robust=True), digit_images(300)
    examples = attack(estimator, loss=loss, num_random_init=2, targets=2).generate(x, y)
    every = margins(estimator, examples, y)
    for size in (17, 128, 1000):
        decided = attack(estimator, loss=loss, mode="decide", num_random_init=2, targets=2, batch_size=size)
        found = decided.generate(x, y)
        survivors = margins(estimator, found, y) < 0
        assert torch.equal(survivors, every < 0)
        assert 50 < survivors.sum() < 290
        apart = (found - examples)[survivors].flatten(1).abs().amax(1)
        assert (apart < 1e-4).float().mean() > 0.98  # rounding may turn a step of one or two


def test_each_likely_class_is_a_target_in_turn():
    estimator, (x, y) = trained(robust=True), digit_images(50)
    likely = estimator.model(x).scatter(1, y[:, None], -torch.inf).argsort(1, descending=True)
    targets = []

    class Watched(APGD):
        def begin(self, state, seed):
            super().begin(state, seed)
            targets.append(state["target"])

    Watched(estimator, eps=EPS, max_iter=1, loss="dlr-targeted", targets=3, num_random_init=2).generate(x, y)
    assert torch.equal(torch.stack(targets, 1), likely[:, [0, 0, 1, 1, 2, 2]])


def test_checkpoints_are_the_papers():
    ends = _windows(100)
    assert [place for place, window in enumerate(ends) if window] == [22, 41, 57, 70, 80, 87, 93, 99]
    assert (ends[22], ends[41], ends[99]) == (22, 19, 6)
    assert [place for place, window in enumerate(_windows(5)) if window] == [1, 2, 3, 4, 5]


def test_the_step_is_halved_at_checkpoints_without_progress():
    estimator, (x, y) = trained(robust=True), digit_images(50)
    sizes = []

    class Watched(APGD):
        def advance(self, state, gradient, logits):
            super().advance(state, gradient, logits)
            sizes.append(state["step_size"])

    Watched(estimator, eps=EPS, max_iter=100).generate(x, y)
    sizes = torch.stack(sizes)
    assert (sizes[0] == 2 * EPS).all()
    assert set((sizes[1:] / sizes[:-1]).unique().tolist()) == {0.5, 1.0}
    changes = (sizes[1:] != sizes[:-1]).any(1).nonzero().squeeze(1) + 1
    assert set(changes.tolist()) <= {22, 41, 57, 70, 80, 87, 93, 99} and len(changes) >= 4


@pytest.mark.parametrize("mode", ["examples", "decide"])
def test_targets_are_reached(mode):
    estimator, (x, y) = trained(robust=False), digit_images(100)
    target = (y + 1) % 10
    examples = attack(estimator, mode=mode, eps=0.4, targeted=True).generate(x, target)
    with torch.no_grad():
        assert (estimator.model(examples).argmax(1) == target).float().mean() > 0.8


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"norm": 1}, "norm is 1; APGD takes inf, 2"),
        ({"loss": "margins"}, "loss is 'margins'; it must be one of ce, dlr, margin, dlr-targeted"),
        ({"num_random_init": 0}, "num_random_init is 0, targets 9; both must be at least 1"),
        (
            {"loss": "dlr-targeted", "targeted": True},
            "loss is 'dlr-targeted', which has no use for a target; use ce or margin",
        ),
    ],
)
def test_wrong_parameters_are_refused_in_one_line(changes, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        APGD(classifier(fresh()), **changes)
