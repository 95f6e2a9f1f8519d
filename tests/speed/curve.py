"""Eight ε: our sweep, our independent runs, and everybody's loop over ε on the same images: `--only curve`."""

import torch

from benchmark.stages import sweep
from benchmark.stages.network import Network
from tests.speed import checks
from tests.speed.grounds import Ground
from tests.speed.ledger import Ledger, Line, differing
from tests.speed.peers import PEERS
from tests.speed.tables import busy, fastest, pace, rivals_of, robust, table, times, total
from tests.speed.walk import Made, Way, crafting, interleaved

PART = "curve"
SWEPT, INDEPENDENT = "ours, swept", "ours, independent"


def staged(make, ground: Ground, network: Network, precision: str) -> Way:
    """`sweep.swept` or `sweep.independent` as the craft stage runs them."""

    def way(index: torch.Tensor, number: int) -> Made:
        curve = ground.setting.curve
        made, counts = make(checks.proposer(ground, network, curve, precision), index, number)
        examples = [made[f"examples-{at}"] for at in range(len(curve))]
        implied = [made[f"implied-{at}"] for at in range(len(curve)) if f"implied-{at}" in made]
        return Made(examples, sum(count.backward for count in counts), implied)

    return way


def run(ledger: Ledger, ground: Ground, options) -> None:
    network, precision = ground.adversarial, ground.precision
    ours = {
        SWEPT: staged(sweep.swept, ground, network, precision),
        INDEPENDENT: staged(sweep.independent, ground, network, precision),
    }
    peers = {who: crafting(craft, ground, network, *ground.setting.curve) for who, craft in PEERS.items()}
    rivals = {who: peers[who] for who in rivals_of(ledger.of("one", ground.name)) or peers}
    most = min(options.curve_examples, ground.examples)
    raced = min(options.rival_examples or most, most)
    interleaved(ledger, PART, ground, network, ours | peers, options.chunk, min(options.subset, raced))
    interleaved(ledger, PART, ground, network, ours | rivals, options.chunk, raced)
    interleaved(ledger, PART, ground, network, ours, options.chunk, most)
    swept = ledger.of(PART, ground.name)[SWEPT]
    checks.audit(ledger, PART, ground.name, ground, network, precision, swept, options.chunk)
    checks.recheck(ledger, PART, ground, ground.setting.curve, swept, options.chunk)


def report(ledger: Ledger, network: str) -> str | None:
    by = ledger.of(PART, network)
    if SWEPT not in by:
        return None
    settings = ledger.get("ground", network, "settings")
    curve = settings["curve"]
    middle = len(curve) // 2  # of the descending list, the lower middle one
    rows = [
        (
            who,
            str(total(lines, "n")),
            f"{pace(lines):.2f}",
            f"{total(lines, 'seconds'):.1f}",
            times(by.get("ART"), lines),
            times(fastest(by), lines),
            *(f"{robust(lines, at):.1f}" for at in (0, middle, len(curve) - 1)),
            f"{total(lines, 'gradients') / total(lines, 'n'):.1f}",
        )
        for who, lines in by.items()
    ]
    headers = ["eight ε", "images", "s / 1,000", "s in all", "× ART", "× fastest peer"]
    headers += [*(f"robust % at {curve[at]:.3g}" for at in (0, middle, len(curve) - 1)), "gradients each"]
    total_outcomes, different = differing(by[SWEPT], by.get(INDEPENDENT, []))
    n, steps = total(by[SWEPT], "n"), settings["steps"]
    return "\n".join(
        [
            f"### A curve of {len(curve)} ε from {curve[0]:.4g} down to {curve[-1]:.4g}, PGD-{steps}, {n} images",
            "",
            table(headers, rows),
            "",
            f"Swept against independent: {different} of {total_outcomes} outcomes differ.",
            *_apart(by),
            *checks.audited(ledger, PART, network, by[SWEPT]),
            *checks.rechecked(ledger, PART, network, by[SWEPT]),
            busy(by, settings["threads"]),
        ]
    )


def _apart(by: dict[str, list[Line]]) -> list[str]:
    """How far everybody's robust accuracy is from the sweep's, on the chunks that both have."""
    ours, told = {line["chunk"]: line for line in by[SWEPT]}, []
    for who, lines in by.items():
        same = [ours[line["chunk"]] for line in lines if line["chunk"] in ours]
        apart = [robust(lines, at) - robust(same, at) for at in range(len(lines[0]["robust"]))]
        told += [f"{who} {min(apart):+.2f} to {max(apart):+.2f}"] * (who not in (SWEPT, INDEPENDENT))
    return [f"Robust accuracy less the sweep's over the ε, on the same images, in points: {', '.join(told)}."]
