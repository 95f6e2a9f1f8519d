"""Does the sweep end as eight independent fp32 runs do, on every example of every kind of network? `--only agreement`.

And on a network whose gradients are masked, where it would not: does the craft stage notice, and fall back?
"""

import hashlib
from dataclasses import replace

import torch

from benchmark.outcomes import bitmap, pack, unpack
from benchmark.source import code
from benchmark.stages import sweep
from benchmark.types import JudgeTask, Stage, canonical
from tests.speed import checks
from tests.speed.curve import staged
from tests.speed.grounds import VARIANTS, Ground
from tests.speed.ledger import Ledger, differing
from tests.speed.tables import pace, robust, table, total
from tests.speed.walk import interleaved

PART = "agreement"
SWEPT, ALONE = "swept", "independent, fp32"


def run(ledger: Ledger, ground: Ground, options) -> None:
    few = replace(ground, examples=min(options.subset, ground.examples))
    for variant in ground.setting.variants:
        name, network = f"{ground.name}: {variant}", few.network(variant)
        precision = "fp32" if variant == "int8" else few.precision  # as the stages do
        ways = {
            SWEPT: staged(sweep.swept, few, network, precision),
            ALONE: staged(sweep.independent, few, network, "fp32"),
        }
        interleaved(ledger, PART, few, network, ways, options.chunk, name=name)
        lines = ledger.of(PART, name)
        checks.audit(ledger, PART, name, few, network, precision, lines[SWEPT], options.chunk)
        if variant == "masked" and not ledger.get(f"{PART}: stage", name, "stage"):
            fell_back, outcomes = _by_the_stage(few, variant)
            bits = [torch.tensor(unpack(packed, few.examples))[few.order()].tolist() for packed in outcomes]
            ledger.add(
                f"{PART}: stage",
                name,
                "stage",
                0,
                n=few.examples,
                fell_back=fell_back,
                robust=[pack(at_eps) for at_eps in bits],
            )


def _by_the_stage(ground: Ground, variant: str) -> tuple[bool, list[str]]:
    """Whether the craft stage gave the sweep up, and the judge stage's outcomes (with clean) of what it then made."""
    stages = ground.stages(variant)
    task = checks.task(ground, ground.setting.curve, ground.precision)
    judging = JudgeTask(task.dataset, task.limit)
    network = ("network", stages[-1].key)
    craft = _stage("craft", task, (network,))
    judge = _stage("judge", judging, (network, ("craft", craft.key)))
    clean = _stage("judge", judging, (network,))
    ground.ensure([*stages, craft, clean, judge])
    right = ground.place.store.result(clean.key)["correct"][0]
    stood = ground.place.store.result(judge.key)["correct"]
    both = [
        [a and b for a, b in zip(unpack(right, ground.examples), unpack(one, ground.examples), strict=True)]
        for one in stood
    ]
    return ground.place.store.result(craft.key)["audit"]["independent"], [pack(bits) for bits in both]


def _stage(kind: str, task, inputs: tuple[tuple[str, str], ...]) -> Stage:
    """A stage that is run again when our code has changed: it is what is looked at here."""
    described = {"kind": kind, "code": code(kind), "task": repr(task), "inputs": inputs}
    key = hashlib.sha256(canonical(described).encode()).hexdigest()[:32]
    return Stage(kind, key, f"{kind} by the stage", task, inputs, described)


def report(ledger: Ledger, network: str) -> str | None:
    rows, notes = [], []
    for variant in VARIANTS:
        name = f"{network}: {variant}"
        by = ledger.of(PART, name)
        audit = ledger.get(f"{PART}: audit", name, "audit")
        if not audit:
            continue
        outcomes, different = differing(by[SWEPT], by[ALONE])
        rows.append(
            (
                variant,
                str(total(by[SWEPT], "n")),
                f"{different} of {outcomes}",
                " ".join(f"{robust(by[ALONE], place):.0f}" for place in range(len(by[ALONE][0]["robust"]))),
                f"{audit['broken']} of {audit['pairs']}",
                "falls back" if audit["independent"] else "holds",
                *(f"{total(by[who], 'gradients') / total(by[who], 'n'):.1f}" for who in (SWEPT, ALONE)),
                f"{pace(by[ALONE]) / pace(by[SWEPT]):.1f}",
            )
        )
        if stage := ledger.get(f"{PART}: stage", name, "stage"):
            notes.append(_of_the_stage(stage, by[ALONE]))
    if not rows:
        return None
    headers = [
        "network",
        "images",
        "outcomes that differ",
        "robust %, largest ε first",
        "audit: broken",
        "so the sweep",
    ]
    headers += ["gradients each, swept", "independent", "× faster"]
    return "\n".join(["### The sweep against eight independent fp32 runs", "", table(headers, rows), "", *notes])


def _of_the_stage(stage: dict, alone: list[dict]) -> str:
    """What the craft stage made of the masked network, against the independent runs."""
    n, different = stage["n"], 0
    for at, packed in enumerate(stage["robust"]):
        bits = [bit for line in alone for bit in unpack(line["robust"][at], line["n"])]
        different += (bitmap(packed, n) ^ bitmap(pack(bits), n)).bit_count()
    said = "gave the sweep up and ran every ε by itself" if stage["fell_back"] else "did NOT give the sweep up"
    return (
        f"The craft stage {said} on the masked network; {different} of {n * len(stage['robust'])} of its outcomes "
        "differ from the independent runs'."
    )
