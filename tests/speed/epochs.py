"""One epoch of adversarial training (PGD-7), by ART's trainer with ART's attack and by ours with ours: `--only train`.

From the same standardly trained weights, with the same optimizer, on the same images; interleaved by seed, which sets
the order of the images and the random starts.
"""

import statistics
from collections.abc import Callable

import numpy as np
import torch
from art.attacks.evasion import ProjectedGradientDescentPyTorch
from art.defences.trainer import AdversarialTrainer as ArtTrainer

from benchmark.engine.estimator import Classifier
from benchmark.engine.pgd import PGD
from benchmark.engine.trainer import AdversarialTrainer
from benchmark.outcomes import count, pack
from benchmark.stages.workplace import derive, seed_everything
from tests.speed.grounds import Ground
from tests.speed.ledger import Ledger, Line
from tests.speed.peers import ours
from tests.speed.tables import busy, table, times
from tests.speed.walk import timed
from tests.speed.words import say

PART = "train"
STEPS, BATCH = 7, 128
LEARNING = {"lr": 0.02, "momentum": 0.9}


def _settings(eps: float) -> dict[str, object]:
    return {"eps": eps, "eps_step": eps / 4, "max_iter": STEPS, "num_random_init": 1, "batch_size": BATCH}


def _art(estimator: Classifier, eps: float, seed: int) -> ArtTrainer:
    attack = ProjectedGradientDescentPyTorch(estimator, verbose=False, **_settings(eps))
    return ArtTrainer(estimator, attack, ratio=1.0)


def _ours(precision: str) -> Callable[[Classifier, float, int], ArtTrainer]:
    def trainer(estimator: Classifier, eps: float, seed: int) -> ArtTrainer:
        attack = PGD(estimator, precision=precision, seed=seed, **_settings(eps))
        return AdversarialTrainer(estimator, attack, ratio=1.0, precision=precision)

    return trainer


TRAINERS = {"ART": _art, "ours, fp32": _ours("fp32"), "ours": _ours("auto")}


def run(ledger: Ledger, ground: Ground, options) -> None:
    train = ground.data.training.train
    chosen = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))[: options.train_examples]
    x = train.pixels(chosen).cpu().numpy()
    y = np.eye(len(ground.data.classes), dtype=np.float32)[train.labels[chosen].numpy()]
    index = ground.order(options.subset)
    for seed in range(options.seeds):
        order = list(TRAINERS)[seed % len(TRAINERS) :] + list(TRAINERS)[: seed % len(TRAINERS)]
        for who in order:
            if ledger.get(PART, ground.name, who, seed):
                continue
            _one(who, TRAINERS[who], seed, x, y, index, ledger, ground)


def _one(who: str, make, seed: int, x: np.ndarray, y: np.ndarray, index, ledger: Ledger, ground: Ground) -> None:
    """Train one network for an epoch, and judge it on the test images at `index`."""
    warm = ground.network("standard").estimator(ground.device)
    warm.optimizer = torch.optim.SGD(warm.model.parameters(), **LEARNING)
    make(warm, ground.setting.eps, seed).fit(x[:BATCH], y[:BATCH], batch_size=BATCH, nb_epochs=1)
    network = ground.network("standard")
    estimator = network.estimator(ground.device)
    estimator.optimizer = torch.optim.SGD(network.module.parameters(), **LEARNING)
    seed_everything(derive("train", seed))
    with timed(ground.device) as timing:
        make(estimator, ground.setting.eps, seed).fit(x, y, batch_size=BATCH, nb_epochs=1)
    network.module.eval()
    images, labels = ground.data.test.pixels(index), ground.data.test.labels[index].to(ground.device)
    attacked, _ = ours("decide", "fp32")(network, images, labels, ground.setting.eps, ground.steps)
    clean = ground.clean(network, index)
    line = ledger.add(
        PART,
        ground.name,
        who,
        seed,
        n=len(x),
        seconds=timing.seconds,
        cpu=timing.cpu,
        judged=len(index),
        clean=pack(clean.tolist()),
        robust=[pack((clean & ground.stands(network, attacked, index)).tolist())],
    )
    say(f"{PART}, {ground.name}, seed {seed}: {who} {timing.seconds:.1f} s, {_percent(line)[1]:.1f} % robust")


def _percent(line: Line) -> tuple[float, float]:
    """Clean and robust accuracy of one trained network."""
    return tuple(100 * count(packed, line["judged"]) / line["judged"] for packed in (line["clean"], line["robust"][0]))


def report(ledger: Ledger, network: str) -> str | None:
    by = ledger.of(PART, network)
    if not by:
        return None
    rows = []
    for who, lines in by.items():
        kinds = list(zip(*map(_percent, lines), strict=True))
        rows.append(
            (
                who,
                f"{statistics.median(line['seconds'] for line in lines):.1f}",
                times(by.get("ART"), lines),
                *(" ".join(f"{value:.1f}" for value in kind) for kind in kinds),
                *(f"{statistics.mean(kind):.1f}" for kind in kinds),
            )
        )
    headers = [
        "PGD-7",
        "s / epoch",
        "× ART",
        "clean %, by seed",
        "robust %, by seed",
        "clean %, mean",
        "robust %, mean",
    ]
    first = next(iter(by.values()))
    return "\n".join(
        [
            f"### One epoch of adversarial training on {first[0]['n']} images, judged on {first[0]['judged']}",
            "",
            table(headers, rows),
            "",
            busy(by, ledger.get("ground", network, "settings")["threads"]),
        ]
    )
