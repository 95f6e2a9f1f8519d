"""FAB-T: its projection is the nearest point of a hyperplane in the box, and its distances are torchattacks'."""

import pytest
import torch

from benchmark.engine.ball import distance
from benchmark.engine.deepfool import DeepFool
from benchmark.engine.fab import FAB, project
from benchmark.engine.judging import stands
from tests.small_networks import EPS, digit_images, trained

NORMS = ["inf", "2", "1"]


def cases(scale: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    point = torch.rand(300, 1, 4, 4, generator=generator)
    point = torch.where(point < 0.3, 0, torch.where(point > 0.9, 1, point))  # some at the ends of the range
    slope = torch.randn(300, 1, 4, 4, generator=generator)
    slope[:, :, 0] = 0
    return point, slope, scale * torch.randn(300, generator=generator)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("scale", [0.1, 1.0, 5.0])
def test_no_point_of_the_hyperplane_in_the_box_is_nearer(norm, scale):
    point, slope, gap = cases(scale)
    step = project(point, slope, gap, norm)
    landed = point + step
    assert landed.min() >= -1e-6 and landed.max() <= 1 + 1e-6
    left = gap + (slope * step).flatten(1).sum(1)
    reachable = left.abs() < 1e-4
    assert reachable.float().mean() > (0.5 if scale == 5 else 0.95)
    # where the box does not reach the plane, every pixel that helps is at its end
    end = torch.where(slope * gap.sign().view(-1, 1, 1, 1) > 0, 0.0, 1.0)
    stuck = landed[~reachable] - end[~reachable]
    assert stuck[slope[~reachable] != 0].abs().max() < 1e-6 if len(stuck) else True
    generator = torch.Generator().manual_seed(1)
    nearest = distance(step, torch.zeros_like(step), norm)
    for size in (0.3, 0.03, 0.003):  # other points of the plane, in the box: none is nearer
        other = landed + size * torch.randn(landed.shape, generator=generator)
        for _ in range(200):  # alternating projections on the plane and the box
            off = gap + (slope * (other - point)).flatten(1).sum(1)
            other = other - (off / slope.square().flatten(1).sum(1)).view(-1, 1, 1, 1) * slope
            other = other.clamp(0, 1)
        on_plane = (gap + (slope * (other - point)).flatten(1).sum(1)).abs() < 1e-4
        rivals = distance(other, point, norm)
        assert (rivals >= nearest - 1e-3)[on_plane & reachable].all()


@pytest.mark.parametrize("norm", NORMS)
def test_a_flat_function_moves_nothing(norm):
    point, slope, gap = cases(1.0)
    assert project(point, torch.zeros_like(slope), gap, norm).abs().max() == 0
    assert project(point, slope, torch.zeros_like(gap), norm).abs().max() == 0


@pytest.mark.filterwarnings("default")  # of torchattacks, not of ours
@pytest.mark.parametrize(("norm", "eps"), [("inf", EPS), ("2", 0.8)])
def test_robust_accuracy_is_torchattacks(norm, eps):
    torchattacks = pytest.importorskip("torchattacks")
    estimator, (x, y) = trained(robust=True), digit_images(200)
    with torch.random.fork_rng():
        peer = torchattacks.FAB(estimator.model, norm=f"L{norm}", eps=eps, steps=20, multi_targeted=True, n_classes=4)
        theirs = stands(estimator.model, peer(x, y), y)
    ours = FAB(estimator, norm, max_iter=20, targets=3, precision="fp32").generate(x, y)
    robust = stands(estimator.model, x, y) & (distance(ours, x, norm) > eps)
    assert 20 < robust.sum() < 180, "nothing to compare"
    assert (robust != theirs).sum() <= 2


@pytest.mark.parametrize("norm", ["inf", "2"])
def test_it_comes_nearer_than_deepfool_and_targets_and_restarts_help(norm):
    estimator, (x, y) = trained(robust=True), digit_images(60)
    right = stands(estimator.model, x, y)
    found = {
        "deepfool": DeepFool(estimator, norm, precision="fp32"),
        "fab": FAB(estimator, norm, max_iter=15, targets=1, precision="fp32"),
        "targets": FAB(estimator, norm, max_iter=15, targets=3, precision="fp32"),
        "restarts": FAB(estimator, norm, max_iter=15, targets=1, restarts=3, precision="fp32"),
    }
    reached = {name: distance(attack.generate(x, y, seed=0), x, norm)[right] for name, attack in found.items()}
    assert reached["fab"].median() < 0.97 * reached["deepfool"].median()
    for more in ("targets", "restarts"):
        assert (reached[more] <= reached["fab"] + 1e-4).all() and (reached[more] < reached["fab"] - 1e-3).any()


def test_enough_stops_at_the_first_success_within_it():
    estimator, (x, y) = trained(robust=True), digit_images(100)
    ways = [FAB(estimator, "inf", max_iter=20, targets=3, precision="fp32", enough=enough) for enough in (0.0, EPS)]
    nearest, sufficient = (distance(attack.generate(x, y), x, "inf") for attack in ways)
    assert torch.equal(nearest <= EPS, sufficient <= EPS)
    within = nearest <= EPS
    assert sufficient[within].mean() > 1.05 * nearest[within].mean()
    assert ways[1].passes.backward < 0.8 * ways[0].passes.backward
