"""Does the batch size move the robust accuracy? PGD in `decide` mode, in fp32 and bf16: `--only batches`."""

from tests.speed.grounds import Ground
from tests.speed.ledger import Ledger, differing
from tests.speed.peers import ours
from tests.speed.tables import robust, table, total
from tests.speed.walk import crafting, interleaved

PART = "batches"
SIZES = (17, 128, 1000)
PRECISIONS = ("fp32", "bf16")


def run(ledger: Ledger, ground: Ground, options) -> None:
    network, n = ground.adversarial, min(options.subset, ground.examples)
    ways = {
        f"{precision}, {size}": crafting(ours("decide", precision, size), ground, network, ground.setting.eps)
        for precision in PRECISIONS
        for size in SIZES
    }
    interleaved(ledger, PART, ground, network, ways, n, n)  # one chunk, so that no batch is cut short


def report(ledger: Ledger, network: str) -> str | None:
    by = ledger.of(PART, network)
    if not by:
        return None
    rows = []
    for precision in PRECISIONS:
        lines = [by[f"{precision}, {size}"] for size in SIZES]
        found = [robust(line) for line in lines]
        moved = max(differing(lines[0], other)[1] for other in lines[1:])
        rows.append((precision, *(f"{value:.2f}" for value in found), f"{max(found) - min(found):.2f}", str(moved)))
    n = total(next(iter(by.values())), "n")
    headers = ["robust %, by batch size", *map(str, SIZES), "points apart", "outcomes that differ, at most"]
    return f"### Batch sizes, decide, {n} images\n\n" + table(headers, rows)
