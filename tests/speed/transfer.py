"""How much do examples that stop at their first success flatter another network? `--only transfer`.

Crafted on the adversarially trained network, judged on the one that pruning and fine-tuning made of it.
"""

from tests.speed.grounds import Ground
from tests.speed.ledger import Ledger
from tests.speed.peers import ours
from tests.speed.tables import robust, table, total
from tests.speed.walk import crafting, interleaved

PART = "transfer"
WAYS = {"every step, best point (examples)": "examples", "stopped at the first success (decide)": "decide"}
WHITE = "white-box on the target (decide)"


def run(ledger: Ledger, ground: Ground, options) -> None:
    source, target, eps = ground.adversarial, ground.network("pruned"), ground.setting.eps
    ways = {who: crafting(ours(mode, "fp32"), ground, source, eps) for who, mode in WAYS.items()}
    ways[WHITE] = crafting(ours("decide", "fp32"), ground, target, eps)
    interleaved(ledger, PART, ground, target, ways, options.chunk, min(options.subset, ground.examples))


def report(ledger: Ledger, network: str) -> str | None:
    by = ledger.of(PART, network)
    if not by:
        return None
    rows = [(who, f"{robust(lines):.1f}") for who, lines in by.items()]
    early, every = (robust(by[who]) for who in reversed(WAYS))
    n = total(next(iter(by.values())), "n")
    return "\n".join(
        [
            f"### Transfer: crafted on the dense network, judged on the pruned one, {n} images",
            "",
            table(["examples", "robust % of the target"], rows),
            "",
            f"Early-stopped examples flatter the target by {early - every:.1f} points.",
        ]
    )
