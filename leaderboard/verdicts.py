"""Records → the verdict of every row of a grid: each check's finding on each network, from what is stored of it.

A check that a run has to make is missing until it has been made; the others need no more than the records.
"""

from collections.abc import Iterable, Iterator, Mapping

from scipy.special import bdtrc

from benchmark.claims import Row
from benchmark.types import Grid, Suite
from leaderboard.deployed import Deployments
from leaderboard.match import Place, Record
from leaderboard.significance import rows
from leaderboard.verdict import Finding, Verdict, verdict

CHANCE = 0.025  # one-sided: a network is at chance unless clean accuracy this improbable says that it is not
NEVER_RUN = "no checks have run"


def verdicts(
    suite: Suite, grid: Grid, found: Mapping[Place, Record], deployments: Iterable[Deployments] = ()
) -> dict[Row, Verdict]:
    """By row. found: the records of the grid's networks; deployments: what is known of their artifacts, by runtime."""
    networks: dict[tuple[Row, int], list[Record]] = {}
    for (_, compression, training, seed, *_), record in found.items():
        networks.setdefault(((compression, training), seed), []).append(record)
    deployments = list(deployments)
    judged = {}
    for row in rows(grid):
        findings = [*_deployed(row, suite, deployments)]
        for seed in suite.seeds:
            findings += _network(seed, networks.get((row, seed), []))
        judged[row] = verdict(findings, len(suite.seeds))
    return judged


def _network(seed: int, records: list[Record]) -> Iterator[Finding]:
    yield Finding("checks", seed, "missing", NEVER_RUN)
    if records:
        yield _trained(seed, records[0])
        yield from _swept(seed, records)


def _trained(seed: int, record: Record) -> Finding:
    """Whether clean accuracy is above that of always naming the commonest class."""
    n, correct = record["n"], record["clean_correct"]
    share = max(record["per_class"]["n"]) / n
    p = at_least(correct, n, share)
    word, reason = ("suspect", "a network at chance") if p > CHANCE else ("passed", "")
    return Finding("trained", seed, word, reason, f"clean {correct} of {n}, chance {share:.3f}", f"p = {p:.2g}")


def _swept(seed: int, records: list[Record]) -> Iterator[Finding]:
    """What the audits of sweeps over ε found: that a larger ball spares what a smaller one breaks."""
    audits = {record["keys"]["craft"]: record["audit"] for record in records if record["audit"]}
    if audits:
        fell = any(audit["independent"] for audit in audits.values())
        pairs, broken = (sum(audit[name] for audit in audits.values()) for name in ("pairs", "broken"))
        word, reason = ("suspect", "not monotone in ε") if fell else ("passed", "")
        yield Finding(
            "sweep", seed, word, reason, f"{broken} of {pairs} implied pairs broken", "2 or more of an attack"
        )


def _deployed(row: Row, suite: Suite, deployments: list[Deployments]) -> Iterator[Finding]:
    for one in deployments:
        for other in one.rows:
            if other.name == row and other.differs:
                for seed in suite.seeds:
                    yield Finding("deployed", seed, "suspect", f"twin and artifact differ on {one.runtime}")


def at_least(k: int, m: int, share: float) -> float:
    """The chance of `k` or more among `m` that are each hit with probability `share`."""
    return float(bdtrc(k - 1, m, share)) if k else 1.0
