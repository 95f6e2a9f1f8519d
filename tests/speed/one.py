"""PGD at one ε, by everybody: `--only one`."""

from tests.speed import checks, roofline
from tests.speed.grounds import Ground
from tests.speed.ledger import Ledger
from tests.speed.peers import BATCH, EVERYBODY, PEERS
from tests.speed.tables import busy, fastest, pace, rivals_of, robust, table, times, total
from tests.speed.walk import crafting, interleaved

PART = "one"


def run(ledger: Ledger, ground: Ground, options) -> None:
    network, eps = ground.adversarial, ground.setting.eps
    ways = {who: crafting(craft, ground, network, eps) for who, craft in EVERYBODY.items()}
    settings = {"beside": lambda number: roofline.sample(ledger, ground, number)}
    interleaved(ledger, PART, ground, network, ways, options.chunk, min(options.subset, ground.examples), **settings)
    rivals = rivals_of(ledger.of(PART, ground.name))
    racing = {who: way for who, way in ways.items() if who in rivals or who not in PEERS}
    interleaved(ledger, PART, ground, network, racing, options.chunk, **settings)
    checks.recheck(ledger, PART, ground, (eps,), ledger.of(PART, ground.name)["ours, decide"], options.chunk)


def report(ledger: Ledger, network: str) -> str | None:
    by = ledger.of(PART, network)
    if not by:
        return None
    settings = ledger.get("ground", network, "settings")
    rates = roofline.peaks(ledger, network)
    rows = [
        (
            who,
            str(total(lines, "n")),
            f"{pace(lines):.2f}",
            f"{total(lines, 'seconds'):.1f}",
            times(by.get("ART"), lines),
            times(fastest(by), lines),
            f"{robust(lines):.1f}",
            f"{total(lines, 'gradients') / total(lines, 'n'):.1f}",
            *roofline.shares(lines, settings["macs"], rates),
        )
        for who, lines in by.items()
    ]
    headers = [
        f"PGD-{settings['steps']}",
        "images",
        "s / 1,000",
        "s in all",
        "× ART",
        "× fastest peer",
        "robust %",
        "gradients each",
    ]
    headers += [f"% of {name} peak" for name in roofline.TYPES]
    n = max(total(lines, "n") for lines in by.values())
    measured = ", ".join(f"{name} {rate / 1e9:.0f} GFLOP/s" for name, rate in rates.items())
    return "\n".join(
        [
            f"### PGD-{settings['steps']} at ε {settings['eps']:.4g}, one random start, {n} images, batches of {BATCH}",
            "",
            table(headers, rows),
            "",
            f"Peak: one large matrix product ({measured}); a gradient is 2 × {settings['macs']:,} MACs (forward and to "
            "the input).",
            *checks.rechecked(ledger, PART, network, by.get("ours, decide")),
            busy(by, settings["threads"]),
        ]
    )
