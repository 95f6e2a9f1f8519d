"""What makes the fast path honest, timed apart from it: the sweep's audit, and the survivors attacked again in fp32."""

import torch

from benchmark.outcomes import unpack
from benchmark.stages import recheck as stage
from benchmark.stages import sweep
from benchmark.stages.network import Network
from benchmark.stages.propose import Proposer
from benchmark.types import CraftTask
from tests.speed.grounds import Ground, recipe
from tests.speed.ledger import Ledger, Line
from tests.speed.peers import STEP_RATIO
from tests.speed.tables import total
from tests.speed.walk import timed
from tests.speed.words import say


def task(ground: Ground, eps: tuple[float, ...], precision: str) -> CraftTask:
    """PGD of the built-in plugin in `decide` mode."""
    attack = recipe("attack", "pgd", loss="ce", restarts=1, step_ratio=STEP_RATIO, steps=ground.steps)
    return CraftTask(ground.setting.dataset, ground.examples, attack, "inf", eps, "decide", 0, precision=precision)


def proposer(ground: Ground, network: Network, eps: tuple[float, ...], precision: str) -> Proposer:
    """The stages' own, for that task."""
    return Proposer(task(ground, eps, precision), ground.place, network, ground.data, precision)


def places(ground: Ground, lines: list[Line], what: str, at: int) -> torch.Tensor:
    """The test images that a packed outcome of a walk's lines, at the ε in place `at`, is true of."""
    bits = [bit for line in lines for bit in unpack(line[what][at], line["n"])]
    return ground.order(len(bits))[torch.tensor(bits, dtype=torch.bool)].sort().values


def recheck(ledger: Ledger, part: str, ground: Ground, eps: tuple[float, ...], lines: list[Line], chunk: int) -> None:
    """Attack survivors of what was crafted in bf16 again, in bf16 and in fp32 from equal starts."""
    network, precision = ground.adversarial, ground.precision
    if precision == "fp32" or ledger.get(f"{part}: recheck", ground.name, "recheck"):
        return
    narrow, wide = (proposer(ground, network, eps, name) for name in ("bf16", "fp32"))
    survivors = places(ground, lines, "robust", stage.headline(wide.task))
    with timed(ground.device) as timing:
        tensors, _ = stage.rechecked(narrow, wide, survivors, chunk)
    found = stage.report(tensors, wide.task, sum(line["n"] for line in lines))
    ledger.add(f"{part}: recheck", ground.name, "recheck", 0, seconds=timing.seconds, cpu=timing.cpu, **found)
    say(f"{part}, {ground.name}: re-check in fp32 {timing.seconds:.1f} s")


def audit(
    ledger: Ledger,
    part: str,
    name: str,
    ground: Ground,
    network: Network,
    precision: str,
    lines: list[Line],
    chunk: int,
) -> None:
    """Attack a sample of what a sweep implied on its own."""
    if ledger.get(f"{part}: audit", name, "audit"):
        return
    asked = proposer(ground, network, ground.setting.curve, precision)
    implied = [places(ground, lines, "implied", at) for at in range(len(ground.setting.curve))]
    with timed(ground.device) as timing:
        found, counts = sweep.audited(asked, implied, chunk)
    ledger.add(
        f"{part}: audit",
        name,
        "audit",
        0,
        seconds=timing.seconds,
        cpu=timing.cpu,
        pairs=-sum(count.implied for count in counts),
        broken=len(found["eps"]),
        independent=len(found["eps"]) > sweep.ALLOWED,
    )
    say(f"{part}, {name}: audit {timing.seconds:.1f} s, {len(found['eps'])} broken")


def rechecked(ledger: Ledger, part: str, network: str, lines: list[Line] | None) -> list[str]:
    """The report's sentence on a re-check."""
    found = ledger.get(f"{part}: recheck", network, "recheck")
    if not found or not lines:
        return []
    share = 100 * found["seconds"] / total(lines, "seconds")
    return [
        f"Re-check, apart: {found['sampled']} of {found['survivors']} survivors at ε {found['eps']:.4g} attacked again "
        f"in both precisions in {found['seconds']:.1f} s ({share:.0f} % of the crafting); bf16 broke {found['bf16']}, "
        f"fp32 {found['fp32']}{': all of it would be redone in fp32' if found['redone'] else ''}."
    ]


def audited(ledger: Ledger, part: str, network: str, lines: list[Line]) -> list[str]:
    """The report's sentence on an audit."""
    found = ledger.get(f"{part}: audit", network, "audit")
    if not found:
        return []
    return [
        f"Audit, apart: {found['pairs']} implied pairs attacked on their own in {found['seconds']:.1f} s "
        f"({100 * found['seconds'] / total(lines, 'seconds'):.0f} % of the sweep); {found['broken']} broke."
    ]
