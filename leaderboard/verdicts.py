"""Records → the verdict of every row of a grid: what each check says of each network, tested on its stored counts.

Every test is exact and binomial at α = .001: are more images found than chance would find if the truth were ALLOWED,
one point of the test images? A check that a run has to make is missing until it has been made at its full size; what
the records themselves show (the audits of sweeps, artifacts beside their twins) can be suspect without.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from benchmark.claims import Row
from benchmark.types import Grid, Suite
from benchmark.verification import KINDS, TRAINED, TRANSFER, Kind, others
from leaderboard.checked import Check, Checked
from leaderboard.deployed import Deployments
from leaderboard.match import Place, Record
from leaderboard.rate import Rate, at_least
from leaderboard.significance import headlines, rows
from leaderboard.statistics import SMALLEST_P
from leaderboard.verdict import Finding, Verdict, verdict
from leaderboard.wording import signed

CHANCE = 0.025  # one-sided: clean accuracy is shown to be above chance if, at chance, it is no more likely than this
NOT_ASKED, NOT_MADE = "verify: none", "every check is missing"
RANDOM = "its answers are random, and not judged on the mean of 100 passes or more"
Said = tuple[str, str, str, str]  # the reason if it is suspect, else empty; numbers; test; power


def verdicts(
    suite: Suite,
    grid: Grid,
    found: Mapping[Place, Record],
    deployments: Iterable[Deployments] = (),
    checked: Checked | None = None,
) -> dict[Row, Verdict]:
    """By row. found: the records of the grid's networks; deployments: what is known of their artifacts, by runtime."""
    networks: dict[tuple[Row, int], list[Record]] = {}
    for (_, compression, training, seed, *_), record in found.items():
        networks.setdefault(((compression, training), seed), []).append(record)
    checked, deployments = checked or Checked(grid, found), list(deployments)
    judged = {}
    for row in rows(grid):
        findings: list[Finding] = []
        for seed in suite.seeds:
            records = networks.get((row, seed), [])
            if checked.of(row, seed):
                findings += _made(grid, row, seed, checked)
            else:
                reason = NOT_ASKED if grid.verify == "none" else NOT_MADE
                findings.append(Finding("verify", seed, "missing", reason))
                findings += [_above_chance(seed, record) for record in records[:1]]
            findings += _swept(seed, records)
        findings += _deployed(row, suite, deployments, any(checked.of(row, seed) for seed in suite.seeds))
        judged[row] = verdict(findings, len(suite.seeds))
    return judged


def _made(grid: Grid, row: Row, seed: int, checked: Checked) -> Iterator[Finding]:
    """A finding for every check that applies to a network."""
    compression = next(one for one in grid.compressions if one.name == row[0])
    training = next(one for one in grid.trainings if one.name == row[1])
    norms = [measure.norm for measure in headlines(grid)]
    for kind in KINDS:
        if kind.name == TRANSFER and not others(grid, compression, training):
            lone = "no other network to take examples from, so never sound"
            yield from (Finding(kind.name, seed, "missing", lone, norm=norm) for norm in norms)
            continue
        for norm in [None] if kind.whole else norms:
            check = checked.one(row, seed, kind.name, norm)
            if norm and norm not in kind.norms:
                yield Finding(
                    kind.name, seed, "missing", f"no {kind.name} check for ℓ{norm}, so never sound", norm=norm
                )
            elif check is None:
                yield Finding(kind.name, seed, "missing", f"{kind.name} is missing", norm=norm)
            elif reason := checked.invalid(kind, check):
                yield Finding(kind.name, seed, "missing", f"{kind.name} is missing: {reason}", norm=norm)
            else:
                yield _finding(kind, seed, norm, check)


def _finding(kind: Kind, seed: int, norm: str | None, check: Check) -> Finding:
    reason, *shown = SAYS[kind.name](check)
    word = "suspect" if reason else "passed"
    if not reason:
        reason = _untold(check) if kind.name == TRAINED else ""
        reason = check["level"] if check["level"] != "full" else reason
        word = "missing" if reason else word
    return Finding(kind.name, seed, word, reason, *shown, norm=norm)


def _loss(reason: str) -> Callable[[Check], Said]:
    """More broken than a point of the test images."""

    def say(check: Check) -> Said:
        rate = rate_of(check)
        more = f" of {rate.standing} that stand" if rate.standing > rate.examined else ""
        numbers = f"{rate.found} of {rate.examined}{more}: {signed(-rate.share)} points{', estimated' * bool(more)}"
        control, known = check["facts"].get("control", {"asked": 0}), ""
        if control["asked"]:
            known = f"; breaks {control['found']} of {control['asked']} that the row's own attacks break"
        return reason if rate.over else "", numbers, chance(rate.p), power(rate) + known

    return say


def _unbounded(check: Check) -> Said:
    stood = check["examined"] - check["found"]
    rate = Rate(stood, check["examined"], check["examined"], check["examined"])
    reason = "images survive an unbounded attack" if rate.over else ""
    return reason, f"{stood} of {check['examined']} survive", chance(rate.p), power(rate)


def _random(check: Check) -> Said:
    reason = RANDOM if check["found"] else ""
    return reason, f"{check['found']} of {check['examined']} answered otherwise", "none may", ""


def _blind(check: Check) -> Said:
    return "", f"{check['found']} of {check['examined']} without a gradient", "none: more restarts", ""


def _trained(check: Check) -> Said:
    facts = check["facts"]
    p = at_least(check["standing"], check["n"], facts["commonest"] / check["n"])
    wrong = ["not shown to be above chance"] * (p > CHANCE)
    wrong += ["collapsed, one answer to every image"] * (facts["answers"] == 1)
    numbers = [f"clean {check['standing']} of {check['n']}, chance {facts['commonest']}"]
    for training in facts["trainings"]:
        if len(training["losses"]) == 2:
            first, last = training["losses"]
            # fine-tuning may begin where the loss is as low as it gets
            wrong += ["its loss did not fall"] * (training["fresh"] and not last < first)
            numbers.append(f"{'loss' if training['fresh'] else 'then'} {first:.3g} → {last:.3g}")
    wrong += ["not compressed as it says"] * bool(facts["broken_promises"])
    return "; ".join(wrong), "; ".join(numbers + facts["broken_promises"]), chance(p), ""


SAYS: Mapping[str, Callable[[Check], Said]] = {
    "zero gradient": _blind,
    "strong rerun": _loss("a stronger attack breaks more"),
    "gradient-free": _loss("an attack without gradients breaks more"),
    "transfer": _loss("examples of other networks break more"),
    "single step": _loss("a single step breaks what the attacks did not"),
    "unbounded": _unbounded,
    "random": _random,
    TRAINED: _trained,
}


def _untold(check: Check) -> str:
    """What a trained check has not seen: one epoch's loss is no course, and stands for itself."""
    fresh = [training for training in check["facts"]["trainings"] if training["fresh"] and training["epochs"] > 1]
    return "" if all(training["losses"] for training in fresh) else "its training tells no loss"


def rate_of(check: Check) -> Rate:
    return Rate(*(check[name] for name in ("found", "examined", "standing", "n")))


def chance(p: float) -> str:
    """A p-value; how far below SMALLEST_P it lies says nothing."""
    return f"p = {p:.2g}" if p > SMALLEST_P else f"p < {SMALLEST_P:g}"


def power(rate: Rate) -> str:
    """What a test would have found."""
    least = rate.detectable
    return "too few to find fault" if least is None else f"finds {100 * least:.1f} points"


def _above_chance(seed: int, record: Record) -> Finding:
    """Of a network without checks: whether clean accuracy is above that of always naming the commonest class."""
    n, commonest = record["n"], max(record["per_class"]["n"])
    facts = {"commonest": commonest, "answers": 0, "trainings": [], "broken_promises": []}
    reason, *shown = _trained({"standing": record["clean_correct"], "n": n, "facts": facts})
    return Finding(TRAINED, seed, "suspect" if reason else "passed", reason, *shown)


def _swept(seed: int, records: list[Record]) -> Iterator[Finding]:
    """What the audits of sweeps over ε found: that a larger ball spares what a smaller one breaks.

    An outcome that was implied and never audited certifies nothing.
    """
    audits: dict[str, dict[str, dict[str, Any]]] = {}
    unaudited = set()
    for record in records:
        if record["audit"]:
            audits.setdefault(record["norm"], {})[record["keys"]["craft"]] = record["audit"]
        elif record["implied"]:
            unaudited.add(record["norm"])
    for norm in unaudited:
        yield Finding("sweep", seed, "missing", "outcomes are implied, and not audited", norm=norm)
    for norm, found in audits.items():
        fell = any(audit["independent"] for audit in found.values())
        pairs, broken = (sum(audit[name] for audit in found.values()) for name in ("pairs", "broken"))
        word, reason = ("suspect", "not monotone in ε") if fell else ("passed", "")
        numbers = f"{broken} of {pairs} implied pairs broken"
        yield Finding("sweep", seed, word, reason, numbers, "at most 1 of an attack", norm=norm)


def _deployed(row: Row, suite: Suite, deployments: list[Deployments], required: bool) -> Iterator[Finding]:
    """Twin and artifact: the 99.9 % interval of their difference, clean and on replayed examples, of each network.

    Suspect where one lies wholly outside of ±1 point.
    """
    for one in deployments:
        for other in (other for other in one.rows if other.name == row):
            gaps = [gap for of in (other.clean_gaps, *other.gaps.values()) for gap in of]
            widest = max(gaps, key=lambda gap: abs(gap.difference), default=None)
            numbers = widest and f"{one.runtime}: {100 * widest.difference:+.1f} points at most"
            finds = f"finds {100 * max(gap.detectable for gap in gaps):.1f} points" if gaps else ""
            lacking = required and any(len(of) < len(suite.seeds) for of in (other.clean_gaps, *other.gaps.values()))
            word, reason = "passed", ""
            if other.differs:
                word, reason = "suspect", f"twin and artifact differ on {one.runtime}"
            elif lacking:
                word, reason = "missing", f"not replayed on {one.runtime}"
            for seed in suite.seeds if widest or lacking else ():
                yield Finding("deployed", seed, word, reason, numbers or "", "99.9 % interval reaches ±1 point", finds)
